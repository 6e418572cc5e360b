"""A run that is stopped at any moment keeps every answer it has, and asks none of them again."""

import random
import shlex
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from servers.processes import finish, start, start_anew, wait, write_config
from servers.runs import rows, write_dataset

from lm_eval_so.testing import ChatServer, Reply


def whole_lines(folder: Path) -> set[bytes]:
    file = folder / "run_results.jsonl"
    found = file.read_bytes().splitlines(keepends=True) if file.is_file() else []
    return {line for line in found if line.endswith(b"\n")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run__stopped_at_row_30_of_200(tmp_path: Path, number: signal.Signals):
    write_dataset(tmp_path, 200)
    folder = tmp_path / "runs" / "bot"
    with ChatServer(lambda seen: Reply(text=f"답: {seen.text}", latency_s=0.02)) as server:
        config = write_config(tmp_path, server.url)
        process = start_anew(config)
        wait(lambda: server.answered >= 30, process)
        process.send_signal(number)
        code, told = finish(process)
        kept = whole_lines(folder)
        assert (code, len(kept)) == (130, server.answered)
        assert 30 <= len(kept) < 200
        assert f"interrupted: {len(kept)} of 200 rows are in {folder}" in told
        assert f"go on with lm-eval-so run -c {config}" in told
        before = len(server.requests)
        assert finish(start(config)) == (0, "")
        asked = Counter(seen.text for seen in server.requests[before:])
    answered = Counter(row["response"]["text"].removeprefix("답: ") for row in rows(folder))
    assert len(answered) == answered.total() == 200
    assert len(asked) == asked.total() == 200 - len(kept)
    assert kept <= whole_lines(folder)


def test_run__one_stop_that_is_sent_twice_is_one(tmp_path: Path):
    write_dataset(tmp_path, 200)
    folder = tmp_path / "runs" / "bot"
    with ChatServer(lambda _: Reply(text="ok", latency_s=0.4)) as server:
        process = start_anew(write_config(tmp_path, server.url))
        wait(lambda: len(server.requests) >= 5, process)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)  # as a wrapper does: to the process, then to its group
        process.send_signal(signal.SIGTERM)
        code, told = finish(process)
        kept = whole_lines(folder)
        assert (code, len(kept)) == (130, server.answered)
        assert f"interrupted: {len(kept)} of 200 rows are in {folder}" in told


def test_run__a_signal_after_the_end_is_told_changes_no_exit_code(tmp_path: Path):
    write_dataset(tmp_path, 40)
    with ChatServer(lambda _: Reply(text="ok", latency_s=0.05)) as server:
        process = start_anew(write_config(tmp_path, server.url))
        wait(lambda: len(server.requests) >= 5, process)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        while "interrupted" not in process.stderr.readline():
            assert process.poll() is None
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert finish(process)[0] == 130


def test_run__second_signal_ends_it_at_once(tmp_path: Path):
    write_dataset(tmp_path, 40)
    folder = tmp_path / "runs" / "bot"
    with ChatServer(lambda seen: Reply(text="ok", hang=seen.number >= 10)) as server:
        config = write_config(tmp_path, server.url)
        process = start_anew(config, "--set", "run.drain_s=600")
        wait(lambda: len(server.requests) >= 14, process)
        process.send_signal(signal.SIGINT)
        time.sleep(1)  # a second signal within half a second of the first is the same one
        assert process.poll() is None  # what is under way may still come back
        process.send_signal(signal.SIGINT)
        code, told = finish(process)
        assert code == 130
        assert "the same command goes on" in told
        assert len(whole_lines(folder)) == server.answered == 10
        assert not (folder / "run.lock").exists()
        server.script = lambda _: Reply(text="ok")
        assert finish(start(config)) == (0, "")
        assert len(server.requests) == 40 + 4  # those that hung were asked again


