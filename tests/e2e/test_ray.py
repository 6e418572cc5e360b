"""Runs on a real Ray cluster of two nodes on this machine: killed workers, leaders and nodes.

All is started with a variable by which the processes are found again, and with none left in the end.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from servers.runs import KEY, rows, write_dataset

from lm_eval_so.testing import ChatServer, Reply

pytestmark = pytest.mark.ray
ray = pytest.importorskip("ray", reason="the extra ray is not installed")

MARK = "LM_EVAL_SO_TEST_OF_RAY"
N, AT_ONCE = 240, 8


@dataclass(frozen=True)
class Cluster:
    """A head without processors, and two nodes with two each."""

    token: str
    address: str
    environ: dict[str, str] = field(repr=False)
    nodes: list[Any] = field(repr=False)
    cluster: Any = field(repr=False)

    def processes(self, title: str = "") -> list[int]:
        """Return the processes that belong to this cluster, by a part of their title."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                is_ours = f"{MARK}={self.token}".encode() in (folder / "environ").read_bytes()
                if is_ours and title.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return [each for each in found if each != os.getpid()]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    from ray.cluster_utils import Cluster as Nodes

    token, folder = (
        secrets.token_hex(8),
        mkdtemp(prefix="r", dir="/tmp"),
    )  # sockets need short names
    more = {
        MARK: token,
        "OPENAI_API_KEY": KEY,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": folder,
        "RAY_AUTH_MODE": "disabled",
    }
    before = dict(os.environ)
    os.environ.update(more)
    head = {"num_cpus": 0, "include_dashboard": False}
    nodes = Nodes(initialize_head=True, head_node_args=head)
    try:
        added = [nodes.add_node(num_cpus=2, wait=False) for _ in range(2)]
        nodes.wait_for_nodes()
        made = Cluster(token, nodes.address, more, added, nodes)
        yield made
    finally:
        nodes.shutdown()
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)
    end = time.monotonic() + 10
    while made.processes() and time.monotonic() < end:
        time.sleep(0.1)
    assert made.processes() == []


def config(folder: Path, url: str, **run: Any) -> Path:
    file = folder / "lm-eval-so.yaml"
    section = {
        "name": "openai",
        "label": "bot",
        "params": {"model": "test-model", "max_tokens": 5},
        "options": {"base_url": url, "price": {"input_per_mtok": 100, "output_per_mtok": 200}},
    }
    values = {
        "version": 1,
        "suite": "test",
        "dataset": {"path": "."},
        "backend": section,
        "run": {"cache": False, "concurrency": AT_ONCE, **run},
        "metrics": ["exact_match"],
    }
    file.write_text(json.dumps(values), encoding="utf-8")
    return file


def start(cluster: Cluster, folder: Path, *options: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "lm_eval_so", "run", "-o", "runs/ray", "--engine", "ray"]
    line += ["--ray-address", cluster.address, "--workers", "4", "--chunk-size", "10", *options]
    return subprocess.Popen(
        line,
        cwd=folder,
        env={**os.environ, **cluster.environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    return told


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def outcome(folder: Path, run: str) -> dict[str, Any]:
    """Return the report of a run, without its times."""
    line = [sys.executable, "-m", "lm_eval_so", "evaluate", "--run", run, "-o", "reports"]
    environ = {**os.environ, "OPENAI_API_KEY": KEY}
    subprocess.run(line, cwd=folder, capture_output=True, check=True, env=environ)
    found: dict[str, Any] = json.loads((folder / "reports" / "report.json").read_text("utf-8"))
    for name in ("started_at", "finished_at", "evaluated_at", "runs"):
        del found["experiment"][name]
    return {name: value for name, value in found.items() if name not in {"latency", "answered"}}


@dataclass
class Asked:
    """A dataset that a server answers, and the run of one process, which others must equal."""

    folder: Path
    server: ChatServer
    alone: dict[str, Any]

    def check(self, before: int, *, in_flight: int) -> None:
        """Check that a run lost nothing, wrote nothing twice, and asked little twice."""
        ids = [row["sample_id"] for row in rows(self.folder / "runs" / "ray")]
        assert ids == [f"q{i:04}" for i in range(N)]
        assert N <= len(self.server.requests) - before <= N + in_flight
        assert outcome(self.folder, "runs/ray") == self.alone
        names = {path.name for path in (self.folder / "runs" / "ray").iterdir()}
        assert names == {"run.json", "run_results.jsonl"}


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    samples = [
        {"id": f"q{i:04}", "input": f"몇 번? {i}", "expected": f"몇 번? {i}"} for i in range(N)
    ]
    write_dataset(tmp_path, samples)
    with ChatServer(lambda seen: Reply(text=seen.text, latency_s=0.05)) as server:
        config(tmp_path, server.url)
        line = [sys.executable, "-m", "lm_eval_so", "run", "-o", "runs/alone"]
        environ = {**os.environ, "OPENAI_API_KEY": KEY}
        subprocess.run(line, cwd=tmp_path, capture_output=True, check=True, env=environ)
        yield Asked(tmp_path, server, outcome(tmp_path, "runs/alone"))


def test_ray__a_worker_is_killed(cluster: Cluster, asked: Asked) -> None:
    before = len(asked.server.requests)
    process = start(cluster, asked.folder)
    until(lambda: len(asked.server.requests) - before > 0.4 * N)
    os.kill(cluster.processes("ray::_WorkerActor.work")[0], signal.SIGKILL)
    told = ended(process)
    assert "is lost, and replaced" in told
    asked.check(before, in_flight=AT_ONCE // 4)


def test_ray__the_leader_is_killed_and_the_same_command_goes_on(
    cluster: Cluster, asked: Asked
) -> None:
    before = len(asked.server.requests)
    process = start(cluster, asked.folder)
    until(lambda: len(asked.server.requests) - before > 0.5 * N)
    process.kill()
    process.communicate()
    told = ended(start(cluster, asked.folder))
    assert "of workers that have ended are taken up" in told
    asked.check(before, in_flight=AT_ONCE)


def test_ray__a_node_is_removed_and_the_rest_is_asked_without_ray(
    cluster: Cluster, asked: Asked
) -> None:
    before = len(asked.server.requests)
    process = start(cluster, asked.folder)
    until(lambda: len(asked.server.requests) - before > 0.4 * N)
    cluster.cluster.remove_node(cluster.nodes[0], allow_graceful=False)
    ended(process)
    asked.check(before, in_flight=AT_ONCE)
