"""Runs with a cache: nothing is asked twice, and nothing is answered that was not asked so."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from servers.runs import KEY, endpoint, make, resources, rows, write_dataset

from lm_eval_so.core.events import Event, Warned
from lm_eval_so.runner.run import RunOptions, run
from lm_eval_so.testing import ChatServer, Reply

CACHE = ".lm-eval-so/cache.sqlite"
PRICE = {"input_per_mtok": 1000, "output_per_mtok": 1000}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as opened:
        yield opened


async def ask(
    folder: Path,
    server: ChatServer,
    *,
    key: str = KEY,
    temperature: float = 0,
    refresh: bool = False,
    fresh: bool = False,
    events: list[Event] | None = None,
    **options: Any,
) -> int:
    """Ask all anew, and give how many requests reached the server."""
    section = endpoint(server.url, temperature=temperature)
    backend = {**section, "options": {**section["options"], "price": PRICE}}
    config = make(folder, backend, run={"cache": CACHE, **options})
    given = replace(resources(events, {"OPENAI_API_KEY": key}), refreshes_cache=refresh)
    before = len(server.requests)
    if not fresh:
        shutil.rmtree(folder / "out", ignore_errors=True)
    await run(config, given, RunOptions(out=folder / "out", fresh=fresh))
    return len(server.requests) - before


async def test_run__asks_nothing_twice(tmp_path: Path, server: ChatServer):
    write_dataset(tmp_path, 1)
    assert await ask(tmp_path, server, repeats=3) == 3
    first = rows(tmp_path / "out")
    assert await ask(tmp_path, server, repeats=3) == 0
    again = rows(tmp_path / "out")
    assert await ask(tmp_path, server, repeats=3, temperature=0.7) == 3
    assert await ask(tmp_path, server, repeats=3, concurrency=3, timeout_s=9) == 0
    assert await ask(tmp_path, server, repeats=3, key="sk-other-1234567890abcdef") == 0
    assert await ask(tmp_path, server, repeats=4) == 1
    assert await ask(tmp_path, server, repeats=3, cache=False) == 3
    assert await ask(tmp_path, server, repeats=3, refresh=True) == 3
    assert await ask(tmp_path, server, repeats=3, fresh=True) == 3
    assert [row["response"] for row in again] == [row["response"] for row in first]
    assert [row["latency_ms"] for row in again] == [row["latency_ms"] for row in first]
    assert [row["cost_saved_usd"] for row in again] == [row["cost_usd"] for row in first]
    assert all(row["cached"] and row["cost_usd"] == 0 for row in again)
    assert [row["answered_at"] for row in again] == [row["started_at"] for row in first]
    assert not any(row["answered_at"] for row in first)
    assert first[0]["cost_usd"] > 0
    stored = b"".join(file.read_bytes() for file in (tmp_path / ".lm-eval-so").iterdir())
    assert KEY.encode() not in stored


async def test_run__asks_again_what_failed(tmp_path: Path, server: ChatServer):
    write_dataset(tmp_path, 20)
    server.script = lambda seen: Reply(status=400) if "#7" in seen.text else Reply(text="답")
    assert await ask(tmp_path, server) == 20
    server.script = lambda _: "답"
    assert await ask(tmp_path, server) == 1
    assert {row["status"] for row in rows(tmp_path / "out")} == {"ok"}


async def test_run__secret_in_an_answer_is_not_kept(tmp_path: Path, server: ChatServer):
    write_dataset(tmp_path, 1)
    server.script = lambda _: f"your key is {KEY}"
    assert await ask(tmp_path, server) == 1
    stored = b"".join(file.read_bytes() for file in (tmp_path / ".lm-eval-so").iterdir())
    assert KEY.encode() not in stored
    assert b"[redacted:OPENAI_API_KEY]" in stored


@pytest.mark.parametrize("content", [b"no database" * 500, None])
async def test_run__cache_that_cannot_be_used(
    tmp_path: Path, server: ChatServer, content: bytes | None
):
    write_dataset(tmp_path, 3)
    path, events = tmp_path / ".lm-eval-so" / "cache.sqlite", []
    if content is None:  # a folder where the file should be
        path.mkdir(parents=True)
    else:
        path.parent.mkdir()
        path.write_bytes(content)
    assert await ask(tmp_path, server, events=events) == 3
    assert {row["status"] for row in rows(tmp_path / "out")} == {"ok"}
    (warned,) = [event for event in events if isinstance(event, Warned)]
    assert "is damaged" in warned.text if content else "cannot be used" in warned.text


async def test_run__bodies_that_were_kept_once_are_not_told_where_nobody_asks(
    tmp_path: Path, server: ChatServer
):
    write_dataset(tmp_path, 1)
    await ask(tmp_path, server, keep_raw=True)
    assert rows(tmp_path / "out")[0]["response"]["raw"]
    assert await ask(tmp_path, server) == 0
    assert not rows(tmp_path / "out")[0]["response"].get("raw")
