import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from servers.runs import endpoint, make, resources, rows, until, write_dataset

from lm_eval_so.core.asking.folder_lock import FolderLock
from lm_eval_so.core.events import Event, Warned
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.errors import (
    Interrupted,
    UsageError,
)
from lm_eval_so.runner.dry_run import plan_run
from lm_eval_so.runner.run import RunOptions, run, run_folder
from lm_eval_so.runner.store.run_dir import LOCK_FILE
from lm_eval_so.testing import ChatServer, Reply

ECHO = {"name": "scripted", "options": {"default": "echo"}}


def info_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


async def test_run__second_writer_is_refused(tmp_path: Path):
    write_dataset(tmp_path, 1)
    config = make(tmp_path, ECHO)
    lock = FolderLock(run_folder(config) / LOCK_FILE, hint="wait")
    with pytest.raises(UsageError, match="is being written by process") as failed:
        await run(config, resources())
    lock.release()
    assert failed.value.exit_code == 2
    assert (await run(config, resources())).state == "complete"


async def test_run__failed_rows_are_asked_again_and_answers_kept(tmp_path: Path):
    write_dataset(tmp_path, 10)
    with ChatServer(lambda seen: Reply(status=400) if seen.number == 3 else "one") as server:
        config = make(tmp_path, endpoint(server.url))
        events: list[Event] = []
        await run(config, resources(events))
        assert [e.text for e in events if isinstance(e, Warned)] == [
            "1 of 10 rows have no answer (error 1); last: scripted"
        ]
        again = replace(resources(events), again="lm-eval-so run -c a.yaml --keep-errors")
        kept = await run(config, again, RunOptions(keep_errors=True))
        assert (kept.requests, kept.counts) == (10, {"ok": 9, "error": 1})
        hint = next(e.hint for e in reversed(events) if isinstance(e, Warned))
        assert hint == "lm-eval-so run -c a.yaml asks only those again"
        server.script = lambda _: "two"
        info = await run(config, resources())
    assert (info.requests, info.counts) == (11, {"ok": 10})
    assert sorted(row["response"]["text"] for row in rows(tmp_path / "runs" / "bot")) == [
        *["one"] * 9,
        "two",
    ]


async def test_run__changed_samples_are_asked_and_gone_ones_dropped(tmp_path: Path):
    samples = [{"id": f"q{i}", "input": f"질문 {i}", "expected": "a"} for i in range(4)]
    write_dataset(tmp_path, samples)
    await run(make(tmp_path, ECHO), resources())
    changed = [
        {**samples[3], "expected": "corrected"},
        {**samples[0], "input": "다른 질문"},
        samples[1],
        {"id": "new", "input": "새 질문"},
    ]
    write_dataset(tmp_path, changed)
    info = await run(make(tmp_path, ECHO), resources())
    assert (info.requests, info.planned, info.counts) == (4 + 2, 4, {"ok": 4})
    found = rows(tmp_path / "runs" / "scripted")
    assert [row["response"]["text"] for row in found] == [
        "질문 3",
        "다른 질문",
        "질문 1",
        "새 질문",
    ]


async def test_run__another_configuration_puts_the_old_run_aside(tmp_path: Path):
    write_dataset(tmp_path, 3)
    with ChatServer() as server:
        await run(make(tmp_path, endpoint(server.url, temperature=0)), resources())
        events: list[Event] = []
        changed = make(tmp_path, endpoint(server.url, temperature=0.7), system="짧게")
        info = await run(changed, resources(events))
    folder = tmp_path / "runs" / "bot"
    told = [event.text for event in events if isinstance(event, Warned)]
    differs = "params.temperature 0 → 0.7, system changed"
    what = f"{folder} was made with another configuration ({differs})"
    assert told == [f"{what}; it is kept as {folder}.1"]
    assert info.requests == 3
    assert len(rows(tmp_path / "runs" / "bot.1")) == 3


async def test_run__options_that_do_not_matter_go_on(tmp_path: Path):
    write_dataset(tmp_path, 3)
    await run(make(tmp_path, ECHO), resources())
    other = {"name": "scripted", "options": {"default": "echo", "timeout_s": 3}}
    info = await run(make(tmp_path, other, run={"concurrency": 2}), resources())
    assert info.requests == 3  # and no more


async def test_run__requests_of_a_command_that_was_killed_count(tmp_path: Path):
    write_dataset(tmp_path, 3)
    info = await run(make(tmp_path, ECHO), resources())
    killed = replace(info, state="running", requests=1)
    (tmp_path / "runs" / "scripted" / "run.json").write_text(dumps(killed), encoding="utf-8")
    assert (await run(make(tmp_path, ECHO), resources())).requests == 3


async def test_run__fresh_asks_all_again(tmp_path: Path):
    write_dataset(tmp_path, 3)
    await run(make(tmp_path, ECHO), resources())
    info = await run(make(tmp_path, ECHO), resources(), RunOptions(fresh=True))
    assert info.requests == 3
    assert (tmp_path / "runs" / "scripted.1" / "run.json").is_file()


