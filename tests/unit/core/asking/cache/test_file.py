import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lm_eval_so.core.asking.cache.export import export_lines, import_lines
from lm_eval_so.core.asking.cache.file import (
    CacheInfo,
    Kept,
    clear,
    connect,
    decode,
    encode,
    look_into,
    write_rows,
)
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import InputError, RecordError

KEPT = Kept(status=RunStatus.OK, response=ChatResponse(text="3일\x85\u2028"), cost_usd=0.1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "캐시.sqlite"


def fill(path: Path, *, number: int = 3, made_at: int = 1_700_000_000, kept: Kept = KEPT) -> None:
    with closing(connect(path)) as cache:
        rows = [(bytes([n]) * 32, made_at + n, encode(kept)) for n in range(number)]
        assert write_rows(cache, rows) == number


def numbered(lines: list[str]) -> list[tuple[int, bytes]]:
    return [(number, line.encode()) for number, line in enumerate(lines, start=1)]


def test_look_into(path: Path):
    assert look_into(path) == CacheInfo(path=str(path))
    assert not path.exists()
    path.touch()
    assert look_into(path) == CacheInfo(path=str(path))
    fill(path)
    found = look_into(path)
    assert (found.entries, found.oldest) == (3, "2023-11-14T22:13:20Z")
    assert found.newest == "2023-11-14T22:13:22Z"
    assert found.bytes >= path.stat().st_size > 0
    assert list(path.parent.iterdir()) == [path]


def test_look_into__no_cache(path: Path):
    path.write_bytes(b"x" * 5000)
    with pytest.raises(InputError, match="cannot use the cache: file is not a database") as failed:
        look_into(path)
    assert failed.value.problems[0].hint == "lm-eval-so cache clear removes it"


def test_clear(path: Path):
    assert clear(path).entries == 0
    assert not path.exists()
    fill(path)
    with closing(connect(path)) as user:
        assert clear(path).entries == 3
        assert look_into(path).entries == 0
        assert write_rows(user, [(b"k" * 32, 1, encode(KEPT))]) == 1
    assert look_into(path).entries == 1


def test_clear__damaged_file_is_removed(path: Path):
    path.write_bytes(b"x" * 5000)
    assert clear(path) == CacheInfo(path=str(path), bytes=5000)
    assert list(path.parent.iterdir()) == []


def test_export_lines__import_lines(path: Path):
    assert list(export_lines(path)) == []
    fill(path)
    lines = list(export_lines(path))
    assert len(lines) == 3
    assert [len(line.splitlines()) for line in lines] == [1, 1, 1]
    assert json.loads(lines[0]) == {
        "schema": "lm-eval-so/cache/1",
        "key": "00" * 32,
        "made_at": "2023-11-14T22:13:20Z",
        "answer": {"status": "ok", "response": {"text": "3일\x85\u2028"}, "cost_usd": 0.1},
    }
    other = path.with_name("other.sqlite")
    assert import_lines(other, numbered(lines), file="a.jsonl") == 3
    assert list(export_lines(other)) == lines
    assert import_lines(other, numbered(lines), file="a.jsonl") == 0


def test_import_lines__the_newer_stays(path: Path):
    fill(path, number=1)
    old, other = list(export_lines(path)), path.with_name("other.sqlite")
    fill(
        other,
        number=1,
        made_at=1_800_000_000,
        kept=Kept(status=RunStatus.OK, response=ChatResponse(text="new")),
    )
    assert import_lines(other, numbered(old), file="a.jsonl") == 0
    assert '"new"' in next(export_lines(other))
    new = list(export_lines(other))
    assert import_lines(path, numbered(new), file="a.jsonl") == 1
    assert list(export_lines(path)) == new


@pytest.mark.parametrize(
    ("changed", "what", "key"),
    [
        ({"schema": "lm-eval-so/run/1"}, "no entry of a cache", None),
        ({"key": "xyz"}, "without key or time", None),
        ({"key": "00"}, "without key or time", None),
        ({"made_at": "yesterday"}, "without key or time", None),
        ({"answer": {"status": "fine", "response": {}}}, "input should be", "answer.status"),
        ({"answer": {"status": "ok"}}, "field required", "answer.response"),
        ({"answer": None}, "input should be", "answer"),
    ],
)
def test_import_lines__all_or_none(path: Path, changed: dict, what: str, key: str | None):
    fill(path)
    lines = list(export_lines(path))
    broken = json.dumps({**json.loads(lines[1]), **changed})
    other = path.with_name("other.sqlite")
    with pytest.raises(RecordError) as failed:
        import_lines(other, numbered([lines[0], broken, "{", lines[2]]), file="a.jsonl")
    first, second = failed.value.problems
    assert what in first.what
    assert first.where is not None
    assert (first.where.file, first.where.line, first.where.key) == ("a.jsonl", 2, key)
    assert second.where is not None
    assert second.where.line == 3
    assert not other.exists()


def test_export_lines__leaves_out_what_is_no_answer(path: Path):
    fill(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE answers SET value = '{}' WHERE key = ?", (b"\x00" * 32,))
    assert len(list(export_lines(path))) == 2


def test_decode__is_the_inverse_of_encode():
    assert decode(encode(KEPT)) == KEPT
    assert decode(b"\x80\x04N.") is None  # a pickle
