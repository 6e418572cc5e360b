"""The commit that a change is held against, and its files: by git, and where git lacks it by GitHub."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from lm_eval_so.action.event import Activity, BaseRule
from lm_eval_so.action.github.connection import GitHub
from lm_eval_so.action.github.failures import RequestFailed
from lm_eval_so.core import git
from lm_eval_so.core.git import CommitFiles, NotServed
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.errors import InputError

_JUST_ABOVE = "2"
_ALL = "0"
"""Depths of a checkout: one with the parents of its commit, and the whole history."""

Connect = Callable[[], AbstractContextManager[GitHub]]
"""Connection to GitHub, opened when it is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedBase:
    """The base commit, if a pull request cannot have chosen it."""

    files: CommitFiles | None
    """The commit and its files."""
    why: Reason | None = None
    """Reason why git has no such commit; null if it has."""
    here: str | None = None
    """Commit that is checked out; null without git."""

    @property
    def commit(self) -> str | None:
        """Id of the commit; None if there is none."""
        return self.files.commit if self.files else None


def find_trusted_base(
    activity: Activity, *, cwd: Path, connect: Connect | None = None
) -> TrustedBase:
    """Find the base commit of which a pull request chooses nothing.

    Args:
        activity: The task that the event sets.
        cwd: A folder of the checkout.
        connect: Connection to GitHub, asked only for what git lacks; None: git alone knows.
    """
    here = git.head(cwd)
    if here is None:
        return TrustedBase(files=None, why=Reason(code="no_repository"))
    if git.is_submodule(cwd):
        # its history is whatever the pull request points at
        return TrustedBase(files=None, why=Reason(code="in_submodule"), here=here)
    base = _base(activity, here, _Checkout(cwd), is_last=connect is None)
    if base is not None:
        return TrustedBase(files=_files(base, cwd, connect), here=here)
    unknown = _unknown_base(here, activity, cwd=cwd)
    if connect is not None:
        try:
            with connect() as github:
                base = _base(activity, here, github.commits, is_last=True)
        except RequestFailed as error:
            base = _base(activity, here, _Checkout(cwd), is_last=True)
            figures = {"problem": str(error), **unknown.figures}
            unknown = Reason(code="base_refused", figures=figures)
    files = _files(base, cwd, connect) if base else None
    return TrustedBase(files=files, why=unknown, here=here)


def not_before(
    base: TrustedBase, file: Path, activity: Activity, *, cwd: Path, connect: Connect | None = None
) -> TrustedBase:
    """Return a base that has a file: if a branch left before there was one, its target as it is now.

    Else a pull request could begin at a commit before the config, and be a first run without rules.

    Args:
        base: The base.
        file: The file, as main's config.
        activity: The task that the event sets.
        cwd: A folder of the checkout.
        connect: Connection to GitHub, asked for what git lacks.
    """
    is_left = activity.is_proposal and activity.base.rule is not BaseRule.COMMIT
    if base.files is None or not is_left:
        return base
    try:
        if base.files.read(file) is not None:
            return base
        tip = _Checkout(cwd).tip(activity.base.ref)
        if tip is None and connect is not None:
            with connect() as github:
                tip = github.commits.tip(activity.base.ref)
        files = _files(tip, cwd, connect) if tip else None
        is_there = files is not None and files.read(file) is not None
    except (InputError, RequestFailed):  # told where the file is read
        return base
    return replace(base, files=files) if is_there else base


def find_base(activity: Activity, *, cwd: Path) -> str | None:
    """Return the base commit, or None where git does not know it (no repository, a shallow clone).

    Args:
        activity: The task that the event sets.
        cwd: A folder of the checkout.
    """
    here = git.head(cwd)
    return _base(activity, here, _Checkout(cwd), is_last=True) if here else None


class _History(Protocol):
    """Commits and how they follow each other."""

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return the parents of a commit in order; none if it is not there."""
        ...

    def tip(self, branch: str | None) -> str | None:
        """Return the newest commit of a branch; None if it is not there.

        Args:
            branch: The branch; None: the default one.
        """
        ...

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor of two commits; None if there is none, or one is not there."""
        ...


@dataclass(frozen=True, slots=True)
class _Checkout:
    """History as git has it."""

    cwd: Path

    def parents(self, commit: str) -> tuple[str, ...]:
        return git.parents(commit, cwd=self.cwd)

    def tip(self, branch: str | None) -> str | None:
        # in full: a tag of the name origin/main would win over the branch
        return git.find_commit(f"refs/remotes/origin/{branch or 'HEAD'}", cwd=self.cwd)

    def merge_base(self, one: str, other: str) -> str | None:
        return git.merge_base(one, other, cwd=self.cwd)


def _base(activity: Activity, here: str, history: _History, *, is_last: bool) -> str | None:
    """Return the base commit, as far as a history tells.

    Args:
        activity: The task that the event sets.
        here: The commit checked out.
        history: The history.
        is_last: Whether no other history is asked, so that a commit that this one lacks is gone.
    """
    base = activity.base
    match base.rule:
        case BaseRule.HEAD:
            return here
        case BaseRule.PULL_REQUEST if _is_merge_of_github(
            here, above := history.parents(here), activity
        ):
            return above[0]
        case BaseRule.PULL_REQUEST | BaseRule.MERGE_BASE:
            tip = history.tip(base.ref)
            return history.merge_base(tip, here) if tip else None
        case BaseRule.COMMIT:
            known = base.commit and history.merge_base(base.commit, here) == base.commit
            if known or activity.is_proposal:  # of a group that was rebased, HEAD^ is proposed too
                return base.commit if known else None
            is_gone = is_last or (base.commit and history.merge_base(base.commit, base.commit))
            if base.commit and not is_gone:
                return None
            return next(iter(history.parents(here)), None)


def _is_merge_of_github(here: str, above: tuple[str, ...], activity: Activity) -> bool:
    """Return whether a commit is the pull request merged into its base, whose first parent is the base.

    A head may be a merge commit, too, and its first parent is then the pull request's own.
    """
    is_merge = len(above) > 1 and here != activity.head
    return is_merge and (here == activity.commit or above[1:] == (activity.head,))


def _unknown_base(here: str, activity: Activity, *, cwd: Path) -> Reason:
    if not activity.is_proposal and activity.repository is None:
        return Reason(code="base_unknown")
    is_merge = here == activity.commit != activity.head and not git.parents(here, cwd=cwd)
    return Reason(code="base_unknown", figures={"depth": _JUST_ABOVE if is_merge else _ALL})


def _files(commit: str, cwd: Path, connect: Connect | None) -> CommitFiles:
    """Return the files of a commit: git's, and GitHub's where git lacks objects."""
    of_git = git.files_of(commit)
    is_whole = git.find_commit(commit, cwd=cwd) is not None and git.has_all_objects(cwd)
    if is_whole or connect is None:
        return of_git

    def read(file: Path) -> bytes | None:
        found = of_git.read(file)
        if found is not None:
            return found
        place, here = git.named_place(file), git.named_place(cwd / "x")
        if place is None or here is None or place.top.resolve() != here.top.resolve():
            return None  # a file of another repository
        try:
            with connect() as github:
                return github.commits.read(place.name.as_posix(), commit)
        except RequestFailed as error:
            what = (
                f"git lacks {place.name} of {commit[:7]} here, and GitHub did not serve it: {error}"
            )
            raise NotServed(what) from None

    return CommitFiles(commit=commit, read=read)
