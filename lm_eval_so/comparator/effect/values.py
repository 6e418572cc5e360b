"""The values of one metric on one side: one per sample, with what missing rows could have been."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeVar, cast

from lm_eval_so.comparator.pairing.samples import Rows, Samples
from lm_eval_so.core.records.score import LARGEST_SCORE
from lm_eval_so.core.stats.bounded import mean_of

T = TypeVar("T")
Support = tuple[float, float]
"""Lowest and highest possible value."""

_ANY: Support = (-LARGEST_SCORE, LARGEST_SCORE)
_SLACK = 1e-9
"""Share of the support's width by which a value may miss it through rounding."""
_WARN, _STOP = 100, 20
"""One row in so many without a value: warn, refuse."""
_FEW = 3
"""Fewer missing rows than this are no error, unless they are all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One value per sample, the mean of its repeats."""

    mean: Sequence[float | None]
    """None where no repeat has a value."""
    low: Sequence[float]
    """With missing repeats at the low end of the support; empty where there is no support."""
    high: Sequence[float]
    gaps: Sequence[int]
    """Positions of the samples that lack a repeat, ascending."""
    rows: int
    missing: int
    """Rows without a value, those outside the support included."""
    out_of_range: int
    has_repeats: bool

    @property
    def is_alarming(self) -> bool:
        """Return whether more than 1 % of the rows have no value."""
        return _WARN * self.missing > self.rows

    @property
    def is_broken(self) -> bool:
        """Return whether so many rows have no value that the rest says nothing."""
        return _STOP * self.missing > self.rows and (
            self.missing >= _FEW or self.missing == self.rows
        )

    @property
    def is_plain(self) -> bool:
        """Return whether it is one answer per sample, each right or wrong."""
        return not self.has_repeats and set(self.mean) <= {0, 1, None}

    @property
    def present(self) -> Sequence[float]:
        """The values of the samples that have one."""
        if not self.missing:
            return cast("Sequence[float]", self.mean)
        return [value for value in self.mean if value is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """The samples with a value on both sides."""

    baseline: Sequence[float]
    candidate: Sequence[float]
    positions: Sequence[int]
    """Where they stand among the paired samples."""
    absent: Sequence[int] = ()
    """Where the others stand, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Change per sample, positive = better."""

    complete: Sequence[float]
    """Of the samples with a value on both sides."""
    worst: Sequence[float]
    """Of all samples, missing rows at their worst for the candidate."""
    best: Sequence[float]
    gaps: Sequence[int] = ()
    """Where worst and best may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Samples whose score changed by more than rounding, by place among the complete pairs."""

    worse: Sequence[int] = ()
    better: Sequence[int] = ()


def read_arm(column: Sequence[float | None], samples: Samples, support: Support | None) -> Arm:
    """Take the values of some samples from a column.

    Args:
        column: A value or None per row of the report.
        samples: They, of at least one row each.
        support: What values may be, if there are bounds; others count as missing.
    """
    flat = samples.take(column)
    has_repeats = len(flat) != len(samples.rows)
    cleaned: Sequence[float | None] = flat
    missing = _count_missing(flat)
    if not _is_clean(flat, missing, support):
        cleaned = [_clean(value, support) for value in flat]
        missing = cleaned.count(None)
    if not missing and not has_repeats:
        complete = cast("Sequence[float]", cleaned)
        return Arm(
            mean=complete,
            low=complete,
            high=complete,
            gaps=(),
            rows=len(flat),
            missing=0,
            out_of_range=0,
            has_repeats=False,
        )
    absent = missing
    if cleaned is not flat:
        absent = sum(value is None or not math.isfinite(value) for value in flat)
    means, gaps = _fold(cleaned, samples.rows)
    lows, highs = _ends(cleaned, samples.rows, means, gaps, support) if support else ([], [])
    return Arm(
        mean=means,
        low=lows,
        high=highs,
        gaps=gaps,
        rows=len(flat),
        missing=missing,
        out_of_range=missing - absent,
        has_repeats=has_repeats,
    )


def complete_pairs(baseline: Arm, candidate: Arm) -> Complete:
    """Return the samples that have a value on both sides."""
    old, new = baseline.mean, candidate.mean
    if not (baseline.missing or candidate.missing):
        positions: Sequence[int] = range(len(old))
        return Complete(baseline=baseline.present, candidate=candidate.present, positions=positions)
    gaps = sorted({*baseline.gaps, *candidate.gaps})
    absent = [gap for gap in gaps if old[gap] is None or new[gap] is None]
    return Complete(
        baseline=cast("list[float]", _leave_out(old, absent)),
        candidate=cast("list[float]", _leave_out(new, absent)),
        positions=_leave_out(range(len(old)), absent),
        absent=absent,
    )


def _leave_out(values: Sequence[T], absent: Sequence[int]) -> list[T]:
    kept: list[T] = []
    for start, end in pairwise([-1, *absent, len(values)]):
        kept += values[start + 1 : end]
    return kept


def _count_missing(values: Sequence[float | None]) -> int:
    try:
        sum(cast("Sequence[float]", values))
    except TypeError:  # most columns are whole, and to add them up is the fastest way to see it
        return values.count(None)
    return 0


def _is_clean(values: Sequence[float | None], missing: int, support: Support | None) -> bool:
    """Return whether each value that is there is finite and in range.

    Said without a look at each.
    """
    present = cast("Sequence[float]", values)
    if missing:
        present = [value for value in values if value is not None]
    if not present:
        return True
    if not math.isfinite(sum(present)):
        return False
    low, high = support or _ANY
    return low <= min(present) <= max(present) <= high


def _clean(value: float | None, support: Support | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    low, high = support or _ANY
    slack = _SLACK * (high - low) if support else 0.0
    return min(high, max(low, value)) if low - slack <= value <= high + slack else None


def _fold(
    values: Sequence[float | None], samples: Sequence[Rows]
) -> tuple[Sequence[float | None], list[int]]:
    """Return the mean of each sample, and the positions of those that lack a repeat."""
    if len(values) == len(samples):  # one row each: most reports, and the long ones
        return values, [place for place, value in enumerate(values) if value is None]
    means: list[float | None] = []
    gaps: list[int] = []
    start = 0
    for place, rows in enumerate(samples):
        present = [value for value in values[start : start + len(rows)] if value is not None]
        start += len(rows)
        means.append(mean_of(present))
        if len(present) < len(rows):
            gaps.append(place)
    return means, gaps


def _ends(
    values: Sequence[float | None],
    samples: Sequence[Rows],
    means: Sequence[float | None],
    gaps: Sequence[int],
    support: Support,
) -> tuple[list[float], list[float]]:
    """Return the means with what is missing at the low end of the support, and at the high end."""
    ends = cast("tuple[list[float], list[float]]", (list(means), list(means)))
    if len(values) == len(samples):
        for gap in gaps:
            ends[0][gap], ends[1][gap] = support
        return ends
    starts = list(accumulate(map(len, samples), initial=0))
    for gap in gaps:
        own = values[starts[gap] : starts[gap + 1]]
        for end, filler in zip(ends, support, strict=True):
            given = [filler if value is None else value for value in own]
            end[gap] = math.fsum(given) / len(given)
    return ends
