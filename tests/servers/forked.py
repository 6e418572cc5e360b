"""Command lines without the wait for their imports: each a process of its own, forked from one that has them.

Most of a short command's second is the import of modules. A process of this file imports them once;
for each command line it forks a child, which gets arguments, folder, environment and files of its own
and ends as any interpreter does, but for its memory: to take that apart would be to copy it first.
What is imported when is for `tests/house/test_imports.py` to say.
"""

import atexit
import gc
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from multiprocessing.connection import wait
from pathlib import Path
from pkgutil import walk_packages
from tempfile import gettempdir
from threading import Lock
from typing import IO, Any

_LONGEST_S = 120
_REPORT = Path(__file__).parents[2] / "example/quickstart/baselines/support-qa.json"
_AT_START = ("LANG", "LC_", "PYTHON", "TZ", "COVERAGE")
"""Variables that an interpreter reads when it starts begin with one of these."""
_KNOWN = {"LANG", "PYTHONPATH"}
"""What comes of these a child knows."""


class Forked:
    """A command line that runs; of `subprocess.Popen` it has what tests need.

    Attributes:
        pid: Its process.
        returncode: Its exit code, negative after a signal; None until it was waited for.
        stderr: What it tells, where that goes through a pipe.
    """

    def __init__(self, channel: socket.socket, stderr: IO[str] | None) -> None:
        self._told = channel.makefile("rb", buffering=0)
        self._lock = Lock()
        self.pid = int(self._told.readline())
        self.returncode: int | None = None
        self.stderr = stderr

    def wait(self) -> int:
        """Wait for its end, which comes after two minutes at the latest; return the exit code."""
        with self._lock:
            if self.returncode is None:
                self.returncode = int(self._told.readline())
                self._told.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code of one that has ended."""
        if self.returncode is None and wait([self._told], timeout=0):
            self.wait()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it, whatever it does."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[None, str]:
        """Wait for its end, and return what it told."""
        assert self.stderr is not None
        with self.stderr:
            return None, (self.stderr.read(), self.wait())[0]


def can_fork(environ: Mapping[str, str]) -> bool:
    """Return whether a process that is there already would read these variables as a new one does."""
    return not any(name.startswith(_AT_START) for name in environ.keys() - _KNOWN)


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    out: IO[Any] | None = None,
    err: IO[Any] | None = None,
) -> Forked:
    """Start a command line.

    Args:
        arguments: The command line without the program.
        cwd: Folder in which it runs.
        environ: All its variables.
        out: File for standard output; without one it is dropped.
        err: File for standard error; without one a pipe leads to the result's `stderr`.
    """
    asked = {"arguments": arguments, "cwd": str(cwd), "environ": dict(environ)}
    ours, theirs = socket.socketpair()
    with ours, theirs, Path(os.devnull).open("r+b") as nothing:
        read, write = (None, err.fileno()) if err else os.pipe()
        files = [theirs.fileno(), nothing.fileno(), (out or nothing).fileno(), write]
        socket.send_fds(_server(), [b"."], files)
        if read is not None:
            os.close(write)
        ours.sendall(json.dumps(asked).encode() + b"\n")
        return Forked(ours, None if read is None else os.fdopen(read, encoding="utf-8"))


@cache
def _server() -> socket.socket:
    """Connect to the process with the imports; the first of pytest's workers to need it starts it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    place = Path(gettempdir()) / f"lm-eval-so-{run}"
    ours = socket.socket(socket.AF_UNIX)
    with _alone():
        try:
            ours.connect(str(place))
        except (FileNotFoundError, ConnectionRefusedError):
            _start(place)
            ours.connect(str(place))
    atexit.register(ours.close)
    return ours


def _start(place: Path) -> None:
    """Start it; it ends with the last worker."""
    place.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(place))
        theirs.listen()
        process = subprocess.Popen(
            [sys.executable, __file__, place], stdin=theirs, stdout=subprocess.DEVNULL
        )
    atexit.register(process.wait)


@contextmanager
def _alone() -> Iterator[None]:
    """Let no two processes begin or end it at once."""
    with Path(__file__).open(encoding="utf-8") as lock:
        flock(lock, LOCK_EX)
        yield


