"""A log that another program changes while the run writes to it: said, kept as far as it goes, exit 3."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.runs import endpoint, make, resources, rows, write_dataset

from lm_eval_so.core.events import Event, Warned
from lm_eval_so.errors import CannotMeasure, InputError
from lm_eval_so.runner.run import run
from lm_eval_so.testing import ChatServer, Reply, Seen

N = 100
AT = 40


def unlink(log: Path) -> None:
    log.unlink()


def move(log: Path) -> None:
    log.rename(log.with_name("elsewhere.jsonl"))


def replace(log: Path) -> None:
    copy = log.with_name("copy.jsonl")
    shutil.copy(log, copy)
    copy.replace(log)


def remove_folder(log: Path) -> None:
    shutil.rmtree(log.parent)


def truncate(log: Path) -> None:
    log.write_bytes(b"")


def overwrite(log: Path) -> None:
    log.write_bytes(b"not a row, and longer than nothing\n" * 3)


def garble(log: Path) -> None:
    """Leave file and size as they are."""
    with log.open("r+b") as file:
        line = file.readline()
        file.seek(0)
        file.write(b"x" * (len(line) - 1) + b"\n")


def add(log: Path) -> None:
    with log.open("ab") as file:
        file.write(b'{"from": "another program"}\n')


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (unlink, "no row is lost"),
        (move, "no row is lost"),
        (replace, "no row is lost"),
        (remove_folder, "no row is lost"),
        (add, "no row is lost"),
        (truncate, "rows are lost"),
        (overwrite, "rows are lost"),
        (garble, "1 of 100 rows are lost"),
    ],
)
async def test_run__log_that_another_program_changes(
    tmp_path: Path, change: Callable[[Path], None], lost: str
):
    write_dataset(tmp_path, N)
    folder = tmp_path / "runs" / "bot"
    log = folder / "run_results.jsonl"

    def script(seen: Seen) -> Reply:
        if seen.number == AT:
            change(log)
        return Reply(text=f"답: {seen.text}", latency_s=0.002)

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 4})
        with pytest.raises(CannotMeasure) as failed:
            await run(config, resources())
        assert failed.value.exit_code == 3
        assert f"{log} was changed by another program while the run wrote to it: " in str(
            failed.value
        )
        assert lost in str(failed.value)
        assert failed.value.problems[0].hint == (
            "let nothing else write there, then run again to go on: lm-eval-so run"
            " -c lm-eval-so.yaml"
        )
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        lines = log.read_text(encoding="utf-8").split("\n")
        there = len({json.loads(line)["sample_id"] for line in lines if line.strip()})
        assert (info["state"], sum(info["counts"].values())) == ("stopped", there)
        before = len(server.requests)
        again = await run(config, resources())
        assert len(server.requests) - before == N - there
    assert (again.state, again.counts) == ("complete", {"ok": N})
    found = rows(folder)
    assert [row["response"]["text"] for row in found] == [
        f"답: 환불은 며칠? #{i}" for i in range(N)
    ]


async def test_run__log_that_is_gone_ends_it_early(tmp_path: Path):
    write_dataset(tmp_path, 400)
    log = tmp_path / "runs" / "bot" / "run_results.jsonl"

    def script(seen: Seen) -> Reply:
        if seen.number == 20:
            log.unlink()
        return Reply(text="네", latency_s=0.05)

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 4})
        with pytest.raises(CannotMeasure, match="no row is lost"):
            await run(config, resources())
        asked = len(server.requests)
        assert asked < 400  # looked for every second; 400 rows take five
        assert len(rows(log.parent)) == asked


async def test_run__log_that_is_changed_when_the_user_stops_it(tmp_path: Path):
    write_dataset(tmp_path, N)
    log = tmp_path / "runs" / "bot" / "run_results.jsonl"
    events: list[Event] = []
    shared = resources(events)

    def script(seen: Seen) -> Reply:
        if seen.number == AT:
            log.write_bytes(b"")
            shared.stop.set()
        return Reply(text="네", latency_s=0.01)

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 4})
        with pytest.raises(Exception, match="interrupted") as failed:
            await run(config, shared)
    assert getattr(failed.value, "exit_code", 0) == 130
    assert any("rows are lost" in event.text for event in events if isinstance(event, Warned))


async def test_run__log_of_a_complete_run_is_left_as_it_is(tmp_path: Path):
    write_dataset(tmp_path, 10)
    config = make(tmp_path, {"name": "scripted", "options": {"default": "echo"}})
    await run(config, resources())
    log = tmp_path / "runs" / "scripted" / "run_results.jsonl"
    before = log.stat()
    await run(config, resources())
    after = log.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_run__a_link_in_the_place_of_the_log_is_not_written_through(tmp_path: Path):
    write_dataset(tmp_path, N)
    log = tmp_path / "runs" / "bot" / "run_results.jsonl"
    target = tmp_path / "not ours"
    target.write_text("half a line")

    def script(seen: Seen) -> Reply:
        if seen.number == AT:
            log.unlink()
            log.symlink_to(target)
        return Reply(text="네", latency_s=0.002)

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 4})
        with pytest.raises(InputError, match="is a link, and is not written through"):
            await run(config, resources())
    assert target.read_text() == "half a line"
