"""JSON Schemas: what is refused, what a value breaks, and in what time."""

import socket
import time

import pytest

from lm_eval_so.evaluator.metrics.structure.schemas import Broken, find_broken, schema_problem

RECURSIVE = {"type": "object", "properties": {"a": {"$ref": "#"}}}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "objekt"}, "type: 'objekt' is not valid"),
        ({"minimum": "3"}, "minimum: '3' is not of type 'number'"),
        ({"items": [{"type": "string"}]}, "items: "),
        ({"$schema": "http://x.y/z"}, 'its $schema "http://x.y/z" is not known'),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"allOf": [{"$ref": "#"}]}, "refers to itself without end"),
        ({"$ref": "#/$defs/b", "$defs": {"a": {}}}, "leads nowhere"),
        ({"properties": {"a": {"$ref": "other.json"}}}, '"other.json" leads nowhere'),
        ({"$ref": "file:///etc/passwd"}, "leads nowhere"),
        ({"properties": {"a": {"pattern": "("}}}, "a pattern is no regular expression"),
        ({"patternProperties": {"(": {}}}, "a pattern is no regular expression"),
    ],
)
def test_schema_problem__cannot_be_used(schema, problem):
    assert problem in (schema_problem(schema) or "")


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        RECURSIVE,
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"$id": "http://e.com/a", "$defs": {"x": {"$id": "x.json"}}, "$ref": "x.json"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]},
        {"pattern": r"^\p{Hangul}+$"},
    ],
)
def test_schema_problem__none(schema):
    assert schema_problem(schema) is None


def test_schema_problem__a_remote_reference_meets_no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("something was sent")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    problem = schema_problem({"$ref": "http://127.0.0.1:9/x.json"})
    assert problem is not None
    assert "remote ones are not followed" in problem


@pytest.mark.parametrize(
    ("schema", "value", "broken"),
    [
        ({"type": "object"}, {}, None),
        (False, 1, Broken("", "False schema does not allow 1", "None")),
        (
            {"properties": {"a": {"items": {"type": "string"}}}},
            {"a": ["x", 3]},
            Broken("a[1]", "3 is not of type 'string'", "type"),
        ),
        ({"type": "integer"}, 3.0, None),
        ({"const": 1}, True, Broken("", "1 was expected", "const")),
        ({"pattern": r"^\p{Hangul}+$"}, "서울", None),
        ({"patternProperties": {"^x": {"type": "integer"}}}, {"x1": 1, "y": ""}, None),
        (
            {"patternProperties": {"^x": {"type": "integer"}}},
            {"x1": "1"},
            Broken("x1", "'1' is not of type 'integer'", "type"),
        ),
        (
            {"patternProperties": {"^x": {}}, "additionalProperties": False},
            {"x1": 1, "y": 2},
            Broken(
                "",
                "Additional properties are not allowed ('y' was unexpected)",
                "additionalProperties",
            ),
        ),
        ({"uniqueItems": True}, [1, True, "1"], None),
        ({"uniqueItems": True}, [1, 1.0], Broken("", "it has non-unique elements", "uniqueItems")),
    ],
)
def test_find_broken__first_rule(schema, value, broken):
    assert find_broken(schema, value) == broken


def test_find_broken__long_and_unwritable_texts_are_cut():
    broken = find_broken({"enum": ["a"]}, "가" * 10_000 + "\ud800")
    assert broken is not None
    assert len(broken.message) < 250
    broken.message.encode()


def test_find_broken__deep_value():
    value = 1
    for _ in range(99):
        value = {"a": value}
    broken = find_broken(RECURSIVE, value)
    assert broken is not None
    assert broken.path.count("a") == 99


def test_find_broken__a_pattern_that_backtracks_ends():
    began = time.perf_counter()
    with pytest.raises(TimeoutError):
        find_broken({"pattern": "^(a|a)*$"}, "a" * 60 + "b")
    assert time.perf_counter() - began < 30  # the pattern alone would take ages


def test_find_broken__many_distinct_items():
    began = time.perf_counter()
    assert find_broken({"uniqueItems": True}, [{"a": n} for n in range(10_000)]) is None
    assert time.perf_counter() - began < 30  # the pattern alone would take ages
