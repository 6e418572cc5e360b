"""JSON in answers."""

import contextlib
import time
import unicodedata

import pytest

from lm_eval_so.core.text.json_in_text import DEEPEST, read_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1}', {"a": 1}),
        (" \ufeff[1, 2]\n", [1, 2]),
        ("42", 42),
        ('"텍스트"', "텍스트"),
        ('결과: {"a":1} 입니다.', {"a": 1}),
        ('```json\n{"a":1}\n```', {"a": 1}),
        ("설명\n~~~\n[1]\n~~~\n끝", [1]),
        ('```python\nprint([1])\n```\n```json\n{"b":2}\n```', {"b": 2}),
        ('```json {"a":1}```', {"a": 1}),
        ('```json\n{"a":1}', {"a": 1}),
        ('[주의] {"a":1}', {"a": 1}),
        (':[ 아쉽네요. 답은 {"a":1}', {"a": 1}),
        ('{"a":"}{"}', {"a": "}{"}),
        ('{"a":"\\"}"} 끝', {"a": '"}'}),
        ('{"a":1,"a":2}', {"a": 2}),
        ('{"a":1} {"b":2}', {"a": 1}),
    ],
)
def test_read_json__found(text, value):
    assert read_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "답변입니다",
        "{'a': [1]}",
        '{"a":{"b":1},}',
        '{"a":{"b":1}',
        '```json\n{"a":{"b":1},}\n```',
        "NaN",
        '{"a":-Infinity}',
        "1e999",
        "9" * 5000,
        "[" * 100_000,
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
    ],
)
def test_read_json__none(text):
    with pytest.raises(ValueError, match="no JSON"):
        read_json(text)


@pytest.mark.parametrize("text", ['결과: {"a":1}', '```\n{"a":1}\n```', '{"a":1} 끝'])
def test_read_json__strict_takes_the_whole_text_only(text):
    assert read_json(text) == {"a": 1}
    with pytest.raises(ValueError, match="no JSON"):
        read_json(text, extract="strict")


def test_read_json__deep_but_readable():
    value = read_json("[" * DEEPEST + "]" * DEEPEST)
    for _ in range(DEEPEST - 1):
        (value,) = value
    assert value == []


def test_read_json__texts_and_keys_are_composed():
    text = unicodedata.normalize("NFD", '{"도시":"서울"}')
    assert read_json(text) == {"도시": "서울"}
    assert read_json('"\\u1109\\u1165"') == "서"


UNITS = [
    "[",
    "{",
    '{"a":',
    '["',
    "[a",
    '[a"',
    '\\"',
    '[\\"',
    "```\n",
    "````\n~~~\n",
    "[1,",
    '"',
    "{}",
]
UNITS += ["[a]", '{"":"\\', "[note ", "`", "1", "-", "\n", "[a{", '[x "\\" ', "가"]


@pytest.mark.parametrize("before", ["", "[a"])
@pytest.mark.parametrize("unit", UNITS)
def test_read_json__hostile_text_takes_no_time(before, unit):
    text = before + (unit * 100_000)[:100_000]
    began = time.perf_counter()
    with contextlib.suppress(ValueError):
        read_json(text)
    assert time.perf_counter() - began < 30  # it would take ages, were it not linear
