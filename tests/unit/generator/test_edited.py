"""A dataset edited by hand is never overwritten without a word."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lm_eval_so as so
from lm_eval_so.core.events import ignore
from lm_eval_so.errors import DatasetError, InputError, RecordError
from lm_eval_so.generator.generate import Edits, generate, preview
from lm_eval_so.generator.staleness.find_stale import find_stale

FAQ = {"path": "faq.csv", "map": {"input": "질문", "expected": "답변", "tags": "분류"}}
ROWS = "질문,답변,분류\r\n환불은 며칠?,3일,환불\r\n배송은 며칠?,2일,배송\r\n교환되나요?,네,교환\r\n"
SAID = "test.jsonl was edited after generate wrote it, and is not overwritten"


def made_by_hand(shop: Any, change: Callable[[bytes], bytes]) -> Path:
    """Make the dataset from a CP949 table, and change the bytes of its samples."""
    shop.write("faq.csv", ROWS, "cp949")
    shop.generate(FAQ)
    file: Path = shop.folder / "made/test.jsonl"
    file.write_bytes(change(file.read_bytes()))
    shop.events.clear()
    return file


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old.encode(), new.encode(), 1)


def edited_line(number: int, key: str, value: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        lines = data.decode().splitlines()
        lines[number - 1] = json.dumps({**json.loads(lines[number - 1]), key: value})
        return ("\n".join(lines) + "\n").encode()

    return change


def refused(shop: Any) -> DatasetError:
    with pytest.raises(DatasetError) as error:
        shop.generate(FAQ)
    assert error.value.exit_code == 2
    return error.value


@pytest.mark.parametrize(
    ("change", "line", "source"),
    [
        (replaced('"2일"', '"사흘"'), 2, "faq.csv:3"),
        (replaced("교환되나요?", "교환이 되나요?"), 3, "faq.csv:4"),
        (edited_line(2, "tags", ["must"]), 2, "faq.csv:3"),
        (lambda data: data + b'{"id": "q4", "input": "x"}\n', 4, None),
        (lambda data: b"".join(data.splitlines(keepends=True)[1:]), 1, "faq.csv:2"),
        (lambda data: b"".join(data.splitlines(keepends=True)[:2]), None, "faq.csv:4"),
        (lambda data: data.replace(b'"schema"', b'<<<<<<< HEAD\n"schema"', 1), 1, None),
        (lambda data: data.decode().encode("cp949"), 1, None),
        (lambda data: unicodedata.normalize("NFD", data.decode()).encode(), 1, "faq.csv:2"),
        (lambda _: b"", None, "faq.csv:2"),
    ],
    ids=[
        "answer",
        "question",
        "tags",
        "added",
        "gone",
        "last_gone",
        "conflict",
        "cp949",
        "nfd",
        "empty",
    ],
)
def test_generate__refuses_an_edited_dataset_and_says_where(
    shop: Any, change: Callable[[bytes], bytes], line: int | None, source: str | None
) -> None:
    file = made_by_hand(shop, change)
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    (problem,) = refused(shop).problems
    assert problem.what == f"{file.parent}/{SAID}"
    assert problem.where is not None
    assert problem.where.file == str(file)
    assert problem.hint is not None
    assert (problem.where.line, f"({source})" in problem.hint) == (line, source is not None)
    assert "generate --force, which keeps the edited file as test.edited.jsonl" in problem.hint
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before


def test_generate__an_edit_is_found_though_the_source_changed_before_it(shop: Any) -> None:
    made_by_hand(shop, replaced('"네"', '"아니요"'))
    shop.write("faq.csv", ROWS.replace("3일", "4일", 1), "cp949")
    (problem,) = refused(shop).problems
    assert problem.where is not None
    assert problem.hint is not None
    assert (problem.where.line, "(faq.csv:4)" in problem.hint) == (3, True)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\n\n"),
        lambda data: data.rstrip(b"\n"),
    ],
    ids=["untouched", "crlf", "bom_and_blank_lines", "no_last_end"],
)
def test_generate__line_ends_are_no_edit(shop: Any, change: Callable[[bytes], bytes]) -> None:
    file = made_by_hand(shop, change)
    shop.write("faq.csv", ROWS.replace("3일", "4일"), "cp949")
    shop.generate(FAQ)
    assert shop.samples()[0]["expected"] == "4일"
    assert shop.notices() == ["faq.csv: read as CP949"]
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "metadata.json",
        "rejected.jsonl",
        "test.jsonl",
    ]


def test_generate__what_the_sources_give_now_is_no_edit(shop: Any) -> None:
    file = made_by_hand(shop, lambda data: data)
    old = (file.parent / "metadata.json").read_bytes()
    shop.write("faq.csv", ROWS.replace("3일", "4일"), "cp949")
    shop.generate(FAQ)
    (file.parent / "metadata.json").write_bytes(old)  # as of a process that was killed in between
    shop.generate(FAQ)
    assert not find_stale(shop.config(FAQ), ignore).rows


def test_generate__force_keeps_every_edited_file(shop: Any) -> None:
    file = made_by_hand(shop, replaced('"2일"', '"사흘"'))
    first = file.read_bytes()
    made = generate(shop.config(FAQ), shop.resources(), edits=Edits.REPLACE)
    assert (file.parent / "test.edited.jsonl").read_bytes() == first
    assert shop.notices()[-1] == (
        f"{file} was edited by hand: kept as {file.parent}/test.edited.jsonl"
    )
    assert [sample["expected"] for sample in shop.samples()] == ["3일", "2일", "네"]
    assert not find_stale(shop.config(FAQ), ignore).rows
    assert len(made.files) == 3
    file.write_bytes(first + b"\n{}")
    generate(shop.config(FAQ), shop.resources(), edits=Edits.REPLACE)
    assert (file.parent / "test.edited.jsonl").read_bytes() == first
    assert (file.parent / "test.edited.2.jsonl").read_bytes() == first + b"\n{}"


def test_generate__force_has_nothing_to_keep_of_an_untouched_dataset(shop: Any) -> None:
    file = made_by_hand(shop, lambda data: data)
    generate(shop.config(FAQ), shop.resources(), edits=Edits.REPLACE)
    assert len(list(file.parent.iterdir())) == 3
    file.unlink()
    shop.generate(FAQ)
    assert len(shop.samples()) == 3


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["test.jsonl", "rejected.jsonl"])
def test_generate__without_metadata_it_is_not_ours(shop: Any, name: str, force: bool) -> None:
    shop.write("faq.csv", ROWS, "cp949")
    file = shop.write(f"made/{name}", '{"id": "q1", "input": "환불?"}\n')
    before = file.read_bytes()
    with pytest.raises(InputError, match=f"{name} was not made by generate") as error:
        generate(shop.config(FAQ), shop.resources(), edits=Edits.REPLACE if force else Edits.REFUSE)
    assert error.value.exit_code == 2
    assert [path.name for path in file.parent.iterdir()] == [name]
    assert file.read_bytes() == before


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("text", ['{"title": "설문"}', "<<<<<<< HEAD\n{}", ""])
def test_generate__metadata_of_something_else_is_not_ours(
    shop: Any, text: str, force: bool
) -> None:
    shop.write("faq.csv", ROWS, "cp949")
    file = shop.write("made/metadata.json", text)
    with pytest.raises(RecordError, match="was not made by generate, or is damaged") as error:
        generate(shop.config(FAQ), shop.resources(), edits=Edits.REPLACE if force else Edits.REFUSE)
    (problem,) = error.value.problems
    assert (error.value.exit_code, problem.hint) == (2, "mend it, or choose another folder by -o")
    assert problem.where is not None
    assert problem.where.file == str(file)
    assert [path.name for path in file.parent.iterdir()] == ["metadata.json"]
    assert file.read_text("utf-8") == text


def test_preview__tells_an_edit_unless_it_is_forced(shop: Any) -> None:
    made_by_hand(shop, replaced('"2일"', '"사흘"'))
    with pytest.raises(DatasetError, match="was edited after generate wrote it"):
        preview(shop.config(FAQ), shop.resources())
    assert (
        preview(shop.config(FAQ), shop.resources(), edits=Edits.REPLACE).files["test.jsonl"].rows
        == 3
    )
    assert len(list((shop.folder / "made").iterdir())) == 3


def test_api_generate__forces_as_the_command_does(shop: Any) -> None:
    config = (
        "version: 1\nsuite: shop\ndataset: {path: made}\n"
        "generator: {sources: [{id: faq, path: faq.csv}]}\n"
    )
    file = made_by_hand(shop, replaced('"2일"', '"사흘"'))
    path = shop.write("lm-eval-so.yaml", config)
    with pytest.raises(DatasetError):
        so.generate(path)
    so.generate(path, force=True)
    assert (file.parent / "test.edited.jsonl").exists()
    assert shop.samples()[1]["expected"] == "2일"


def kept(shop: Any) -> list[dict[str, Any]]:
    generate(shop.config(FAQ), shop.resources(), edits=Edits.KEEP)
    samples: list[dict[str, Any]] = shop.samples()
    return samples


def test_generate__keeps_edits_by_hand_as_a_review(shop: Any) -> None:
    file = made_by_hand(shop, lambda data: data)
    one, two, three = shop.samples()
    one |= {"expected": "사흘", "tags": ["must"]}
    two["messages"][0]["content"] = "배송은 언제 와요?"
    file.write_text("".join(f"{json.dumps(each)}\n" for each in (one, two)), "utf-8")
    assert "generate --keep-edits takes the edits as reviewed" in str(
        refused(shop).problems[0].hint
    )
    first, second = kept(shop)
    assert (first["expected"], first["tags"], first["id"]) == ("사흘", ["must"], one["id"])
    assert first["review"] == {"status": "edited"}
    assert first["rev"] != one["rev"]
    assert second["review"] == {"status": "edited", "edited_from": two["id"]}
    assert second["id"] != two["id"]
    assert second["provenance"] == two["provenance"]
    (reject,) = shop.rejects()
    assert (reject["reason"], reject["id"]) == ("review_reject", three["id"])
    assert not list(file.parent.glob("test.edited*"))
    before = file.read_bytes()
    assert not find_stale(shop.config(FAQ), ignore).rows
    shop.generate(FAQ)
    assert file.read_bytes() == before
    # a row moves, another changes: the edits stay with their rows, and the changed row is new
    moved = ROWS.replace("질문,답변,분류\r\n", "질문,답변,분류\r\n새로운가요?,네,기타\r\n")
    shop.write("faq.csv", moved.replace("2일", "5일"), "cp949")
    shop.events.clear()
    shop.generate(FAQ)
    (warning,) = shop.warnings()
    assert warning.startswith(
        f'review.jsonl decides about "배송은 언제 와요?" ({two["id"]}), which'
    )
    assert "(faq.csv:3)" in warning
    after = {each["messages"][0]["content"]: each for each in shop.samples()}
    assert after["환불은 며칠?"]["expected"] == "사흘"
    assert after["환불은 며칠?"]["provenance"]["source"]["at"]["line"] == 3
    assert after["배송은 며칠?"]["review"] == {"status": "imported"}
    assert "배송은 언제 와요?" not in after
    assert "교환되나요?" not in after


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data + b'{"id": "q4", "input": "x"}\n', "q4 is in no source"),
        (lambda data: data + b"<<<<<<< HEAD\n", "no JSON"),
    ],
    ids=["added", "conflict"],
)
def test_generate__keeps_no_line_without_a_source(
    shop: Any, change: Callable[[bytes], bytes], said: str
) -> None:
    file = made_by_hand(shop, change)
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    with pytest.raises(DatasetError, match=said) as error:
        kept(shop)
    (problem,) = error.value.problems
    assert problem.where is not None
    assert problem.where.line == 4
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before


def test_generate__changes_of_a_source_are_no_edits_to_keep(shop: Any) -> None:
    made_by_hand(shop, replaced('"2일"', '"사흘"'))
    rows = ROWS.replace("3일", "4일").replace("교환되나요?,네,교환\r\n", "새로운가요?,네,기타\r\n")
    shop.write("faq.csv", rows, "cp949")
    assert [each["expected"] for each in kept(shop)] == ["4일", "사흘", "네"]
    assert [each["id"] for each in shop.lines("made/review.jsonl")] == [shop.samples()[1]["id"]]


def test_generate__keeps_an_acceptance_by_hand(shop: Any) -> None:
    made_by_hand(shop, edited_line(1, "review", {"status": "accepted"}))
    assert kept(shop)[0]["review"] == {"status": "accepted"}
    (decision,) = shop.lines("made/review.jsonl")
    assert decision["decision"] == "accept"


def test_edits_asked__not_both(shop: Any) -> None:
    with pytest.raises(InputError, match="give one"):
        Edits.asked(force=True, keep=True)
