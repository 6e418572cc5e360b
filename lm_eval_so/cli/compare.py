"""The command `compare`: two reports to a verdict."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.terminal.command_line import (
    BaselineFile,
    BaselineRef,
    CommandLine,
    Formats,
    Reports,
    command,
)

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Candidate = Annotated[
    Path, typer.Argument(metavar="CANDIDATE", help="report.json under test, or a folder with one.")
]


@command(app)
def compare(
    candidate: Candidate,
    line: CommandLine,
    baseline: BaselineFile = None,
    baseline_ref: BaselineRef = None,
    out: Reports = None,
    formats: Formats = None,
) -> int:
    """Compare a report with the baseline; exit 1 if it got worse.

    With --baseline it needs no config: the default gate decides then.

    Example: lm-eval-so compare reports/report.json --baseline baselines/support-qa.json
    """
    from lm_eval_so.comparator.baseline.find import Place
    from lm_eval_so.comparator.exemptions.files import exception_problems
    from lm_eval_so.comparator.gate.check import check as check_gate
    from lm_eval_so.core.events import Warned
    from lm_eval_so.core.records.codec import to_json
    from lm_eval_so.core.report_file import read_report
    from lm_eval_so.pipeline.measure.plan import read_baseline
    from lm_eval_so.pipeline.measure.verdict import compare_reports
    from lm_eval_so.pipeline.reports import Results, write_reports
    from lm_eval_so.reporter.first_screen import tell_verdict

    session = line.open_session(
        lambda found, environ: [*check_gate(found), *exception_problems(found, environ)],
        needs_config=baseline is None,
    )
    config, resources = session.config, session.resources()
    if config.gate.confirm:
        text = "gate.confirm needs the chatbot: compare judges what was measured, ci asks again"
        resources.listener(Warned(stage="compare", text=text))
    report = read_report(candidate)
    found = read_baseline(config, Place(report=baseline, ref=baseline_ref))
    comparison = compare_reports(config, resources, report, found)
    tell_verdict(comparison, report, config, resources.listener, redactor=resources.redactor)
    results = Results(report=report, comparison=comparison, is_report_written=True)
    folder = out or config.resolve(config.report.out)
    files = write_reports(results, folder, config, resources.redactor, formats=formats)
    session.progress.close()
    line.emit(paths=files, result=to_json(comparison))
    return comparison.exit_code
