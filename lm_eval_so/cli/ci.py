"""The command `ci`: the whole pipeline, which the Action runs; works outside GitHub too."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm_eval_so.terminal.command_line import BaselineFile, CommandLine, DryRun, command

if TYPE_CHECKING:
    from threading import Event

    from lm_eval_so.pipeline.ci import Done, Options
    from lm_eval_so.pipeline.github.surroundings import Surroundings
    from lm_eval_so.pipeline.measure.plan import Plan
    from lm_eval_so.terminal.session import Session

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="REPORTS", help="Folder of reports; default: report.out."),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Ask everything again, even if an earlier ci was interrupted."),
]


@command(app)
def ci(
    line: CommandLine,
    baseline: BaselineFile = None,
    out: Out = None,
    fresh: Fresh = False,
    dry_run: DryRun = False,
) -> int:
    """Do it all, from sources to verdict. On GitHub comment, too.

    Generate if needed, run, evaluate, compare, report.

    Example: lm-eval-so ci -c lm-eval-so.yaml
    """
    from threading import Event

    from lm_eval_so.cli.in_action import do_step
    from lm_eval_so.pipeline.ci import Options

    options = Options(baseline=baseline, reports=out, fresh=fresh, dry_run=dry_run)
    if os.environ.get("GITHUB_ACTIONS") != "true" or dry_run:
        return _ci(line, options, Event())
    return do_step(line, lambda has_result: _ci(line, options, has_result))


def _ci(line: CommandLine, options: "Options", has_result: "Event") -> int:
    from lm_eval_so.pipeline.github.surroundings import read_surroundings
    from lm_eval_so.pipeline.permits.permits import own_code_as_permitted

    around = read_surroundings(dict(os.environ))
    with own_code_as_permitted(around):
        return _measure(line, options, around, has_result)


def _measure(
    line: CommandLine, options: "Options", around: "Surroundings", has_result: "Event"
) -> int:
    from dataclasses import replace

    from lm_eval_so.pipeline import ci as stage
    from lm_eval_so.pipeline.check import tell_gate
    from lm_eval_so.pipeline.github.surroundings import find_rules
    from lm_eval_so.pipeline.github.unloaded_config import ConfigSource, target_override
    from lm_eval_so.pipeline.permits.permits import code_problems
    from lm_eval_so.terminal.session import open_session

    inputs, target = around.inputs, None
    if inputs:
        overrides = [*inputs.overrides, *(line.overrides or ())]
        line = replace(line, config=inputs.config_or(line.config), overrides=overrides)
    source = ConfigSource(
        file=line.config,
        environ=around.environ,
        overrides=line.config_overrides,
        plugins=line.plugins or (),
        hosts=inputs.secrets.hosts if inputs else None,
    )
    if inputs and inputs.target_url:
        target = target_override(inputs.target_url, source, runs_code=around.may_run_code)
    source = replace(source, rewritten=[target] if target else [])
    around = replace(around, source=source)

    session = open_session(line, rewritten=source.rewritten, environ=around.environ)
    if reason := around.skip_reason(session.config):
        session.refuse()  # a file with mistakes is told even where nothing is measured
        return _end(session, stage.skip(session.config, session.resources(), around, reason))
    if refused := [*code_problems(session.config, around, line.plugins or ())]:
        session.refuse(refused)
    session = session.with_plugins(lambda config, _: stage.find_problems(config, around, options))
    rules = find_rules(session.config, around, baseline=options.baseline)
    session = session.under(rules.config) if rules else session
    config = session.config
    tell = session.resources().listener
    plan = stage.make_plan(config, around, options, tell, rules)
    for told in tell_gate(config):
        tell(told)
    if options.dry_run:
        return _tell_plan(session, plan, stage.foretell(config, session.resources(), plan, around))
    again = None  # in the Action its next run is
    if not inputs:
        language = line.language and line.language.value
        again = line.again(
            "ci", {"-o": options.reports, "--baseline": options.baseline, "--language": language}
        )
    done = session.run(
        lambda r: stage.measure_and_tell(config, replace(r, again=again), plan, around, has_result)
    )
    return _end(session, done)


def _tell_plan(session: "Session", plan: "Plan", comment: str | None) -> int:
    from lm_eval_so.cli.all_stages import AllStages
    from lm_eval_so.pipeline.measure.answers import plan_answers

    planned = session.run(lambda r: plan_answers(session.config, r, plan))
    for told in AllStages.tell_further(session.config, planned.planned):
        session.resources().listener(told)
    gate = AllStages.plan(
        session.config,
        session.resources().listener,
        place=plan.baseline,
        as_json=session.line.as_json,
    )
    place = {"comment": comment} if comment else {}
    session.line.emit_facts({**planned.facts(), **gate, **place})
    return 0


def _end(session: "Session", done: "Done") -> int:
    import sys

    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.terminal.github_log import write_command

    session.progress.close()
    for line in done.annotations:
        write_command(sys.stderr, line)
    measured = done.measured
    session.line.emit(
        paths=measured.files if measured else (),
        result=to_json(measured.comparison) if measured else {"verdict": "skipped"},
    )
    return done.exit_code
