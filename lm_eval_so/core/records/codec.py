"""Conversion of records to JSON and back, validated when a file is read."""

import json
import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.dataset import DatasetInfo, DocumentInfo
from lm_eval_so.core.records.field_texts import DescribedSchema
from lm_eval_so.core.records.forecast import Forecast
from lm_eval_so.core.records.history import History
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.review import Decision, ReviewHead
from lm_eval_so.core.records.run import RunInfo, RunResult
from lm_eval_so.core.records.sample import ReportRow, TestSample
from lm_eval_so.core.records.staleness import Staleness
from lm_eval_so.errors import Problem, RecordError, Where

R = TypeVar("R")

RECORDS: Mapping[str, type[Any]] = {
    "sample": TestSample,
    "dataset": DatasetInfo,
    "document": DocumentInfo,
    "run": RunResult,
    "run-info": RunInfo,
    "report": EvaluationReport,
    "report-row": ReportRow,
    "comparison": Comparison,
    "calibration": Calibration,
    "forecast": Forecast,
    "staleness": Staleness,
    "history": History,
    "review": ReviewHead,
    "decision": Decision,
}
"""Record types by the NAME of `schema NAME`."""

_OF_RECORDS: Mapping[str, str] = {
    "lm-eval-so/report": "report.json goes where a report is wanted: as REPORT or CANDIDATE",
    "lm-eval-so/comparison": "the report.json beside it is the report that was compared",
    "lm-eval-so/run-info": "make a report of that run with lm-eval-so evaluate, and name report.json",
    "lm-eval-so/run": "make a report of that run with lm-eval-so evaluate, and name report.json",
    "lm-eval-so/calibration": "name it by judge.calibration in the config",
    "lm-eval-so/dataset": "name the dataset by dataset.path in the config",
}
"""Advice for a record in the place of another, by its family."""
# JSON allows these three raw, but tools that split on Unicode line ends would tear a JSONL line.
_LINE_ENDS = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"})

# made once: `json.dumps` and `json.loads` would make one a call
_LINE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

_ROW_NUMBERS = tuple(f.name for f in fields(RunResult) if f.type == float | None)
_SMALLEST, _LARGEST = 1e-4, 1e15
"""Range in which pydantic writes numbers as json does."""


def _adapter(record_type: type[R]) -> TypeAdapter[R]:
    adapter: TypeAdapter[R] = _made_once(cast("Hashable", record_type))
    return adapter


