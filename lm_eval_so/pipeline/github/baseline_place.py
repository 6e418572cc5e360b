"""The place of an event's baseline, from the event and from its base commit."""

from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval_so.action.event import Activity, Base, BaseRule
from lm_eval_so.action.inputs import BaselineSource
from lm_eval_so.comparator.baseline.find import Place, StoredReports, as_anchored, relative_to
from lm_eval_so.core import git
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.errors import InputError
from lm_eval_so.pipeline.base.base_commit import TrustedBase, find_base
from lm_eval_so.pipeline.control import ControlSource
from lm_eval_so.pipeline.github.unloaded_config import ConfigSource
from lm_eval_so.pipeline.scheduled import SCHEDULED, last_scheduled


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Baseline that the workflow wants."""

    explicit: Path | None = None
    """Report that it names; it wins over everything else."""
    source: BaselineSource = BaselineSource.AUTO
    """Kind of place to look in."""
    stored: StoredReports | None = None
    """Looks for a report that a workflow run of the base branch stored."""


AS_USUAL = Wanted()
_OF_CACHE = ("", "-wal", "-journal", "-shm")
"""Ends of the names of files that SQLite reads as one."""


def find_control(
    activity: Activity, source: ConfigSource, config: Config, base: TrustedBase
) -> ControlSource | None:
    """Find everything that main's config is read from; None where it plays no part.

    Args:
        activity: The task that the event sets.
        source: Everything that it is read from.
        config: The config under test.
        base: The base commit.
    """
    cwd = source.file.parent
    # a workflow may check out anything, as a fork's head, on an event of main
    is_main = activity.is_of_main and git.head(cwd) == activity.commit
    if activity.base.rule is BaseRule.HEAD and not is_main:
        return None
    kept = cwd / SCHEDULED
    is_quoted = not is_main and not is_brought(kept, activity, cwd=cwd)
    return ControlSource(
        file=source.file,
        environ=source.environ,
        overrides=source.overrides,
        rewritten=source.rewritten,
        plugins=source.plugins,
        hosts=source.hosts,
        base=base.files,
        why=base.why,
        is_scheduled=is_main,
        accepted=_accepted(config, base) if activity.is_proposal else None,
        last=last_scheduled(kept) if is_quoted else None,
    )


def _accepted(config: Config, base: TrustedBase) -> bytes:
    """Return main's accept file; empty if main has none, or is not known."""
    file = config.resolve(config.gate.accept)
    if not file.is_file():  # nothing is accepted that could stand there
        return b""
    try:
        return (base.files.read(file) if base.files else None) or b""
    except InputError:  # not served, or a link that leads out of the commit
        return b""


def find_place(
    config: Config, activity: Activity, base: TrustedBase, wanted: Wanted = AS_USUAL
) -> Place:
    """Find the place of an event's baseline: never in the commits that a pull request brings.

    Args:
        config: The config, which a pull request may have changed.
        activity: The task that the event sets.
        base: The base commit.
        wanted: The baseline that the workflow wants.
    """
    stored = config.resolve(config.baseline.path) if config.baseline.path else None
    if wanted.explicit is not None:
        return _explicit(wanted.explicit, config, activity, base)
    match wanted.source:
        case BaselineSource.NONE:
            return Place(unreadable=Reason(code="not_wanted"))
        case BaselineSource.ARTIFACT:
            unreadable = None if wanted.stored else base.why or Reason(code="no_token")
            return Place(in_repository=False, stored=wanted.stored, unreadable=unreadable)
        case BaselineSource.FILE:
            is_there = stored is not None and stored.exists()
            brought = stored is not None and is_brought(stored, activity, cwd=config.folder)
            return Place(report=stored) if is_there and not brought else Place(in_repository=False)
        case BaselineSource.GIT:
            return replace(_in_repository(config, activity, base, stored), else_file=False)
        case BaselineSource.AUTO:
            place = _in_repository(config, activity, base, stored)
            return replace(place, stored=wanted.stored)


def _explicit(file: Path, config: Config, activity: Activity, base: TrustedBase) -> Place:
    """Find the place of a report that the workflow names: in the base commit if a proposal brings it."""
    brings_it = is_brought(file, activity, cwd=config.folder)
    has_file = file.exists() and not brings_it  # a step of the job put it there
    # one that is nowhere is an error
    if not activity.is_proposal or has_file or not (brings_it or _has(base, file)):
        return Place(report=file)
    unreadable = None if base.files else base.why
    path = relative_to(file, config.folder)
    return Place(path=path, files=base.files, unreadable=unreadable)


def _in_repository(
    config: Config, activity: Activity, base: TrustedBase, stored: Path | None
) -> Place:
    """Find the place of the config's own file."""
    cwd, has_ref = config.folder, bool(config.baseline.ref)
    if not activity.is_proposal:
        files = None if has_ref else base.files
        return Place(files=files, ref=None if has_ref or files else find_base(activity, cwd=cwd))
    if stored is None:
        return Place()
    unknown = None if base.files else base.why
    if git.head(cwd) is None:
        return Place(unreadable=unknown)
    if has_ref:
        return Place(unreadable=_why_not(config, base.commit, unknown))
    has_file = stored.exists() and not is_brought(stored, activity, cwd=cwd)
    unreadable = None if has_file else unknown
    return Place(files=base.files, else_file=has_file, unreadable=unreadable)


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


def as_checked_out(activity: Activity, *, cwd: Path) -> Activity:
    """Return the task for what is checked out.

    An event of main that measures another commit, as a maintainer does with a fork's pull request,
    measures a proposal: it is held against what main has, and brings no baseline of its own.

    Args:
        activity: The task that the event sets.
        cwd: A folder of the checkout.
    """
    if not activity.may_be_baseline or is_of_event(activity, cwd=cwd):
        return activity
    base = Base(rule=BaseRule.MERGE_BASE, ref=activity.base.ref)
    return replace(activity, base=base, is_proposal=True)


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


def with_own_cache(config: Config, activity: Activity) -> Config:
    """Return a config without a cache that a proposal brings: whoever wrote that can have judged for the judge.

    Args:
        config: The config.
        activity: The task that the event sets.
    """
    if config.run.cache is False:
        return config
    file = config.resolve(config.run.cache)
    files = (file.with_name(f"{file.name}{end}") for end in _OF_CACHE)
    if not any(is_brought(each, activity, cwd=config.folder) for each in files if each.exists()):
        return config
    run = config.run.model_copy(update={"cache": False})
    return config.model_copy(update={"run": run})


def find_anchor_place(config: Config, activity: Activity, base: TrustedBase) -> Place:
    """Find the place of an event's anchor, by the rule of the baseline: none that a change brings.

    Args:
        config: The config, which a pull request may have changed.
        activity: The task that the event sets.
        base: The base commit.
    """
    return find_place(as_anchored(config), activity, base)


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


def _has(base: TrustedBase, file: Path) -> bool:
    return base.files is not None and base.files.read(file) is not None
