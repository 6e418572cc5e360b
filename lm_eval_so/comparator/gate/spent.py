"""A run that its budget ended: what it left unmeasured decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lm_eval_so.comparator.effect.finding import Ruling
from lm_eval_so.comparator.effect.values import too_many_missing
from lm_eval_so.comparator.gate.verdicts import Judged
from lm_eval_so.comparator.pairing import Reports
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.errors import ExitCode

_JUDGE_BUDGET = "judge_budget"
_OPEN = frozenset({Verdict.PASS, Verdict.IMPROVED, Verdict.INCONCLUSIVE})
"""Verdicts that more answers might have changed; a regression is proven with the others at their best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unmeasured:
    """Rows of a metric that the budget left without a score."""

    rows: int
    of: int
    is_broken: bool
    """Whether too many of the other rows have no score either."""

    @property
    def ruling(self) -> Ruling:
        figures = {"q": self.rows, "e": self.of}
        return Ruling(verdict=Verdict.INCONCLUSIVE, code=Code.BUDGET, figures=figures)


def undecided(judged: Mapping[str, Judged], reports: Reports) -> dict[str, Judged]:
    """Return the metrics with those undecided that the candidate's budget left without scores.

    A proven regression stays one, and so does an error that has another cause.

    Args:
        judged: Decided metrics.
        reports: Candidate and baseline.
    """
    return {key: _undecided(key, metric, reports.candidate) for key, metric in judged.items()}


def bar_if_unmeasured(
    code: ExitCode, judged: Mapping[str, Judged], candidate: EvaluationReport
) -> ExitCode:
    """Return an exit code that lets no run through of which under four fifths were measured.

    Args:
        code: Exit code of the verdict.
        judged: Decided metrics; those that gate count, each for itself.
        candidate: Report under test.
    """
    experiment, rows = candidate.experiment, len(candidate.samples.ids)
    if experiment.spent is not None and 5 * (rows - experiment.missing) < 4 * rows:
        return code or ExitCode.CANNOT_MEASURE
    found = (_unmeasured(key, candidate) for key, metric in judged.items() if metric.gating)
    is_barred = any(5 * (each.of - each.rows) < 4 * each.of for each in found if each)
    return code or (ExitCode.CANNOT_MEASURE if is_barred else code)


def _undecided(key: str, metric: Judged, candidate: EvaluationReport) -> Judged:
    lost = _unmeasured(key, candidate)
    if lost is None or lost.is_broken:
        return metric
    found, limit = metric.finding, metric.threshold
    if limit is not None and limit.code is Code.ERROR_RATE:
        figures = lost.ruling.figures
        limit = replace(limit, verdict=Verdict.INCONCLUSIVE, code=Code.BUDGET, figures={**figures})
    of_candidate = found.ruling is not None and found.ruling.figures.get("side") == "candidate"
    is_lack = metric.change_code is Code.ERROR_RATE and of_candidate
    if not (is_lack or metric.change in _OPEN):
        return replace(metric, threshold=limit)
    return replace(
        metric,
        finding=replace(found, ruling=lost.ruling),
        threshold=limit,
        change=Verdict.INCONCLUSIVE,
        change_code=Code.BUDGET,
    )


def _unmeasured(key: str, candidate: EvaluationReport) -> _Unmeasured | None:
    """Return the rows that the budget left without a score; None if there are none."""
    summary, experiment = candidate.metrics.get(key), candidate.experiment
    if summary is None:
        return None
    unasked = experiment.missing if experiment.spent is not None else 0
    # of a metric for some samples only, not every row that was not asked is one of its own
    lost = min(summary.unscored, unasked + summary.unscored_by.get(_JUDGE_BUDGET, 0))
    if not lost:
        return None
    rows = summary.rows + summary.unscored
    rest = too_many_missing(summary.unscored - lost, rows - lost)
    return _Unmeasured(rows=lost, of=rows, is_broken=rest)
