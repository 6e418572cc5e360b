"""What holds of JSON and of personal data in every answer."""

import json
from collections.abc import Callable
from typing import Any

from evaluation import a_run, a_sample
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.records.chat import ToolCall as Call
from lm_eval_so.core.records.run import Response
from lm_eval_so.core.text.behaviors import is_handover, is_ignorance, is_question, is_refusal
from lm_eval_so.core.text.json_in_text import composed, read_json
from lm_eval_so.core.text.personal_data import find_personal_data, mask_personal_data
from lm_eval_so.evaluator.metrics.structure.json_match import JsonMatch
from lm_eval_so.evaluator.metrics.structure.json_schema import JsonSchema
from lm_eval_so.evaluator.metrics.structure.tool_call import ToolCall

LEAVES = st.none() | st.booleans() | st.integers() | st.text("가나ab ", max_size=3)
LEAVES |= st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.text("가ab.[", max_size=2)


def _inside(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)


JSON = st.recursive(LEAVES, _inside, max_leaves=8)
NUMBERS = st.text("0123456789-. ()+@a１\u200b가", max_size=40)
PARTS = st.sampled_from(["900101-1234568", "010-1234-5678", "4111-1111-1111-1111", "a@b.com"])
MIXED = st.lists(NUMBERS | PARTS).map("".join)


@given(st.text('[]{}",:\\ 1a`\n'))
def test_read_json__reads_or_refuses(text: str) -> None:
    try:
        value = read_json(text)
    except ValueError:
        return
    json.dumps(value, allow_nan=False)


@given(JSON)
def test_read_json__the_value_itself_between_prose(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert read_json(text, extract="strict") == composed(value)
    if isinstance(value, dict | list):
        assert read_json(f"답: {text} 입니다") == composed(value)


@given(JSON, st.booleans())
def test_json_match__the_reference_itself_is_right(value: Any, unordered: bool) -> None:
    text = json.dumps(value)
    metric = JsonMatch(params={"unordered": unordered, "extra": "penalize"})
    assert metric.score(a_sample(expected=text), a_run(text)).value == 1


@given(JSON, JSON)
def test_json_match__within_the_range(one: Any, other: Any) -> None:
    sample, run = a_sample(expected=json.dumps(one)), a_run(json.dumps(other))
    values = {}
    for extra in ("ignore", "penalize"):
        for unordered in (False, True):
            params = {"extra": extra, "unordered": unordered}
            values[extra, unordered] = JsonMatch(params=params).score(sample, run).value
    assert all(value is not None and 0 <= value <= 1 for value in values.values())
    assert values["penalize", False] <= values["ignore", False]


@given(JSON)
def test_json_schema__a_constant_fits_itself(value: Any) -> None:
    run = a_run(json.dumps(value))
    assert JsonSchema(params={"schema": {"const": value}}).score(a_sample(), run).value == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.dictionaries(KEYS, LEAVES, max_size=2)), max_size=4
    )
)
def test_tool_call__the_calls_themselves_match(calls: list[tuple[str, dict[str, Any]]]) -> None:
    made = tuple(Call(name=name, arguments=json.dumps(given)) for name, given in calls)
    run = a_run(None, response=Response(tool_calls=made))
    expected = [{"name": name, "arguments": arguments} for name, arguments in calls]
    for order in ("strict", "any"):
        for arguments in ("exact", "subset", "ignore"):
            params = {"calls": expected, "order": order, "arguments": arguments}
            assert ToolCall(params=params).score(a_sample(), run).value == 1


@given(MIXED)
def test_mask_personal_data__leaves_none_and_nothing_else_changes(text: str) -> None:
    masked = mask_personal_data(text)
    assert find_personal_data(masked) == ()
    assert mask_personal_data(masked) == masked
    if not find_personal_data(text):
        assert masked == text


@given(st.text())
def test_behaviors__never_raise(text: str) -> None:
    tests: tuple[Callable[[str], bool], ...] = (is_refusal, is_ignorance, is_handover, is_question)
    assert all(isinstance(does(text), bool) for does in tests)