def test_run__killed_again_and_again(tmp_path: Path):
    """Whatever the moment: what is in the log stays as it is, and is never asked again."""
    write_dataset(tmp_path, 150)
    folder, chance = tmp_path / "runs" / "bot", random.Random(7)
    with ChatServer(lambda seen: Reply(text=f"{seen.number}", latency_s=0.02)) as server:
        config = write_config(tmp_path, server.url)
        kept: set[bytes] = set()
        kills = 0
        for _ in range(6):
            goal = len(server.requests) + chance.randrange(0, 25)
            process = start(config)
            wait(lambda goal=goal: len(server.requests) >= goal, process)
            time.sleep(chance.random() * 0.05)
            process.kill()
            code, _ = finish(process)
            kills += code == -signal.SIGKILL
            now = whole_lines(folder)
            assert kept <= now
            kept = now
        assert kills == 6
        asked_before = len(server.requests)
        assert finish(start(config)) == (0, "")
        # each kill costs at most what was under way, 4 at once
        assert len(server.requests) <= 150 + 4 * kills
        assert len(server.requests) - asked_before == 150 - len(kept)
    assert kept <= whole_lines(folder)
    found = rows(folder)
    assert [row["sample_id"] for row in found] == [f"q{i:04}" for i in range(150)]
    assert len({row["response"]["text"] for row in found}) == 150


def test_run__killed_while_it_puts_rows_in_order(tmp_path: Path):
    """The log is replaced whole: half a new one beside it is no loss."""
    write_dataset(tmp_path, 20)
    folder = tmp_path / "runs" / "bot"
    with ChatServer() as server:
        config = write_config(tmp_path, server.url)
        assert finish(start(config))[0] == 0
        before = whole_lines(folder)
        (folder / "run_results.new").write_bytes(next(iter(before))[:40])
        assert finish(start(config)) == (0, "")
        assert len(server.requests) == 20
    assert whole_lines(folder) == before


def test_run__what_goes_on_has_all_that_makes_the_run(tmp_path: Path):
    write_dataset(tmp_path, 200)
    plugin = tmp_path / "my plugin.py"
    plugin.write_text("")
    options = [
        *("--set", "backend.label=slow", "--set", "system=짧게 답해 주세요"),
        *("--set", "backend.options.headers.X-Api-Key=geheim-4711", "--plugin", str(plugin)),
        *("-o", str(tmp_path / "my run"), "--shard", "1/2", "--keep-errors", "--fresh"),
    ]
    with ChatServer(lambda _: Reply(text="ok", latency_s=0.05)) as server:
        config = write_config(tmp_path, server.url)
        process = start(config, *options)
        wait(lambda: server.answered >= 10, process)
        process.send_signal(signal.SIGINT)
        code, told = finish(process)
        assert code == 130
        words = shlex.split(told.partition("go on with ")[2])
        kept = whole_lines(tmp_path / "my run")
        options = [word.replace("…", "geheim-4711") for word in words[4:]]
        assert finish(start(config, *options)) == (0, "")
        asked = Counter(seen.text for seen in server.requests)
        assert all(seen.headers["x-api-key"] == "geheim-4711" for seen in server.requests)
    assert words == [
        *("lm-eval-so", "run", "-c", str(config), "-o", str(tmp_path / "my run")),
        *("--shard", "1/2", "--keep-errors", "--cache", "refresh"),
        *("--set", "backend.label=slow", "--set", "system=짧게 답해 주세요"),
        *("--set", "backend.options.headers.X-Api-Key=…", "--plugin", str(plugin)),
    ]
    assert "geheim" not in told
    assert kept <= whole_lines(tmp_path / "my run")
    assert len(asked) == asked.total() > len(kept) >= 10


def test_ci__what_goes_on_has_its_options(tmp_path: Path):
    write_dataset(tmp_path, 200)
    options = ["--set", "backend.label=slow", "-o", str(tmp_path / "my reports")]
    with ChatServer(lambda _: Reply(text="ok", latency_s=0.05)) as server:
        config = write_config(tmp_path, server.url)
        process = start(config, *options, name="ci")
        wait(lambda: server.answered >= 10, process)
        process.send_signal(signal.SIGINT)
        code, told = finish(process)
    assert code == 130
    words = shlex.split(told.partition("go on with ")[2])
    assert words == [
        *("lm-eval-so", "ci", "-c", str(config), "-o", str(tmp_path / "my reports")),
        *("--set", "backend.label=slow"),
    ]
