"""The commands `baseline show` and `baseline update`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import SHARED, BaselineFile, BaselineRef, CommandLine, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
baseline_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(baseline_app, name="baseline")

Report = Annotated[
    Path, typer.Argument(metavar="REPORT", help="report.json, or a folder with one.")
]
Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="Why it is taken, one line; stays in the file."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Take it whatever stands against it; the file says so."),
]

Ask = Annotated[
    bool,
    typer.Option("--ask", help="First ask the answers that it lacks to baseline.repeats."),
]


@baseline_app.callback()
def baseline() -> None:
    """Look at the baseline, or put another report in its place."""


@command(baseline_app, shared=SHARED - {"quiet", "color"})
def show(
    line: CommandLine, baseline: BaselineFile = None, baseline_ref: BaselineRef = None
) -> None:
    """Say which baseline compare reads here, and how it came to be one.

    Example: lm-eval-so baseline show --baseline-ref main
    """
    from lm_eval_so.comparator.baseline.find import Place, find_baseline
    from lm_eval_so.core.report_file import digest_report
    from lm_eval_so.reporter.views.baseline import baseline_lines, baseline_values
    from lm_eval_so.terminal.lines import visible

    session = line.open_session()
    found, place = find_baseline(session.config, Place(report=baseline, ref=baseline_ref))
    session.progress.close()
    redactor = session.redactor
    if line.as_json:
        values = baseline_values(found, place, digest=digest_report(found) if found else None)
        line.emit(result=redactor.redact_json(values))
    else:
        lines = baseline_lines(found, place, session.config.language)
        line.emit_text("".join(f"{visible(redactor.redact(each))}\n" for each in lines))


@command(baseline_app)
def update(
    report: Report,
    reason: Reason,
    line: CommandLine,
    ask: Ask = False,
    force: Force = False,
) -> None:
    """Write a report as the baseline; exit 5 if something is against it.

    Example: lm-eval-so baseline update reports --reason "answers are shorter on purpose"
    """
    import sys
    from dataclasses import replace
    from functools import partial

    from lm_eval_so.comparator.gate.check import check as check_gate
    from lm_eval_so.pipeline.baseline.output import update_lines, update_values
    from lm_eval_so.pipeline.baseline.update import ask_and_update, update_baseline
    from lm_eval_so.pipeline.check import check
    from lm_eval_so.terminal.lines import visible

    if ask:
        session = line.open_session(partial(check, needs={"run", "evaluate"}))
        given = {str(report): True, "--reason": reason, "--ask": True, "--force": force}
        again = line.again("baseline update", given)
        done = session.run(
            lambda r: ask_and_update(
                session.config, replace(r, again=again), report, reason=reason, is_forced=force
            )
        )
    else:
        session = line.open_session(lambda config, _: check_gate(config))
        resources = session.resources()
        done = update_baseline(session.config, resources, report, reason=reason, is_forced=force)
    session.progress.close()
    if not line.quiet:
        redactor = session.redactor
        lines = update_lines(done, session.config.language)
        sys.stderr.writelines(f"{visible(redactor.redact(each))}\n" for each in lines)
    line.emit(paths=done.paths, result=update_values(done))
