"""Records to the formats that people and programs read."""

from collections.abc import Iterator
from typing import Any

from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, ReportFormat
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import refuse_other_report, report_pieces
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import NothingToDo
from lm_eval_so.reporter.html.page import html_report
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
    """Return a report, a comparison, or both in one of the formats.

    Args:
        report: The scores.
        comparison: The verdict. As JSON each record is a file of its own: the comparison is given
            only where there is no report.
        format: json, md or html; html needs the scores.
        language: Language of fixed texts.
        examples: Cases shown in full, at most.
        redactor: Takes secrets out of every text.

    Raises:
        NothingToDo: If there is neither, or html without the scores.
        InputError: If the comparison is about another report.
    """
    refuse_other_report(comparison, report)
    known = redactor or Redactor()
    record = report or comparison
    if record is None:
        raise NothingToDo("there is no report and no comparison to render")
    match format:
        case ReportFormat.JSON:
            return "".join(json_pieces(record, known))
        case ReportFormat.MD:
            return markdown_report(
                report, comparison, language=language, examples=examples, redactor=known
            )
        case ReportFormat.HTML:
            if report is None:
                hint = "give the candidate's report.json, and the comparison beside it"
                raise NothingToDo("an HTML report needs the scores", hint=hint)
            return html_report(
                report, comparison, language=language, examples=examples, redactor=known
            )


def json_pieces(record: EvaluationReport | Comparison, redactor: Redactor) -> Iterator[str]:
    """Yield a report or a comparison as JSON, piece by piece, since a report may be large."""

    def clean(values: Any) -> Any:
        # A secret of digits could stand in a number, so only strings are changed.
        return _redacted(values, redactor) if redactor.finds("\n".join(_texts(values))) else values

    if isinstance(record, EvaluationReport):
        yield from report_pieces(record, clean=clean)
    else:
        yield dump_document(clean(to_json(record)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from _texts([*value.values()])
    elif isinstance(value, list | tuple):
        yield from [each for each in value if isinstance(each, str)]
        for each in value:
            if isinstance(each, dict | list | tuple):
                yield from _texts(each)


def _redacted(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.redact(value)
    if isinstance(value, dict):
        return {redactor.redact(key): _redacted(v, redactor) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner, redactor) for inner in value]
    return value
