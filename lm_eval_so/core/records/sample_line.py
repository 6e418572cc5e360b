"""One line of `test.jsonl`: as `generate` writes it, or as people write it by hand."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from lm_eval_so.core.records.codec import dump_line, from_json, parse_json
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import DatasetError, Where

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


def read_sample(
    line: bytes, *, where: Where | None = None, parse: Callable[..., Any] = parse_json
) -> TestSample:
    """Make a sample of a line of test.jsonl, in the record's shape or in the short one by hand.

    Args:
        line: The line.
        where: Its place, for errors.
        parse: What reads its JSON, called with text and `where`.

    Raises:
        InputError: If it is no UTF-8, no JSON or no sample, or asks nothing; lists every problem.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        hint = "save the file as UTF-8"
        raise DatasetError(f"no UTF-8 at byte {error.start}", where=where, hint=hint) from None
    values = parse(text, where=where)
    if "\\u" in text and _HALF_PAIR.search(text) and not _is_writable(values):
        raise DatasetError("half a surrogate pair, which no file can hold", where=where)
    sample = from_json(_long_form(values), TestSample, where=where)
    ways = bool(sample.messages) + (sample.input is not None) + (sample.scenario is not None)
    if ways != 1 or not sample.id:
        raise DatasetError(_what_is_asked(sample), where=where, hint=_how_to_ask(values))
    if sample.messages and sample.messages[-1].role not in {"user", "tool"}:
        what = "the last message must be the user's or a tool's result"
        raise DatasetError(what, where=where)
    return sample


def _what_is_asked(sample: TestSample) -> str:
    if not sample.id:
        return "the id is empty"
    ways = [w for w in ("messages", "input", "scenario") if getattr(sample, w) not in (None, ())]
    return f"{' and '.join(ways)} cannot stand together" if ways else "nothing is asked"


def _how_to_ask(values: Mapping[str, Any]) -> str:
    """Say which keys ask, and which of those that are there no sample has."""
    strange = sorted(values.keys() - TestSample.__dataclass_fields__.keys())
    found = f"; {', '.join(strange)}: no such field" if strange else ""
    return f"give one of messages, input or scenario{found}"


def _long_form(values: Any) -> Any:
    """Turn what people may write by hand into the shape of the record."""
    if not isinstance(values, dict):
        return values
    # a `rev` that stands in the file is not believed: somebody may have corrected an answer by hand
    values = {key: v for key, v in values.items() if v is not None and key != "rev"}
    is_short = isinstance(values.get("input"), str)
    if is_short and not values.get("messages") and "scenario" not in values:
        values["messages"] = [{"role": "user", "content": values.pop("input")}]
    expected = values.get("expected")
    if isinstance(expected, list):
        texts = [_as_text(item) for item in expected]
        values = {**values, "expected": texts[0] if texts else None}
        if isinstance(values.setdefault("references", []), list):
            values["references"] = [*texts[1:], *values["references"]]
    elif expected is not None:
        values = {**values, "expected": _as_text(expected)}
    context = values.get("context")
    if isinstance(context, str):
        context = [context]
    if isinstance(context, list):
        passages = [{"role": "gold", "text": p} if isinstance(p, str) else p for p in context]
        values = {**values, "context": passages}
    return values


def _is_writable(values: Any) -> bool:
    try:
        dump_line(values).encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_text(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value
