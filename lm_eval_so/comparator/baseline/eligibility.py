"""Eligibility of a report as the baseline; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lm_eval_so.comparator.gate.check import gates_by_default
from lm_eval_so.comparator.gate.threshold import Threshold, judge_threshold, read_candidate
from lm_eval_so.comparator.pairing import Reports, pair_reports
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import counted
from lm_eval_so.core.words.formats import score
from lm_eval_so.core.words.verdict_names import deciding_metrics
from lm_eval_so.errors import Problem

_FAILED = frozenset({Verdict.REGRESSION, Verdict.ERROR})
_KEPT = ("none", "hash", "full")
"""Kinds of answers that a report keeps, the least first."""
_LOOK = {
    Verdict.REGRESSION: "look at the samples that got worse",
    Verdict.ERROR: "mend what failed, run and compare again",
    Verdict.INCONCLUSIVE: "ask more samples, or allow a larger margin, and compare again",
    Verdict.INCOMPARABLE: "nothing was compared: make sure that what changed is meant",
}


class RefusalCode(StrEnum):
    """Reasons why a report is refused; `forced` of an acceptance names them."""

    OTHER_SUITE = "other_suite"
    INCOMPLETE = "incomplete"
    INELIGIBLE = "ineligible"
    ANSWERS = "answers"
    NO_SAMPLES = "no_samples"
    DUPLICATE_ID = "duplicate_id"
    METRIC_MISSING = "metric_missing"
    ERROR_RATE = "error_rate"
    THRESHOLD = "threshold"
    NOT_PASSED = "not_passed"
    HISTORY = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A reason to refuse a report."""

    code: RefusalCode
    problem: Problem


def find_refusals(
    report: EvaluationReport, config: Config, *, comparison: Comparison | None
) -> list[Refusal]:
    """Return all reasons to refuse a report.

    Args:
        report: Report that is to become the baseline.
        config: Config of the suite.
        comparison: Comparison of this very report; None if it was not compared.
    """
    return [
        *_of_run(report, config),
        *_of_gate(report, config, comparison),
        *_of_verdict(comparison),
    ]


def unreadable_history(why: str, shown_as: str) -> Refusal:
    """Return the refusal to replace a file that cannot be read."""
    what = f"the baseline cannot be read, so its history would be lost: {why}"
    return _refusal(RefusalCode.HISTORY, what, f"take {shown_as} out of git again")


def _of_run(report: EvaluationReport, config: Config) -> Iterator[Refusal]:
    experiment = report.experiment
    if experiment.suite != config.suite:
        what = f'the report is of the suite "{experiment.suite}", not of "{config.suite}"'
        yield _refusal(RefusalCode.OTHER_SUITE, what, "name the config of that suite by -c")
    if not experiment.complete:
        verb = "is" if experiment.missing == 1 else "are"
        missing = f"{counted(experiment.missing, 'row')} {verb} missing"
        lost = missing if experiment.missing else "it was ended, or is a shard"
        what = f"the run is not complete: {lost}"
        stopped = experiment.budget.get("stopped")
        if isinstance(stopped, Mapping) and isinstance(by := stopped.get("by"), str):
            what += f", it was stopped by {by}"
        hint = "go on with lm-eval-so run, merge shards, then evaluate again"
        yield _refusal(RefusalCode.INCOMPLETE, what, hint)
    elif not experiment.eligible:
        what = "the report may not become a baseline: experiment.eligible is false"
        hint = (
            "it is a pull request's or of a workflow without update_baseline, stopped early, or got"
        )
        hint = f"{hint} worse: measure what was merged"
        yield _refusal(RefusalCode.INELIGIBLE, what, hint)
    kept, wanted = _answers_of(report), config.report.answers
    if kept in _KEPT and _KEPT.index(kept) > _KEPT.index(wanted):
        what = f"report.answers is {wanted}, but the report was made with {kept}"
        yield _refusal(RefusalCode.ANSWERS, what, "evaluate again: the answers would be committed")


def _answers_of(report: EvaluationReport) -> str | None:
    if report.samples.answers is None:
        return None
    section = report.experiment.evaluator_config.get("report")
    kept = section.get("answers") if isinstance(section, Mapping) else None
    return kept if isinstance(kept, str) else None


