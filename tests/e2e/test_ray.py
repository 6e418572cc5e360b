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
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from servers.commands import lm_eval_so
from servers.runs import KEY, rows, write_dataset

from lm_eval_so.testing import ChatServer, Reply

# not imported here: all tests are collected, and Ray takes a second
pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]

MARK = "LM_EVAL_SO_TEST_OF_RAY"
N, AT_ONCE = 240, 8


@dataclass(frozen=True)
class Cluster:
    """A head without processors, and two nodes with one each."""

    token: str
    address: str
    environ: dict[str, str] = field(repr=False)
    folder: str
    nodes: list[Any] = field(repr=False)
    cluster: Any = field(repr=False)

    def processes(self, title: str = "", *, agents: bool = False) -> list[int]:
        """Return the processes that were started for this cluster, by a part of their title.

        Agents of a node that was killed end by themselves within a minute.
        """
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                is_ours = f"{MARK}={self.token}".encode() in (folder / "environ").read_bytes()
                line = (folder / "cmdline").read_bytes()
                if is_ours and title.encode() in line and (agents or b"Agent" not in line):
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
        added = [nodes.add_node(num_cpus=1, wait=False) for _ in range(2)]
        nodes.wait_for_nodes()
        made = Cluster(token, nodes.address, more, folder, added, nodes)
        yield made
    finally:
        nodes.shutdown()
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)
    for process in made.processes(agents=True):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    until(lambda: made.processes(agents=True) == [], seconds=20)


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


def run_line(*options: str) -> list[str]:
    return [sys.executable, "-m", "lm_eval_so", "run", *options]


@dataclass
class Asked:
    """A dataset that a server answers, and what one process made of it, which others must equal."""

    folder: Path
    server: ChatServer
    cluster: Cluster
    alone: dict[str, Any] = field(default_factory=dict)
    before: int = 0

    def start(self, out: str, *options: str, address: str = "") -> subprocess.Popen[str]:
        """Start a run by two workers, one on each node."""
        address = address or self.cluster.address
        line = run_line("-o", f"runs/{out}", "--engine", "ray", "--ray-address", address)
        return subprocess.Popen(
            [*line, "--workers", "2", "--chunk-size", "10", *options],
            cwd=self.folder,
            env={**os.environ, **self.cluster.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def begin(self, out: str, *options: str, share: float, address: str = "") -> Any:
        """Start a run, and wait until a share of it is asked."""
        self.before = len(self.server.requests)
        process = self.start(out, *options, address=address)
        until(lambda: self.requests >= share * N or process.poll() is not None)
        return process

    @property
    def requests(self) -> int:
        """Requests since `begin`."""
        return len(self.server.requests) - self.before

    def check(self, out: str, *, in_flight: int) -> None:
        """Check that a run lost nothing, wrote nothing twice, and asked little twice."""
        folder = self.folder / "runs" / out
        assert [row["sample_id"] for row in rows(folder)] == [f"q{i:04}" for i in range(N)]
        assert N <= self.requests <= N + in_flight
        assert self.outcome(out) == self.alone
        assert {path.name for path in folder.iterdir()} == {"run.json", "run_results.jsonl"}

    def outcome(self, out: str) -> dict[str, Any]:
        """Return the report of a run, without its times."""
        self.command("evaluate", "--run", f"runs/{out}", "-o", "reports")
        text = (self.folder / "reports" / "report.json").read_text("utf-8")
        found: dict[str, Any] = json.loads(text)
        for name in ("started_at", "finished_at", "evaluated_at", "runs"):
            del found["experiment"][name]
        return {name: value for name, value in found.items() if name not in {"latency", "answered"}}

    def command(self, *arguments: str) -> None:
        done = lm_eval_so(*arguments, cwd=self.folder, environ={"OPENAI_API_KEY": KEY})
        assert done.returncode == 0, done.stderr


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    _, told = process.communicate(timeout=90)
    assert process.returncode == code, told
    return told


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def asked(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("ray")
    samples = [
        {"id": f"q{i:04}", "input": f"몇 번? {i}", "expected": f"몇 번? {i}"} for i in range(N)
    ]
    write_dataset(folder, samples)
    with ChatServer(lambda seen: Reply(text=seen.text, latency_s=0.05)) as server:
        config(folder, server.url)
        made = Asked(folder, server, cluster)
        made.command("run", "-o", "runs/alone")
        made.alone = made.outcome("alone")
        yield made


def test_ray__a_worker_is_killed(asked: Asked) -> None:
    process = asked.begin("killed", share=0.4)
    os.kill(asked.cluster.processes("ray::_WorkerActor.work")[0], signal.SIGKILL)
    assert "is lost, and replaced" in ended(process)
    asked.check("killed", in_flight=AT_ONCE // 2)
    logs = [file.read_bytes() for file in Path(asked.cluster.folder).rglob("*.*") if file.is_file()]
    assert len(logs) > 10
    assert not any(KEY.encode() in log for log in logs)


def test_ray__the_leader_is_killed_and_the_same_command_goes_on(asked: Asked) -> None:
    process = asked.begin("led", share=0.5)
    process.kill()
    process.communicate()
    assert "of workers that have ended are taken up" in ended(asked.start("led"))
    asked.check("led", in_flight=AT_ONCE)


def test_ray__another_leader_takes_over(asked: Asked) -> None:
    first = asked.begin("taken", "--set", "run.max_requests_per_s=15", share=0.1)
    second = asked.start("taken", "--take-over")
    assert "has taken over" in ended(first, 3)
    ended(second)
    asked.check("taken", in_flight=AT_ONCE)


def test_ray__rate_and_budget_are_those_of_the_whole_run(asked: Asked) -> None:
    limits = ("--set", "run.max_requests_per_s=60", "--set", "run.max_requests=150")
    told = ended(asked.begin("limited", *limits, share=1.0), 3)
    assert "raise run.max_requests" in told
    assert 140 <= asked.requests <= 150
    times = sorted(seen.at for seen in asked.server.requests[asked.before :])
    assert max(sum(at <= other < at + 1 for other in times) for at in times) <= 60 * 1.05 + 1


def test_ray__a_node_is_removed(asked: Asked) -> None:
    process = asked.begin("removed", share=0.4)
    asked.cluster.cluster.remove_node(asked.cluster.nodes[0], allow_graceful=False)
    ended(process)
    asked.check("removed", in_flight=AT_ONCE)


def test_ray__a_cluster_of_its_own_ends_with_its_leader_and_the_rest_needs_no_ray(
    asked: Asked,
) -> None:
    others = set(asked.cluster.processes())
    process = asked.begin("own", address="local", share=0.3)
    assert len(set(asked.cluster.processes()) - others) > 4
    process.kill()
    process.communicate()
    until(lambda: not set(asked.cluster.processes()) - others, seconds=20)
    asked.command("run", "-o", "runs/own")
    asked.check("own", in_flight=AT_ONCE)


def test_ray__a_cluster_that_is_not_there_and_a_secret_for_it(asked: Asked) -> None:
    told = ended(asked.start("nowhere", address="127.0.0.1:9"), 2)
    assert "no Ray cluster at 127.0.0.1:9" in told
    told = ended(asked.start("nowhere", "--set", f"system={KEY}", address="127.0.0.1:9"), 2)
    assert "--set holds a secret" in told
    assert KEY not in told
