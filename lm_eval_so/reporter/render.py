"""Records to the formats that people and programs read."""

from typing import Any

from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, ReportFormat
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import NothingToDo
from lm_eval_so.reporter.markdown import markdown_report


def render(
    report: EvaluationReport | None,
    comparison: Comparison | None,
    *,
    format: ReportFormat,  # noqa: A002 - the option's name
    language: Language = Language.EN,
    examples: int = 20,
    redactor: Redactor | None = None,
) -> str:
    """Give a report, a comparison, or both in one of the formats.

    Args:
        report: The scores.
        comparison: The verdict. As JSON each record is a file of its own: the comparison is given
            only where there is no report.
        format: json or md.
        language: Language of fixed texts.
        examples: Cases shown in full, at most.
        redactor: Takes secrets out of every text.

    Raises:
        NothingToDo: If there is neither.
    """
    known = redactor or Redactor()
    if report is None and comparison is None:
        raise NothingToDo("there is no report and no comparison to render")
    match format:
        case ReportFormat.JSON:
            return _json(report or comparison, known)
        case ReportFormat.MD:
            return markdown_report(
                report, comparison, language=language, examples=examples, redactor=known
            )


def _json(record: object, redactor: Redactor) -> str:
    values = to_json(record)
    text = dump_document(values)
    if redactor.redact(text) == text:
        return text
    # A secret of digits could stand in a number, so only strings are changed.
    return dump_document(_redacted(values, redactor))


def _redacted(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.redact(value)
    if isinstance(value, dict):
        return {redactor.redact(key): _redacted(v, redactor) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner, redactor) for inner in value]
    return value
