"""A command and all that it starts, watched while they run: CPU time and memory, by what they are.

The processes of a Ray cluster are no children of the command that starts it, so all are found by a variable of
their environment. Linux only.
"""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "LM_EVAL_SO_BENCHMARK"
LEADER, WORKERS, COORDINATOR, RAY = "leader", "workers", "coordinator", "Ray"
ROLES = (LEADER, WORKERS, COORDINATOR, RAY)
_TITLES = {b"ray::_WorkerActor": WORKERS, b"ray::Coordinator": COORDINATOR}
_LOOK_S, _MEMORY_S, _GONE_S = 0.2, 1.0, 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What was held at one moment."""

    mib: Mapping[str, float]
    """Proportional set size by role: pages that several share count once altogether."""
    processes: Mapping[str, int]

    @property
    def total_mib(self) -> float:
        return sum(self.mib.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a command and all that it started took."""

    began_at: float
    """On the monotonic clock."""
    ended_at: float
    looks: Sequence[tuple[float, Mapping[int, float]]]
    """Moments, and the CPU seconds by process until then, ended ones included."""
    roles: Mapping[int, str]
    """What each process was in the end; Ray makes some before it knows for what."""
    memory: Memory
    """At the moment at which most was held."""
    most_mib: Mapping[str, float]
    """Most that the processes of each role held together."""

    def cpu_s(self, role: str, since: float, until: float) -> float:
        """Return the CPU seconds of a role between two moments, interpolated between looks."""
        return self._cpu_until(role, until) - self._cpu_until(role, since)

    def _cpu_until(self, role: str, at: float) -> float:
        place = bisect(self.looks, at, lo=1, hi=len(self.looks) - 1, key=lambda look: look[0])
        (before, earlier), (after, later) = self.looks[place - 1], self.looks[place]
        share = min(1.0, max(0.0, (at - before) / (after - before)))
        return sum(
            earlier.get(pid, 0.0) + share * (seconds - earlier.get(pid, 0.0))
            for pid, seconds in later.items()
            if self.roles[pid] == role
        )


def watch(
    command: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    on_look: Callable[[], None] | None = None,
) -> Watched:
    """Run a command to its end, and until all that it started is gone.

    Args:
        command: Command.
        environ: Variables besides those of this process.
        on_look: Called five times a second.

    Raises:
        RuntimeError: If it fails, or leaves processes; those are ended.
    """
    token = secrets.token_hex(8)
    own = {**os.environ, **(environ or {}), MARK: token}
    looking, began_at = _Looking(f"{MARK}={token}".encode()), time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=said)
        looking.is_ours[process.pid] = True  # before it has its own environment
        try:
            while process.poll() is None:
                looking.look()
                if on_look is not None:
                    on_look()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_S)
            ended_at = time.monotonic()
        finally:
            process.kill()
            process.wait()
            left = looking.end_all()
        if process.returncode:
            said.seek(0)
            told = f"{' '.join(command)}: exit {process.returncode}\n{said.read()}"
            raise RuntimeError(told)
    if left:
        raise RuntimeError(f"{' '.join(command)}: left {left} processes")
    return Watched(
        began_at=began_at,
        ended_at=ended_at,
        looks=looking.looks,
        roles=looking.roles,
        memory=looking.memory,
        most_mib=looking.most_mib,
    )


class _Looking:
    """Looks at the processes whose environment has an entry."""

    def __init__(self, entry: bytes) -> None:
        self.looks: list[tuple[float, dict[int, float]]] = []
        self.memory = Memory(mib={}, processes={})
        self.most_mib: dict[str, float] = {}
        self._entry = entry
        self.is_ours: dict[int, bool] = {}
        self.roles: dict[int, str] = {}
        self._cpu_s: dict[int, float] = {}
        self._memory_at = float("-inf")

    def look(self) -> None:
        """Note the CPU time of all, and once a second their memory."""
        now, alive = time.monotonic(), self._alive()
        for pid, fields in alive.items():
            self._cpu_s[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
            with suppress(OSError):
                title = Path(f"/proc/{pid}/cmdline").read_bytes()
                # who is about to end has none, or an actor that of Ray's idle ones
                if title and self.roles.get(pid) not in _TITLES.values():
                    self.roles[pid] = _role_of(title)
            self.roles.setdefault(pid, RAY)
        self.looks.append((now, dict(self._cpu_s)))
        if now >= self._memory_at + _MEMORY_S:
            self._memory_at = now
            self._weigh(alive)

    def end_all(self) -> int:
        """Wait for the end of all, end those that stay, and return their number."""
        until = time.monotonic() + _GONE_S
        while (alive := self._alive()) and time.monotonic() < until:
            time.sleep(0.1)
        for pid in alive:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        return len(alive)

    def _alive(self) -> dict[int, list[bytes]]:
        """Return what the system says of each process: `/proc/PID/stat` from the state on."""
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names alone
        known = self.is_ours
        self.is_ours = {pid: known[pid] if pid in known else self._has_entry(pid) for pid in pids}
        found = {}
        for pid in (pid for pid, is_ours in self.is_ours.items() if is_ours):
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
                if fields[0] != b"Z":
                    found[pid] = fields
        return found

    def _has_entry(self, pid: int) -> bool:
        with suppress(OSError):
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            return self._entry in environ.split(b"\0")
        return False

    def _weigh(self, pids: Iterable[int]) -> None:
        mib: defaultdict[str, float] = defaultdict(float)
        processes: defaultdict[str, int] = defaultdict(int)
        for pid in pids:
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                role = self.roles.get(pid, RAY)
                mib[role] += sum(int(x.split()[1]) for x in lines if x.startswith("Pss:")) / 1024
                processes[role] += 1
        for role, size in mib.items():
            self.most_mib[role] = max(size, self.most_mib.get(role, 0.0))
        found = Memory(mib=dict(mib), processes=dict(processes))
        if found.total_mib > self.memory.total_mib:
            self.memory = found


def _role_of(title: bytes) -> str:
    for start, role in _TITLES.items():
        if title.startswith(start):
            return role
    return LEADER if title.startswith(sys.executable.encode()) and b"\0run\0" in title else RAY
