"""Facts about a git checkout, read from local objects only: no fetch, no hook, no filter."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lm_eval_so.errors import InputError, UsageError

_TIMEOUT_S = 60
# no dash in front, no "..", no path; branch names may have letters of any script, and fix(ui) or a,b
_REVISION = re.compile(r"(?![-./])(?!.*\.\.)[\w./@^~{}+#=,!%&'()-]{1,250}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_SUBMODULE = b"160000"
_MOST_LINKS = 40
"""Limit of links on the way to a file, as in the system."""
_SHA256_DIGITS = 64
_PIECE = 1 << 20
_BLOB = re.compile(rb"[0-9a-f]+ blob ([0-9]+)")
_KEPT_VARIABLES = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR")
_SETTINGS = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.quotePath=false")


class NotServed(InputError):  # noqa: N818 - says what happened, as `RequestFailed` does
    """Nobody knows whether a commit has a file: its objects are not here, and GitHub did not serve it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFiles:
    """Files of a commit: from the checkout's own objects, or from GitHub where these are not here."""

    commit: str
    """Id of the commit."""
    read: Callable[[Path], bytes | None] = field(repr=False)
    """Takes a file by its path in the checkout, where it need not be, and returns its content as the
    commit has it; None if the commit has no such file. Only the very name counts: links of the checkout
    lead nowhere else, and links of the commit are followed inside it.

    Raises `NotServed`, and `UsageError` if the file is a link that leads out of the commit."""


def is_installed() -> bool:
    """Return whether git is installed."""
    return shutil.which("git") is not None


def find_commit(ref: str, *, cwd: Path) -> str | None:
    """Return the commit id of a revision; None without git, a repository or the commit.

    Raises:
        UsageError: If the text is no revision.
    """
    if not _REVISION.match(ref):
        hint = "name a branch, a tag or a commit"
        raise UsageError(f"no git revision: {ref!r}", hint=hint)
    answer = _ask(["rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"], cwd)
    return next(iter(_commits(answer)), None)


def head(cwd: Path) -> str | None:
    """Return the commit checked out; None if there is none."""
    return find_commit("HEAD", cwd=cwd)


def parents(ref: str, *, cwd: Path) -> tuple[str, ...]:
    """Return the parents of a commit in order; errors as in `find_commit`."""
    commit = _named(ref, cwd)
    return _commits(_ask(["rev-parse", f"{commit}^@"], cwd)) if commit else ()


def merge_base(one: str, other: str, *, cwd: Path) -> str | None:
    """Return the best common ancestor of two revisions; None if there is none or git cannot tell."""
    first, second = _named(one, cwd), _named(other, cwd)
    if first is None or second is None:
        return None
    return next(iter(_commits(_ask(["merge-base", first, second], cwd))), None)


def show(ref: str, path: Path, *, cwd: Path) -> bytes | None:
    """Return a file as it is in a commit, unfiltered; links inside the commit are followed.

    Args:
        ref: The revision.
        path: The file, relative to `cwd`.
        cwd: A folder of the checkout.

    Returns:
        Content of the file; None without git, the repository, the commit or the file.

    Raises:
        UsageError: If the file is a link that leads out of the commit.
    """
    commit, name = _named(ref, cwd), path.as_posix()
    if commit is None or "\n" in name:  # git takes one name a line
        return None
    asked = f"{commit}:./{name}\n".encode("utf-8", "surrogateescape")
    answer = _ask(["cat-file", "--batch", "--follow-symlinks"], cwd, given=asked)
    found, _, rest = (answer or b"").partition(b"\n")
    if found.startswith(b"symlink "):
        what = f"{name} is a symbolic link that leads out of the repository, in {commit[:12]}"
        raise UsageError(what, hint="commit the file itself there")
    match = _BLOB.fullmatch(found)
    return rest[: int(match[1])] if match else None


def show_named(ref: str, file: Path) -> bytes | None:
    """Return a file as it is in a commit under its very name: links of the checkout lead nowhere else.

    Args:
        ref: The revision.
        file: The file, in the checkout; it need not be there.

    Returns:
        As `show`; None also outside of a checkout.

    Raises:
        UsageError: As `show`.
    """
    place = named_place(file)
    return None if place is None else show(ref, place.name, cwd=place.top)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPlace:
    """Place of a file in a checkout, by its very name."""

    top: Path
    """Root of the checkout around it."""
    name: Path
    """Path from there."""


