"""`lm-eval-so cache` as a shell sees it."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from servers.commands import lm_eval_so

from lm_eval_so.core.asking.cache.file import Kept, connect, encode, write_rows
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.enums import RunStatus

CONFIG = "version: 1\nsuite: shop\ndataset: {path: data}\nrun: {cache: 답/cache.sqlite}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    kept = Kept(status=RunStatus.OK, response=ChatResponse(text="영업일 기준 3일"))
    with closing(connect(tmp_path / "답" / "cache.sqlite")) as cache:
        write_rows(cache, [(bytes([n]) * 32, 1_700_000_000, encode(kept)) for n in range(3)])
    return tmp_path


def test_cache__info(folder: Path) -> None:
    done = lm_eval_so("cache", "info", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["path  답/cache.sqlite", "entries  3"]
    told = json.loads(lm_eval_so("cache", "info", "--json", cwd=folder).stdout)
    assert set(told) == {"path", "entries", "bytes", "oldest", "newest"}
    assert told["entries"] == 3


def test_cache__taken_to_another_machine(folder: Path) -> None:
    printed = lm_eval_so("cache", "export", cwd=folder, environ={"LANG": "C"})
    written = lm_eval_so("cache", "export", "-o", "out/answers.jsonl", cwd=folder)
    assert (printed.returncode, written.returncode) == (0, 0), printed.stderr + written.stderr
    assert written.stdout == "out/answers.jsonl\n"
    assert (folder / "out/answers.jsonl").read_text(encoding="utf-8") == printed.stdout
    assert printed.stdout.count("영업일 기준 3일") == 3
    cleared = lm_eval_so("cache", "clear", cwd=folder)
    assert cleared.stdout == "removed 3 entries from 답/cache.sqlite\n"
    assert lm_eval_so("cache", "export", cwd=folder).stdout == ""
    imported = lm_eval_so("cache", "import", "out/answers.jsonl", cwd=folder)
    assert imported.stdout == "put 3 entries into 답/cache.sqlite\n", imported.stderr
    assert lm_eval_so("cache", "export", cwd=folder).stdout == printed.stdout


def test_cache__refusals(folder: Path) -> None:
    off = lm_eval_so("cache", "info", "--set", "run.cache=false", cwd=folder)
    assert off.returncode == 2
    assert "the cache is off" in off.stderr
    (folder / "broken.jsonl").write_text("{}\n", encoding="utf-8")
    broken = lm_eval_so("cache", "import", "broken.jsonl", cwd=folder)
    assert broken.returncode == 2
    assert "broken.jsonl:1" in broken.stderr
    missing = lm_eval_so("cache", "import", "nowhere.jsonl", cwd=folder)
    assert missing.returncode == 2
    assert "no such file" in missing.stderr
    assert json.loads(lm_eval_so("cache", "info", "--json", cwd=folder).stdout)["entries"] == 3
