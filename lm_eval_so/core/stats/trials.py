"""Forecast of a gate: known answers, split at random into both sides of a comparison, time and again."""

import math
import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import combinations

from lm_eval_so.core.stats.binary import wilson_interval
from lm_eval_so.core.stats.bounded import mean_of
from lm_eval_so.core.stats.repeat_noise import noisiest, spread

ENOUGH = 0.8
"""Share of the samples that must have enough answers."""
TRIALS = 2_000
"""Trials of one scenario, where they are cheap: the standard error of a share is 1.1 points at most."""
_SETS, _TRIALS_OF_SET = 200, 20
"""Redrawn test sets behind a range, and trials of each."""
_FEWEST_SETS, _FEWEST_OF_SET, _FEWEST_TRIALS = 40, 4, 100
_CHEAP = 400
"""Scores of a comparison (samples × metrics) up to which all trials are made."""
_TAIL = 0.05
_MOST_WAYS = 120_000
"""Ways to split answers that are listed, over all samples; more are drawn one by one."""
_LEAST_DAYS = 4
"""Days from which on a trial holds one against another."""
_ROUNDING = 1e-9

Rows = tuple[int, ...]
"""Numbers of answers to one sample."""


class Outcome(StrEnum):
    """Outcome of a gate."""

    PASS = "pass"  # noqa: S105 - no password
    UNCLEAR = "inconclusive"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Answers to a sample on each side of a comparison."""

    baseline: int
    candidate: int

    @property
    def total(self) -> int:
        """Answers of both sides."""
        return self.baseline + self.candidate


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Known answers to a test set, by number."""

    rows: Sequence[Rows]
    """Answers to each sample; samples with too few of them are left out."""
    losses: Sequence[float | None]
    """By number: fall of the score if the answer breaks, as a share of the range; None where the
    metric does not apply."""
    n: int
    """Samples of a comparison; those that lack answers are drawn from the others."""
    groups: Sequence[Hashable] | None = None
    """Group of each sample; None if all stand alone."""
    days: Sequence[Sequence[Rows]] = ()
    """Days on which runs were asked, each with its answers to each sample."""

    @cached_property
    def units(self) -> Sequence[Sequence[int]]:
        """Samples by group."""
        if self.groups is None:
            return [(place,) for place in range(len(self.rows))]
        found: dict[Hashable, list[int]] = {}
        for place, group in enumerate(self.groups):
            found.setdefault(group, []).append(place)
        return list(found.values())

    @cached_property
    def unit_of(self) -> Sequence[int]:
        """Number of the group of each sample."""
        found = [0] * len(self.rows)
        for unit, places in enumerate(self.units):
            for place in places:
                found[place] = unit
        return found

    @cached_property
    def mean_losses(self) -> Sequence[float | None]:
        """Fall of the mean of each sample if all its answers break; None where none counts."""
        found = ([self.losses[row] for row in own] for own in self.rows)
        return [mean_of([loss for loss in own if loss is not None]) for own in found]

    @cached_property
    def counted(self) -> int:
        """Number of samples that the metric applies to."""
        return sum(loss is not None for loss in self.mean_losses)

    def may_fall(self, drop: float) -> bool:
        """Return whether the answers are good enough for the mean to fall by so much."""
        most = math.fsum(loss for loss in self.mean_losses if loss is not None)
        return most >= drop * self.counted - _ROUNDING


@dataclass(frozen=True, slots=True)
class Trial:
    """One comparison of known answers."""

    places: Sequence[int]
    """Samples that are compared, by their place in the pool; a redrawn one may stand twice."""
    units: Sequence[int]
    """Group of each of them, counted anew, so that a group that is drawn twice is two groups."""
    baseline: Sequence[Rows]
    candidate: Sequence[Rows]
    """Answers; those that broke have a number that is higher by the number of all answers."""


Decide = Callable[[Trial], Outcome]
"""The gate: a function from a comparison to its outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of the trials."""

    passes: float
    fails: float

    @property
    def unclear(self) -> float:
        """Share of the trials that decide nothing."""
        return max(0.0, 1 - self.passes - self.fails)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Shares of outcomes if some answers break."""

    drop: float
    """True fall of the mean, as a share of the range."""
    shares: Shares
    passes: tuple[float, float]
    """Range of the share of passes: 5th to 95th percentile over redrawn test sets, and at least what
    so many trials leave open."""
    fails: tuple[float, float]
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Number of trials, fewer where each takes long; it depends on nothing but the size."""

    trials: int = TRIALS
    sets: int = _SETS
    of_set: int = _TRIALS_OF_SET

    @classmethod
    def for_size(cls, scores: int) -> "Effort":
        """Return the effort for so many scores (samples × metrics) of a comparison."""
        share = min(1.0, _CHEAP / max(scores, 1))
        return cls(
            trials=max(_FEWEST_TRIALS, round(TRIALS * share)),
            sets=max(_FEWEST_SETS, round(_SETS * math.sqrt(share))),
            of_set=max(_FEWEST_OF_SET, round(_TRIALS_OF_SET * math.sqrt(share))),
        )


