from typing import Any

import pytest

from lm_eval_so.generator.sources.base import FileError, RawItem, Reject
from lm_eval_so.generator.sources.json_file import read_json


def read(shop: Any, data: str | bytes, **options: Any) -> list[Any]:
    shop.write("x.json", data)
    return list(read_json(*shop.open("x.json", **options)))


@pytest.mark.parametrize(
    ("data", "records", "found"),
    [
        ('[{"a": 1}, {"a": 2}]', None, [("$[0]", 1), ("$[1]", 2)]),
        ('{"data": [{"a": 1}]}', "$.data", [("$.data[0]", 1)]),
        ('{"data": [{"a": 1}]}', "data", [("$.data[0]", 1)]),
        ('{"data": [{"a": 1}]}', "$.data[*]", [("$.data[0]", 1)]),
        (
            '{"g": [{"items": [{"a": 1}, {"a": 2}]}, {"items": [{"a": 3}]}]}',
            "$.g[*].items",
            [("$.g[0].items[0]", 1), ("$.g[0].items[1]", 2), ("$.g[1].items[0]", 3)],
        ),
        ('{"one": {"a": 1}}', "$.one", [("$.one", 1)]),
        ("[]", None, []),
        ('{"data": []}', "$.data", []),
    ],
)
def test_read_json__finds_the_records(
    shop: Any, data: str, records: str | None, found: list[tuple[str, int]]
) -> None:
    items = read(shop, data, records=records)
    assert [(i.at["path"], i.payload["a"]) for i in items] == found
    assert [i.at["record"] for i in items] == list(range(1, len(found) + 1))


@pytest.mark.parametrize(
    ("data", "records", "reason", "what", "hint"),
    [
        ("", None, "empty_file", "the file is empty", None),
        (
            '{"n": 1, "data": []}',
            None,
            "unreadable",
            "found an object, not a list of records",
            "say where the list is: records: $.data",
        ),
        ('{"data": []}', "$.rows", "unreadable", "there is nothing at $.rows", None),
        ('{"a": 1,\n "b": }', None, "bad_json", "expected a value", None),
        ('{"a": 1, "a": 2}', None, "bad_json", 'the key "a" stands twice', None),
    ],
)
def test_read_json__a_file_that_cannot_be_used(
    shop: Any, data: str, records: str | None, reason: str, what: str, hint: str | None
) -> None:
    (error,) = read(shop, data, records=records)
    assert isinstance(error, FileError)
    assert (error.reason.value, error.what) == (reason, what)
    if hint:
        assert error.hint == hint


def test_read_json__tells_line_and_column_of_broken_json(shop: Any) -> None:
    (error,) = read(shop, '[\n  {"a": 1},\n  {"a" 2}\n]')
    assert error.at == {"line": 3, "column": 8}


def test_read_json__a_trailing_comma_is_told_where_the_next_value_should_be(shop: Any) -> None:
    (error,) = read(shop, '[\n  {"a": 1},\n]')
    assert (error.at, error.what) == ({"line": 3, "column": 1}, "expected a value")


def test_read_json__records_that_are_no_objects_do_not_stop_it(shop: Any) -> None:
    first, second, third = read(shop, '["가", {"a": 1}, {"a": "\\ud800"}]')
    assert isinstance(first, Reject)
    assert (first.reason, first.excerpt) == ("not_object", '"가"')
    assert isinstance(second, RawItem)
    assert third.reason == "bad_json"
    assert third.at == {"record": 3, "path": "$[2]"}


def test_read_json__bytes_that_are_no_utf8(shop: Any) -> None:
    (error,) = read(shop, b'[{"a": "\xff"}]', encoding="utf-8")
    assert (error.reason.value, error.what) == ("bad_encoding", "no utf-8 at byte 8")
