"""The command `ci`: what the Action runs; works outside GitHub too."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm_eval_so.terminal.command import BaselineFile, CommandLine, DryRun, command

if TYPE_CHECKING:
    from threading import Event

    from lm_eval_so.core.config.model import Config
    from lm_eval_so.errors import Problem
    from lm_eval_so.pipeline.check import Stage
    from lm_eval_so.pipeline.ci import Done, Surroundings
    from lm_eval_so.pipeline.measure import Plan
    from lm_eval_so.terminal.session import Session

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="REPORTS", help="Folder of reports; default: report.out."),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Ask all anew, even where an earlier ci was interrupted."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Values of the options of `ci` alone."""

    baseline: Path | None
    reports: Path | None
    fresh: bool
    dry_run: bool


@command(app)
def ci(
    line: CommandLine,
    baseline: BaselineFile = None,
    out: Out = None,
    fresh: Fresh = False,
    dry_run: DryRun = False,
) -> int:
    """Do it all, from sources to verdict. On GitHub comment, too.

    Generate if need be, run, evaluate, compare, report.

    Example: lm-eval-so ci -c lm-eval-so.yaml
    """
    from threading import Event

    from lm_eval_so.pipeline.github.unmeasured import Asked, told_if_unmeasured

    given = Given(baseline=baseline, reports=out, fresh=fresh, dry_run=dry_run)
    if os.environ.get("GITHUB_ACTIONS") != "true" or dry_run:
        return _ci(line, given, Event())
    asked = Asked(
        environ=dict(os.environ),
        config=line.config,
        overrides=line.config_overrides,
        listener=line.open_progress(os.environ).listen,
    )
    with told_if_unmeasured(asked) as has_result:
        return _ci(line, given, has_result)


def _ci(line: CommandLine, given: Given, has_result: "Event") -> int:
    from dataclasses import replace
    from functools import partial

    from lm_eval_so.core.config.load import whole
    from lm_eval_so.pipeline import ci as stage
    from lm_eval_so.pipeline.check import tell_gate
    from lm_eval_so.pipeline.github.target_url import target_override
    from lm_eval_so.pipeline.measure import Plan
    from lm_eval_so.terminal.session import open_session

    event = stage.read_surroundings(dict(os.environ))
    if inputs := event.inputs:
        overrides = [*inputs.overrides, *(line.overrides or ())]
        line = replace(line, config=inputs.config_or(line.config), overrides=overrides)
    target = None
    if inputs and inputs.target_url:
        target = target_override(
            inputs.target_url,
            line.config,
            overrides=line.overrides or (),
            plugins=line.plugins or (),
            environ=event.environ,
            runs_code=stage.may_run_code(event),
        )

    plans: list[Plan] = []
    find = partial(_find, plans, event=event, given=given)
    session = open_session(line, rewritten=[target] if target else [], environ=event.environ)
    if reason := stage.skip_reason(session.config, event):
        whole(session.read)  # a file with mistakes is told even where nothing is measured
        return _end(session, stage.tell_skipped(session.resources(), reason))
    session = session.with_plugins(find)
    found, plan = session.config, plans[0]
    for told in tell_gate(found):
        session.progress.listen(told)
    if given.dry_run:
        return _plan(session, plan)
    again = None  # in the Action its next run is
    if not inputs:
        language = line.language and line.language.value
        options = {"-o": given.reports, "--baseline": given.baseline, "--language": language}
        again = line.again("ci", options)
    done = session.run(
        lambda r: stage.measure_and_tell(found, replace(r, again=again), plan, event, has_result)
    )
    return _end(session, done)


def _find(
    plans: "list[Plan]",
    found: "Config",
    environ: Mapping[str, str],
    *,
    event: "Surroundings",
    given: Given,
) -> Iterator["Problem"]:
    """Find all that is wrong; `plans` gets the plan, made once: it may ask GitHub for the baseline."""
    from lm_eval_so.core.files import folder_problems
    from lm_eval_so.pipeline import ci as stage
    from lm_eval_so.pipeline.check import check
    from lm_eval_so.runner.run import run_folder

    needs: set[Stage] = {"run", "evaluate"}
    needs |= {"generate"} if stage.makes_dataset(found, event.inputs) else set()
    yield from check(found, environ, needs=needs)
    if found.backend is None:  # told by now, and there is no run to write
        return
    if event.inputs:
        plan = stage.action_plan(found, event, baseline=given.baseline, fresh=given.fresh)
    else:
        plan = stage.local_plan(
            found,
            event,
            run=run_folder(found),
            reports=given.reports,
            baseline=given.baseline,
            fresh=given.fresh,
        )
    plans.append(plan)
    outside = stage.outside_problems(found, plan, event)
    yield from outside
    if not given.dry_run and not outside:  # what is outside is not even tried
        yield from folder_problems([plan.run, plan.reports])


def _plan(session: "Session", plan: "Plan") -> int:
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.pipeline.measure import for_verdict
    from lm_eval_so.runner.run import plan_run

    verdict = for_verdict(session.config, plan)
    planned = session.run(
        lambda r: plan_run(session.config, r, out=plan.run, fresh=plan.fresh, verdict=verdict)
    )
    session.line.emit_facts(to_json(planned))
    return 0


def _end(session: "Session", done: "Done") -> int:
    import sys

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.terminal.github_log import write_command

    session.progress.close()
    for line in done.told.annotations if done.told else ():
        write_command(sys.stderr, line)
    measured = done.measured
    session.line.emit(
        paths=measured.files if measured else (),
        result=to_json(measured.comparison) if measured else {"verdict": "skipped"},
    )
    return done.exit_code
