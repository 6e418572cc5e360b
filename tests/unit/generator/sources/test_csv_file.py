from typing import Any

import pytest

from lm_eval_so.generator.sources.base import Columns, FileError, RawItem, Reject
from lm_eval_so.generator.sources.csv_file import read_csv, read_tsv


def read(shop: Any, data: str | bytes, **options: Any) -> list[Any]:
    shop.write("f.csv", data)
    reader = read_tsv if options.get("format") == "tsv" else read_csv
    return shop.read(reader, "f.csv", **options)


def rows(items: list[Any]) -> list[tuple[int, int, dict[str, Any]]]:
    return [
        (i.at["record"], i.at["line"], dict(i.payload)) for i in items if isinstance(i, RawItem)
    ]


def rejects(items: list[Any]) -> list[tuple[dict[str, Any], str]]:
    return [(dict(i.at), i.reason.value) for i in items if isinstance(i, Reject)]


def test_read_csv__the_header_comes_first_cleaned(shop: Any) -> None:
    first, second = read(shop, "\ufeff 질문 ,답변\n가,나\n".encode())
    assert first == Columns(names=("질문", "답변"), line=1)
    assert second.payload == {"질문": "가", "답변": "나"}


def test_read_csv__physical_lines_with_cells_of_several_lines(shop: Any) -> None:
    items = read(shop, 'q,a\r\n\r\n1,"x\r\ny\r\n\r\nz"\r\n2,b\r\n')
    assert rows(items) == [
        (1, 3, {"q": "1", "a": "x\r\ny\r\n\r\nz"}),
        (2, 7, {"q": "2", "a": "b"}),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_read_csv__takes_the_delimiter_of_the_header(shop: Any, delimiter: str) -> None:
    items = read(shop, f"질문{delimiter}답변\n가{delimiter}나\n")
    assert rows(items) == [(1, 2, {"질문": "가", "답변": "나"})]


def test_read_csv__a_quoted_delimiter_in_the_header_does_not_count(shop: Any) -> None:
    items = read(shop, '"a;b;c;d",e\n1,2\n')
    assert rows(items) == [(1, 2, {"a;b;c;d": "1", "e": "2"})]


def test_read_tsv__a_comma_is_text(shop: Any) -> None:
    items = read(shop, "a\tb\n1,5\t2\n", format="tsv")
    assert rows(items) == [(1, 2, {"a": "1,5", "b": "2"})]


def test_read_csv__a_wrong_width_is_rejected_and_never_padded(shop: Any) -> None:
    items = read(shop, "q,a\n1,2,3\n4\n5,6\n")
    assert rejects(items) == [
        ({"line": 2, "column": 1, "record": 1}, "row_width"),
        ({"line": 3, "column": 1, "record": 2}, "row_width"),
    ]
    assert rows(items) == [(3, 4, {"q": "5", "a": "6"})]
    long, short = (item for item in items if isinstance(item, Reject))
    assert long.what == "3 fields, header has 2"
    assert long.hint == "quote the field that contains a comma; columns: q, a"
    assert short.hint == "add the field that is missing, if need be empty; columns: q, a"
    assert long.excerpt == "1,2,3"


def test_read_csv__a_quote_that_is_never_closed_spoils_one_line(shop: Any) -> None:
    items = read(shop, 'q,a\n1,"x\n2,y\n3,z\n')
    assert rejects(items) == [({"line": 2, "column": 1, "record": 1}, "bad_quote")]
    assert rows(items) == [(2, 3, {"q": "2", "a": "y"}), (3, 4, {"q": "3", "a": "z"})]


def test_read_csv__a_quote_that_runs_past_the_longest_cell_spoils_one_line(shop: Any) -> None:
    many = "".join(f"{i},{'가' * 100}\n" for i in range(2000))
    items = read(shop, 'q,a\n1,"x\n' + many)
    assert rejects(items) == [({"line": 2, "column": 1, "record": 1}, "too_large")]
    assert len(rows(items)) == 2000


def test_read_csv__text_after_a_closing_quote_is_not_guessed(shop: Any) -> None:
    items = read(shop, 'q,a\n1,"x" y\n2,"a ""b"" c"\n')
    assert rejects(items) == [({"line": 2, "column": 1, "record": 1}, "bad_quote")]
    assert rows(items) == [(2, 3, {"q": "2", "a": 'a "b" c'})]


def test_read_csv__a_quote_inside_a_bare_field_is_text(shop: Any) -> None:
    assert rows(read(shop, 'q,a\n5" 화면,y\n')) == [(1, 2, {"q": '5" 화면', "a": "y"})]


def test_read_csv__an_undecodable_line_is_named_and_the_rest_kept(shop: Any) -> None:
    data = "질문,답변\n가,나\n다,".encode() + b"\xb9\xe8\n" + "라,마\n".encode()
    items = read(shop, data)
    assert rejects(items) == [({"line": 3, "byte": 4, "record": 2}, "bad_encoding")]
    assert [number for number, _, _ in rows(items)] == [1, 3]


def test_read_csv__an_undecodable_line_inside_a_cell_is_named(shop: Any) -> None:
    data = '질문,답변\n가,"나\n'.encode() + b"\xff" + '다"\n라,마\n'.encode()
    items = read(shop, data)
    assert rejects(items) == [({"line": 3, "byte": 0, "record": 1}, "bad_encoding")]
    assert rows(items) == [(2, 4, {"질문": "라", "답변": "마"})]


def test_read_csv__a_row_of_blanks_has_an_empty_payload(shop: Any) -> None:
    assert rows(read(shop, "q,a\n,\n , \n\n1,2\n")) == [
        (1, 2, {}),
        (2, 3, {}),
        (3, 5, {"q": "1", "a": "2"}),
    ]


def test_read_csv__a_record_may_be_too_large(shop: Any) -> None:
    names = ",".join(f"c{i}" for i in range(12))
    cells = ",".join(["x" * 100_000] * 12)
    items = read(shop, f"{names}\n{cells}\n{names}\n")
    assert rejects(items) == [({"line": 2, "column": 1, "record": 1}, "too_large")]
    assert len(rows(items)) == 1


@pytest.mark.parametrize(
    ("data", "reason", "what"),
    [
        ("", "empty_file", "the file is empty"),
        ("\n \n", "empty_file", "the file is empty"),
        ("질문,질문\n1,2\n", "unreadable", 'the column "질문" stands twice in the header'),
        ("질문, 질문\n1,2\n", "unreadable", 'the column "질문" stands twice in the header'),
        (
            'a,"b\n1,2\n',
            "bad_quote",
            "the header cannot be read: a quote is opened and never closed",
        ),
    ],
)
def test_read_csv__a_header_that_cannot_be_used(
    shop: Any, data: str, reason: str, what: str
) -> None:
    items = read(shop, data)
    assert [(type(i), i.reason.value, i.what) for i in items] == [(FileError, reason, what)]


def test_read_csv__a_column_without_a_name_is_left_out(shop: Any) -> None:
    assert rows(read(shop, "q,a,\n1,2,3\n")) == [(1, 2, {"q": "1", "a": "2"})]


def test_read_csv__keys_do_not_reach_the_excerpt(shop: Any) -> None:
    key = "sk-EXAMPLE0000notarealkey0000000000"
    (_, reject) = read(shop, f"q,a\n{key},2,3\n")
    assert key not in reject.excerpt
    assert reject.excerpt.startswith("[redacted")
