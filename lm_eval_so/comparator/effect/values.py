"""Values of one metric: one per sample and side, with bounds for missing rows."""

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, compress
from typing import TypeVar, cast

from lm_eval_so.comparator.pairing import Reports, Samples, Side, applicable_rows
from lm_eval_so.comparator.sample_rows import Rows
from lm_eval_so.core.records.comparison import Stability
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.score import LARGEST_SCORE
from lm_eval_so.core.stats.binary import flaky_share, self_flip_rate
from lm_eval_so.core.stats.bounded import mean_of
from lm_eval_so.core.stats.fixed_items import ItemPairs, sum_up

T = TypeVar("T")
Support = tuple[float, float]
"""Lowest and highest possible value."""

_ANY: Support = (-LARGEST_SCORE, LARGEST_SCORE)
_SLACK = 1e-9
"""Share of the support's width by which a value may miss it through rounding."""
_WARN, _STOP = 100, 20
"""Warn above 1 % missing rows, refuse above 5 %."""
_MOST_IDS = 100
"""Flaky samples that a record names."""
_FEW = 3
"""Least missing rows that are an error, unless all rows are missing."""


def too_many_missing(missing: int, rows: int) -> bool:
    """Return whether so many rows have no value that the rest says nothing."""
    return _STOP * missing > rows and (missing >= _FEW or missing == rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideValues:
    """One side's values: one per sample, the mean of its repeats."""

    mean: Sequence[float | None]
    """None where no repeat has a value."""
    low: Sequence[float]
    """Means with missing repeats at the low end of the support; empty without a support."""
    high: Sequence[float]
    gaps: Sequence[int]
    """Positions of the samples that lack a repeat, ascending."""
    rows: int
    missing: int
    """Rows without a value, including values outside the support."""
    out_of_range: int
    has_repeats: bool

    @property
    def is_alarming(self) -> bool:
        """Whether more than 1 % of the rows have no value."""
        return _WARN * self.missing > self.rows

    @property
    def is_broken(self) -> bool:
        """Whether so many rows have no value that the rest says nothing."""
        return too_many_missing(self.missing, self.rows)

    @property
    def is_plain(self) -> bool:
        """Whether there is one answer per sample, each right or wrong."""
        return not self.has_repeats and set(self.mean) <= {0, 1, None}

    @property
    def present(self) -> Sequence[float]:
        """Values of the samples that have one."""
        if not self.missing:
            return cast("Sequence[float]", self.mean)
        return array("d", (value for value in self.mean if value is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """Samples with a value on both sides."""

    baseline: Sequence[float]
    candidate: Sequence[float]
    positions: Sequence[int]
    """Positions among the paired samples."""
    absent: Sequence[int] = ()
    """Positions of the other samples, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Change per sample, positive = better."""

    complete: Sequence[float]
    """Changes of the samples with a value on both sides."""
    worst: Sequence[float]
    """Changes of all samples, with missing rows at their worst for the candidate."""
    best: Sequence[float]
    gaps: Sequence[int] = ()
    """Positions at which worst and best may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Samples whose score changed by more than rounding, by place among the complete pairs."""

    worse: Sequence[int] = ()
    better: Sequence[int] = ()


Answers = Sequence[Sequence[float | None]]
"""Value of each answer, by sample; None for one without a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Answers to given samples, turned so that a higher value is better."""

    complete: ItemPairs
    """Answers with a value to the samples that have one on both sides."""
    worst: ItemPairs
    """All answers to all samples, with those that lack a value at their worst for the candidate."""
    best: ItemPairs
    is_plain: bool
    """Whether each answer is right or wrong."""
    asked: tuple[int, int]
    """Answers to most samples: of the baseline, of the candidate."""


def read_values(
    column: Sequence[float | None], samples: Samples, support: Support | None
) -> SideValues:
    """Take the values of some samples from a column.

    Args:
        column: Value or None of each row of the report.
        samples: Samples to read, of at least one row each.
        support: Lowest and highest possible value; others count as missing. None if open.
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
        return SideValues(
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
    return SideValues(
        mean=means,
        low=lows,
        high=highs,
        gaps=gaps,
        rows=len(flat),
        missing=missing,
        out_of_range=missing - absent,
        has_repeats=has_repeats,
    )


def read_answers(
    column: Sequence[float | None], samples: Samples, support: Support | None
) -> Answers:
    """Take the answers to some samples from a column; arguments as of `read_values`."""
    values = iter([_clean(value, support) for value in samples.take(column)])
    return [[next(values) for _ in rows] for rows in samples.rows]


def given_pairs(
    baseline: Answers, candidate: Answers, support: Support, *, is_higher: bool
) -> Given | None:
    """Return the answers to given samples; None if too few samples have several on both sides.

    Args:
        baseline: Answers of the baseline.
        candidate: Answers of the candidate to the same samples.
        support: Lowest and highest possible value.
        is_higher: Whether a higher value is better.
    """
    bad, good = support if is_higher else support[::-1]
    worst = _items(baseline, candidate, (good, bad))
    if not worst.is_repeated:
        return None
    complete = best = worst
    each = [*chain.from_iterable(baseline), *chain.from_iterable(candidate)]
    if None in each:
        best = _items(baseline, candidate, (bad, good))
        both = [list(map(_present, pair)) for pair in zip(baseline, candidate, strict=True)]
        scored = [pair for pair in both if all(pair)]
        complete = ItemPairs(
            before=[sum_up(old) for old, _ in scored], after=[sum_up(new) for _, new in scored]
        )
    return Given(
        complete=complete if is_higher else complete.turned(),
        worst=worst if is_higher else worst.turned(),
        best=best if is_higher else best.turned(),
        is_plain=set(each) <= {0, 1, None},
        asked=(_usual(baseline), _usual(candidate)),
    )


def _usual(answers: Answers) -> int:
    return Counter(map(len, answers)).most_common(1)[0][0]


def _items(baseline: Answers, candidate: Answers, fillers: tuple[float, float]) -> ItemPairs:
    sides = [
        [sum_up([filler if value is None else value for value in own]) for own in side]
        for side, filler in zip((baseline, candidate), fillers, strict=True)
    ]
    return ItemPairs(before=sides[0], after=sides[1])


def _present(answers: Sequence[float | None]) -> list[float]:
    return [value for value in answers if value is not None]


def complete_pairs(baseline: SideValues, candidate: SideValues) -> Complete:
    """Return the samples that have a value on both sides."""
    old, new = baseline.mean, candidate.mean
    if not (baseline.missing or candidate.missing):
        positions: Sequence[int] = range(len(old))
        return Complete(baseline=baseline.present, candidate=candidate.present, positions=positions)
    gaps = sorted({*baseline.gaps, *candidate.gaps})
    absent = [gap for gap in gaps if old[gap] is None or new[gap] is None]
    return Complete(
        baseline=array("d", cast("Iterator[float]", _leave_out(old, absent))),
        candidate=array("d", cast("Iterator[float]", _leave_out(new, absent))),
        positions=array("I", _leave_out(range(len(old)), absent)),
        absent=absent,
    )


def stability_of(key: str, reports: Reports) -> dict[str, Stability]:
    """Return how steady each side is, if a metric is right or wrong and has repeats."""
    sides = {"candidate": (reports.candidate, reports.side)}
    if reports.baseline is not None and reports.pairs is not None:
        sides = {"baseline": (reports.baseline, reports.pairs.baseline), **sides}
    found = {}
    for name, (report, side) in sides.items():
        summary = report.metrics.get(key)
        if summary is not None and summary.kind is MetricKind.BINARY:
            stability = _stability(key, side)
            if stability is not None:
                found[name] = stability
    return found


def _leave_out(values: Sequence[T], absent: Sequence[int]) -> Iterator[T]:
    stays = bytearray(b"\1") * len(values)
    for place in absent:
        stays[place] = 0
    return compress(values, stays)


def _count_missing(values: Sequence[float | None]) -> int:
    try:
        sum(cast("Sequence[float]", values))
    except TypeError:  # most columns are whole, and to add them up is the fastest way to see it
        return values.count(None)
    return 0


def _is_clean(values: Sequence[float | None], missing: int, support: Support | None) -> bool:
    """Return whether all values present are finite and in range, without a look at each of them."""
    present = cast("Sequence[float]", values)
    if missing:
        present = array("d", (value for value in values if value is not None))
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
    """Return the mean of each sample, and the positions of the samples that lack a repeat."""
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
) -> "tuple[Sequence[float], Sequence[float]]":
    """Return the means with missing rows at the low end of the support, and at the high end."""
    low = array("d", (0.0 if mean is None else mean for mean in means))
    ends = low, low[:]
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


def _stability(key: str, side: Side) -> Stability | None:
    if len(side.rows_by_id) == len(side.columns.ids) or key not in side.columns.scores:
        return None
    column, samples = side.columns.scores[key], applicable_rows(side, key)
    repeats = max(map(len, samples.values()), default=0)
    if repeats < 2:
        return None
    right: dict[str, int] = {}
    for name, rows in samples.items():
        values = [column[row] for row in rows]
        if len(values) == repeats and all(value in {0, 1} for value in values):
            right[name] = values.count(1)
    if not right:
        return None
    counts = list(right.values())
    return Stability(
        repeats=repeats,
        n=len(counts),
        flaky_share=flaky_share(counts, repeats),
        self_flip_rate=self_flip_rate(counts, repeats),
        flaky=tuple(name for name, s in right.items() if 0 < s < repeats)[:_MOST_IDS],
    )
