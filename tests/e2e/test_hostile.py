"""What a hostile machine, plugin or reader does to the commands."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.commands import lm_eval_so, start, start_anew
from servers.runs import write_dataset

from lm_eval_so.testing import ChatServer, Reply

CONFIG = """\
version: 1
suite: shop
dataset: {path: .}
backend: {name: scripted, options: {default: echo}}
metrics: [exact_match]
"""
JUDGED = """\
version: 1
suite: shop
dataset: {path: .}
backend: {name: scripted, options: {default: echo}}
metrics:
  - name: llm_judge
    params: {rubric: "좋은 답인가요?", labels: [good, bad]}
    backend: {name: openai, params: {model: judge}, options: {base_url: "URL", api_key_env: ""}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    samples = [{"id": f"q{i}", "input": f"질문 {i}", "expected": f"질문 {i}"} for i in range(5)]
    write_dataset(tmp_path, samples)
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "run.timeout_s=1e999"], "1e999 is too large a number"),
        (["--set", "run.timeout_s=inf"], "finite number"),
        (["--set", "run=5"], "input should be a mapping of keys"),
        (["--set", 'backend.name=":x"'], "cannot import :x: ValueError"),
        (["--set", "run.out="], "input should be a path"),
    ],
)
def test_run__bad_values_are_no_bugs(folder: Path, arguments: list[str], told: str) -> None:
    done = lm_eval_so("run", *arguments, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr


@pytest.mark.parametrize("code", ["import sys; sys.exit(1)", "raise KeyError('a')", "x = ("])
def test_run__a_plugin_that_fails_is_bad_input(folder: Path, code: str) -> None:
    (folder / "mine.py").write_text(code, encoding="utf-8")
    done = lm_eval_so("run", "--plugin", "mine.py", cwd=folder)
    assert done.returncode == 2, done.stderr
    assert "the plugin mine.py fails" in done.stderr


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("def __init__(self, **k): raise ValueError('a')", 2, "cannot be made: ValueError: a"),
        ("def check(self): raise ValueError('a')", 2, "cannot be made: ValueError: a"),
        ("async def send(self, request): raise SystemExit(1)", 3, "5 of 5 rows have no answer"),
        (
            """async def send(self, request): return ChatResponse(text='a')
    async def close(self): raise ValueError('a')""",
            0,
            "warning: the backend mine does not close: ValueError: a",
        ),
    ],
)
def test_run__a_backend_that_fails(folder: Path, body: str, code: int, told: str) -> None:
    (folder / "mine.py").write_text(
        "from lm_eval_so.core.backends.base import ChatBackend, register_backend\n"
        "from lm_eval_so.core.records.chat import ChatResponse\n"
        f"@register_backend('mine')\nclass Mine(ChatBackend):\n    {body}\n",
        encoding="utf-8",
    )
    done = lm_eval_so("run", "--plugin", "mine.py", "--set", "backend={name: mine}", cwd=folder)
    assert done.returncode == code, done.stderr
    assert told in done.stderr


def test_run__a_reader_that_has_gone_is_no_success(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "lm_eval_so", "run"]
    try:
        told = subprocess.run(command, cwd=folder, stderr=write, stdout=write, check=False)
        result = subprocess.run([*command, "-q"], cwd=folder, stdout=write, check=False)
    finally:
        os.close(write)
    assert told.returncode == 130
    assert result.returncode == 0  # the run is whole; only nobody has read where it is


def test_run__korean_on_a_terminal_that_has_none(folder: Path) -> None:
    done = lm_eval_so("run", "--dry-run", cwd=folder, environ={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert '"content": "질문 0"' in done.stdout


def test_run__results_that_cannot_be_written(folder: Path) -> None:
    (folder / "runs/scripted/run_results.jsonl").mkdir(parents=True)
    done = lm_eval_so("run", cwd=folder)
    assert done.returncode == 2, done.stderr
    assert "cannot write runs/scripted/run_results.jsonl: Is a directory" in done.stderr


def test_evaluate__interrupted_does_not_wait_for_the_judge(folder: Path) -> None:
    with ChatServer(lambda _: Reply(hang=True)) as server:
        config = JUDGED.replace("URL", server.url)
        (folder / "lm-eval-so.yaml").write_text(config, encoding="utf-8")
        assert lm_eval_so("run", cwd=folder).returncode == 0
        process = start_anew("evaluate", cwd=folder)
        _wait(lambda: bool(server.requests))
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "no report is written from half the rows" in told
    assert not (folder / "reports").exists()


def test_run__interrupted_twice_ends_at_once_and_says_how_to_go_on(folder: Path) -> None:
    with ChatServer(lambda _: Reply(hang=True)) as server:
        backend = f"{{name: openai, params: {{model: m}}, options: {{base_url: '{server.url}', api_key_env: ''}}}}"
        settings = ["--set", f"backend={backend}", "--set", "run.drain_s=600"]
        process = start("run", *settings, cwd=folder)
        _wait(lambda: bool(server.requests))
        process.send_signal(signal.SIGINT)
        time.sleep(1)  # a second signal within half a second of the first is the same one
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "fix: the same command goes on with what came back" in told
    assert not list(folder.rglob("run.lock"))


def _wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.01)
