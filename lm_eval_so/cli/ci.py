"""The command `ci`: what the Action runs; works outside GitHub too."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.terminal.options import (
    BaselineFile,
    Color,
    ConfigFile,
    DryRun,
    Json,
    Overrides,
    Plugins,
    Quiet,
    ReportLanguage,
    Verbose,
)

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


@app.command()
def ci(
    config: ConfigFile = CONFIG_FILE,
    baseline: BaselineFile = None,
    out: Out = None,
    fresh: Fresh = False,
    dry_run: DryRun = False,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
    language: ReportLanguage = None,
) -> int:
    """Do it all, from sources to verdict. On GitHub comment, too.

    Generate if need be, run, evaluate, compare, report.

    Example: lm-eval-so ci -c lm-eval-so.yaml
    """
    import sys
    from contextlib import ExitStack
    from threading import Event

    from lm_eval_so.pipeline.github.unmeasured import Asked, told_if_unmeasured
    from lm_eval_so.terminal.progress import open_progress

    has_result = Event()
    with ExitStack() as around:
        if os.environ.get("GITHUB_ACTIONS") == "true" and not dry_run:
            said = [*(overrides or ()), *([f"language={language.value}"] if language else [])]
            asked = Asked(
                environ=dict(os.environ),
                config=config,
                overrides=said,
                listener=open_progress(sys.stderr, os.environ, quiet=quiet, color=color).listen,
            )
            has_result = around.enter_context(told_if_unmeasured(asked))
        return _ci(
            config=config,
            baseline=baseline,
            out=out,
            fresh=fresh,
            dry_run=dry_run,
            overrides=overrides,
            plugins=plugins,
            as_json=as_json,
            quiet=quiet,
            color=color,
            language=language,
            has_result=has_result,
        )


def _ci(
    *,
    config: ConfigFile,
    baseline: BaselineFile,
    out: Out,
    fresh: Fresh,
    dry_run: DryRun,
    overrides: Overrides,
    plugins: Plugins,
    as_json: Json,
    quiet: Quiet,
    color: Color,
    language: ReportLanguage,
    has_result: "Event",
) -> int:
    from dataclasses import replace
    from functools import partial

    from lm_eval_so.core.config.load import whole
    from lm_eval_so.core.secrets import command_line
    from lm_eval_so.pipeline import ci as stage
    from lm_eval_so.pipeline.check import tell_gate
    from lm_eval_so.pipeline.github.target_url import target_override
    from lm_eval_so.pipeline.measure import Plan
    from lm_eval_so.terminal.session import open_session

    event = stage.read_surroundings(dict(os.environ))
    inputs = event.inputs
    file = inputs.config_or(config) if inputs else config
    given = [*(inputs.overrides if inputs else ()), *(overrides or ())]
    target = None
    if inputs and inputs.target_url:
        target = target_override(
            inputs.target_url,
            file,
            overrides=given,
            plugins=plugins or (),
            environ=event.environ,
            runs_code=stage.may_run_code(event),
        )

    plans: list[Plan] = []
    find = partial(
        _find, plans, event=event, baseline=baseline, out=out, fresh=fresh, writes=not dry_run
    )
    session = open_session(
        file,
        overrides=given,
        rewritten=[target] if target else [],
        language=language,
        quiet=quiet,
        color=color,
        environ=event.environ,
        loads_plugins=False,
    )
    if reason := stage.skip_reason(session.config, event):
        whole(session.read)  # a file with mistakes is told even where nothing is measured
        return _end(session, stage.tell_skipped(session.resources(), reason), as_json=as_json)
    session = session.with_plugins(plugins, find)
    found, plan = session.config, plans[0]
    for told in tell_gate(found):
        session.progress.listen(told)
    if dry_run:
        return _plan(session, plan, as_json=as_json)
    again = None  # in the Action its next run is
    if not inputs:
        options = {"-o": out, "--baseline": baseline, "--language": language and language.value}
        again = command_line("ci", file, options=options, overrides=given, plugins=plugins or ())
    done = session.run(
        lambda r: stage.measure_and_tell(found, replace(r, again=again), plan, event, has_result)
    )
    return _end(session, done, as_json=as_json)


def _find(
    plans: "list[Plan]",
    found: "Config",
    environ: Mapping[str, str],
    *,
    event: "Surroundings",
    baseline: Path | None,
    out: Path | None,
    fresh: bool,
    writes: bool,
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
        plan = stage.action_plan(found, event, baseline=baseline, fresh=fresh)
    else:
        run = run_folder(found)
        plan = stage.local_plan(found, event, run=run, reports=out, baseline=baseline, fresh=fresh)
    plans.append(plan)
    outside = stage.outside_problems(found, plan, event)
    yield from outside
    if writes and not outside:  # what is outside is not even tried
        yield from folder_problems([plan.run, plan.reports])


def _plan(session: "Session", plan: "Plan", *, as_json: bool) -> int:
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.pipeline.measure import for_verdict
    from lm_eval_so.runner.run import plan_run
    from lm_eval_so.terminal.emit import emit_facts

    verdict = for_verdict(session.config, plan)
    planned = session.run(
        lambda r: plan_run(session.config, r, out=plan.run, fresh=plan.fresh, verdict=verdict)
    )
    emit_facts(session.stdout, to_json(planned), as_json=as_json)
    return 0


def _end(session: "Session", done: "Done", *, as_json: bool) -> int:
    import sys

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.terminal.emit import emit
    from lm_eval_so.terminal.github_log import write_command

    session.progress.close()
    for line in done.told.annotations if done.told else ():
        write_command(sys.stderr, line)
    measured = done.measured
    emit(
        session.stdout,
        paths=measured.files if measured else (),
        result=to_json(measured.comparison) if measured else {"verdict": "skipped"},
        as_json=as_json,
    )
    return done.exit_code
