"""Reasons why a metric cannot be compared, and warnings of missing rows."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from lm_eval_so.comparator.effect.finding import Finding, Paired, Ruling
from lm_eval_so.comparator.effect.judge_error import is_weak, youden_of
from lm_eval_so.comparator.effect.values import SideValues
from lm_eval_so.comparator.pairing import Groups, Pairs, Reports, Scope
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.settings import metric_differences
from lm_eval_so.core.records.changes import Difference
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import Claim, MetricKind, Verdict
from lm_eval_so.core.records.report import MetricSummary
from lm_eval_so.core.stats.power import LEAST_SAMPLES

_LEAST_FOR_INTERVAL = 2
_MOST_TOLD = 3
"""Settings that a sentence names."""


def is_time(summary: MetricSummary) -> bool:
    """Return whether a metric's values are times or speeds, which a cached answer does not have."""
    unit = summary.unit or ""
    return unit in {"ms", "s"} or unit.endswith("/s")


def is_against_baseline(summary: MetricSummary) -> bool:
    """Return whether a metric compares with the baseline itself, which then has no such metric."""
    return "baseline" in summary.definition


def side_warnings(sides: Mapping[str, SideValues]) -> Iterator[Reason]:
    """Warn of sides with many missing rows or with impossible values."""
    for side, values in sides.items():
        if values.is_alarming:
            yield Reason(
                code=Code.MISSING_ROWS,
                figures={"side": side, "q": values.missing, "e": values.rows},
            )
        if values.out_of_range:
            yield Reason(code=Code.OUT_OF_RANGE, figures={"side": side, "q": values.out_of_range})


def error_figures(side: str, values: SideValues) -> dict[str, JsonValue]:
    """Return the figures of the sentence about too many missing rows."""
    share = values.missing / values.rows
    return {"side": side, "q": values.missing, "e": values.rows, "rate": share}


def refuse_metric(
    key: str, reports: Reports, before: MetricSummary | None, now: MetricSummary | None
) -> Ruling | None:
    """Return why a metric cannot be compared, whatever its rows; None if it can."""

    def refused(code: Code, **figures: JsonValue) -> Ruling:
        return Ruling(verdict=Verdict.INCOMPARABLE, code=code, figures=figures)

    if reports.baseline is None:
        return refused(Code.NO_BASELINE)
    old, new = reports.baseline.experiment.suite, reports.candidate.experiment.suite
    if old != new:
        return refused(Code.OTHER_SUITE, suite=new, other=old)
    if before is None:
        return refused(Code.METRIC_MISSING_BASELINE)
    if now is None:
        return refused(Code.METRIC_MISSING_CANDIDATE)
    if before.fingerprint != now.fingerprint:
        found = metric_differences(key, before, now, redact=reports.redact)
        return refused(Code.FINGERPRINT, what=_told(found))
    return None


def refuse_rows(key: str, pairs: Pairs, scope: Scope) -> Ruling | None:
    """Return why the rows of a metric cannot be compared; None if they can."""
    sides = {"candidate": pairs.candidate, "baseline": pairs.baseline}
    totals = {"candidate": scope.of_candidate, "baseline": scope.of_baseline}
    for name, side in sides.items():
        if side.duplicate is not None:
            figures = {"id": side.duplicate, "side": name}
            return Ruling(verdict=Verdict.ERROR, code=Code.DUPLICATE_ID, figures=figures)
    for name, side in sides.items():
        if not totals[name] or key not in side.columns.scores:
            figures = {"side": name}
            return Ruling(verdict=Verdict.ERROR, code=Code.NO_SAMPLES, figures=figures)
    if any(5 * scope.paired < 4 * total for total in totals.values()):
        return Ruling(
            verdict=Verdict.INCOMPARABLE,
            code=Code.OVERLAP,
            figures={
                "k": scope.paired,
                "pb": scope.paired / totals["baseline"],
                "pc": scope.paired / totals["candidate"],
            },
        )
    return None


