"""Slices: each metric compared again in samples with something in common.

Slices explain a verdict and never change one. All tests of a comparison, of every slice, metric and
direction, are adjusted together. If nothing changed, at most about one comparison in ten names any
slice at all.

Source: Benjamini, Hochberg (1995), J. R. Stat. Soc. B 57(1), 289–300.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.pairing import Reports
from lm_eval_so.comparator.slices.estimate import Part, parts_of
from lm_eval_so.comparator.slices.membership import Slicer
from lm_eval_so.core.records.changes import SliceComparison
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.stats.multiple import benjamini_hochberg

FALSE_SHARE = 0.10
"""Largest expected share of false ones among the slices called proven."""

_MOST_KEPT = 50
_Rank = tuple[int, float, float, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Slices of a comparison."""

    records: tuple[SliceComparison, ...] = ()
    """First slices by evidence."""
    tested: int = 0
    worst: Mapping[str, SliceComparison] = field(default_factory=dict)
    """Proven slice with the largest drop, by metric; the largest of all first."""
    proven_worse: tuple[Part, ...] = ()
    """Slices that are proven worse, the best evidence first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tested:
    """A part with its evidence."""

    part: Part
    change: Literal["worse", "better"] | None = None
    p_raw: float | None = None
    p_adjusted: float | None = None

    @property
    def is_proven(self) -> bool:
        return self.p_adjusted is not None and self.p_adjusted <= FALSE_SHARE

    @property
    def is_proven_worse(self) -> bool:
        return self.is_proven and self.change == "worse"

    @property
    def rank(self) -> _Rank:
        """Proven worse, proven better, not proven, small; then by evidence; then by drop."""
        kind = 3 if self.p_adjusted is None else 2
        gain = _relative_gain(self.part)
        if self.is_proven:
            kind = 0 if self.change == "worse" else 1
        size = -gain if kind == 1 else gain
        members = self.part.members
        p = self.p_adjusted or 0.0
        return kind, p, size, self.part.metric, members.by, members.value


def compare_slices(findings: Mapping[str, Finding], reports: Reports) -> Slices:
    """Compare every metric in every slice.

    Args:
        findings: Metrics, measured on all samples.
        reports: Candidate and baseline, paired.
    """
    slicer = Slicer(reports)
    parts = [
        part
        for key, finding in findings.items()
        for part in parts_of(key, finding, slicer, alpha=reports.alpha)
    ]
    ranked = sorted(_with_evidence(parts), key=lambda each: each.rank)
    proven = [each for each in ranked if each.is_proven_worse]
    worst: dict[str, _Tested] = {}
    for each in sorted(proven, key=lambda each: _relative_gain(each.part)):
        worst.setdefault(each.part.metric, each)
    return Slices(
        records=tuple(map(_record, ranked[:_MOST_KEPT])),
        tested=sum(part.ends is not None for part in parts),
        worst={key: _record(each) for key, each in worst.items()},
        proven_worse=tuple(each.part for each in proven),
    )


def _with_evidence(parts: Sequence[Part]) -> Iterator[_Tested]:
    tails = [
        (high.p_worse, low.p_better) for part in parts if part.ends for low, high in [part.ends]
    ]
    adjusted = iter(benjamini_hochberg([p for both in tails for p in both]))
    raw = iter(tails)
    for part in parts:
        if part.ends is None:
            yield _Tested(part=part)
            continue
        worse, better = next(raw)
        both = next(adjusted), next(adjusted)
        is_worse = worse <= better
        yield _Tested(
            part=part,
            change="worse" if is_worse else "better",
            p_raw=min(worse, better),
            p_adjusted=both[0] if is_worse else both[1],
        )


def _relative_gain(part: Part) -> float:
    """Return the change in units that all metrics share: by the width of scores, or the logarithm."""
    finding = part.values.finding
    change = part.ends[0].value if part.ends else _change_of(part.means, finding)
    if change is None:
        return 0.0
    if finding.shape.kind is MetricKind.RATIO:
        return -math.log(change) if change > 0 else 0.0
    width = finding.shape.width or abs(finding.baseline or 0.0)
    return change / width if width else change


def _change_of(means: tuple[float, float] | None, finding: Finding) -> float | None:
    """Return the change, positive = better; of a ratio the factor."""
    if means is None:
        return None
    before, now = means
    if finding.shape.kind is MetricKind.RATIO:
        return now / before if before > 0 else None
    return now - before if finding.shape.direction is Direction.HIGHER else before - now


def _record(each: _Tested) -> SliceComparison:
    part, ends, means = each.part, each.part.ends, each.part.means
    return SliceComparison(
        by=part.members.by,
        value=part.members.value,
        metric=part.metric,
        n=part.n,
        baseline=means[0] if means else None,
        candidate=means[1] if means else None,
        delta=_change_of(means, part.values.finding),
        ci90=(ends[0].low, ends[1].high) if ends else None,
        change=each.change,
        p_raw=each.p_raw,
        p_adjusted=each.p_adjusted,
        proven=each.is_proven,
        small=ends is None,
    )
