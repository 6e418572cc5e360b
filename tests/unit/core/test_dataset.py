"""Datasets: all problems at once."""

import json
import os
from pathlib import Path

import pytest

from lm_eval_so.core.dataset import _id_key, _ids_that_stand_twice, load_dataset
from lm_eval_so.core.hashing import revision
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.sample import Passage, TestSample
from lm_eval_so.errors import DatasetError

QUESTION = "주문하면 언제 받을 수 있나요?"


def write(folder: Path, *lines: str) -> Path:
    file = folder / "test.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def sample(**fields: object) -> TestSample:
    values = {"id": "a", "messages": (Message(role="user", content=QUESTION),), **fields}
    return TestSample(**values)


def test_load_dataset__lists_every_broken_line(tmp_path: Path) -> None:
    write(
        tmp_path,
        '{"id": "a", "input": "x"}',
        '{"id": "b", "input": ',
        '{"id": "a", "input": "y"}',
        '{"id": "c"}',
        '{"id": "d", "input": "x", "messages": [{"role": "user", "content": "x"}]}',
        '{"id": "e", "messages": [{"role": "assistant", "content": "x"}]}',
    )
    with pytest.raises(DatasetError) as caught:
        load_dataset(tmp_path)
    assert [p.where.line for p in caught.value.problems if p.where] == [2, 3, 4, 5, 6]
    assert 'the id "a" already stands in line 1' in caught.value.problems[1].what


def test_load_dataset__reads_the_short_form(tmp_path: Path) -> None:
    write(
        tmp_path,
        '\ufeff{"id": "q1", "input": "환불은 며칠?", "expected": ["3일", 5], "context": "정책"}',
        "",
        '{"id": "q2", "input": "x", "expected": 3, "tags": null}',
    )
    dataset = load_dataset(tmp_path)
    first, second = dataset
    assert first.messages == (Message(role="user", content="환불은 며칠?"),)
    assert first.answers == ("3일", "5")
    assert first.context == (Passage(role="gold", text="정책"),)
    assert second.expected == "3"
    assert dataset.ref.n == 2


def test_load_dataset__counts_languages_and_unreviewed(tmp_path: Path) -> None:
    write(
        tmp_path,
        '{"id": "a", "input": "x", "language": "ko", "review": {"status": "unreviewed"}}',
        '{"id": "b", "input": "x", "language": "en", "review": {"status": "imported"}}',
    )
    found = load_dataset(tmp_path, name="n", version="2")
    ref = found.ref
    assert not found.sets_metrics
    assert (ref.languages, ref.unreviewed, ref.name, ref.version) == (("en", "ko"), 1, "n", "2")


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_load_dataset__refuses_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "test.jsonl").write_text(content)
    with pytest.raises(DatasetError):
        load_dataset(tmp_path)


def test_load_dataset__a_table_is_told_once_and_what_makes_a_dataset_of_it(tmp_path: Path) -> None:
    file = tmp_path / "상담.CSV"
    file.write_bytes("질문,답\n언제 오나요?,내일\n".encode("cp949"))
    with pytest.raises(DatasetError) as caught:
        load_dataset(file)
    (problem,) = caught.value.problems
    assert problem.what == "상담.CSV is a table; a dataset has one JSON object a line"
    assert problem.hint == "name it under generator.sources, and run lm-eval-so generate"


def test_load_dataset__says_where_it_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_bytes('{"id": "a", "input": "환불"}\n'.encode("cp949"))
    with pytest.raises(DatasetError, match="no UTF-8 at byte 24"):
        load_dataset(tmp_path)


def test_load_dataset__names_the_keys_that_ask_and_those_that_do_not(tmp_path: Path) -> None:
    line = '{"id": "a", "question": "환불은?", "답변": "3일", "expected": "3일"}\n'
    (tmp_path / "test.jsonl").write_text(line, "utf-8")
    with pytest.raises(DatasetError, match="nothing is asked") as caught:
        load_dataset(tmp_path)
    hint = "give one of messages, input or scenario; question, 답변: no such field"
    assert caught.value.problems[0].hint == hint


