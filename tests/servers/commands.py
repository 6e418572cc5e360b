"""The command as a person runs it: a subprocess with an environment of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from servers import forked

Done = subprocess.CompletedProcess[str]
Started = subprocess.Popen[str] | forked.Forked

_SETTINGS = (
    *("-c", "init.defaultBranch=main"),
    *("-c", "safe.directory=*"),
    *("-c", "maintenance.auto=false"),  # else most commands start another one at their end
    *("-c", "init.templateDir="),  # or each repository gets a dozen examples of hooks
)


def lm_eval_so(*arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Done:
    """Run a command line in a folder; of our environment it gets only what a shell needs."""
    variables = _variables(environ)
    if forked.can_fork(variables):
        with TemporaryFile() as out, TemporaryFile() as err:
            code = forked.start(arguments, cwd=cwd, environ=variables, out=out, err=err).wait()
            out.seek(0)
            err.seek(0)
            return Done(arguments, code, out.read().decode(), err.read().decode())
    return subprocess.run(
        _line(arguments),
        cwd=cwd,
        env=_anew(variables),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def start(*arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Started:
    """Start a command line that is waited for or killed; what it tells is in `stderr`."""
    variables = _variables(environ)
    if forked.can_fork(variables):
        return forked.start(arguments, cwd=cwd, environ=variables)
    return start_anew(*arguments, cwd=cwd, environ=environ)


def start_anew(
    *arguments: str,
    cwd: Path,
    environ: Mapping[str, str] | None = None,
    through: Sequence[str] = (),
    **popen: Any,
) -> subprocess.Popen[str]:
    """Start a command line as users do, so that signals meet all that an interpreter does.

    Args:
        arguments: The command line without the program.
        cwd: Folder in which it runs.
        environ: Variables besides those that a shell needs.
        through: What stands before the line, such as a program that limits it.
        popen: Further arguments of `subprocess.Popen`.
    """
    return subprocess.Popen(
        [*through, *_line(arguments)],
        cwd=cwd,
        env=_anew(_variables(environ)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **popen,
    )


def _line(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "lm_eval_so", *arguments]


def _anew(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for an interpreter of its own, which has to find the package, too."""
    path = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    return {**path, **variables}


def _variables(more: Mapping[str, str] | None) -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **(more or {})}


def git(*arguments: str, cwd: Path) -> str:
    """Run git as a user who is named nowhere else."""
    names = {
        f"GIT_{role}_{field}": "t@example.com"
        for role in ("AUTHOR", "COMMITTER")
        for field in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", *_SETTINGS, *arguments],
        cwd=cwd,
        env={**names, "PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
