from typing import Any

import pytest

from lm_eval_so.generator.sources.base import FileError, RawItem, Reject
from lm_eval_so.generator.sources.json_file import read_jsonl
from lm_eval_so.generator.sources.structure import read_json


def read(shop: Any, data: str | bytes, **options: Any) -> list[Any]:
    shop.write("x.json", data)
    return shop.read(read_json, "x.json", **options)


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


def read_lines_of(shop: Any, data: str | bytes, **options: Any) -> list[Any]:
    shop.write("x.jsonl", data)
    return shop.read(read_jsonl, "x.jsonl", **options)


def test_read_jsonl__bad_lines_never_stop_the_file(shop: Any) -> None:
    data = b"".join(
        [
            '{"input":"가","expected":"나"}\n'.encode(),
            b"\n",
            b'{"input":"abc","expected":"x","more":1,}\n',
            '{"input":"다"}\r\n'.encode(),
            '{"input":"라"}\n'.encode(),
            b'["f"]\n',
            b'{"input":"\xb9\xe8\xbc\xdb"}\n',
            b'{"input":"g"}',
        ]
    )
    items = read_lines_of(shop, data)
    found = [
        (dict(i.at), i.payload if isinstance(i, RawItem) else (i.reason.value, i.what))
        for i in items
    ]
    assert found == [
        ({"line": 1, "record": 1}, {"input": "가", "expected": "나"}),
        ({"line": 3, "column": 40, "record": 2}, ("bad_json", "expected a property name")),
        ({"line": 4, "record": 3}, {"input": "다"}),
        ({"line": 5, "record": 4}, {"input": "라"}),
        ({"line": 6, "record": 5}, ("not_object", "found an array, not an object")),
        ({"line": 7, "byte": 10, "record": 6}, ("bad_encoding", "no utf-8 at byte 10")),
        ({"line": 8, "record": 7}, {"input": "g"}),
    ]


@pytest.mark.parametrize(
    ("line", "column", "what"),
    [
        ('{"a": }', 7, "expected a value"),
        ('{"a": 1 "b": 2}', 9, "expected a comma"),
        ('{"a" 1}', 6, "expected a colon"),
        ('{"a": 1} {}', 10, "expected nothing more"),
        ('{"a": "b}', 7, "the text is not closed"),
        ('{"a": [1, 2, ]}', 14, "expected a value"),
        ('{"a": "x\ty"}', 9, "a control character must be escaped"),
        ('{"a": 1, "a": 2}', None, 'the key "a" stands twice'),
        ('{"a": {"b": 1, "b": 2}}', None, 'the key "b" stands twice'),
        ('{"a": NaN}', None, "NaN is no JSON number"),
        ('{"a": "\\x"}', 8, "invalid \\escape"),
        ('{"a": ' + "1" * 5000 + "}", None, "a number has too many digits"),
        ('{"a": 1e999}', None, "a number is too large"),
        ('{"a": "\\ud800"}', None, "half of a surrogate pair"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", None, "nested deeper than 100 levels"),
        ('{"a": ' + "[" * 100_000, None, "nested too deeply"),
    ],
)
def test_read_jsonl__says_what_is_wrong_and_where(
    shop: Any, line: str, column: int | None, what: str
) -> None:
    (reject,) = read_lines_of(shop, line + "\n")
    assert (reject.reason.value, reject.at.get("column"), reject.what) == ("bad_json", column, what)


@pytest.mark.parametrize("line", ["null", "3", '"text"', "true", "[]"])
def test_read_jsonl__only_objects_are_records(shop: Any, line: str) -> None:
    (reject,) = read_lines_of(shop, line)
    assert reject.reason == "not_object"


def test_read_jsonl__a_line_may_be_too_large(shop: Any) -> None:
    big = '{"a": "' + "x" * (1 << 20) + '"}'
    first, second = read_lines_of(shop, f'{big}\n{{"a": "y"}}\n')
    assert first.reason == "too_large"
    assert len(first.excerpt) == 200
    assert second.payload == {"a": "y"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp949"])
def test_read_jsonl__other_encodings(shop: Any, encoding: str) -> None:
    items = read_lines_of(
        shop, '{"질문": "배송비는 얼마인가요?"}\n{"질문": "나"}\n'.encode(encoding)
    )
    assert [item.payload["질문"] for item in items] == ["배송비는 얼마인가요?", "나"]


def test_read_jsonl__a_file_without_lines_is_empty(shop: Any) -> None:
    (error,) = read_lines_of(shop, "\n\n")
    assert isinstance(error, FileError)
    assert error.reason == "empty_file"