async def test_run__answers_without_run_json_are_never_overwritten(tmp_path: Path):
    write_dataset(tmp_path, 1)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "run_results.jsonl").write_text("{}\n")
    await run(make(tmp_path, ECHO), resources(), RunOptions(out=folder))
    assert (tmp_path / "mine.1" / "run_results.jsonl").read_text() == "{}\n"
    assert len(rows(folder)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace(b'"', b"'", 1),
        lambda line: b"\0" * (len(line) - 1) + b"\n",
        lambda line: line[: len(line) // 2],  # and the next row behind it
        lambda _: b'{"sample_id": 3}\n',
    ],
    ids=["no JSON", "zeros", "two in one", "no row"],
)
async def test_run__damaged_lines_are_kept_apart_and_their_rows_asked_again(
    tmp_path: Path, damage: Callable[[bytes], bytes]
):
    write_dataset(tmp_path, 10)
    with ChatServer(lambda seen: f"답 {seen.nth}") as server:
        config = make(tmp_path, endpoint(server.url))
        await run(config, resources())
        log = tmp_path / "runs" / "bot" / "run_results.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        lines[4] = damage(lines[4])
        log.write_bytes(b"".join(lines))
        lost = 2 if not lines[4].endswith(b"\n") else 1
        broken = log.read_bytes().splitlines(keepends=True)[4]
        plan = await plan_run(config, resources())
        assert (plan.done, plan.to_ask) == (10 - lost, lost)
        assert not log.with_suffix(".torn").exists()  # a dry run writes nothing
        events: list[Event] = []
        info = await run(config, resources(events))
        assert (info.requests, info.counts) == (10 + lost, {"ok": 10})
    told = [event.text for event in events if isinstance(event, Warned)]
    assert told == [
        f"a line of {log} is no row; it is kept in run_results.torn, and its row asked again"
    ]
    assert log.with_suffix(".torn").read_bytes() == broken
    found = [row["response"]["text"] for row in rows(log.parent)]
    assert found == [*["답 0"] * 4, *["답 1"] * lost, *["답 0"] * (6 - lost)]


@pytest.mark.parametrize("text", ["", "{", '{"schema": "lm-eval-so/run-info/9"}'])
async def test_run__run_json_that_cannot_be_read_is_kept_with_its_answers(
    tmp_path: Path, text: str
):
    write_dataset(tmp_path, 3)
    with ChatServer() as server:
        config = make(tmp_path, endpoint(server.url))
        await run(config, resources())
        folder = tmp_path / "runs" / "bot"
        (folder / "run.json").write_text(text)
        assert (await plan_run(config, resources())).to_ask == 3
        events: list[Event] = []
        info = await run(config, resources(events))
    assert info.requests == 3
    (warned,) = [event for event in events if isinstance(event, Warned)]
    assert warned.text.startswith(f"{folder} has a run.json that cannot be read (")
    assert warned.text.endswith(f"; it is kept as {folder}.1")
    assert warned.hint == (
        f"to go on with its answers, put a copy of run.json there, and run with -o {folder}.1"
    )
    assert len(rows(tmp_path / "runs" / "bot.1")) == 3
    assert (tmp_path / "runs" / "bot.1" / "run.json").read_text() == text


async def test_run__stop_lets_what_is_under_way_come_back(tmp_path: Path):
    write_dataset(tmp_path, 60)
    with ChatServer(lambda _: Reply(text="ok", latency_s=0.1)) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 4})
        shared = resources()
        task = asyncio.create_task(run(config, shared))
        await until(lambda: server.answered >= 20)
        shared.stop.set()
        with pytest.raises(Interrupted, match=r"interrupted: \d+ of 60 rows are in") as failed:
            await task
        assert failed.value.exit_code == 130
        assert failed.value.problems[0].hint == "go on with lm-eval-so run -c lm-eval-so.yaml"
        folder = tmp_path / "runs" / "bot"
        assert len(rows(folder)) == server.answered == len(server.requests)
        assert info_of(folder)["state"] == "interrupted"
        assert not (folder / "run.lock").exists()
        info = await run(config, resources())
    assert info.counts == {"ok": 60}
    assert len(server.requests) == 60


async def test_run__stop_waits_no_longer_than_drain_s(tmp_path: Path):
    write_dataset(tmp_path, 5)
    with ChatServer(lambda seen: Reply(hang=seen.number > 0, text="ok")) as server:
        run_keys = {"concurrency": 4, "drain_s": 0.2}
        shared = resources()
        task = asyncio.create_task(run(make(tmp_path, endpoint(server.url), run=run_keys), shared))
        await until(lambda: len(server.requests) >= 4)
        shared.stop.set()
        with pytest.raises(Interrupted):  # what is under way never comes back
            await asyncio.wait_for(task, 30)
    assert len(rows(tmp_path / "runs" / "bot")) == 1


async def test_run__cancelled_lets_go_of_the_folder(tmp_path: Path):
    write_dataset(tmp_path, 5)
    with ChatServer(lambda _: Reply(hang=True)) as server:
        config = make(tmp_path, endpoint(server.url))
        task = asyncio.create_task(run(config, resources()))
        await until(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.script = lambda _: "ok"
        assert (await run(config, resources())).counts == {"ok": 5}
