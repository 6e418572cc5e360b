"""Records as JSON, without secrets."""

from collections.abc import Iterator
from typing import Any

from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import Clean, report_pieces
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.reporter.content import Content


def json_report(content: Content) -> str:
    """Return the report, or the comparison if there is no report: each is a file of its own."""
    record = content.report or content.comparison
    return "".join(json_pieces(record, content.style.redactor)) if record else ""


def json_pieces(record: EvaluationReport | Comparison, redactor: Redactor) -> Iterator[str]:
    """Yield a report or a comparison as JSON, in pieces, since a report may be large."""
    clean = cleaner(redactor)
    if isinstance(record, EvaluationReport):
        yield from report_pieces(record, clean=clean)
    else:
        yield dump_document(clean(to_json(record)))


def cleaner(redactor: Redactor) -> Clean:
    """Return the function that takes secrets out of JSON values."""

    def clean(values: Any) -> Any:
        # A secret of digits could stand in a number, so only strings are changed.
        return _redacted(values, redactor) if redactor.finds("\n".join(_texts(values))) else values

    return clean


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
