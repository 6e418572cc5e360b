"""Changes on fixed items: the samples are given, and only the answers to them vary.

The other intervals of this folder treat a sample as drawn from all that users might ask. Here chance
lies in the answers alone, so each further answer to a sample counts, and nothing is said of others.

Source: Miller (2024), arXiv 2411.00640, for inference given the items.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from lm_eval_so.core.stats.bounded import ROUNDING, Estimate, floor_of_se, smallest_p
from lm_eval_so.core.stats.distributions import t_cdf, t_quantile, t_sf

_SLACK = 1e-9
_MANY = (4, 5)
"""Share of the items that need two answers on both sides, as numerator and denominator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Answers of one side to one sample, summed up."""

    answers: int
    """Number of answers, ≥ 1."""
    mean: float
    variance: float
    """Unbiased variance of the answers; 0 of a single one."""
    lowest: float
    highest: float


def sum_up(answers: Sequence[float]) -> Item:
    """Return the summary of at least one answer."""
    k = len(answers)
    mean = math.fsum(answers) / k
    lowest, highest = min(answers), max(answers)
    variance = 0.0
    if lowest < highest:
        variance = math.fsum((answer - mean) ** 2 for answer in answers) / (k - 1)
    return Item(answers=k, mean=mean, variance=variance, lowest=lowest, highest=highest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Changes of answers that are right or wrong, over all pairs of an answer before and one after."""

    worse: float
    """Flips from right to wrong, in pairs that count as independent; not whole."""
    better: float
    trials: float
    """Number of pairs that count as independent."""


@dataclass(frozen=True, kw_only=True)
class ItemPairs:
    """Answers to the same samples before and after; at least one sample."""

    before: Sequence[Item]
    after: Sequence[Item]

    def turned(self) -> Self:
        """Return the same answers with the sides changed, as where a lower value is better."""
        return type(self)(before=self.after, after=self.before)

    def chosen(self, take: Callable[[Sequence[Item]], Sequence[Item]]) -> Self:
        """Return some of the samples, taken from each side by a function."""
        return type(self)(before=take(self.before), after=take(self.after))

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.before)

    @property
    def is_repeated(self) -> bool:
        """Whether at least four in five samples have two answers on both sides.

        One answer on a side tells nothing of its noise: with five answers against one, a drop of the
        margin would pass in up to 9.8 % of the runs.
        """
        twice = sum(k > 1 for k in self._fewest)
        return _MANY[1] * twice >= _MANY[0] * self.n

    @cached_property
    def trials(self) -> float:
        """Number of pairs of answers that count as independent if nothing changed."""
        return self.n / _mean(1 / k for k in self._fewest)

    @property
    def whole_trials(self) -> int:
        """The same number rounded down, but for errors of the arithmetic."""
        return math.floor(self.trials + _SLACK)

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of the noise within samples, per side."""
        return math.fsum(one.answers + other.answers - 2 for one, other in self._both) / 2

    @cached_property
    def noise(self) -> float:
        """Variance of the change between a single answer before and one after, given its sample."""
        return sum(_mean(variances) for variances in self._variances)

    @cached_property
    def noise_of_means(self) -> float:
        """Variance of the change of a sample's mean, given the sample; averaged over the samples."""
        return sum(
            _mean(variance / item.answers for variance, item in zip(each, side, strict=True))
            for each, side in zip(self._variances, (self.before, self.after), strict=True)
        )

    @cached_property
    def _variances(self) -> tuple[Sequence[float], Sequence[float]]:
        return _variances(self.before), _variances(self.after)

    @property
    def _both(self) -> Iterable[tuple[Item, Item]]:
        return zip(self.before, self.after, strict=True)

    @cached_property
    def _fewest(self) -> Sequence[int]:
        return [min(one.answers, other.answers) for one, other in self._both]

    @cached_property
    def flips(self) -> Flips:
        """Flips of answers that are right or wrong.

        Given the samples, one answer of each side is an independent pair, and the mean over all ways
        to pair them varies no more than counts of N such pairs: the squared change of a sample counts
        as noise. So the interval and test of McNemar's pairs hold, with N for the number of samples.
        As many answers k everywhere give N = n·k, single ones N = n.

        Source: Sato (1989), Biometrics 45(4), 1323–1324, and Klingenberg (2014), Statistics in
        Medicine 33(17), 2968–2983, for sparse strata; Saeki, Tango (2011), Statistics in Medicine
        30(28), 3313–3327, for several readings of a subject.
        """
        lost = _mean(one.mean * (1 - other.mean) for one, other in self._both)
        won = _mean((1 - one.mean) * other.mean for one, other in self._both)
        flipped = lost + won
        trials = self.trials
        if flipped > 0:
            # as much as is noise counts by its own numbers of answers, the rest by the smaller one
            share = min(1.0, flipped / self.noise) if self.noise else 1.0
            rest = max(0.0, flipped - share * self.noise)
            spread = share * self.noise_of_means + rest * self.n / self.trials
            trials = self.n * flipped / spread
        worse, better = trials * lost, trials * won
        return Flips(worse=worse, better=better, trials=max(trials, worse + better))

    def interval(self, *, width: float, alpha: float = 0.05) -> Estimate:
        """Estimate the mean change of scores from the noise within samples, with a floor under each end.

        The lower end allows for a total failure that the answers may have missed, the upper end for
        the largest change of an answer, as in `hall_interval`.

        Args:
            width: Highest minus lowest possible score.
            alpha: One-sided error of each end, in (0, 0.5).

        Raises:
            ValueError: If no sample has two answers on both sides.

        Source: Student (1908), Biometrika 6(1), 1–25, with the variance within strata.
        """
        if self.freedom < 1:
            raise ValueError("the noise of answers needs two answers to a sample")
        changes = [other.mean - one.mean for one, other in self._both]
        value = _mean(changes)
        se = math.sqrt(self.noise_of_means / self.n)
        largest = max(
            max(other.highest - one.lowest, one.highest - other.lowest) for one, other in self._both
        )
        se_low = max(se, floor_of_se(width, self.trials, alpha=alpha))
        se_high = max(se, floor_of_se(largest, self.trials, alpha=alpha))
        t = t_quantile(1 - alpha, self.freedom)
        p_worse = p_better = 0.5
        if se_high > 0:
            limit = smallest_p(sum(abs(change) > ROUNDING * width for change in changes))
            p_worse = max(t_cdf(value / se_high, self.freedom), limit)
            p_better = max(t_sf(value / se_high, self.freedom), limit)
        return Estimate(
            value=value,
            se=se,
            low=max(-width, value - t * se_low),
            high=min(width, value + t * se_high),
            p_worse=p_worse,
            p_better=p_better,
        )


def _variances(side: Sequence[Item]) -> list[float]:
    """Return the variance of each sample's answers; a single answer takes the pooled one."""
    freedom = sum(item.answers - 1 for item in side)
    pooled = 0.0
    if freedom and freedom < sum(item.answers for item in side):
        pooled = math.fsum((item.answers - 1) * item.variance for item in side) / freedom
    return [item.variance if item.answers > 1 else pooled for item in side]


def _mean(values: Iterable[float]) -> float:
    each = list(values)
    return math.fsum(each) / len(each)
