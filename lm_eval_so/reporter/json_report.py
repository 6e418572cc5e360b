"""Records as JSON, without secrets."""

from collections.abc import Iterable, Iterator
from typing import Any

from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.report_pieces import report_pieces
from lm_eval_so.core.records.row_lines import Clean
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


def _texts(value: Any) -> Iterable[str]:
    """Return the different texts of JSON values: of many rows, keys and most labels are the same."""
    found: dict[str, None] = {}
    waiting = [value]
    for each in waiting:  # which grows on the way
        if isinstance(each, str):
            found[each] = None
        elif isinstance(each, dict):
            waiting += each
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
    return found


def _redacted(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.redact(value)
    if isinstance(value, dict):
        return {redactor.redact(key): _redacted(v, redactor) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner, redactor) for inner in value]
    return value
