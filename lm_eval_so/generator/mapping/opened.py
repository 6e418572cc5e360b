"""Questions and answers of other tools, which may be objects, conversations, or JSON in a cell."""

import ast
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.generator.clean import clean_value
from lm_eval_so.generator.mapping.fields import FieldError, is_blank, json_of
from lm_eval_so.generator.sources.base import Reason, listed
from lm_eval_so.generator.sources.json_values import BadJsonError

_QUESTIONS: Final = (
    "messages", "input", "question", "query", "prompt", "user_input", "message", "text", "질문",
)  # fmt: skip
_ANSWERS: Final = (
    "answer", "expected", "expected_output", "output", "reference", "response", "text", "content",
    "messages", "답변", "정답",
)  # fmt: skip
"""Keys under which an object has the question or the answer, the surest first."""
_LONGEST_LITERAL: Final = 100_000


def with_json(payload: Mapping[str, JsonValue], columns: Sequence[str]) -> dict[str, JsonValue]:
    """Return a row with the JSON of its cells read; a cell that does not begin as JSON stays a text.

    Raises:
        FieldError: `bad_json`, naming the column.
    """
    read = dict(payload)
    for column in columns:
        text = read.get(column)
        if isinstance(text, str) and text[:1] in {"{", "["}:
            read[column] = _cell(column, text)
        elif isinstance(text, str) and len(text) > 1 and text[0] == text[-1] == '"':
            try:
                read[column] = json_of(text)
            except BadJsonError:  # somebody's quotation
                continue
    return read


def _cell(column: str, text: str) -> JsonValue:
    try:
        return json_of(text)
    except BadJsonError as error:
        if (items := _python_list(text)) is not None:
            return items
        what = f"{column}: no JSON: {error.what}"
        raise FieldError(Reason.BAD_JSON, what, hint="write the cell as JSON") from None


def _python_list(text: str) -> JsonValue:
    """Return the texts of a list as pandas writes it into a cell; None if it is none."""
    if not text.startswith("[") or len(text) > _LONGEST_LITERAL:
        return None
    try:
        items = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    are_texts = isinstance(items, list) and all(isinstance(item, str) for item in items)
    return clean_value(items) if are_texts else None


def opened(values: Mapping[str, Sequence[JsonValue]]) -> dict[str, list[JsonValue]]:
    """Return the questions and answers of a record without the objects around them.

    Args:
        values: Values of the fields `input`, `expected` and `references`, as far as there are any.

    Returns:
        These fields: a question as a text or a list of messages, an answer as texts; an answer that is
        an object of several values is its JSON.

    Raises:
        FieldError: If none of an object's keys is known to be the question.
    """
    found = {"input": [_question(value) for value in values.get("input", ())]}
    for field in ("expected", "references"):
        found[field] = [text for value in values.get(field, ()) for text in _answers(value)]
    return {field: texts for field, texts in found.items() if field in values}


def _question(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        inner = _inside(value, _QUESTIONS)
        if inner is None:
            what = f"input: an object with {listed(list(value))}, none of which is known to be the question"
            raise FieldError(Reason.BAD_TYPE, what, hint="name it by map: {input: COLUMN.KEY}")
        return inner
    return value


def _answers(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, dict):
        inner = _inside(value, _ANSWERS)
        value = dump_line(value) if inner is None else inner
    if not isinstance(value, list):
        return [value if isinstance(value, str) else dump_line(value)]
    value = [item for item in value if not is_blank(item)]
    if all(isinstance(item, dict) and "content" in item for item in value):
        return [
            item["content"] for item in value[-1:] if isinstance(item, dict)
        ]  # what was said last
    return [item if isinstance(item, str) else dump_line(item) for item in value]


def _inside(value: Mapping[str, JsonValue], names: Sequence[str]) -> JsonValue:
    """Return the value of the first known key, else the only value; None if there are several."""
    filled = {key: inner for key, inner in value.items() if not is_blank(inner)}
    known = next((filled[name] for name in names if name in filled), None)
    return next(iter(filled.values())) if known is None and len(filled) == 1 else known
