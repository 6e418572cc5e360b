"""What git knows of a checkout: reads of local objects only, never a fetch, a hook or a filter."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from lm_eval_so.errors import UsageError

_TIMEOUT_S = 60
# no dash in front, no "..", no path; letters of any script, since branch names may have them
_REVISION = re.compile(r"(?![-./])(?!.*\.\.)[\w./@^~{}+#=-]{1,250}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_SETTINGS = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.quotePath=false")


def is_installed() -> bool:
    """Whether there is a git to ask."""
    return shutil.which("git") is not None


def find_commit(ref: str, *, cwd: Path) -> str | None:
    """Give the hexadecimal id of a revision; None if there is no git, repository or such commit.

    Raises:
        UsageError: If the text can be no revision.
    """
    if not _REVISION.match(ref):
        hint = "name a branch, a tag or a commit"
        raise UsageError(f"no git revision: {ref!r}", hint=hint)
    answer = _ask(["rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"], cwd)
    return next(iter(_commits(answer)), None)


def head(cwd: Path) -> str | None:
    """Give the commit that is checked out; None if there is none."""
    return find_commit("HEAD", cwd=cwd)


def parents(ref: str, *, cwd: Path) -> tuple[str, ...]:
    """Give the parents of a commit, the first first; errors as in `find_commit`."""
    commit = find_commit(ref, cwd=cwd)
    return _commits(_ask(["rev-parse", f"{commit}^@"], cwd)) if commit else ()


def merge_base(one: str, other: str, *, cwd: Path) -> str | None:
    """Give the best common ancestor of two revisions; None if there is none or git cannot tell."""
    first, second = find_commit(one, cwd=cwd), find_commit(other, cwd=cwd)
    if first is None or second is None:
        return None
    return next(iter(_commits(_ask(["merge-base", first, second], cwd))), None)


def show(ref: str, path: Path, *, cwd: Path) -> bytes | None:
    """Give a file as it is in a commit, unfiltered.

    Args:
        ref: The revision.
        path: The file, relative to `cwd`.
        cwd: A folder of the checkout.

    Returns:
        Its bytes, or None if git, the repository, the commit or the file is not there.
    """
    commit = find_commit(ref, cwd=cwd)
    if commit is None:
        return None
    return _ask(["cat-file", "blob", f"{commit}:./{path.as_posix()}"], cwd)


def is_checkout(folder: Path) -> bool:
    """Whether a folder lies in a repository."""
    return _top(folder) is not None


def user_name(cwd: Path) -> str | None:
    """Give the name that commits are made under; None if there is none, or it is an address."""
    name = (_ask(["config", "--get", "user.name"], cwd) or b"").decode("utf-8", "replace").strip()
    return name if name and "@" not in name else None


def _commits(answer: bytes | None) -> tuple[str, ...]:
    lines = (answer or b"").decode("ascii", "replace").split()
    return tuple(line for line in lines if _COMMIT.match(line))


def _ask(arguments: list[str], cwd: Path) -> bytes | None:
    top = _top(cwd)
    if top is None:
        return None
    # a checkout in a container often belongs to another user, and git would refuse it
    settings = [part for s in (f"safe.directory={top}", *_SETTINGS) for part in ("-c", s)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; revisions are checked
            ["git", *settings, *arguments],  # noqa: S607 - the user's own git
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _environment() -> dict[str, str]:
    # GIT_DIR and the like are set inside of hooks and would lead to another repository
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }


def _top(cwd: Path) -> Path | None:
    folder = cwd.resolve()
    return next((f for f in (folder, *folder.parents) if (f / ".git").exists()), None)
