"""A run or judges by batch that are killed between any two steps pay for one batch."""

import json
import signal
from pathlib import Path

import pytest
from evaluation import a_run, write_run
from servers.batch_server import BatchServer, Line
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


JUDGED = """
version: 1
suite: e2e
dataset: {{path: .}}
metrics:
  - name: llm_judge
    params: {{rubric: 기간을 말하면 좋음, labels: [좋음, 나쁨]}}
    backend: {{name: openai, params: {{model: judge}}, options: {{base_url: "{url}"}}}}
    judge: {{executor: batch, template: ko}}
"""


def test_evaluate__killed_while_a_batch_is_answered_then_cancelled(tmp_path: Path):
    write_dataset(tmp_path, 6)
    write_run(tmp_path, tmp_path / "test.jsonl", lambda sample, _: a_run(f"{sample.id}: 3일"))
    config = tmp_path / "lm-eval-so.yaml"
    options = ("--run", str(tmp_path / "bot"), "-o", str(tmp_path / "reports"))
    running: list[Started] = []

    def kill(*step: str) -> None:
        if step == ("GET", "/batches/batch_0") and len(running) == 1:
            running[0].kill()
            running[0].wait()

    good = Line(text=json.dumps({"reason": "기간", "evidence": ["3일"], "label": "좋음"}))
    with BatchServer(lambda _: good, looks=10**6) as server:
        server.direct, server.after = lambda _: good, kill
        config.write_text(JUDGED.format(url=server.url), encoding="utf-8")
        running.append(start(config, *options, name="evaluate"))
        assert finish(running[0])[0] == -signal.SIGKILL
        running.append(start(config, "--cancel-batch", name="evaluate"))
        assert finish(running[1]) == (0, "")
        assert server.book.batches["batch_0"]["status"] == "cancelling"
        running.append(start(config, *options, name="evaluate"))
        assert finish(running[2]) == (0, "")
        # the first question of the process that was killed is not asked again, either
        assert (len(server.book.batches), len(server.book.direct)) == (1, 1)
    report = json.loads((tmp_path / "reports" / "report.json").read_text(encoding="utf-8"))
    assert report["metrics"]["llm_judge"]["mean"] == 1
    assert report["judges"]["llm_judge"]["calls"] == 6