def commits_of(file: Path, most: int) -> tuple[str, ...]:
    """Return the newest commits of the checked-out branch that changed a file, the oldest first.

    Args:
        file: A file in a checkout, where it need not be.
        most: Most commits.

    Returns:
        Empty without git or a repository, or if no commit has it.
    """
    place = named_place(file)
    if place is None:
        return ()
    path = place.name.as_posix()
    asked = ["log", "--first-parent", f"--max-count={most}", "--format=%H", "--", path]
    return _commits(_ask(asked, place.top))[::-1]


def named_place(file: Path) -> NamedPlace | None:
    """Return the place of a file in a checkout, where it need not be; None outside of a checkout."""
    name = Path(os.path.normpath(file.absolute()))
    top = next((each for each in name.parents if (each / ".git").exists()), None)
    return None if top is None else NamedPlace(top=top, name=name.relative_to(top))


def has_all_objects(cwd: Path) -> bool:
    """Return whether a checkout has all objects of its commits; a partial clone, as a sparse one, does not."""
    return not _ask(
        ["config", "--get-regexp", r"^(remote\..*\.promisor|extensions\.partialclone)$"], cwd
    )


def files_of(commit: str) -> CommitFiles:
    """Return the files of a commit as git has them."""
    return CommitFiles(commit=commit, read=partial(show_named, commit))


def is_committed(file: Path, commits: Collection[str]) -> bool:
    """Return whether a file is part of one of some commits, checked out around it.

    Links and submodules on the way to the file count, too. If git cannot tell, the file counts as
    part of the commit.
    """
    return any(
        _decides(here, path.relative_to(top), cwd=top)
        for path in names_of(file)
        for top in path.parents
        if (top / ".git").exists() and (here := head(top)) in commits and here is not None
    )


def is_submodule(folder: Path) -> bool:
    """Return whether the repository around a folder is a submodule of another around it."""
    top = _top(folder)
    outer = _top(top.parent) if top else None
    here = head(outer) if outer else None
    if top is None or outer is None or here is None:
        return False
    return _decides(here, top.relative_to(outer), cwd=outer)


def names_of(file: Path) -> set[Path]:
    """Return all names of a file: the given one, each link on the way, the real one.

    As in the system, `link/..` is the folder above the target of the link.
    """
    whole = file.absolute()
    names = {Path(os.path.normpath(whole))}
    real, steps, links = Path(whole.anchor), [*reversed(whole.parts[1:])], 0
    while steps and links < _MOST_LINKS:
        step = steps.pop()
        if step == os.pardir:
            real = real.parent
            continue
        real /= step
        if real.is_symlink():
            names.add(real)
            links, target = links + 1, real.parent / real.readlink()
            real, steps = Path(target.anchor), [*steps, *reversed(target.parts[1:])]
    return names | {real}


def _decides(commit: str, path: Path, *, cwd: Path) -> bool:
    """Return whether a commit holds a path, or a link or submodule among its parents."""
    steps = [str(step) for step in (path, *path.parents[:-1])]
    answer = _ask(["ls-tree", "-z", "--full-tree", commit, "--", *steps], cwd)
    if answer is None:
        return True
    entries = [entry.partition(b"\t") for entry in answer.split(b"\0") if entry]
    kinds = {os.fsdecode(name): facts.split()[1] for facts, _, name in entries}
    # git lists what lies beside a step, too
    return any(kinds.get(step, b"tree") != b"tree" for step in steps)


def changes(cwd: Path, *, without: Sequence[Path] = ()) -> str | None:
    """Return a digest of the changes to tracked files since the commit checked out.

    Files are read in pieces, as stored on disk. A submodule counts by its commit.

    Args:
        cwd: A folder of the checkout.
        without: Files and folders to ignore.

    Returns:
        64 hexadecimal digits; None without git, a repository or a commit.
    """
    differing = _differing("HEAD", cwd)
    if differing is None:
        return None
    left_out = [path.resolve() for path in without]
    found = hashlib.sha256()
    for path, name, now in differing:
        if not any(path.is_relative_to(each) for each in left_out):
            found.update(b"%b\0%b\0" % (name, now))
    return found.hexdigest()


