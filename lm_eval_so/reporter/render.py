"""Rendering of records in the formats that people and programs read."""

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import ReportFormat
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import refuse_other_report
from lm_eval_so.errors import NothingToDo
from lm_eval_so.reporter.content import Content, Renderer, Style
from lm_eval_so.reporter.html.page import html_report
from lm_eval_so.reporter.json_report import json_report
from lm_eval_so.reporter.junit import junit_report
from lm_eval_so.reporter.markdown import markdown_report
from lm_eval_so.reporter.scores_table import scores_table

RENDERERS: dict[ReportFormat, Renderer] = {
    ReportFormat.JSON: json_report,
    ReportFormat.MD: markdown_report,
    ReportFormat.HTML: html_report,
    ReportFormat.JUNIT: junit_report,
    ReportFormat.CSV: scores_table,
}
NEED_SCORES = frozenset({ReportFormat.HTML, ReportFormat.JUNIT, ReportFormat.CSV})
"""Formats that show a comparison only beside the scores."""


def render(
    report: EvaluationReport | None,
    comparison: Comparison | None,
    *,
    format: ReportFormat,  # noqa: A002 - the option's name
    style: Style | None = None,
) -> str:
    """Return a report, a comparison, or both in one of the formats.

    Args:
        report: Scores.
        comparison: Verdict. As JSON each record is a file of its own: the comparison is written only
            if there is no report.
        format: json, md, html, junit or csv; the last three need the scores.
        style: Language, number of examples, and secrets; default: English, 20, none known.

    Raises:
        NothingToDo: If there is neither, or no scores where the format needs them.
        InputError: If the comparison is about another report.
    """
    refuse_other_report(comparison, report)
    if report is None and comparison is None:
        raise NothingToDo("there is no report and no comparison to render")
    content = Content(report=report, comparison=comparison, style=style or Style())
    return RENDERERS[format](content if format is ReportFormat.JSON else content.in_its_language())
