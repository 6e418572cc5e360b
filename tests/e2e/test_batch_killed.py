"""A run by batch that is killed between any two steps pays for one batch."""

import signal
from pathlib import Path

import pytest
from servers.batch_server import BatchServer
from servers.commands import Started
from servers.processes import finish, start, write_config
from servers.runs import rows, write_dataset

BY_BATCH = ("--set", "run.executor=batch")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/files"), ("POST", "/batches"), ("GET", "/files/output-batch_0/content")],
)
def test_run__killed_after_a_step_of_a_batch(tmp_path: Path, method: str, path: str):
    write_dataset(tmp_path, 12)
    killed: list[Started] = []
    running: list[Started] = []

    def kill(*step: str) -> None:
        if step == (method, path) and not killed:
            killed.append(running[0])
            running[0].kill()
            running[0].wait()  # so that it never learns of the answer

    with BatchServer() as server:
        server.after = kill
        config = write_config(tmp_path, server.url)
        running.append(start(config, *BY_BATCH))
        assert finish(running[0])[0] == -signal.SIGKILL
        assert finish(start(config, *BY_BATCH)) == (0, "")
        assert finish(start(config, *BY_BATCH)) == (0, "")
        assert (len(server.book.batches), server.book.direct) == (1, [])
    found = rows(tmp_path / "runs" / "bot")
    assert [row["sample_id"] for row in found] == [f"q{i:04}" for i in range(12)]
    assert {row["status"] for row in found} == {"ok"}


def test_run__interrupted_says_how_to_come_back(tmp_path: Path):
    write_dataset(tmp_path, 5)
    running: list[Started] = []

    def interrupt(method: str, path: str) -> None:
        if (method, path) == ("GET", "/batches/batch_0") and server.looks:
            running[0].send_signal(signal.SIGINT)

    with BatchServer(looks=10**6) as server:
        config = write_config(tmp_path, server.url)
        server.after = interrupt
        running.append(start(config, *BY_BATCH))
        code, told = finish(running[0])
        assert code == 130
        assert "batch batch_0 goes on (1 of 5)" in told
        assert f"come back with lm-eval-so run -c {config}" in told
        assert "or stop it with --cancel-batch" in told
        assert finish(start(config, *BY_BATCH, "--cancel-batch"))[0] == 0
        assert server.book.batches["batch_0"]["status"] == "cancelling"
        server.looks = 0
        assert finish(start(config, *BY_BATCH)) == (0, "")
        assert len(server.book.batches) == 1
    assert len(rows(tmp_path / "runs" / "bot")) == 5