def changed_files(ref: str, *, cwd: Path) -> frozenset[Path] | None:
    """Return the tracked files that differ between a commit and the checkout as it is, resolved.

    Args:
        ref: The revision.
        cwd: A folder of the checkout.

    Returns:
        None without git, a repository or the commit.
    """
    commit = _named(ref, cwd)
    differing = _differing(commit, cwd) if commit else None
    return None if differing is None else frozenset(path for path, _, _ in differing)


def is_checkout(folder: Path) -> bool:
    """Return whether a folder lies in a repository."""
    return _top(folder) is not None


def user_name(cwd: Path) -> str | None:
    """Return git's user.name; None if it is not set, or an e-mail address."""
    name = (_ask(["config", "--get", "user.name"], cwd) or b"").decode("utf-8", "replace").strip()
    return name if name and "@" not in name else None


def _named(ref: str, cwd: Path) -> str | None:
    """Return the id of a revision's commit; a full id as it is, since each command looks it up itself."""
    return ref if _COMMIT.match(ref) else find_commit(ref, cwd=cwd)


def _commits(answer: bytes | None) -> tuple[str, ...]:
    lines = (answer or b"").decode("ascii", "replace").split()
    return tuple(line for line in lines if _COMMIT.match(line))


def _differing(ref: str, cwd: Path) -> list[tuple[Path, bytes, bytes]] | None:
    """Return path, name and present content of each tracked file that differs from a commit."""
    top = _top(cwd)
    listed = _ask(["diff-index", "-z", "--ignore-submodules=dirty", ref], cwd)
    if top is None or listed is None:
        return None
    found = []
    for name, before in _listed(listed):
        path = top / os.fsdecode(name)
        now = _content(path, before)
        if now != before:  # git lists files that were but touched, too
            found.append((path, name, now))
    return found


def _listed(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and old content, as described by `_content`, of each file in a raw diff."""
    fields = raw.split(b"\0")
    for head, name in zip(fields[::2], fields[1::2], strict=False):
        mode, _, digest, *_ = head.removeprefix(b":").split()
        yield name, b"%b %b" % (mode, digest)


def _content(path: Path, like: bytes) -> bytes:
    """Return mode and id of the content at a path, as in git, with an id as long as in `like`."""
    if like.startswith(_SUBMODULE):
        return b"%b %b" % (_SUBMODULE, (head(path) or "").encode())
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            target = os.fsencode(path.readlink())
            return b"120000 %b" % _blob_id(len(target), [target], like)
        if not stat.S_ISREG(found.st_mode):
            return b"other"
        mode = b"100755" if found.st_mode & stat.S_IXUSR else b"100644"
        with path.open("rb") as file:
            pieces = iter(lambda: file.read(_PIECE), b"")
            return b"%b %b" % (mode, _blob_id(found.st_size, pieces, like))
    except OSError:
        return b"none"


def _blob_id(size: int, pieces: Iterable[bytes], like: bytes) -> bytes:
    is_sha256 = len(like.rpartition(b" ")[2]) == _SHA256_DIGITS
    found = hashlib.new("sha256" if is_sha256 else "sha1", usedforsecurity=False)
    found.update(b"blob %d\0" % size)
    for piece in pieces:
        found.update(piece)
    return found.hexdigest().encode()


def _ask(arguments: list[str], cwd: Path, *, given: bytes = b"") -> bytes | None:
    top = _top(cwd)
    if top is None:
        return None
    # a checkout in a container often belongs to another user, and git would refuse it
    settings = [part for s in (f"safe.directory={top}", *_SETTINGS) for part in ("-c", s)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; revisions are checked
            ["git", *settings, *arguments],  # noqa: S607 - the user's own git
            cwd=cwd,
            env=_environment(top),
            input=given,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _environment(top: Path) -> dict[str, str]:
    # no key for a program that a repository's settings may name; and the repository by its name, since
    # the environment inside of hooks leads to another one, and so do files that a commit may hold:
    # git takes a folder with HEAD, objects and refs for a repository
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | {
        "GIT_DIR": str(top / ".git"),
        "GIT_WORK_TREE": str(top),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }


def _top(cwd: Path) -> Path | None:
    folder = cwd.resolve()
    return next((f for f in (folder, *folder.parents) if (f / ".git").exists()), None)
