"""The command `compare`: two reports to a verdict."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.core.config.defaults import CONFIG_FILE
from lm_eval_so.terminal.options import (
    BaselineFile,
    Color,
    ConfigFile,
    Formats,
    Json,
    Overrides,
    Plugins,
    Quiet,
    ReportLanguage,
    Reports,
    Verbose,
)

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Candidate = Annotated[
    Path, typer.Argument(metavar="CANDIDATE", help="report.json under test, or a folder with one.")
]
BaselineRef = Annotated[
    str | None,
    typer.Option("--baseline-ref", metavar="REF", help="Git revision to read baseline.path from."),
]


@app.command()
def compare(
    candidate: Candidate,
    config: ConfigFile = CONFIG_FILE,
    baseline: BaselineFile = None,
    baseline_ref: BaselineRef = None,
    out: Reports = None,
    formats: Formats = None,
    overrides: Overrides = None,
    plugins: Plugins = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,  # noqa: ARG001 - read by the entry
    color: Color = "auto",
    language: ReportLanguage = None,
) -> int:
    """Compare a report with the baseline; exit 1 if it got worse.

    Example: lm-eval-so compare reports/report.json --baseline baselines/support-qa.json
    """
    from lm_eval_so.comparator.baseline.find import Place, find_baseline
    from lm_eval_so.comparator.exemptions.files import exception_problems
    from lm_eval_so.comparator.gate.check import check as check_gate
    from lm_eval_so.core.events import Warned
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.core.report_file import read_report
    from lm_eval_so.pipeline.measure import compare_reports, write_report
    from lm_eval_so.terminal.emit import emit
    from lm_eval_so.terminal.session import open_session

    session = open_session(
        config,
        overrides=overrides,
        plugins=plugins,
        language=language,
        quiet=quiet,
        color=color,
        check=lambda found, environ: [*check_gate(found), *exception_problems(found, environ)],
    )
    resources = session.resources()
    if session.config.gate.confirm:
        text = "gate.confirm needs the chatbot: compare judges what was measured, ci asks again"
        resources.listener(Warned(stage="compare", text=text))
    report = read_report(candidate)
    found, where = find_baseline(session.config, Place(report=baseline, ref=baseline_ref))
    comparison = compare_reports(session.config, resources, report, found, where)
    folder = out or session.config.resolve(session.config.report.out)
    files = write_report(
        session.config,
        resources,
        None,
        comparison,
        folder=folder,
        formats=formats,
        candidate=report,
    )
    session.progress.close()
    emit(session.stdout, paths=files, result=to_json(comparison), as_json=as_json)
    return comparison.exit_code
