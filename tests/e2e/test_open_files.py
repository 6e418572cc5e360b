"""More requests than files that a process may have open: raised where it may be, else fewer at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from servers.runs import rows, write_dataset

from lm_eval_so.testing import ChatServer, Reply

N = 60
BOT = "#!/bin/sh\nsleep 0.3\necho 네\n"
COMMAND = {"name": "command", "label": "bot", "options": {"argv": ["./bot.sh"], "stdout": "text"}}
CLI = f"exec {sys.executable} -m lm_eval_so run"
LIBRARY = """
import resource
import lm_eval_so as so

print(so.run("lm-eval-so.yaml").counts, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
SHORTAGE = """
import asyncio, os
from pathlib import Path
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.files import free_files
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.runner.run import run

told, taken = [], []

async def wait(seconds, stop):
    while taken:
        os.close(taken.pop())
    await asyncio.sleep(seconds)

resources = Resources(environ={"PATH": "/usr/bin:/bin"}, listener=told.append, wait=wait)
while free_files() > 24:
    taken.append(os.dup(0))
info = asyncio.run(run(load_config(Path("lm-eval-so.yaml")), resources))
print(info.counts, [each.text for each in told if isinstance(each, Noticed | Warned)])
"""
"""Something else takes files that were there when it began, until a request fails for it."""


def write(folder: Path, backend: dict[str, object]) -> None:
    (folder / "bot.sh").write_text(BOT, encoding="utf-8")
    (folder / "bot.sh").chmod(0o755)
    config = {
        "version": 1,
        "suite": "files",
        "dataset": {"path": "."},
        "backend": backend,
        "run": {"concurrency": 100, "cache": False},
        "metrics": ["exact_match"],
    }
    (folder / "lm-eval-so.yaml").write_text(json.dumps(config), encoding="utf-8")
    write_dataset(folder, N)


def limited(limit: str, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f"ulimit {limit} && {command}"],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def asked(folder: Path) -> set[tuple[str, int]]:
    found = rows(folder / "runs" / "bot")
    assert len(found) == N
    return {(row["status"], row["attempts"]) for row in found}


@pytest.fixture
def endpoint():
    with ChatServer(lambda _: Reply(text="네", latency_s=0.3)) as server:
        section = {"name": "openai", "label": "bot", "params": {"model": "m"}}
        yield {**section, "options": {"base_url": server.url, "api_key_env": ""}}


def test_run__raises_a_soft_limit(tmp_path: Path) -> None:
    write(tmp_path, COMMAND)
    done = limited("-S -n 64", CLI, tmp_path)
    assert done.returncode == 0, done.stderr
    assert asked(tmp_path) == {("ok", 1)}
    assert "files" not in done.stderr


@pytest.mark.parametrize("kind", ["command", "openai"])
def test_run__asks_fewer_at_once_where_the_limit_is_hard(
    tmp_path: Path, kind: str, endpoint: dict[str, object]
) -> None:
    write(tmp_path, COMMAND if kind == "command" else endpoint)
    done = limited("-n 64", CLI, tmp_path)
    assert done.returncode == 0, done.stderr
    assert asked(tmp_path) == {("ok", 1)}
    assert done.stderr.count("at once, for this process may open 64 files") == 1
    assert "ulimit -n 4096" in done.stderr


def test_run__of_a_library_leaves_the_limit_alone(tmp_path: Path) -> None:
    write(tmp_path, COMMAND)
    done = limited("-S -n 64", f"exec {sys.executable} -c '{LIBRARY}'", tmp_path)
    assert done.stdout == f"{{'ok': {N}}} 64\n", done.stderr
    assert asked(tmp_path) == {("ok", 1)}


@pytest.mark.parametrize("kind", ["command", "openai"])
def test_run__a_shortage_is_no_fault_of_the_endpoint(
    tmp_path: Path, kind: str, endpoint: dict[str, object]
) -> None:
    write(tmp_path, COMMAND if kind == "command" else endpoint)
    done = limited("-S -n 512", f"exec {sys.executable} -c '{SHORTAGE}'", tmp_path)
    assert done.stdout == f"{{'ok': {N}}} []\n", done.stderr
    found = rows(tmp_path / "runs" / "bot")
    retries = [each for row in found for each in row["retries"]]
    assert {each["kind"] for each in retries} == {
        "subprocess" if kind == "command" else "connection"
    }