def _serve(place: Path) -> None:
    try:
        command = _prepare()
    except Exception:  # noqa: BLE001 - each command line tells it, so that its test fails
        command = traceback.format_exc()
        sys.stderr.write(command)  # and where a test does not show it
    gc.freeze()  # so that no child copies what it only reads
    door = socket.socket(fileno=os.dup(0))
    workers = [door.accept()[0]]
    running: dict[int, tuple[Any, socket.socket]] = {}
    while workers or not _is_last(door, place):
        for ready in wait([door, *workers, *running]):
            if ready is door:
                workers.append(door.accept()[0])
                continue
            if isinstance(ready, int):
                process, channel = running.pop(ready)
                process.join()
                with channel, suppress(OSError):  # perhaps nobody waits for it any more
                    channel.sendall(f"{process.exitcode}\n".encode())
                continue
            _, files, *_ = socket.recv_fds(ready, 1, 4)
            if not files:
                workers.remove(ready)
                ready.close()
                continue
            channel = socket.socket(fileno=files[0])
            with channel.makefile() as lines:
                asked = json.loads(lines.readline())
            process = multiprocessing.get_context("fork").Process(
                target=_become, args=(command, asked, files[1:]), daemon=True
            )
            process.start()
            for file in files[1:]:
                os.close(file)
            channel.sendall(f"{process.pid}\n".encode())
            running[process.sentinel] = process, channel


def _is_last(door: socket.socket, place: Path) -> bool:
    """Return whether no worker waits at the door, and none will."""
    with _alone():
        if wait([door], timeout=0):
            return False
        place.unlink(missing_ok=True)
        return True


def _prepare() -> Any:
    """Import all modules, and make what is made when it is used first; return the command."""
    from jinja2 import UndefinedError
    from typer.main import get_command

    import lm_eval_so as so
    from lm_eval_so.cli.app import app
    from lm_eval_so.core.asking.cache.file import kept_adapter
    from lm_eval_so.core.asking.cost.prices import Tariff, rates_of
    from lm_eval_so.core.records.codec import RECORDS, json_schema, loads
    from lm_eval_so.core.templates.sandbox import fill_markdown
    from lm_eval_so.evaluator.metrics.extras import library_versions

    for module in walk_packages(so.__path__, "lm_eval_so."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in RECORDS:
        json_schema(name)
    report = loads(_REPORT.read_bytes(), so.EvaluationReport)
    comparison = so.compare(report, baseline=report)
    so.render(report, comparison=comparison, format="md")
    so.render(report, comparison=comparison, format="html")
    for template in (Path(so.__path__[0]) / "reporter/templates").glob("*.md.j2"):
        with suppress(UndefinedError):  # by then it is compiled
            fill_markdown("lm_eval_so.reporter", template.name, {}, redact=str)
    library_versions(("bleu", "embed", "kiwi", "ko"))
    kept_adapter()
    rates_of(Tariff(is_priced=True, url="https://api.openai.com/v1"), model="gpt-4.1-mini")
    return get_command(app)


def _become(command: Any, asked: dict[str, Any], files: list[int]) -> None:
    """Be the command line, in the child; the text of a failure stands for one that cannot be made."""
    signal.alarm(_LONGEST_S)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    for name in ("stdout", "stderr"):
        stream = _opened(getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if isinstance(command, str):
        sys.stderr.write(command)
        sys.exit(70)
    from lm_eval_so.terminal.entry import run_app

    further = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [asked["cwd"], *filter(None, further)]  # as `python -m` has it
    sys.argv = ["lm-eval-so", *asked["arguments"]]
    try:
        run_app(command)
    finally:
        gc.collect()  # what was never closed says so


def _opened(stream: Any) -> TextIOWrapper:
    """Open a standard stream again: what can be done with a file is known from its opening."""
    raw = os.fdopen(stream.fileno(), "wb", closefd=False)
    same = {name: getattr(stream, name) for name in ("encoding", "errors", "line_buffering")}
    return TextIOWrapper(raw, **same)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
