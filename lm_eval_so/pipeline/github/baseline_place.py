"""The place of an event's baseline, from the event and from git."""

from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.action.event import Activity, BaseRule
from lm_eval_so.comparator.baseline.find import Place, as_anchored, relative_to
from lm_eval_so.core import git
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.pipeline.control import ControlSource
from lm_eval_so.pipeline.github.unloaded_config import ConfigSource
from lm_eval_so.pipeline.scheduled import SCHEDULED, last_scheduled

_JUST_ABOVE = "2"
_ALL = "0"
"""Depths of a checkout: one with the parents of its commit, and the whole history."""


def find_base(activity: Activity, *, cwd: Path) -> str | None:
    """Return the base commit, or None where git does not know it (no repository, a shallow clone).

    Args:
        activity: The task that the event sets.
        cwd: A folder of the checkout.
    """
    here = git.head(cwd)
    if here is None:
        return None
    above, base = git.parents(here, cwd=cwd), activity.base
    match base.rule:
        case BaseRule.HEAD:
            return here
        case BaseRule.PULL_REQUEST if _is_merge_of_github(here, above, activity):
            return above[0]
        case BaseRule.PULL_REQUEST | BaseRule.MERGE_BASE:
            # in full: a tag of the name origin/main would win over the branch
            branch = f"refs/remotes/origin/{base.ref or 'HEAD'}"
            return git.merge_base(here, branch, cwd=cwd)
        case BaseRule.COMMIT:
            known = base.commit and git.merge_base(base.commit, here, cwd=cwd) == base.commit
            if known or activity.is_proposal:  # of a group that was rebased, HEAD^ is proposed too
                return base.commit if known else None
            return next(iter(above), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedBase:
    """The base commit, if a pull request cannot have chosen it."""

    commit: str | None
    why: Reason | None = None
    """Reason why there is none."""


def find_trusted_base(activity: Activity, *, cwd: Path) -> TrustedBase:
    """Find the base commit of which a pull request chooses nothing.

    Args:
        activity: The task that the event sets.
        cwd: A folder of the checkout.
    """
    here = git.head(cwd)
    if here is None:
        return TrustedBase(commit=None, why=Reason(code="no_repository"))
    if git.is_submodule(cwd):
        # its history is whatever the pull request points at
        return TrustedBase(commit=None, why=Reason(code="in_submodule"))
    base = find_base(activity, cwd=cwd)
    if base is not None:
        return TrustedBase(commit=base)
    is_local = not activity.is_proposal and activity.repository is None
    unknown = Reason(code="base_unknown") if is_local else _unknown_base(here, activity, cwd=cwd)
    return TrustedBase(commit=None, why=unknown)


def find_control(activity: Activity, source: ConfigSource) -> ControlSource | None:
    """Find everything that main's config is read from; None where it plays no part.

    Args:
        activity: The task that the event sets.
        source: Everything that the config under test is read from.
    """
    cwd = source.file.parent
    # a workflow may check out anything, as a fork's head, on an event of main
    is_main = activity.is_of_main and git.head(cwd) == activity.commit
    if activity.base.rule is BaseRule.HEAD and not is_main:
        return None
    base = find_trusted_base(activity, cwd=cwd)
    kept = cwd / SCHEDULED
    is_quoted = not is_main and not is_brought(kept, activity, cwd=cwd)
    return ControlSource(
        file=source.file,
        environ=source.environ,
        overrides=source.overrides,
        rewritten=source.rewritten,
        plugins=source.plugins,
        hosts=source.hosts,
        base=base.commit,
        why=base.why,
        is_scheduled=is_main,
        last=last_scheduled(kept) if is_quoted else None,
    )


def find_place(config: Config, activity: Activity, *, explicit: Path | None) -> Place:
    """Find the place of an event's baseline: never in the commits that a pull request brings.

    Args:
        config: The config, which a pull request may have changed.
        activity: The task that the event sets.
        explicit: The report that the workflow names.
    """
    cwd, stored = config.folder, config.baseline.path
    base, here = find_base(activity, cwd=cwd), git.head(cwd)
    if not activity.is_proposal:
        return Place(report=explicit, ref=None if config.baseline.ref else base)
    named = explicit or (config.resolve(stored) if stored else None)
    if named is None:
        return Place()
    trusted = find_trusted_base(activity, cwd=cwd)
    if here is None:
        return Place(unreadable=trusted.why)
    base, unknown = trusted.commit, trusted.why
    brings_it = is_brought(named, activity, cwd=cwd)
    has_file = named.exists() and not brings_it  # a step of the job put it there
    if explicit is not None:
        is_nowhere = not brings_it and not _has(base, explicit, cwd=cwd)
        of_base = Place(path=relative_to(explicit, cwd), ref=base, unreadable=unknown)
        return Place(report=explicit) if has_file or is_nowhere else of_base  # nowhere is an error
    if config.baseline.ref:
        return Place(unreadable=_why_not(config, base, unknown))
    return Place(ref=base, else_file=has_file, unreadable=None if has_file else unknown)


def is_of_event(activity: Activity, *, cwd: Path) -> bool:
    """Return whether the checkout is the event's: its commit, or the branch as it is now.

    A workflow may check out anything, as a pull request's head, on an event of main. Without git, and
    in a submodule, nothing is known against it.

    Args:
        activity: The task that the event sets.
        cwd: A folder of the checkout.
    """
    here = git.head(cwd)
    if here is None or here == activity.commit or git.is_submodule(cwd):
        return True
    kind, _, branch = activity.workflow.ref.partition("refs/heads/")
    if kind or not branch:
        return False
    return git.find_commit(f"refs/remotes/origin/{branch}", cwd=cwd) == here


def is_brought(file: Path, activity: Activity, *, cwd: Path) -> bool:
    """Return whether a proposal brings a file, or may bring it, since git cannot tell.

    Args:
        file: The file, in the checkout.
        activity: The task that the event sets.
        cwd: A folder of the checkout.
    """
    if not activity.is_proposal:
        return False
    here = git.head(cwd)
    commits = {commit for commit in (here, activity.head, activity.commit) if commit}
    return here is None or git.is_committed(file, commits)


def find_anchor_place(config: Config, activity: Activity) -> Place:
    """Find the place of an event's anchor, by the rule of the baseline: none that a change brings.

    Args:
        config: The config, which a pull request may have changed.
        activity: The task that the event sets.
    """
    return find_place(as_anchored(config), activity, explicit=None)


def find_local_place(config: Config, activity: Activity, *, explicit: Path | None) -> Place:
    """Find the place of a baseline at a person's desk: at the base commit, else the file itself.

    Args:
        config: The config.
        activity: The local task.
        explicit: The report that the command line names.
    """
    ref = None if config.baseline.ref else find_base(activity, cwd=config.folder)
    return Place(report=explicit, ref=ref, else_file=True)


def _why_not(config: Config, base: str | None, unknown: Reason | None) -> Reason | None:
    """Say why the config's own revision is not part of the base; one that git lacks is an error later."""
    ref, cwd = config.baseline.ref, config.folder
    commit = git.find_commit(ref, cwd=cwd)
    if commit is None or base is None:
        return unknown if commit else None
    if git.merge_base(commit, base, cwd=cwd) == commit:
        return None
    return Reason(code="ref_not_in_base", figures={"ref": ref})


def _has(base: str | None, file: Path, *, cwd: Path) -> bool:
    return base is not None and git.show(base, relative_to(file, cwd), cwd=cwd) is not None


def _is_merge_of_github(here: str, above: tuple[str, ...], activity: Activity) -> bool:
    """Return whether a commit is the pull request merged into its base, whose first parent is the base.

    A head may be a merge commit, too, and its first parent is then the pull request's own.
    """
    is_merge = len(above) > 1 and here != activity.head
    return is_merge and (here == activity.commit or above[1:] == (activity.head,))


def _unknown_base(here: str, activity: Activity, *, cwd: Path) -> Reason:
    is_merge = here == activity.commit != activity.head and not git.parents(here, cwd=cwd)
    return Reason(code="base_unknown", figures={"depth": _JUST_ABOVE if is_merge else _ALL})
