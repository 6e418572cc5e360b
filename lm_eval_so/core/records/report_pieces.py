"""The text of `report.json` in pieces, however large its columns are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.report import Columns, EvaluationReport, Labels
from lm_eval_so.core.records.row_lines import Clean, without_rows
from lm_eval_so.core.records.sample import RowsFile

_STEP = "  "
_AT_ONCE = 1000
"""Entries of a column per piece."""
_EMPTY = Columns(ids=(), sample_hashes=(), revs=(), groups=(), repeats=(), statuses=(), scores={})


def report_pieces(
    report: EvaluationReport, *, clean: Clean = lambda values: values
) -> Iterator[str]:
    """Yield the text of report.json in pieces; 100,000 rows are 40 MB.

    Args:
        report: The report.
        clean: Function applied to the values of a piece before they become text.
    """
    rest = to_json(replace(report, failed_ids=(), samples=_EMPTY))
    columns = report.samples if report.samples.file is None else without_rows(report.samples)
    before = "{\n"
    for key, value in rest.items():
        yield f"{before}{_STEP}{_text(key)}: "
        if key == "failed_ids":
            yield from _array(report.failed_ids, 1, clean)
        elif key == "samples":
            yield from _columns(columns, clean)
        else:
            yield _indented(clean(value), 1)
        before = ",\n"
    yield "\n}\n"


def _columns(columns: Columns, clean: Clean) -> Iterator[str]:
    def as_numbers(values: Any) -> Any:
        is_column = isinstance(values, list)  # and no key
        return [v if v is None else float(v) for v in values] if is_column else clean(values)

    before, without = "{\n", {"file"} if columns.file is None else set()
    for name in (each.name for each in fields(columns) if each.name not in without):
        yield f"{before}{_STEP * 2}{_text(name)}: "
        value = getattr(columns, name)
        if name == "sources" and value is not None:
            value = [place and _without_absent(to_json(place)) for place in value]
        yield from _member(value, 2, as_numbers if name == "scores" else clean)
        before = ",\n"
    yield f"\n{_STEP}}}"


def _member(value: Any, level: int, clean: Clean) -> Iterator[str]:
    match value:
        case None:
            yield "null"
        case RowsFile():
            yield _indented(to_json(value), level)
        case Labels():
            yield from _object({"values": value.values, "places": value.places}, level, clean)
        case Mapping():
            yield from _object(value, level, clean)
        case _:
            yield from _array(value, level, clean)


def _object(members: Mapping[str, Any], level: int, clean: Clean) -> Iterator[str]:
    before = "{\n"
    for key, value in members.items():
        yield f"{before}{_STEP * (level + 1)}{_text(clean(key))}: "
        yield from _member(value, level + 1, clean)
        before = ",\n"
    yield f"\n{_STEP * level}}}" if members else "{}"


def _array(values: Sequence[Any], level: int, clean: Clean) -> Iterator[str]:
    line_end = f"\n{_STEP * (level + 1)}"
    # without an indent of its own the encoder is the one in C, which takes a tenth of the time
    flat = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(f",{line_end}", ": "))
    before = "["
    for start in range(0, len(values), _AT_ONCE):
        some = clean([*values[start : start + _AT_ONCE]])
        first = next(filter(None, some), None)
        if isinstance(first, dict):
            text = f",{line_end}".join(map(_text, some))  # one row a line
        elif isinstance(first, list | tuple):
            text = _indented(some, level)[1:].strip()[:-1].strip()
        else:
            text = flat.encode(some)[1:-1]
        yield f"{before}{line_end}{text}"
        before = ","
    yield f"\n{_STEP * level}]" if len(values) else "[]"


def _indented(value: JsonValue, level: int) -> str:
    # no text has a line end of its own: json writes it as \n
    whole = json.dumps(value, ensure_ascii=False, indent=len(_STEP), allow_nan=False)
    return whole.replace("\n", f"\n{_STEP * level}")


def _without_absent(place: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in place.items() if value is not None}


def _text(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
