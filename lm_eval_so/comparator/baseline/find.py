"""Search for the baseline: a file, a file as it was in a commit, or a report that is stored elsewhere."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval_so.core import git
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.git import CommitFiles, NotServed
from lm_eval_so.core.records.comparison import BaselineRef, Reason
from lm_eval_so.core.records.enums import Policy
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import parse_report, read_report, rows_among
from lm_eval_so.errors import InputError, NoBaseline

_PERMISSION = "give the job the permission contents: read"

Found = tuple[EvaluationReport | None, BaselineRef]
"""A report and its place; no report, and the place says why, if there is none."""
StoredReports = Callable[[], Found]
"""Search for a report that is stored outside of the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Place to read a baseline from, over the config's."""

    report: Path | None = None
    """A report that wins over everything else."""
    path: Path | None = None
    """A file to read instead of the config's."""
    ref: str | None = None
    """Git revision to read the config's file from; default: that of the config, else none."""
    files: CommitFiles | None = None
    """Commit to read the config's file from, over `ref`; git need not have it."""
    in_repository: bool = True
    """Whether the config's file counts."""
    else_file: bool = False
    """Read the file itself if the commit has none."""
    unreadable: Reason | None = None
    """Reason why nothing can be read, if the caller knows one."""
    stored: StoredReports | None = None
    """Looks for a report that is stored elsewhere, where the repository has none."""


AS_CONFIGURED = Place()


def find_baseline(
    config: Config, place: Place = AS_CONFIGURED, *, is_demanded: bool = False
) -> Found:
    """Find and read the baseline.

    Args:
        config: Config of the suite.
        place: Place to read from, over the config's.
        is_demanded: Whether a missing baseline is an error under `gate.on_missing_baseline: fail`,
            before anything is paid for.

    Returns:
        The report and its place; no report if there is none.

    Raises:
        InputError: If the named file cannot be read, or the revision is not known here.
        RecordError: If it is no report, or not one of this version.
        NoBaseline: If it is demanded and there is none.
    """
    if place.report is not None:
        shown = BaselineRef(source="file", path=str(place.report))
        return _known(read_report(place.report), shown)
    path, reason = place.path or config.baseline.path, place.unreadable
    if reason is None:
        report, ref = _look(config, path, place)
        if report is not None:
            return _known(report, ref)
        reason = ref.reason
    if is_demanded and config.gate.on_missing_baseline is Policy.FAIL:
        what = f"there is no baseline {path}" if path else "the config names no baseline"
        hint = "store a report.json of the base there, or set gate.on_missing_baseline: warn"
        if reason is not None:
            what, hint = _refusal(reason)
        raise NoBaseline(what, where=config.where("baseline"), hint=hint)
    return None, BaselineRef(source="none", path=str(path) if path else None, reason=reason)


def find_anchor(config: Config, place: Place = AS_CONFIGURED) -> Found | None:
    """Find and read the anchor, by the rule of the baseline.

    Args:
        config: Config of the suite.
        place: Place to read from; only its revision counts, and whether the file itself does.

    Returns:
        The report and its place, no report if there is none; None if the config names no anchor.

    Raises:
        InputError: As of `find_baseline`.
    """
    if not config.baseline.anchor:
        return None
    return find_baseline(as_anchored(config), replace(place, report=None, path=None, stored=None))


def as_anchored(config: Config) -> Config:
    """Return a config with its anchor in the place of its baseline."""
    path = Path(config.baseline.anchor) if config.baseline.anchor else None
    section = config.baseline.model_copy(update={"path": path})
    return config.model_copy(update={"baseline": section})


def relative_to(path: Path, folder: Path) -> Path:
    """Return a path as git takes it: relative to a folder, upwards too."""
    return Path(os.path.relpath(path, folder))


def _look(config: Config, path: Path | None, place: Place) -> Found:
    """Look in the repository, then where reports are stored beside it."""
    none = BaselineRef(source="none")
    if path is not None and place.in_repository:
        try:
            report, ref = _in_repository(config, path, place)
        except NotServed as error:
            return None, replace(
                none, reason=Reason(code="not_served", figures={"why": str(error)})
            )
        if report is not None:
            return report, ref
    return place.stored() if place.stored else (None, none)


