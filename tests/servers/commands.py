"""The command as a person runs it: a subprocess with an environment of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from servers import forked

Done = subprocess.CompletedProcess[str]


def lm_eval_so(*arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Done:
    """Run a command line in a folder; of our environment it gets only what a shell needs."""
    kept = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
    base = {name: os.environ[name] for name in kept if name in os.environ}
    command = [sys.executable, "-m", "lm_eval_so", *arguments]
    variables = {**base, **(environ or {})}
    if forked.can_fork(variables):
        with TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            code = forked.run(list(arguments), cwd=cwd, environ=variables, out=out, err=err)
            return Done(command, code, out.read_text("utf-8"), err.read_text("utf-8"))
    return subprocess.run(
        command,
        cwd=cwd,
        env=variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def git(*arguments: str, cwd: Path) -> str:
    """Run git as a user who is named nowhere else."""
    names = {
        f"GIT_{role}_{field}": "t@example.com"
        for role in ("AUTHOR", "COMMITTER")
        for field in ("NAME", "EMAIL")
    }
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", "-c", "safe.directory=*", *arguments],
        cwd=cwd,
        env={**names, "PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