def _of_gate(
    report: EvaluationReport, config: Config, comparison: Comparison | None
) -> Iterator[Refusal]:
    reports = pair_reports(report, None, alpha=config.gate.alpha)
    side = reports.side
    if not side.rows_by_id:
        hint = "evaluate a run that has rows"
        yield _refusal(RefusalCode.NO_SAMPLES, "the report has no samples", hint)
        return
    if side.duplicate is not None:
        what = f"sample id {side.duplicate} appears twice in the report"
        yield _refusal(RefusalCode.DUPLICATE_ID, what, "give each sample an id of its own")
        return
    for key in _wanted(config):
        if key not in report.metrics:
            what = f"the report has no {key}, which the {_named_by(config)} names"
            yield _refusal(RefusalCode.METRIC_MISSING, what, "evaluate with this config")
            continue
        section = (config.gate.metrics or {}).get(key)
        bounds = section.model_dump(include={"min", "max", "rule"}) if section else {}
        yield from _of_rows(key, reports, gates=section is not None)
        if section is not None and not _held(key, bounds, comparison):
            yield from _of_threshold(key, judge_threshold(key, reports, section))


def _wanted(config: Config) -> list[str]:
    """Return the metrics that the next comparison needs."""
    gating = config.gate.metrics
    return list(gating) if gating is not None else [metric.id for metric in config.metrics]


def _named_by(config: Config) -> str:
    return "config" if config.gate.metrics is None else "gate"


def _of_rows(key: str, reports: Reports, *, gates: bool) -> Iterator[Refusal]:
    if not gates and not gates_by_default(reports.candidate.metrics[key]):
        return  # without gate.metrics, open ranges and wording are only reported
    values, _ = read_candidate(key, reports)
    if values.rows and values.is_broken:
        of = counted(values.rows, "row has", "rows have")
        what = f"{key}: {values.missing:,} of {of} no score"
        yield _refusal(RefusalCode.ERROR_RATE, what, "mend the errors and run again")


def _held(
    key: str, bounds: Mapping[str, float | str | None], comparison: Comparison | None
) -> bool:
    """Return whether the comparison, which knows the quarantine, found that these bounds hold."""
    found = comparison.metrics.get(key) if comparison else None
    limits = found.threshold if found and found.threshold else {}
    return limits.get("held") is True and all(limits.get(k) == v for k, v in bounds.items())


def _of_threshold(key: str, limit: Threshold | None) -> Iterator[Refusal]:
    # rows without a score and duplicates are told by themselves
    if limit is None or limit.verdict in {Verdict.PASS, Verdict.ERROR}:
        return
    bound = f"the {'minimum' if limit.end == 'min' else 'maximum'} {score(limit.limit)}"
    value = score(limit.value) if limit.value is not None else "it"
    if limit.verdict is Verdict.REGRESSION:
        what = f"{key}: {value} misses {bound}"
        hint = f"mend it, or change gate.metrics.{key}.{limit.end} if less is enough"
    elif limit.code is Code.THRESHOLD_UNPROVEN and limit.bound is not None:
        what = f"{key}: {value} meets {bound}, but its bound {score(limit.bound)} does not"
        hint = f"ask more samples, or set gate.metrics.{key}.rule: point"
    else:
        what = f"{key}: whether {value} meets {bound} depends on rows without a score"
        hint = "mend the errors and run again"
    yield _refusal(RefusalCode.THRESHOLD, what, hint)


def _of_verdict(comparison: Comparison | None) -> Iterator[Refusal]:
    # without a baseline there was nothing to compare, and fixed bounds are judged above
    if comparison is None or comparison.baseline.source == "none":
        return
    if comparison.verdict in _FAILED:
        what, hint = said_of(comparison)
        yield _refusal(RefusalCode.NOT_PASSED, what, hint)


def said_of(comparison: Comparison) -> tuple[str, str]:
    """Return the outcome of a report's comparison, and what can be done about it."""
    verdict = comparison.verdict
    deciding = deciding_metrics(comparison)
    why = f" ({', '.join(deciding)})" if deciding else ""
    what = f"the comparison of this report says {verdict.value}{why}"
    if any(reason.code == Code.NOTHING_GATES for reason in comparison.reasons):
        return f"{what}: no metric gates", "name one under gate.metrics, and compare again"
    return what, _LOOK.get(verdict, "compare again")


def _refusal(code: RefusalCode, what: str, hint: str) -> Refusal:
    return Refusal(code=code, problem=Problem(what=what, hint=hint))