@dataclass(frozen=True, kw_only=True)
class Splitter:
    """Trials of a gate on known answers.

    Each trial splits the answers to every sample at random, without replacement, into baseline and
    candidate, as if two runs of one chatbot were compared. So the mean over trials is unbiased for
    the rates of the gate on this test set, whatever its rule, score or grouping; the answers to a
    sample need only be exchangeable. Drawn with replacement they would flip too seldom, by a share
    of 1/k of k answers.

    Source: the average over all splits is a U-statistic, Hoeffding (1948), Ann. Math. Stat. 19(3),
    293–325.
    """

    pool: Pool
    sides: Sides
    seed: int
    redraws: bool = False
    """Whether every trial draws its samples with replacement."""
    scale: int = 1
    """Samples of a trial, as a multiple of those of the pool; above 1 they are redrawn."""

    def scenario(self, decide: Decide, drop: float, effort: Effort) -> Scenario:
        """Return the shares of outcomes for a true fall of the mean, and how sure they are.

        Args:
            decide: The gate.
            drop: Fall of the mean, as a share of the range.
            effort: Number of trials.

        Source: the percentile bootstrap over samples, Efron (1979), Ann. Stat. 7(1), 1–26, and the
        interval of `wilson_interval` for the number of trials.
        """
        dice = random.Random(self.seed)  # noqa: S311 - chance, not secrecy
        shares = self._shares(decide, drop, effort.trials, dice)
        sets = []
        for _ in range(effort.sets):
            drawn = _redrawn(range(len(self.pool.units)), dice)
            sets.append(self._shares(decide, drop, effort.of_set, dice, drawn))
        return Scenario(
            drop=drop,
            shares=shares,
            passes=_range(shares.passes, [each.passes for each in sets], effort.trials),
            fails=_range(shares.fails, [each.fails for each in sets], effort.trials),
            trials=effort.trials,
        )

    def shares(self, decide: Decide, drop: float, trials: int) -> Shares:
        """Return the shares of outcomes alone; arguments as of `scenario`."""
        return self._shares(decide, drop, trials, random.Random(self.seed))  # noqa: S311

    def _shares(
        self,
        decide: Decide,
        drop: float,
        trials: int,
        dice: random.Random,
        units: Sequence[int] | None = None,
    ) -> Shares:
        counts = dict.fromkeys(Outcome, 0)
        for _ in range(trials):
            counts[decide(self._trial(drop, dice, units))] += 1
        return Shares(passes=counts[Outcome.PASS] / trials, fails=counts[Outcome.FAIL] / trials)

    def _trial(self, drop: float, dice: random.Random, units: Sequence[int] | None) -> Trial:
        drawn = self._drawn(dice, units)
        places = [place for unit in drawn for place in self.pool.units[unit]]
        names = [name for name, unit in enumerate(drawn) for _ in self.pool.units[unit]]
        pairs = self._pairs(places, dice)
        baseline, candidate = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        if drop > 0:
            break_answers(candidate, places, self.pool, drop, dice)
        return Trial(places, names, baseline, candidate)

    def _drawn(self, dice: random.Random, units: Sequence[int] | None) -> Sequence[int]:
        all_units = len(self.pool.units)
        own: Sequence[int] = range(all_units) if units is None else units
        if self.redraws or self.scale > 1:
            return [u for _ in range(self.scale) for u in _redrawn(own, dice)]
        lacking = self.pool.n - len(self.pool.rows)
        if lacking <= 0:
            return own
        # in units of the size that they have here
        more = round(lacking * all_units / len(self.pool.rows))
        return [*own, *dice.choices(own, k=more)]

    def _pairs(self, places: Sequence[int], dice: random.Random) -> list[tuple[Rows, Rows]]:
        days = self.pool.days
        if len(days) < _LEAST_DAYS:
            chance, listed = dice.random, self._ways
            if listed is None:
                return [self._drawn_split(place, dice) for place in places]
            return [ways[int(chance() * len(ways))] for ways in map(listed.__getitem__, places)]
        # all of one day share what the provider was like
        before, now = dice.sample(days, 2)
        return [self._of_days(place, before[place], now[place], dice) for place in places]

    def _of_days(
        self, place: int, before: Rows, now: Rows, dice: random.Random
    ) -> tuple[Rows, Rows]:
        sides = self.sides
        if len(before) < sides.baseline or len(now) < sides.candidate:
            return self._drawn_split(place, dice)
        drawn = dice.sample(before, sides.baseline), dice.sample(now, sides.candidate)
        return tuple(drawn[0]), tuple(drawn[1])

    def _drawn_split(self, place: int, dice: random.Random) -> tuple[Rows, Rows]:
        drawn = dice.sample(self.pool.rows[place], self.sides.total)
        return tuple(drawn[: self.sides.baseline]), tuple(drawn[self.sides.baseline :])

    @cached_property
    def _ways(self) -> Sequence[Sequence[tuple[Rows, Rows]]] | None:
        """All ways to split the answers to each sample; None if they are too many to list."""
        sides = self.sides
        counts = (
            math.comb(len(own), sides.baseline)
            * math.comb(len(own) - sides.baseline, sides.candidate)
            for own in self.pool.rows
        )
        if sum(counts) > _MOST_WAYS:
            return None
        return [_ways_to_split(own, sides) for own in self.pool.rows]