def refuse_values(
    finding: Finding, paired: Paired, before: SideValues, now: SideValues
) -> Ruling | None:
    """Return why the values of a metric decide nothing; None if an interval can be made."""
    shape = finding.shape
    for name, values in {"baseline": before, "candidate": now}.items():
        if values.rows and values.is_broken:
            figures = error_figures(name, values)
            return Ruling(verdict=Verdict.ERROR, code=Code.ERROR_RATE, figures=figures)
    if shape.support is None and (before.is_alarming or now.is_alarming):
        return _unclear(Code.MISSING_UNBOUNDED, q=sum(paired.missing))
    is_ratio = shape.kind is MetricKind.RATIO  # no floor keeps a few of its values from failing
    few = _fewer_than(LEAST_SAMPLES if is_ratio else _LEAST_FOR_INTERVAL, finding, paired)
    if few is None and is_weak(finding.judge):
        return _unclear(Code.JUDGE_WEAK, j=f"{youden_of(finding.judge):.2f}")
    return few


def too_few(finding: Finding, paired: Paired) -> Ruling | None:
    """Return that a metric has too few groups or samples for a pass; None if it has enough.

    Answers that are right or wrong have an interval from the first sample on.
    """
    few, groups = _fewer_than(LEAST_SAMPLES, finding, paired), _counted_groups(finding, paired)
    if few is None and groups is not None and groups.effective_units < LEAST_SAMPLES:
        return _unclear(Code.FEW_GROUPS, groups=groups.units, effective=_effective(groups))
    return few


def claim_warnings(
    finding: Finding, claim: Claim, before: SideValues, now: SideValues
) -> Iterator[Reason]:
    """Warn that a metric is judged by the default claim, since most samples were asked only once."""
    is_judged = finding.shape.support is not None and finding.limits.margin is not None
    if claim is Claim.THESE and is_judged and finding.given is None:
        figures: dict[str, JsonValue] = {}
        if before.has_repeats != now.has_repeats:
            figures["way"] = "candidate" if before.has_repeats else "baseline"
        yield Reason(code=Code.CLAIM_NEEDS_REPEATS, figures=figures)


def group_warnings(finding: Finding, paired: Paired) -> Iterator[Reason]:
    """Warn of groups so unequal that they tell less than half of what their number seems to."""
    groups = _counted_groups(finding, paired)
    if groups is not None and 2 * groups.effective_units < groups.units:
        yield Reason(
            code=Code.UNEQUAL_GROUPS,
            figures={"share": groups.largest_share, "effective": _effective(groups)},
        )


def _effective(groups: Groups) -> str:
    return f"{groups.effective_units:.1f}"


def _fewer_than(least: int, finding: Finding, paired: Paired) -> Ruling | None:
    groups = _counted_groups(finding, paired)
    if groups is not None and groups.units < least:
        return _unclear(Code.FEW_GROUPS, groups=groups.units)
    if paired.given is not None:
        answers = paired.given.worst.whole_trials
        return _unclear(Code.FEW_SAMPLES, answers=answers) if answers < least else None
    usable = finding.n if finding.shape.support else len(paired.complete.positions)
    if usable < (1 if finding.shape.kind is MetricKind.BINARY else least):
        return _unclear(Code.FEW_SAMPLES, n=usable)
    return None


def _counted_groups(finding: Finding, paired: Paired) -> Groups | None:
    """Return the groups of the samples that the test counts; None if all stand alone."""
    if paired.groups is None or finding.limits.statistic != "mean":
        return None
    return paired.groups if finding.shape.support else paired.groups.at(paired.complete.positions)


def _unclear(code: Code, **figures: JsonValue) -> Ruling:
    return Ruling(verdict=Verdict.INCONCLUSIVE, code=code, figures=figures)


def _told(found: Sequence[Difference]) -> str:
    more = f", … (+{len(found) - _MOST_TOLD})" if len(found) > _MOST_TOLD else ""
    return ", ".join(each.text for each in found[:_MOST_TOLD]) + more
