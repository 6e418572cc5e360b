"""The command `report`."""

from pathlib import Path
from typing import Annotated

import typer

from lm_eval_so.core.records.enums import Language, ReportCases, ReportFormat
from lm_eval_so.terminal.command_line import CommandLine, command

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

Report = Annotated[
    Path, typer.Argument(metavar="REPORT", help="report.json, or a folder with one.")
]
ComparisonFile = Annotated[
    Path | None,
    typer.Option("--comparison", metavar="FILE", help="comparison.json, shown first."),
]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="FILE", help="File; default: to stdout."),
]
Format = Annotated[ReportFormat, typer.Option("--format", help="What to render.")]
InLanguage = Annotated[Language, typer.Option("--language", help="Language of the text.")]
InPage = Annotated[
    ReportCases,
    typer.Option(
        "--cases", help="Cases in an HTML page: changed (a file under 5 MB) or all of them."
    ),
]
Examples = Annotated[int, typer.Option("--examples", min=0, help="Cases shown in full, at most.")]


@command(app, shared=("as_json",))
def report(
    line: CommandLine,
    report: Report,
    comparison: ComparisonFile = None,
    out: Out = None,
    format: Format = ReportFormat.MD,  # noqa: A002 - the option's name
    language: InLanguage = Language.EN,
    examples: Examples = 20,
    cases: InPage = ReportCases.CHANGED,
) -> None:
    """Render a report again; asks nothing, costs nothing.

    Example: lm-eval-so report reports/report.json --comparison reports/comparison.json
    """
    import os

    from lm_eval_so.core.report_file import read_report, refuse_other_report
    from lm_eval_so.core.secrets import make_redactor
    from lm_eval_so.pipeline.reports import read_comparison
    from lm_eval_so.reporter.content import Style
    from lm_eval_so.reporter.render import render

    found = read_report(report)
    compared = read_comparison(comparison) if comparison else None
    refuse_other_report(compared, found, files=(comparison, report))
    style = Style(
        language=language, examples=examples, cases=cases, redactor=make_redactor(os.environ)
    )
    text = render(found, compared, format=format, style=style)
    line.emit_document(text, out)