def _in_repository(config: Config, path: Path, place: Place) -> Found:
    files, revision = place.files, place.ref or config.baseline.ref
    found: Found = (None, BaselineRef(source="none"))
    if files is not None:
        found = _parsed(files.read, config.resolve(path), shown=path, ref=(files.commit,) * 2)
    elif revision:
        found = _from_git(config, path, revision)
    if found[0] is None and (place.else_file or not (files or revision)):
        return _from_file(config, path)
    return found


def _from_file(config: Config, path: Path) -> Found:
    file = config.resolve(path)
    if not file.is_file():
        return None, BaselineRef(source="none")
    return read_report(file), BaselineRef(source="file", path=str(path))


def _from_git(config: Config, path: Path, ref: str) -> Found:
    folder = config.folder
    commit = git.find_commit(ref, cwd=folder)
    if commit is None:
        raise _unknown_revision(config, ref)

    def read(file: Path) -> bytes | None:
        return git.show(commit, relative_to(file, folder), cwd=folder)

    return _parsed(read, config.resolve(path), shown=path, ref=(ref, commit))


def _parsed(
    read: Callable[[Path], bytes | None], file: Path, *, shown: Path, ref: tuple[str, str]
) -> Found:
    """Make a report of a file of a commit, with its rows from the same commit if they stand in a file."""
    data = read(file)
    if data is None:
        return None, BaselineRef(source="none")
    report = parse_report(
        data,
        shown_as=f"{ref[0]}:{shown}",
        find_rows=rows_among(lambda name: read(file.with_name(name))),
    )
    return report, BaselineRef(source="git", path=str(shown), ref=ref[1])


def _unknown_revision(config: Config, ref: str) -> InputError:
    where = config.where("baseline", "ref") if ref == config.baseline.ref else None
    if not git.is_installed():
        hint = "install git, or name a file by --baseline"
        what = f"cannot read the baseline from {ref}: git is not installed"
        return InputError(what, where=where, hint=hint)
    hint = "fetch it (actions/checkout: fetch-depth: 0), or name a file by --baseline"
    return InputError(f"git knows no commit {ref} here", where=where, hint=hint)


def _refusal(none: Reason) -> tuple[str, str]:
    """Return what is wrong and what to do if a demanded baseline cannot be read."""
    brings = "and what a pull request brings is no baseline"
    deeper = f"give actions/checkout fetch-depth: {none.figures.get('depth', 0)}"
    match none.code:
        case "base_unknown":
            told = f"git does not know the base commit here, {brings}", deeper
        case "base_refused":
            problem = none.figures["problem"]
            what = f"git does not know the base commit here, GitHub did not tell it ({problem})"
            told = f"{what}, {brings}", f"{_PERMISSION}, or {deeper}"
        case "not_served":
            told = str(none.figures["why"]), f"{_PERMISSION}, or {deeper}"
        case "not_wanted":
            told = "baseline_source is none", "let it name where baselines are"
        case "no_token":
            told = (
                "baseline_source is artifact, and there is no token",
                "give the step github_token",
            )
        case "no_artifact":
            name, workflow, branch = (none.figures[key] for key in ("name", "workflow", "branch"))
            what = f"no run of {workflow} on {branch} holds an artifact {name} with a fit report"
            told = (
                what,
                "let that workflow run there with update_baseline: auto, and upload its report",
            )
        case "artifacts_refused":
            what = f"GitHub did not give the artifact {none.figures['name']}"
            told = f"{what}: {none.figures['problem']}", "give the job the permission actions: read"
        case "ref_not_in_base":
            what = f"baseline.ref {none.figures['ref']} is no commit of the base branch, {brings}"
            told = what, "name a commit of the base branch, and fetch it (fetch-depth: 0)"
        case "in_submodule":
            what = "the config lies in a submodule, whose commit the pull request chooses"
            told = f"{what}, {brings}", "keep the config and its baseline in the repository itself"
        case _:
            what = f"there is no git repository here, {brings}"
            told = what, "check the code out by actions/checkout, where git is installed"
    return told


def _known(report: EvaluationReport, place: BaselineRef) -> Found:
    experiment, accepted = report.experiment, report.accepted[-1:]
    return report, replace(
        place,
        commit=experiment.commit,
        model=experiment.backend.model,
        label=experiment.backend.label,
        evaluated_at=experiment.evaluated_at,
        accepted=replace(accepted[0], previous=None) if accepted else None,
    )