def test_load_dataset__a_list_is_called_a_list(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"id": "a", "input": "x", "tags": "환불"}\n', "utf-8")
    with pytest.raises(DatasetError, match="input should be a list"):
        load_dataset(tmp_path)


def test_load_dataset__does_not_believe_a_stale_rev(tmp_path: Path) -> None:
    write(tmp_path, json.dumps({"id": "a", "input": QUESTION, "rev": "0" * 16}))
    (read,) = load_dataset(tmp_path)
    assert read.rev is None
    assert revision(read) == revision(sample())


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (r'{"id": "a\ud800", "input": "x"}', "half a surrogate pair"),
        (r'{"id": "a", "input": "x", "metrics": {"m": {"p": 1e999}}}', "a number is too large"),
        (r'{"id": "a", "input": "x", "expected": [1], "references": 5}', "should be a list"),
        (r'{"id": "a", "input": 5}', "valid string"),
    ],
)
def test_load_dataset__what_no_record_can_hold(tmp_path: Path, line: str, what: str) -> None:
    write(tmp_path, r'{"id": "whole", "input": "\ud83d\ude00"}', line)
    with pytest.raises(DatasetError, match=what) as caught:
        load_dataset(tmp_path)
    assert [p.where.line for p in caught.value.problems if p.where] == [2]


def test_dataset__streams_what_was_checked(tmp_path: Path) -> None:
    write(tmp_path, *(json.dumps({"id": str(i), "input": "x"}) for i in range(50)))
    assert [s.id for s in load_dataset(tmp_path)] == [str(i) for i in range(50)]


def test_load_dataset__names_every_id_that_stands_again(tmp_path: Path) -> None:
    ids = ["a", "환불", "b", "a", "환불", "a"]
    write(tmp_path, *(json.dumps({"id": name, "input": "x"}) for name in ids))
    with pytest.raises(DatasetError) as caught:
        load_dataset(tmp_path)
    told = [(p.where.line, p.what) for p in caught.value.problems if p.where]
    assert told == [
        (4, 'the id "a" already stands in line 1'),
        (5, 'the id "환불" already stands in line 2'),
        (6, 'the id "a" already stands in line 1'),
    ]


def test_ids_that_stand_twice__keys_that_meet_by_chance_are_no_problem(tmp_path: Path) -> None:
    file = write(tmp_path, '{"id": "a", "input": "x"}', '{"id": "b", "input": "x"}')
    by_chance = [_id_key("a"), _id_key("a")]
    assert _ids_that_stand_twice(file, by_chance) == []


def test_dataset__is_read_again_as_it_was_checked(tmp_path: Path) -> None:
    deep = json.dumps(
        {"id": "deep", "input": "x", "metadata": {"m": json.loads("[" * 150 + "]" * 150)}}
    )
    write(
        tmp_path,
        r'{"id": "a", "input": "\ud83d\ude00 환불", "metadata": {"big": 123456789012345678901}}',
        '{"id": "b", "input": "x", "weight": 0.1, "expected": [1, "둘"], "context": "c"}',
        deep,
    )
    first, second, third = load_dataset(tmp_path)
    assert first.question == "😀 환불"
    assert first.metadata == {"big": 123456789012345678901}
    assert (second.weight, second.answers) == (0.1, ("1", "둘"))
    assert third.id == "deep"


def test_load_dataset__a_file_that_changed_is_checked_again(tmp_path: Path) -> None:
    file = write(tmp_path, '{"id": "a", "input": "x"}', '{"id": "b", "input": "x"}')
    seen = file.stat()
    assert load_dataset(tmp_path).ref.n == 2
    write(tmp_path, '{"id": "a", "input": "x"}', '{"id": "a", "input": "x"}')
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # the same size and time
    with pytest.raises(DatasetError, match='the id "a" already stands in line 1'):
        load_dataset(tmp_path)
