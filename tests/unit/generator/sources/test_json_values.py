from typing import Any

import pytest

from lm_eval_so.generator.sources.json_values import parse_path, walk


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$", ()),
        ("$.data", ("data",)),
        ("data", ("data",)),
        ("$.a[*].b[0]", ("a", "*", "b", 0)),
        ("$[*]", ("*",)),
        ("가격(원).값", ("가격(원)", "값")),
        ("$.a[", None),
        ("$.a[x]", None),
        ("a..b", None),
        ("a.", None),
    ],
)
def test_parse_path__steps(text: str, steps: Any) -> None:
    assert parse_path(text) == steps


def test_walk__gives_every_place() -> None:
    value = {"a": [{"b": 1}, {"c": 2}, {"b": 3}]}
    assert list(walk(value, ("a", "*", "b"))) == [("$.a[0].b", 1), ("$.a[2].b", 3)]
    assert list(walk(value, ("a", 2, "b"))) == [("$.a[2].b", 3)]


@pytest.mark.parametrize("steps", [("x",), ("a", "b"), ("a", 9), ("a", "*", "b", "c"), ("*",)])
def test_walk__where_a_path_does_not_lead_there_is_nothing(steps: Any) -> None:
    assert list(walk({"a": [{"b": 1}]}, steps)) == []