@cache
def _made_once(record_type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(record_type)


def to_json(record: object) -> dict[str, Any]:
    """Return a record as JSON values; unknown fields are null.

    Samples omit absent fields, since people read and write them.
    """
    values = _adapter(type(record)).dump_python(record, mode="json")
    if not isinstance(values, dict):
        raise TypeError(f"not a record: {type(record).__name__}")
    if not isinstance(record, TestSample):
        return values
    if record.weight == 1:
        del values["weight"]
    kept: dict[str, Any] = _without_absent(values)
    return kept


def dumps(record: object) -> str:
    """Return a record as one line of compact JSON, without the line end."""
    return dump_line(to_json(record))


def dump_row(row: RunResult) -> str:
    """Return a row as `dumps` does; pydantic makes most rows in a third of the time."""
    if not _is_plain(row):
        return dumps(row)
    try:
        return _whole_line(_adapter(RunResult).serializer.to_json(row).decode())
    except PydanticSerializationError:
        return dumps(row)


def dump_line(values: JsonValue | Mapping[str, Any]) -> str:
    """Return JSON values as one line that no Unicode line end can tear; NaN is refused."""
    return _whole_line(_LINE.encode(values))


def dump_document(values: JsonValue | Mapping[str, Any]) -> str:
    """Return JSON values as a readable document with a final line end; NaN is refused."""
    return json.dumps(values, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def from_json(values: object, record_type: type[R], *, where: Where | None = None) -> R:
    """Make a record of JSON values.

    Raises:
        RecordError: If the values do not fit; lists every problem.
    """
    if (problem := _wrong_kind(values, record_type, where)) is not None:
        raise RecordError.of([problem])
    try:
        made: R = _adapter(record_type).validator.validate_python(values)
        return made
    except ValidationError as error:
        problems = list(validation_problems(error, lambda key: _at(where, key)))
    raise RecordError.of(problems)


def checked(record: R) -> R:
    """Return a record made by foreign code with all values in the declared types.

    Raises:
        RecordError: If a value does not fit, or a file cannot hold it (NaN, half a surrogate pair).
    """
    adapter = _adapter(type(record))
    values = {name: getattr(record, name) for name in type(record).__dataclass_fields__}  # type: ignore[attr-defined]
    try:
        made = adapter.validate_python(values)
        dump_line(adapter.dump_python(made, mode="json")).encode()
    except ValidationError as error:
        raise RecordError.of(list(validation_problems(error, lambda key: _at(None, key)))) from None
    except ValueError as error:
        raise RecordError(str(error)) from None
    return made


def loads(text: str | bytes, record_type: type[R], *, where: Where | None = None) -> R:
    """Make a record of a JSON text.

    Raises:
        RecordError: If the text is no JSON (duplicate keys and NaN included) or does not fit.
    """
    return from_json(parse_json(text, where=where), record_type, where=where)


def load_row(line: bytes) -> RunResult | None:
    """Make a row of a line written by `dump_row`, in half the time of `loads`.

    Returns:
        None if the line may be invalid; `loads` tells why.
    """
    if b"NaN" in line or b"Infinity" in line:
        return None
    try:
        row: RunResult = _adapter(RunResult).validator.validate_json(line)
        return row
    except ValidationError:
        return None


def parse_json(text: str | bytes, *, where: Where | None = None) -> Any:
    """Parse JSON strictly: no NaN, no number too large for one, no duplicate keys.

    Raises:
        RecordError: With line and column of the problem.
    """
    try:
        return _parsed(text)
    except json.JSONDecodeError as error:
        line = error.lineno + ((where.line or 1) - 1 if where else 0)
        file = where.file if where else None
        place = Where(file=file, line=line, column=error.colno)
        raise RecordError(f"no JSON: {error.msg}", where=place) from None
    except UnicodeDecodeError as error:
        raise RecordError(f"no UTF-8 at byte {error.start}", where=where) from None
    except ValueError as error:
        raise RecordError(f"no JSON: {error}", where=where) from None
    except RecursionError:
        raise RecordError("no JSON: nested too deeply", where=where) from None


def finite_number(text: str) -> float:
    """Return a number with a fraction or an exponent.

    Raises:
        ValueError: If it is too large for a float.
    """
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def refuse_constant(name: str) -> float:
    """Refuse NaN and Infinity, which Python's reader accepts.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"{name} is no JSON number")


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a record, by its name in `RECORDS`."""
    record_type = RECORDS[name]
    schema = _adapter(record_type).json_schema(schema_generator=DescribedSchema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://mackim-3768.github.io/lm-eval-so/schema/{name}-1.json",
        **schema,
    }


def validation_problems(
    error: ValidationError, where: Callable[[str], Where | None]
) -> Iterator[Problem]:
    """Yield one problem for each error of pydantic, with the dotted key of the value."""
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        key = dotted(item["loc"])
        message = item["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
        yield Problem(what=message[:1].lower() + message[1:], where=where(key))


def dotted(path: tuple[int | str, ...]) -> str:
    """Return a path of keys and positions as people write it: `metrics[0].params`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _is_plain(row: RunResult) -> bool:
    """Return whether pydantic writes all numbers of a row as json does."""
    if row.error is not None or row.retries or row.turns or row.simulator is not None:
        return False
    said = row.response
    if said is not None and not (said.logprobs is None and said.raw is None):
        return False
    for name in _ROW_NUMBERS:
        number = getattr(row, name)
        if number and not _SMALLEST <= number < _LARGEST:
            return False
    return True


def _whole_line(text: str) -> str:
    # translating takes 80 ns a character, looking takes next to nothing
    is_torn = "\u2028" in text or "\u2029" in text or "\x85" in text
    return text.translate(_LINE_ENDS) if is_torn else text


def _at(where: Where | None, key: str) -> Where:
    place = where or Where()
    return Where(file=place.file, line=place.line, key=key or None)


def _wrong_kind(values: object, record_type: type[Any], where: Where | None) -> Problem | None:
    """Return the problem of values that are not of this record at all."""
    if not isinstance(values, dict):
        return Problem(what="not a JSON object", where=where)
    known = record_type.__dataclass_fields__["schema"].default
    got = values.get("schema", known)
    if got == known:
        return None
    family = known.rpartition("/")[0]
    if isinstance(got, str) and got.rpartition("/")[0] == family:
        hint = "read it with the release of lm-eval-so that wrote it"
        return Problem(what=f"{got} is not readable here, {known} is", where=where, hint=hint)
    what = f"expected a record {known}, found {got!r}"
    advice = _OF_RECORDS.get(got.rpartition("/")[0]) if isinstance(got, str) else None
    return Problem(what=what, where=where, hint=advice)


def _without_absent(values: Any) -> Any:
    if isinstance(values, dict):
        kept = {key: _without_absent(value) for key, value in values.items()}
        return {k: v for k, v in kept.items() if v is not None and v not in ((), [], {})}
    if isinstance(values, list):
        return [_without_absent(value) for value in values]
    return values


def _parsed(text: str | bytes) -> Any:
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    if text.startswith("\ufeff"):
        raise json.JSONDecodeError("unexpected byte order mark", text, 0)
    return _STRICT.decode(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f'the key "{twice}" stands twice')
    return values


_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=refuse_constant, parse_float=finite_number
)
