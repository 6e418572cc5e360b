"""The update of the baseline: a report takes its place, for a reason."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval_so.comparator.baseline.eligibility import (
    Refusal,
    find_refusals,
    said_of,
    unreadable_history,
)
from lm_eval_so.comparator.baseline.promote import (
    MetricChange,
    accept,
    checked_reason,
    metric_changes,
)
from lm_eval_so.core import git
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Warned, ignore
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import Acceptance, EvaluationReport
from lm_eval_so.core.report_file import digest_report, fewest_answers, read_report
from lm_eval_so.errors import ConfigError, InputError, Problem, PublishError
from lm_eval_so.pipeline.baseline.complete import complete_report
from lm_eval_so.pipeline.measure.plan import how_to_name_one
from lm_eval_so.pipeline.reports import read_comparison, write_report

__all__ = ["Update", "ask_and_update", "update_baseline"]

_STAGE = "baseline"
_LONGEST_NAME = 100
_COMMIT_DIGITS = 7
_UNPROVEN = frozenset({Verdict.INCONCLUSIVE, Verdict.INCOMPARABLE})
"""Verdicts that stop no update: an update is often made to resolve them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Result of an update."""

    paths: tuple[Path, ...]
    """The files that were written: the baseline, and its rows if they stand in a file."""
    acceptance: Acceptance
    """Last acceptance of the file."""
    overridden: tuple[Refusal, ...]
    """Refusals that were overridden."""
    previous: EvaluationReport | None
    changes: tuple[MetricChange, ...]
    """Per metric; empty if there was no baseline."""
    is_in_git: bool
    """Whether the files lie in a checkout."""

    @property
    def path(self) -> Path:
        """The baseline."""
        return self.paths[0]


async def ask_and_update(
    config: Config, resources: Resources, file: Path, *, reason: str, is_forced: bool
) -> Update:
    """Ask the answers that a report lacks, then write it as the baseline of a config.

    A report that would be refused is refused before anything is asked. Arguments as of
    `update_baseline`.

    Raises:
        LMEvalError: As `complete_report` and `update_baseline`.
    """
    source = _report_file(file)
    if fewest_answers(read_report(source)) < config.baseline_repeats:
        checked_reason(reason)
        _path(config)
        quiet = replace(resources, listener=ignore)
        _judge(config, quiet, source, is_forced=is_forced)
        if text := _other_commit(read_report(source), config):
            resources.listener(Warned(stage=_STAGE, text=text))
        await complete_report(config, resources, source)
    return update_baseline(config, resources, file, reason=reason, is_forced=is_forced)


def update_baseline(
    config: Config, resources: Resources, file: Path, *, reason: str, is_forced: bool
) -> Update:
    """Write a report as the baseline of a config.

    Args:
        config: The config; its `baseline.path` is written.
        resources: Environment, listener and redactor.
        file: A report.json, or a folder with one.
        reason: Reason of the person, one line; the file keeps it.
        is_forced: Whether refusals are overridden; the file records them.

    Raises:
        UsageError: If the reason is not one line.
        ConfigError: If the config names no baseline.
        RecordError: If the file is no report, or the file beside it no comparison.
        PublishError: If there are refusals; lists them all.
    """
    why = resources.redactor.redact(checked_reason(reason))
    path, source = _path(config), _report_file(file)
    report, previous, comparison, found = _judge(config, resources, source, is_forced=is_forced)
    _tell_few(report, config, resources)
    if previous is not None and digest_report(previous) != digest_report(report):
        _tell_unjudged(comparison, previous, source, resources)
    is_judged = comparison is not None and comparison.baseline.source != "none"
    if comparison is not None and is_judged and comparison.verdict in _UNPROVEN:
        what, hint = said_of(comparison)
        resources.listener(Warned(stage=_STAGE, text=what, hint=hint))
    acceptance = Acceptance(
        reason=why,
        at=now_text(resources.environ),
        by=_name(config, resources),
        forced=tuple(dict.fromkeys(each.code.value for each in found)),
    )
    made = accept(report, previous, acceptance)
    return Update(
        paths=write_report(path, made, resources.redactor),
        acceptance=made.accepted[-1],
        overridden=tuple(found),
        previous=previous,
        changes=metric_changes(report, previous) if previous else (),
        is_in_git=git.is_checkout(config.folder),
    )


def _path(config: Config) -> Path:
    if config.baseline.path is None:
        what, hint = "the config names no baseline", how_to_name_one(config)
        raise ConfigError(what, where=config.where("baseline"), hint=hint)
    return config.resolve(config.baseline.path)


def _report_file(file: Path) -> Path:
    return file / "report.json" if file.is_dir() else file


def _judge(
    config: Config, resources: Resources, source: Path, *, is_forced: bool
) -> tuple[EvaluationReport, EvaluationReport | None, Comparison | None, list[Refusal]]:
    """Return a report, the baseline that it replaces, its comparison, and what is overridden.

    Raises:
        PublishError: If there are refusals, and nobody forces it; lists them all.
    """
    report = read_report(source)
    previous, lost = _previous(_path(config))
    comparison = _comparison_of(report, source.with_name("comparison.json"), resources)
    found = [*lost, *find_refusals(report, config, comparison=comparison)]
    if found and not is_forced:
        raise _refused(found)
    return report, previous, comparison, found


def _other_commit(report: EvaluationReport, config: Config) -> str | None:
    """Return that another commit is checked out than the report measured; None if not."""
    measured, here = report.experiment.commit, git.head(config.folder)
    if measured is None or here is None or measured == here:
        return None
    shown = measured[:_COMMIT_DIGITS], here[:_COMMIT_DIGITS]
    return f"the report measured {shown[0]}, and further answers are those of {shown[1]}"


def _tell_few(report: EvaluationReport, config: Config, resources: Resources) -> None:
    """Say that a report has fewer answers than a baseline should have; it is taken all the same."""
    asked, wanted = fewest_answers(report), config.baseline_repeats
    if asked < wanted:
        text = f"each sample was asked {asked}×, a baseline {wanted}× (baseline.repeats)"
        resources.listener(Warned(stage=_STAGE, text=text, hint="--ask asks the missing answers"))


def _comparison_of(report: EvaluationReport, file: Path, resources: Resources) -> Comparison | None:
    """Read the comparison beside a report, if it is about this very report."""
    if not file.is_file():
        return None
    comparison = read_comparison(file)
    if comparison.candidate_digest == digest_report(report):
        return comparison
    text = f"{file} is about another report, so it says nothing of this one"
    resources.listener(Warned(stage=_STAGE, text=text))
    return None


def _previous(path: Path) -> tuple[EvaluationReport | None, list[Refusal]]:
    if not path.exists():
        return None, []
    try:
        return read_report(path), []
    except InputError as error:
        return None, [unreadable_history(str(error), str(path))]


def _refused(found: Sequence[Refusal]) -> PublishError:
    problems = [each.problem for each in found]
    last = problems[-1]
    hint = f"{last.hint}; --force takes the report all the same, and the file says so"
    problems[-1] = Problem(what=last.what, where=last.where, hint=hint)
    error = PublishError(problems[0].what)
    error.problems = tuple(problems)
    return error


def _tell_unjudged(
    comparison: Comparison | None,
    previous: EvaluationReport,
    source: Path,
    resources: Resources,
) -> None:
    """Warn if the report was never compared with the baseline that it replaces."""
    if comparison is None or comparison.baseline.source == "none":
        text = "this report was not compared, so nobody knows whether it got worse"
        hint = shlex.join(["lm-eval-so", "compare", str(source), "-o", str(source.parent)])
        resources.listener(Warned(stage=_STAGE, text=text, hint=hint))
    elif comparison.baseline.evaluated_at != previous.experiment.evaluated_at:
        text = "this report was compared with another baseline than the one that it replaces"
        resources.listener(Warned(stage=_STAGE, text=text))


def _name(config: Config, resources: Resources) -> str | None:
    name = git.user_name(config.folder)
    return resources.redactor.redact(" ".join(name.split()))[:_LONGEST_NAME] if name else None