def break_answers(
    candidate: list[Rows], places: Sequence[int], pool: Pool, drop: float, dice: random.Random
) -> None:
    """Break answers of some samples, in random order, until the mean has fallen by so much.

    Of the last sample each answer breaks with the chance that makes the fall exact.

    Args:
        candidate: Answers of each sample of a trial; changed in place.
        places: Samples of the trial.
        pool: The pool.
        drop: Fall of the mean, as a share of the range.
        dice: Source of chance.
    """
    losses, size = pool.mean_losses, len(pool.losses)
    left = drop * sum(losses[place] is not None for place in places)
    order = list(range(len(places)))
    for next_ in range(len(order)):  # shuffled as far as needed, which is not far
        other = next_ + int(dice.random() * (len(order) - next_))
        order[next_], order[other] = order[other], order[next_]
        at = order[next_]
        loss = losses[places[at]]
        if loss is None or loss <= _ROUNDING:
            continue
        chance = left / loss
        rows = candidate[at]
        if chance >= 1 - _ROUNDING:
            candidate[at] = tuple(row + size for row in rows)
            left -= loss
        else:
            candidate[at] = tuple(row + size * (dice.random() < chance) for row in rows)
            return
        if left <= _ROUNDING:
            return


def must_redraw(counts: Sequence[int], sides: Sides) -> bool:
    """Return whether samples must be redrawn in every trial.

    If all that is known is one answer for each side, the number of flips is the same in all trials.

    Args:
        counts: Known answers to each sample that has enough.
        sides: Answers on each side.
    """
    return sides.total == 2 and max(counts) == 2


def _redrawn(units: Sequence[int], dice: random.Random) -> list[int]:
    return dice.choices(units, k=len(units))


def _ways_to_split(own: Rows, sides: Sides) -> list[tuple[Rows, Rows]]:
    return [
        (baseline, candidate)
        for baseline in combinations(own, sides.baseline)
        for candidate in combinations([row for row in own if row not in baseline], sides.candidate)
    ]


def _range(share: float, of_sets: Sequence[float], trials: int) -> tuple[float, float]:
    ordered = sorted(of_sets)
    last = len(ordered) - 1
    # what is rare may show in no trial, and then in no redrawn set either
    low, high = wilson_interval(round(share * trials), trials, level=1 - 2 * _TAIL)
    return min(low, ordered[round(_TAIL * last)]), max(high, ordered[round((1 - _TAIL) * last)])


@dataclass(frozen=True, kw_only=True)
class WithoutNoisy:
    """Trials in which the noisiest samples are left out.

    They are chosen by the answers that a trial leaves over: chosen by those of the trial, they would
    look too good.
    """

    pool: Pool
    sides: Sides
    seed: int
    scores: Sequence[float | None]
    """Leading score by number of the answer."""

    def shares(self, decide: Decide, drop: float, trials: int) -> tuple[Shares, float]:
        """Return the shares of outcomes, and the mean share of the samples that are left."""
        dice = random.Random(self.seed)  # noqa: S311
        counts, kept = dict.fromkeys(Outcome, 0), 0
        size = len(self.pool.rows)
        for _ in range(trials):
            drawn = [dice.sample(own, len(own)) for own in self.pool.rows]
            spare = [own[self.sides.total :] for own in drawn]
            noise = [spread([self.scores[row] for row in own]) for own in spare]
            out = frozenset(noisiest(noise))
            places = [place for place in range(size) if place not in out]
            if not places:
                continue
            first, last = self.sides.baseline, self.sides.total
            candidate = [tuple(drawn[place][first:last]) for place in places]
            if drop > 0:
                break_answers(candidate, places, self.pool, drop, dice)
            baseline = [tuple(drawn[place][:first]) for place in places]
            units = [self.pool.unit_of[place] for place in places]
            counts[decide(Trial(places, units, baseline, candidate))] += 1
            kept += len(places)
        made = sum(counts.values()) or 1
        shares = Shares(passes=counts[Outcome.PASS] / made, fails=counts[Outcome.FAIL] / made)
        return shares, kept / (made * size)
