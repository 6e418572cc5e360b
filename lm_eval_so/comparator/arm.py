"""The values of one metric on one side: one per sample, with what missing rows could have been."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import eq, itemgetter
from typing import cast

from lm_eval_so.comparator.pair import Rows

Support = tuple[float, float]
"""Lowest and highest possible value."""

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
    rows: int
    missing: int
    """Rows without a value, those outside the support included."""
    out_of_range: int
    has_repeats: bool

    @property
    def is_alarming(self) -> bool:
        """Whether more than 1 % of the rows have no value."""
        return _WARN * self.missing > self.rows

    @property
    def is_broken(self) -> bool:
        """Whether so many rows have no value that the rest says nothing."""
        return _STOP * self.missing > self.rows and (
            self.missing >= _FEW or self.missing == self.rows
        )

    @property
    def is_plain(self) -> bool:
        """Whether it is one answer per sample, each right or wrong."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Change per sample, positive = better."""

    complete: Sequence[float]
    """Of the samples with a value on both sides."""
    worst: Sequence[float]
    """Of all samples, missing rows at their worst for the candidate."""
    best: Sequence[float]


def read_arm(
    column: Sequence[float | None], samples: Sequence[Rows], support: Support | None
) -> Arm:
    """Take the values of some samples from a column.

    Args:
        column: A value or None per row of the report.
        samples: The rows of each sample, at least one.
        support: What values may be, if there are bounds; others count as missing.
    """
    flat = _values_of(column, samples)
    has_repeats = len(flat) != len(samples)
    cleaned: Sequence[float | None] = flat
    if not _is_clean(flat, support):
        cleaned = [_clean(value, support) for value in flat]
    missing = cleaned.count(None)
    if not missing and not has_repeats:
        complete = cast("Sequence[float]", cleaned)
        return Arm(
            mean=complete,
            low=complete,
            high=complete,
            rows=len(flat),
            missing=0,
            out_of_range=0,
            has_repeats=False,
        )
    absent = missing
    if cleaned is not flat:
        absent = sum(value is None or not math.isfinite(value) for value in flat)
    means, lows, highs = _fold(cleaned, samples, support)
    return Arm(
        mean=means,
        low=lows,
        high=highs,
        rows=len(flat),
        missing=missing,
        out_of_range=missing - absent,
        has_repeats=has_repeats,
    )


def complete_pairs(baseline: Arm, candidate: Arm) -> Complete:
    """Give the samples that have a value on both sides."""
    old, new = baseline.mean, candidate.mean
    if not (baseline.missing or candidate.missing):
        positions: Sequence[int] = range(len(old))
        return Complete(baseline=baseline.present, candidate=candidate.present, positions=positions)
    positions = [
        position
        for position, (b, c) in enumerate(zip(old, new, strict=True))
        if b is not None and c is not None
    ]
    return Complete(
        baseline=cast("list[float]", [old[position] for position in positions]),
        candidate=cast("list[float]", [new[position] for position in positions]),
        positions=positions,
    )


def _values_of(column: Sequence[float | None], samples: Sequence[Rows]) -> Sequence[float | None]:
    if len(samples) == len(column):
        places = range(len(column))
        if all(map(eq, chain.from_iterable(samples), places)):  # most candidates: as it stands
            return column
    rows = list(chain.from_iterable(samples))
    if len(rows) < 2:
        return [column[row] for row in rows]
    values: Sequence[float | None] = itemgetter(*rows)(column)
    return values


def _is_clean(values: Sequence[float | None], support: Support | None) -> bool:
    """Whether each value that is there is finite and in range; said without a look at each."""
    present = cast("Sequence[float]", values)
    if None in values:
        present = [value for value in values if value is not None]
    if not present:
        return True
    if not math.isfinite(sum(present)):
        return False
    return support is None or support[0] <= min(present) <= max(present) <= support[1]


def _clean(value: float | None, support: Support | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    if support is None:
        return value
    low, high = support
    slack = _SLACK * (high - low)
    return min(high, max(low, value)) if low - slack <= value <= high + slack else None


def _fold(
    values: Sequence[float | None], samples: Sequence[Rows], support: Support | None
) -> tuple[list[float | None], list[float], list[float]]:
    if len(values) == len(samples):  # one row each: most reports, and the long ones
        lows = [support[0] if value is None else value for value in values] if support else []
        highs = [support[1] if value is None else value for value in values] if support else []
        return list(values), lows, highs
    means: list[float | None] = []
    lows, highs, position = [], [], 0
    for rows in samples:
        own = values[position : position + len(rows)]
        position += len(rows)
        present = [value for value in own if value is not None]
        means.append(_mean(present))
        if support:
            lows.append(_mean_with(present, len(rows), support[0]))
            highs.append(_mean_with(present, len(rows), support[1]))
    return means, lows, highs


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _mean_with(present: Sequence[float], size: int, filler: float) -> float:
    fillers: Iterable[float] = [filler] * (size - len(present))
    return math.fsum([*present, *fillers]) / size
