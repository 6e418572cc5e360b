"""Disks and folders that fail: a clear error, and no row lost that was there."""

import json
import os
import resource
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.commands import lm_eval_so
from servers.processes import finish, start, start_anew, wait, write_config
from servers.runs import KEY, rows, write_dataset

from lm_eval_so.testing import ChatServer, Reply, Seen

N = 60
IS_ROOT = os.geteuid() == 0


def long_answer(seen: Seen) -> Reply:
    return Reply(text=f"{seen.text} " + "환불" * 1000, latency_s=0.005)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KB, which holds about 20 answers."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk)]
    if not IS_ROOT or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def goes_on_with_the_others(config: Path, folder: Path, server: ChatServer) -> None:
    kept = rows(folder)
    before = len(server.requests)
    assert finish(start(config)) == (0, "")
    assert len(server.requests) - before == N - len(kept)
    found = rows(folder)
    assert [row["sample_id"] for row in found] == [f"q{i:04}" for i in range(N)]
    assert [row for row in found if row in kept] == sorted(kept, key=lambda r: r["sample_id"])


def whole_rows(folder: Path) -> int:
    lines = (folder / "run_results.jsonl").read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    return len(lines)


def test_run__full_disk(small_disk: Path, tmp_path: Path):
    write_dataset(tmp_path, N)
    folder = small_disk / "bot"
    with ChatServer(long_answer) as server:
        config = write_config(tmp_path, server.url, out=str(small_disk))
        code, told = finish(start(config))
        assert code == 2
        assert f"cannot write {folder}" in told
        assert "No space left on device" in told
        assert "free space" in told
        assert not (folder / "run.lock").exists()
        asked = len(server.requests)
        kept = whole_rows(folder)
        assert 10 < kept < N
        assert asked <= kept + 4 + 4  # what was under way came back, and nothing more was asked
        subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
        goes_on_with_the_others(config, folder, server)


def out_of_order(seen: Seen) -> Reply:
    return Reply(text="환불" * 1000, latency_s=0.3 if seen.text.endswith("#1") else 0.005)


def write_14(folder: Path) -> None:
    samples = [{"id": f"q{i:04}", "input": f"며칠? #{i}", "expected": "환불"} for i in range(14)]
    write_dataset(folder, samples)


def is_whole_and_read(folder: Path) -> None:
    ids = [row["sample_id"] for row in rows(folder)]
    assert len(ids) == 14
    assert ids != sorted(ids)
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (info["state"], info["counts"]) == ("complete", {"ok": 14})
    done = lm_eval_so(
        *("evaluate", "--run", str(folder), "-o", "reports"),
        cwd=folder.parents[1],
        environ={"OPENAI_API_KEY": KEY},
    )
    assert done.returncode == 0, done.stderr
    report = (folder.parents[1] / "reports/report.json").read_text(encoding="utf-8")
    assert json.loads(report)["statuses"]["ok"] == 14


def test_run__disk_that_holds_the_log_once(small_disk: Path, tmp_path: Path):
    write_14(tmp_path)
    folder = small_disk / "bot"
    with ChatServer(out_of_order) as server:
        config = write_config(tmp_path, server.url, out=str(small_disk))
        for _ in range(2):
            code, told = finish(start(config))
            assert code == 0
            assert "the rows stay in the order in which they came: No space left on device" in told
            assert "hint: nothing is lost; with free space the same command" in told
        assert not list(folder.glob("*.new"))
        is_whole_and_read(folder)
        subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
        assert finish(start(config)) == (0, "")
        assert len(server.requests) == 14
    ids = [row["sample_id"] for row in rows(folder)]
    assert ids == sorted(ids)


def test_run__a_log_that_cannot_be_written_anew(tmp_path: Path):
    """The same without the right to mount: something is in the way of the second file."""
    write_14(tmp_path)
    folder = tmp_path / "runs" / "bot"
    (folder / "run_results.new").mkdir(parents=True)
    with ChatServer(out_of_order) as server:
        config = write_config(tmp_path, server.url)
        code, told = finish(start(config))
    assert code == 0
    assert "the rows stay in the order in which they came: Is a directory" in told
    is_whole_and_read(folder)


def test_run__file_that_may_not_grow(tmp_path: Path):
    """The same without the right to mount: the kernel refuses to let a file grow."""
    write_dataset(tmp_path, N)
    folder = tmp_path / "runs" / "bot"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    with ChatServer(long_answer) as server:
        config = write_config(tmp_path, server.url)
        code, told = finish(start_anew(config, preexec_fn=limit))
        assert code == 2
        assert f"cannot write {folder / 'run_results.jsonl'}" in told
        assert "free space" in told
        kept = whole_rows(folder)
        assert 10 < kept < N
        assert len(server.requests) <= kept + 4 + 4
        goes_on_with_the_others(config, folder, server)


def test_run__folder_that_cannot_be_written(tmp_path: Path):
    write_dataset(tmp_path, 3)
    through: list[str] = []
    if IS_ROOT:  # who may write everywhere is asked to do without
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv")
        through = ["setpriv", "--bounding-set=-dac_override"]
    runs = tmp_path / "runs"
    (runs / "bot").mkdir(parents=True)
    for path in (runs / "bot", runs):
        path.chmod(0o555)
    try:
        with ChatServer() as server:
            config = write_config(tmp_path, server.url)
            code, told = finish(start_anew(config, through=through))
            again = finish(start_anew(config, "-o", str(runs / "new"), through=through))
    finally:
        for path in (runs, runs / "bot"):
            path.chmod(0o755)
    assert code == again[0] == 2
    assert f"cannot write {runs / 'bot' / 'run.lock'}: Permission denied" in told
    assert f"cannot write {runs / 'new' / 'run.lock'}: Permission denied" in again[1]
    assert "choose another folder with -o" in told
    assert server.requests == []  # nothing was paid for what could not be kept


def test_run__two_at_once(tmp_path: Path):
    write_dataset(tmp_path, 20)
    folder = tmp_path / "runs" / "bot"
    is_over = threading.Event()

    def waits(seen: Seen) -> Reply:
        return Reply(text="ok") if seen.number < 3 or is_over.wait(30) else Reply(status=500)

    with ChatServer(waits) as server:
        config = write_config(tmp_path, server.url)
        first = start(config)
        try:
            wait(lambda: server.answered >= 3, first)
            code, told = finish(start(config, "--set", "run.concurrency=1"))
        finally:
            is_over.set()
        assert finish(first) == (0, "")
        assert len(server.requests) == 20
    assert code == 2
    assert f"{folder} is being written by process {first.pid} on {socket.gethostname()}" in told
    assert "choose another folder with -o" in told
    assert [row["status"] for row in rows(folder)] == ["ok"] * 20
