"""Processes and what they took: wall time, CPU time, memory, and what the server saw of them."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a process took, from its start to its end."""

    wall_s: float
    cpu_s: float
    """User and system."""
    peak_mib: float
    """Most memory that it held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the server saw, on its own clock."""

    requests: int
    peak: int
    first_at: float
    """Arrival of the first request, in seconds on the monotonic clock of the machine."""
    last_at: float
    """Departure of the last answer."""
    connections: int

    @property
    def between_s(self) -> float:
        """Time from the first request's arrival to the last answer's departure."""
        return self.last_at - self.first_at


def measure(
    command: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    exits: Collection[int] = (0,),
) -> Taken:
    """Run a command to its end, as on a user's machine: with compiled modules, which halves start-up.

    Raises:
        RuntimeError: If it ends with another exit code than one of `exits`.
    """
    kept = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, str(HERE / "launch.py"), *command],
        env={**kept, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in exits:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return Taken(**json.loads(done.stdout))


class Server:
    """A running `server.py`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def seen(self) -> Seen:
        """Ask it what it saw since its start."""
        with urllib.request.urlopen(f"{self.url}/stats") as answer:
            stats = json.load(answer)
        return Seen(
            requests=stats["requests"],
            peak=stats["peak"],
            first_at=stats["first_at"],
            last_at=stats["last_at"],
            connections=stats["connections"] - 1,
        )


@contextmanager
def serve(*, latency_ms: float = 0) -> Iterator[Server]:
    """Start a server of its own, so that what it saw is of one client alone."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), "--latency-ms", str(latency_ms)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Server(process.stdout.readline().strip())
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def machine() -> str:
    """Name what was measured on."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    python = ".".join(map(str, sys.version_info[:3]))
    today = subprocess.run(["date", "-u", "+%Y-%m-%d"], capture_output=True, text=True, check=True)
    return f"{today.stdout.strip()} · {os.cpu_count()} cores, {model} · Python {python}"
