"""The command `run` as a process that can be disturbed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from servers.runs import KEY

CONFIG = """
version: 1
suite: e2e
dataset: {{path: .}}
backend:
  name: openai
  label: bot
  params: {{model: test-model}}
  options: {{base_url: "{url}"}}
run: {{concurrency: 4, out: "{out}", drain_s: 5, cache: false}}
metrics: [exact_match, token_f1]
"""


def write_config(folder: Path, url: str, out: str = "runs") -> Path:
    """Write the config of an endpoint beside the dataset."""
    path = folder / "lm-eval-so.yaml"
    path.write_text(CONFIG.format(url=url, out=out), encoding="utf-8")
    return path


def start(
    config: Path, *options: str, name: str = "run", through: Sequence[str] = (), **popen: Any
) -> subprocess.Popen[str]:
    """Start a command; `through` stands before its line, such as a program that limits it."""
    command = [sys.executable, "-m", "lm_eval_so", name, "--quiet", "--config", str(config)]
    return subprocess.Popen(
        [*through, *command, *options],
        env={**os.environ, "OPENAI_API_KEY": KEY},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **popen,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end; give exit code and stderr."""
    _, told = process.communicate(timeout=60)
    return process.returncode, told


def wait(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something holds while the process lives."""
    for _ in range(3000):
        if holds():
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    raise AssertionError("it never came so far")
