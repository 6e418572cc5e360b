"""The commands `baseline show` and `baseline update`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.core.config.defaults import CONFIG_FILE
from lm_eval_so.terminal.options import (
    BaselineFile,
    Color,
    ConfigFile,
    Json,
    Overrides,
    Plugins,
    Quiet,
    ReportLanguage,
    Verbose,
)

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
baseline_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
app.add_typer(baseline_app, name="baseline")

Report = Annotated[
    Path, typer.Argument(metavar="REPORT", help="report.json, or a folder with one.")
]
BaselineRef = Annotated[
    str | None,
    typer.Option("--baseline-ref", metavar="REF", help="Git revision to read baseline.path from."),
]
Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="Why it is taken, one line; stays in the file."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Take it whatever stands against it; the file says so."),
]


@baseline_app.callback()
def baseline() -> None:
    """Look at the baseline, or put another report in its place."""


@baseline_app.command()
def show(
    config: ConfigFile = CONFIG_FILE,
    baseline: BaselineFile = None,
    baseline_ref: BaselineRef = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    language: ReportLanguage = None,
) -> None:
    """Say which baseline compare reads here, and how it came to be one.

    Example: lm-eval-so baseline show --baseline-ref main
    """
    from lm_eval_so.comparator.baseline.find import Place, find_baseline
    from lm_eval_so.core.report_digest import digest_report
    from lm_eval_so.reporter.views.baseline import baseline_lines, baseline_values
    from lm_eval_so.terminal.emit import emit, emit_text
    from lm_eval_so.terminal.lines import visible
    from lm_eval_so.terminal.session import open_session

    session = open_session(config, overrides=overrides, plugins=plugins, language=language)
    found, place = find_baseline(session.config, Place(report=baseline, ref=baseline_ref))
    session.progress.close()
    redactor = session.redactor
    if as_json:
        values = baseline_values(found, place, digest=digest_report(found) if found else None)
        emit(session.stdout, result=redactor.redact_json(values), as_json=True)
    else:
        lines = baseline_lines(found, place, session.config.language)
        emit_text(session.stdout, "".join(f"{visible(redactor.redact(line))}\n" for line in lines))


@baseline_app.command()
def update(
    report: Report,
    reason: Reason,
    config: ConfigFile = CONFIG_FILE,
    force: Force = False,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
    language: ReportLanguage = None,
) -> None:
    """Write a report as the baseline; exit 5 if something is against it.

    Example: lm-eval-so baseline update reports --reason "answers are shorter on purpose"
    """
    import sys

    from lm_eval_so.comparator.gate.check import check as check_gate
    from lm_eval_so.pipeline.baseline import update_baseline
    from lm_eval_so.pipeline.baseline_told import update_lines, update_values
    from lm_eval_so.terminal.emit import emit
    from lm_eval_so.terminal.lines import visible
    from lm_eval_so.terminal.session import open_session

    session = open_session(
        config,
        overrides=overrides,
        plugins=plugins,
        language=language,
        quiet=quiet,
        color=color,
        check=lambda found, _: check_gate(found),
    )
    done = update_baseline(
        session.config, session.resources(), report, reason=reason, is_forced=force
    )
    session.progress.close()
    if not quiet:
        redactor = session.redactor
        lines = update_lines(done, session.config.language)
        sys.stderr.writelines(f"{visible(redactor.redact(line))}\n" for line in lines)
    emit(session.stdout, paths=[done.path], result=update_values(done), as_json=as_json)
