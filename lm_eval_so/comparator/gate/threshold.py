"""Fixed bounds (`min`, `max`) on the candidate alone; no baseline is needed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.comparator.effect.finding import Shape, shape_of
from lm_eval_so.comparator.effect.ratio import statistic_of
from lm_eval_so.comparator.effect.refusals import (
    error_figures,
    is_against_baseline,
    is_time,
    side_warnings,
)
from lm_eval_so.comparator.effect.values import SideValues, read_values
from lm_eval_so.comparator.pairing import (
    Reports,
    Samples,
    Side,
    applicable_rows,
    groups_of,
    measured_samples,
)
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.config.gate import GateMetricSection
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import MetricKind, Verdict
from lm_eval_so.core.stats.binary import wilson_interval
from lm_eval_so.core.stats.bounded import ROUNDING, hall_interval
from lm_eval_so.core.stats.power import LEAST_SAMPLES

End = Literal["min", "max"]

_WORST_FIRST = (Verdict.ERROR, Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.PASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A fixed bound, judged."""

    limits: Mapping[End, float]
    """All bounds of the metric; the rest of the record is about one of them."""
    end: End
    limit: float
    rule: Literal["point", "bound"]
    verdict: Verdict = Verdict.PASS
    code: Code | None = None
    figures: Mapping[str, JsonValue] = field(default_factory=dict)
    """Figures of the code's sentence."""
    value: float | None = None
    """Mean or percentile over the samples with a value."""
    bound: float | None = None
    """One-sided bound of the mean with missing rows at their worst, if the rule asks for it."""
    warnings: tuple[Reason, ...] = ()

    def holds(self, value: float) -> bool:
        """Return whether a value keeps the bound; an equal value does."""
        slack = ROUNDING * max(1.0, abs(self.limit))
        if self.end == "min":
            return value >= self.limit - slack
        return value <= self.limit + slack


def judge_threshold(
    key: str, reports: Reports, section: GateMetricSection | None
) -> Threshold | None:
    """Judge the bounds of a metric of the candidate; of two bounds return the worse one.

    Returns:
        None if there is no bound or no such metric.
    """
    summary = reports.candidate.metrics.get(key)
    if section is None:
        return None
    given: tuple[tuple[End, float | None], ...] = (("min", section.min), ("max", section.max))
    bounds = {end: limit for end, limit in given if limit is not None}
    limits = [
        Threshold(limits=bounds, end=end, limit=limit, rule=section.rule)
        for end, limit in bounds.items()
    ]
    if summary is None or not limits:
        return None
    if reports.baseline is None and is_against_baseline(summary) and not summary.rows:
        return None  # there is nothing yet to hold answers against
    shape = shape_of(summary)
    values, samples = read_candidate(key, reports)
    refused = _refuse(limits[0], key, reports.side, values, shape)
    if refused is not None:
        return refused
    judge = _judge_point if section.rule == "point" else _judge_bound
    statistic = section.statistic if shape.kind is MetricKind.RATIO else "mean"
    results = [judge(limit, values, shape, statistic, reports.alpha) for limit in limits]
    worst = min(results, key=lambda result: _WORST_FIRST.index(result.verdict))
    return replace(worst, warnings=tuple(_warnings(worst, values, reports.side, samples)))


def read_candidate(key: str, reports: Reports) -> tuple[SideValues, Samples]:
    """Return the candidate's values of a metric that it has, and their samples."""
    summary, side = reports.candidate.metrics[key], reports.side
    samples = measured_samples(side, key, is_time=is_time(summary))
    column = side.columns.scores.get(key, ())
    return read_values(column, samples, shape_of(summary).support), samples


def _refuse(
    limit: Threshold, key: str, side: Side, values: SideValues, shape: Shape
) -> Threshold | None:
    def decided(verdict: Verdict, code: Code, **figures: JsonValue) -> Threshold:
        return replace(limit, verdict=verdict, code=code, figures=figures)

    if side.duplicate is not None:
        return decided(Verdict.ERROR, Code.DUPLICATE_ID, id=side.duplicate, side="candidate")
    if not applicable_rows(side, key):
        return decided(Verdict.ERROR, Code.NO_SAMPLES, side="candidate")
    if values.rows and values.is_broken:
        return decided(Verdict.ERROR, Code.ERROR_RATE, **error_figures("candidate", values))
    if shape.support is None and values.is_alarming:
        return decided(Verdict.INCONCLUSIVE, Code.MISSING_UNBOUNDED, q=values.missing)
    needs_spread = limit.rule == "bound" and not _is_proportion(values, shape)
    least = LEAST_SAMPLES if needs_spread else 1
    usable = len(values.mean) if shape.support else len(values.present)
    if usable < least:
        return decided(Verdict.INCONCLUSIVE, Code.FEW_SAMPLES, n=usable)
    return None


def _judge_point(
    limit: Threshold, values: SideValues, shape: Shape, statistic: str, _alpha: float
) -> Threshold:
    judged = replace(limit, value=statistic_of(values.present, statistic))
    worst, best = (statistic_of(ends, statistic) for ends in _ends(limit, values, shape))
    if limit.holds(worst):
        return judged
    if not limit.holds(best):
        return replace(judged, verdict=Verdict.REGRESSION, code=Code.THRESHOLD)
    return replace(
        judged, verdict=Verdict.INCONCLUSIVE, code=Code.MISSING, figures={"q": values.missing}
    )


def _judge_bound(
    limit: Threshold, values: SideValues, shape: Shape, _statistic: str, alpha: float
) -> Threshold:
    worst, best = _ends(limit, values, shape)
    bound = _bound_of_mean(worst, values, shape, limit.end, alpha)
    judged = replace(limit, value=_mean(values.present), bound=bound)
    if limit.holds(bound):
        return judged
    if not limit.holds(_mean(best)):
        return replace(judged, verdict=Verdict.REGRESSION, code=Code.THRESHOLD)
    return replace(judged, verdict=Verdict.INCONCLUSIVE, code=Code.THRESHOLD_UNPROVEN)


def _is_proportion(values: SideValues, shape: Shape) -> bool:
    return values.is_plain and shape.kind is MetricKind.BINARY


def _ends(
    limit: Threshold, values: SideValues, shape: Shape
) -> tuple[Sequence[float], Sequence[float]]:
    """Return the values with missing rows at the worst and at the best end for this bound."""
    if shape.support is None:
        return values.present, values.present
    return (values.low, values.high) if limit.end == "min" else (values.high, values.low)


def _bound_of_mean(
    ends: Sequence[float], values: SideValues, shape: Shape, end: End, alpha: float
) -> float:
    is_lower = end == "min"
    if _is_proportion(values, shape):
        interval = wilson_interval(round(sum(ends)), len(ends), level=1 - 2 * alpha)
        return interval[0] if is_lower else interval[1]
    sign = 1 if is_lower else -1
    if shape.support is None:
        signed = [sign * value for value in ends]
        return sign * hall_interval(signed, width=None, alpha=alpha).low
    # from the far end, so that clipping to the width is clipping to the support
    start = shape.support[0] if is_lower else shape.support[1]
    inward = [sign * (value - start) for value in ends]
    reach = hall_interval(inward, width=shape.width, alpha=alpha).low
    return start + sign * max(0.0, reach)


def _warnings(limit: Threshold, values: SideValues, side: Side, samples: Samples) -> list[Reason]:
    found = list(side_warnings({"candidate": values}))
    if limit.rule == "bound" and groups_of(side.columns.groups, samples.rows) is not None:
        found.append(Reason(code=Code.GROUPS_IGNORED, figures={"statistic": "bound"}))
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
