"""Command lines without the wait for their imports: each a process of its own, forked from one that has them.

Most of a short command's second is the import of modules. A process of this file imports them once;
for each command line it forks a child, which gets arguments, folder, environment and files of its own
and ends as any interpreter does. What is imported when is for `tests/house/test_imports.py` to say.
"""

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

_LONGEST_S = 120
_REPORT = Path(__file__).parents[2] / "example/quickstart/baselines/support-qa.json"
_AT_START = ("LANG", "LC_", "PYTHON", "TZ", "COVERAGE")
"""Variables that an interpreter reads when it starts begin with one of these."""


def can_fork(environ: Mapping[str, str]) -> bool:
    """Return whether a process that is there already would read these variables as a new one does."""
    return not any(name.startswith(_AT_START) for name in environ.keys() - {"LANG"})


def run(
    arguments: list[str], *, cwd: Path, environ: Mapping[str, str], out: Path, err: Path
) -> int:
    """Run a command line to its end; give its exit code, negative after a signal.

    Args:
        arguments: The command line without the program.
        cwd: Folder in which it runs.
        environ: All its variables.
        out: File for standard output.
        err: File for standard error.
    """
    process = _parent()
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"arguments": arguments, "cwd": str(cwd), "environ": dict(environ)}
    process.stdin.write(json.dumps({**asked, "out": str(out), "err": str(err)}) + "\n")
    process.stdin.flush()
    return int(process.stdout.readline())


@cache
def _parent() -> subprocess.Popen[str]:
    """Start the process with the imports, once in each process of pytest; it ends with that."""
    command = [sys.executable, __file__]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    atexit.register(process.communicate)
    return process


def _serve() -> None:
    _prepare()
    gc.freeze()  # so that no child copies what it only reads
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            return _become(json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


def _prepare() -> None:
    """Import all modules, and compile what is compiled when it is used first: schemas, templates."""
    import lm_eval_so as so
    from lm_eval_so.core.records.codec import RECORDS, json_schema, loads

    for module in walk_packages(so.__path__, "lm_eval_so."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in RECORDS:
        json_schema(name)
    report = loads(_REPORT.read_bytes(), so.EvaluationReport)
    comparison = so.compare(report, baseline=report)
    so.render(report, comparison=comparison, format="md")
    so.render(report, comparison=comparison, format="html")


def _become(asked: dict[str, Any]) -> None:
    """Be the command line, in the child."""
    from lm_eval_so.cli.app import main

    signal.alarm(_LONGEST_S)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = (os.open(os.devnull, os.O_RDONLY), *(os.open(asked[o], flags) for o in ("out", "err")))
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.path[0] = asked["cwd"]  # as `python -m` has it
    sys.argv = ["lm-eval-so", *asked["arguments"]]
    main()


if __name__ == "__main__":
    _serve()
