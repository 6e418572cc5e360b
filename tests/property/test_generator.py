"""Sources of any content: what was written is read, and no record is lost."""

import csv
import io
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.text import nfc
from lm_eval_so.errors import CannotMeasure, DatasetError, InputError
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.dedup import text_key
from lm_eval_so.generator.generate import generate
from lm_eval_so.generator.mapping.list_cells import LISTS, CellNotes, read_cell
from lm_eval_so.generator.sources.base import BadFileError, Columns, RawItem, Reject, SourceFile
from lm_eval_so.generator.sources.encoding import detect_encoding
from lm_eval_so.generator.sources.reader_table import READERS

KOREAN = st.text("가나다배송비환불은는이가얼마인가요 ,\"\n\r;|\t'.?123abc", max_size=12)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
HEADER = ["질문", "답변", "분류"]


def reader_items(name: str, data: bytes, encoding: str) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"f.{name}"
        path.write_bytes(data)
        file = SourceFile(
            source="s", name=path.name, path=path, sha256="", size=len(data), encoding=encoding
        )
        with suppress(BadFileError):  # of the whole file
            return list(READERS[name](file, options(path.name)))
        return []


def options(path: str) -> Any:
    values = {"sources": [{"id": "s", "path": path}]}
    config = {"version": 1, "suite": "x", "dataset": {"path": "d"}, "generator": values}
    return make_config(config).sources[0]


def as_csv(rows: list[list[str]], end: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([HEADER, *rows])
    return text.getvalue()


@given(
    rows=st.lists(st.lists(KOREAN, min_size=3, max_size=3), max_size=6),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp949", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_read_csv__gives_back_what_was_written(
    rows: list[list[str]], encoding: str, end: str
) -> None:
    data = as_csv(rows, end).encode(encoding)
    assert detect_encoding(data) == encoding
    header, *items = reader_items("csv", data, encoding)
    assert header == Columns(names=tuple(HEADER), line=1)
    full = [row for row in rows if any(map(str.strip, row))]
    assert [list(i.payload.values()) for i in items if i.payload] == full
    assert [i.at["record"] for i in items] == list(range(1, len(rows) + 1))


@given(st.lists(st.lists(ANY, min_size=3, max_size=3), max_size=6))
def test_read_csv__any_text_comes_back(rows: list[list[str]]) -> None:
    _, *items = reader_items("csv", as_csv(rows, "\n").encode(), "utf-8")
    full = [row for row in rows if any(map(str.strip, row))]
    assert [list(i.payload.values()) for i in items if i.payload] == full


@given(st.lists(st.dictionaries(ANY, ANY | st.integers() | st.none(), max_size=4), max_size=6))
def test_read_jsonl__any_object_comes_back(records: list[dict[str, Any]]) -> None:
    data = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    items = reader_items("jsonl", data.encode(), "utf-8")
    assert [i.payload for i in items if isinstance(i, RawItem)] == records
    assert len(items) == len(records)


@given(st.binary(max_size=200), st.sampled_from(sorted(READERS)))
def test_readers__no_bytes_raise(data: bytes, name: str) -> None:
    encoding = detect_encoding(data) or "utf-8"
    if "\n".encode(encoding) != b"\n":
        encoding = "utf-8"  # a torn unit is told by who opens the file
    for item in reader_items(name, data, encoding):
        if isinstance(item, RawItem | Reject):
            assert item.at["record"]


@given(ANY)
def test_clean_text__twice_is_once_and_composed(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert cleaned == nfc(cleaned)
    assert cleaned == cleaned.strip()


@given(ANY)
def test_text_key__does_not_see_the_unicode_form(text: str) -> None:
    assert text_key(text) == text_key(clean_text(text)) == text_key(f"  {text} ")


PHRASE = st.text("가나다환불3일 .,'()a", min_size=1, max_size=8).map(clean_text).filter(bool)
END = st.sampled_from([";", "; ", "；", "\n", " ;\n"])


@given(st.lists(st.tuples(PHRASE, END), min_size=1, max_size=5))
def test_read_cell__gives_back_the_phrases_that_were_joined(parts: list[tuple[str, str]]) -> None:
    cell = clean_text("".join(phrase + end for phrase, end in parts))
    assert read_cell(cell, "keywords") == [phrase for phrase, _ in parts]


@given(st.lists(ANY, max_size=4))
def test_read_cell__a_json_list_gives_back_any_texts(texts: list[str]) -> None:
    cell = clean_text(json.dumps(texts))
    assert read_cell(cell, "tags") == [clean_text(text) for text in texts]


@given(ANY | st.text('가;；,、\n"“”「」[]& 3a', max_size=12), st.sampled_from(LISTS))
def test_read_cell__loses_marks_and_nothing_else(text: str, field: str) -> None:
    cell = clean_text(text)
    found = read_cell(cell, field)
    if not cell.startswith("["):
        left = "".join(map(str, found))
        assert bare(left) == bare(cell)
    notes = CellNotes()
    notes.add(field, "c", cell)
    assert len(list(notes.told())) <= 1


def bare(text: str) -> str:
    return "".join(char for char in text if char not in ';；,，、"“”' and not char.isspace())


def made_in(folder: Path, data: bytes, out: str) -> dict[str, bytes] | str:
    (folder / "f.csv").write_bytes(data)
    source = {"id": "f", "path": "f.csv"}
    values = {
        "version": 1,
        "suite": "x",
        "dataset": {"path": out, "name": "d"},
        "generator": {"sources": [source]},
    }
    try:
        made = generate(make_config(values, folder=folder), Resources())
    except (DatasetError, CannotMeasure, InputError) as error:
        assert not (folder / out).exists()
        return str(error)
    return {path.name: path.read_bytes() for path in made.files}


ROWS = st.lists(st.lists(KOREAN | ANY, min_size=2, max_size=4).map(",".join), max_size=8)


@settings(max_examples=60, deadline=None)
@given(ROWS.map(lambda rows: "\n".join(["질문,답변,분류", *rows])))
def test_generate__counts_add_up_and_bytes_repeat(text: str) -> None:
    data = text.encode()
    with tempfile.TemporaryDirectory() as name:
        first = made_in(Path(name), data, "a")
        second = made_in(Path(name), data, "b")
    assert first == second
    if isinstance(first, str):
        return
    info = json.loads(first["metadata.json"])
    (source,) = info["sources"]
    parts = [source[key] for key in ("kept", "rejected", "skipped", "duplicates")]
    assert sum(parts) == source["records"]
    assert source["kept"] == first["test.jsonl"].count(b"\n")
    assert source["rejected"] + source["duplicates"] == first["rejected.jsonl"].count(b"\n")
