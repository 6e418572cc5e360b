"""The command `run` as a process that can be disturbed."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

from servers import commands
from servers.commands import Started
from servers.runs import ENVIRON

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
    config: Path,
    *options: str,
    name: str = "run",
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Started:
    """Start a command that is waited for, stopped or killed."""
    line = _line(config, options, name)
    return commands.start(*line, cwd=cwd or Path.cwd(), environ={**ENVIRON, **(environ or {})})


def start_anew(config: Path, *options: str, **more: Any) -> Popen[str]:
    """Start a run as users do, so that signals meet all that an interpreter does."""
    line = _line(config, options, "run")
    return commands.start_anew(*line, cwd=Path.cwd(), environ=ENVIRON, **more)


def _line(config: Path, options: Sequence[str], name: str) -> list[str]:
    return [name, "--quiet", "--config", str(config), *options]


def finish(process: Started) -> tuple[int, str]:
    """Wait for the end; give exit code and stderr."""
    _, told = process.communicate(timeout=60)
    assert process.returncode is not None
    return process.returncode, told


def wait(holds: Callable[[], bool], process: Started) -> None:
    """Wait until something holds while the process lives."""
    for _ in range(3000):
        if holds():
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    raise AssertionError("it never came so far")
