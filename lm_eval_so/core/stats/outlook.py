"""Outlook of a gate: what samples and answers can prove and find, before anything is asked.

A gate *proves* a margin if an unchanged chatbot passes it with 80 % chance. It *finds* a drop if a
chatbot that truly fell by it fails with 80 % chance.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lm_eval_so.core.stats.bounded import floor_of_se, smallest_p
from lm_eval_so.core.stats.distributions import normal_quantile, normal_sf, t_quantile
from lm_eval_so.core.stats.fixed_items import sum_up
from lm_eval_so.core.stats.flip_chances import (
    POWER,
    detectable_by_flips,
    fail_chance,
    pass_chance,
    provable_by_flips,
)
from lm_eval_so.core.stats.power import (
    LEAST_REPEATS,
    LEAST_SAMPLES,
    needed_for_flips,
    repeats_for_flips,
    repeats_for_scores,
)

ASSUMED_FLIPS: Final = 0.10
"""Share of answers that flip between two runs, where nothing is known."""
ASSUMED_DEVIATION: Final = 0.20
"""Standard deviation of the difference of two scores, as a share of their width, likewise."""

_MOST_SAMPLES = 10**9
_ALMOST = 1 - 1e-9
_STEPS = 60
_FEWEST = 2.0
"""Fewest units that have a spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Difference between two runs of one chatbot, each with one answer to a sample."""

    within: float
    """Variance of the difference of two answers to one sample: of right or wrong the share of
    samples that flip."""
    between: float = 0.0
    """Variance of the true changes of the samples; 0 if nothing changed."""
    is_binary: bool = True
    width: float = 1.0
    """Highest minus lowest possible score; 1 of right or wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Samples, and the answers to each of them."""

    samples: int
    baseline: float = 1
    """Answers to each sample in the baseline."""
    candidate: float = 1
    groups: int | None = None
    """Number of groups; None if every sample stands alone."""
    effective_groups: float | None = None
    """Number of groups of equal size that tell as much; None if every sample stands alone."""

    @property
    def units(self) -> float:
        """Number of samples or effective groups."""
        return self.samples if self.effective_groups is None else self.effective_groups

    @property
    def repeats(self) -> float:
        """Answers to each sample on both sides that tell as much, the harmonic mean."""
        return 2 / (1 / self.baseline + 1 / self.candidate)

    @property
    def trials(self) -> float:
        """Pairs of answers that count as independent."""
        return self.samples * min(self.baseline, self.candidate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Rule of a gate for one metric."""

    margin: float
    """Largest accepted drop, in score units; a fall that shows less does not fail."""
    is_these: bool = False
    """Whether the verdict is about these samples alone. That takes two answers to each on both sides;
    with fewer it is about samples like these."""
    alpha: float = 0.05
    """One-sided error, in (0, 0.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Least margin that a gate proves and least drop that it finds; None where there is none."""

    provable: float | None
    """Smallest margin that it proves, in score units."""
    detectable: float | None
    """Smallest true drop that it finds, in score units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Shares of runs."""

    passes: float
    """Runs of an unchanged chatbot that pass."""
    finds: float
    """Runs that fail after a drop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mean:
    """Test of a mean change."""

    n: int
    variance: float
    """Variance of the change of a sample, if nothing changed."""
    are_drawn: bool
    """Whether the samples that a drop takes from right to wrong are drawn, too."""
    low: float
    """Quantile of the lower end, in standard errors."""
    high: float
    floor: float
    """Smallest standard error of the lower end."""
    can_pass: bool
    """Whether there are enough samples, groups or answers for a pass."""
    can_fail: bool

    def se(self, drop: float = 0.0) -> float:
        """Return the standard error of the change after a true drop."""
        lost = drop * (1 - drop) if self.are_drawn else 0.0
        return math.sqrt((self.variance + max(lost, 0.0)) / self.n)

    def reach(self) -> float:
        """Return the distance of the lower end from the change, if nothing changed."""
        return self.low * max(self.se(), self.floor)

    def proven(self, drop: float, margin: float) -> float:
        """Return the fall that is just proven and reaches the margin, after a true drop."""
        return max(self.high * self.se(drop), margin)

    def proven_of_broken(self, drop: float, step: float) -> float:
        """Return the fall that is just proven if some samples fall by a step and make the drop.

        Their number is no chance, so they make the test wider and not the fall that it sees.
        """
        share = min(drop / step, 1.0)
        variance = self.variance + share * (1 - share) * step**2
        if variance <= 0:
            return 0.0
        skew = -share * (1 - share) * (1 - 2 * share) * step**3 / variance**1.5
        a, t = skew / (3 * math.sqrt(self.n)), -self.high
        seen = (math.cbrt(1 + 3 * a * (t - a / 2)) - 1) / a if a else t
        return -seen * math.sqrt(variance / self.n)


def look_ahead(asked: Asked, noise: Noise, rule: Rule) -> Outlook:
    """Return what a gate can prove and find with so many samples and answers.

    Args:
        asked: Samples and answers, at least one of each.
        noise: Difference between two runs of one chatbot.
        rule: Rule of the gate.

    Source: Tango (1998), Statistics in Medicine 17(8), 891–908, and McNemar's mid-p, summed over all
    flips; for means Student (1908), Biometrika 6(1), 1–25, with the floor of `hall_interval`.
    """
    if _counts_flips(asked, noise, rule):
        n, is_guarded, can_pass = _trials(asked, rule)
        provable = provable_by_flips(n, noise.within, alpha=rule.alpha, is_guarded=is_guarded)
        detectable = detectable_by_flips(n, noise.within, margin=rule.margin, alpha=rule.alpha)
        return Outlook(provable=provable if can_pass else None, detectable=detectable)
    mean, z = _mean_of(asked, noise, rule), normal_quantile(POWER)
    provable, drop = mean.reach() + z * mean.se(), rule.margin
    for _ in range(_STEPS):
        drop = min(noise.width, mean.proven(drop, rule.margin) + z * mean.se(drop))
    return Outlook(
        provable=provable if mean.can_pass and provable < noise.width else None,
        detectable=drop if mean.can_fail and drop < noise.width else None,
    )


def chances(
    asked: Asked, noise: Noise, rule: Rule, *, drop: float, is_counted: bool = False
) -> Chances:
    """Return how often a gate passes an unchanged chatbot, and how often it finds a drop.

    Args:
        asked: Samples and answers, at least one of each.
        noise: Difference between two runs of one chatbot.
        rule: Rule of the gate; its margin is below the width of the scores.
        drop: True drop, in score units.
        is_counted: Whether as many samples break as make the drop, no more and no fewer; else each
            sample breaks by chance. Right turns wrong; a score falls by half of its width.

    Source: as of `look_ahead`. Samples that break widen and skew the changes, for which the transform
    of Hall (1992), J. R. Stat. Soc. B 54(1), 221–228, is taken.
    """
    if _counts_flips(asked, noise, rule):
        n, is_guarded, can_pass = _trials(asked, rule)
        flips, alpha = noise.within, rule.alpha
        passes = pass_chance(n, flips, rule.margin, alpha=alpha, is_guarded=is_guarded)
        lost = min(drop, (1 - flips) * _ALMOST)
        finds = fail_chance(n, flips, lost, margin=rule.margin, alpha=alpha)
        return Chances(passes=passes if can_pass else 0.0, finds=finds)
    mean = _mean_of(asked, noise, rule)
    passes = _share_below(rule.margin - mean.reach(), mean.se())
    finds = _share_below(drop - mean.proven(drop, rule.margin), mean.se(drop))
    if is_counted and not _is_about_these(asked, rule):
        step = noise.width if noise.is_binary else noise.width / 2
        seen = max(mean.proven_of_broken(drop, step), rule.margin)
        finds = _share_below(drop - seen, mean.se())
    return Chances(passes=passes if mean.can_pass else 0.0, finds=finds if mean.can_fail else 0.0)


def _is_about_these(asked: Asked, rule: Rule) -> bool:
    return rule.is_these and min(asked.baseline, asked.candidate) >= LEAST_REPEATS


def _counts_flips(asked: Asked, noise: Noise, rule: Rule) -> bool:
    """Return whether single flips are counted, those of these samples or of samples asked once."""
    is_plain = asked.groups is None and asked.baseline == asked.candidate == 1
    return noise.is_binary and (is_plain or _is_about_these(asked, rule))


def _trials(asked: Asked, rule: Rule) -> tuple[int, bool, bool]:
    """Return the answers that may flip, whether rare drops are guarded, and whether a pass is possible."""
    n, about_these = math.floor(asked.samples * asked.repeats), _is_about_these(asked, rule)
    return n, not about_these, not about_these or n >= LEAST_SAMPLES


def _mean_of(asked: Asked, noise: Noise, rule: Rule) -> _Mean:
    """Return the test of means: of these samples an answer is one unit, else a sample or a group."""
    n, alpha = asked.samples, rule.alpha
    count = n if asked.groups is None else asked.groups
    variance, units = noise.between + noise.within / asked.repeats, asked.units
    low, high = max(units, _FEWEST) - 1, max(count, _FEWEST) - 1
    about_these = _is_about_these(asked, rule)
    if about_these:
        count, units, variance = n, asked.trials, noise.within / asked.repeats
        low = high = n * (asked.baseline + asked.candidate - 2) / 2
    return _Mean(
        n=n,
        variance=variance,
        are_drawn=noise.is_binary and not about_these,
        low=t_quantile(1 - alpha, low),
        high=t_quantile(1 - alpha, high),
        floor=floor_of_se(noise.width, max(units, _FEWEST), alpha=alpha),
        can_pass=units >= LEAST_SAMPLES,
        can_fail=smallest_p(min(count, LEAST_SAMPLES)) <= alpha,
    )


def _share_below(distance: float, se: float) -> float:
    """Return the chance that a mean change of 0 stays below a distance."""
    return 1 - normal_sf(distance / se) if se else float(distance > 0)


def variance_within(answers: Iterable[Sequence[float]], *, is_binary: bool) -> float | None:
    """Estimate `Noise.within` from several answers of one chatbot.

    Of right or wrong it is the share of flips, and at least that of one flip: none seen does not
    mean that there are none.

    Args:
        answers: Scores of the answers to each sample; a single one tells nothing.
        is_binary: Whether they say right or wrong.

    Returns:
        None if no sample has two.

    Source: the unbiased estimate of 2p(1 − p) from a binomial count, and twice the sample variance.
    """
    items = [sum_up(own) for own in answers if len(own) > 1]
    if not items:
        return None
    within = 2 * math.fsum(item.variance for item in items) / len(items)
    pairs = sum(item.answers - 1 for item in items)
    return max(within, 1 / (pairs + 2)) if is_binary else within


def variance_of_change(
    interval: tuple[float, float], value: float, asked: Asked, *, alpha: float
) -> float:
    """Return the variance of the change of a sample behind a known interval of its mean.

    Floors and missing answers make an end wider, so the nearer one counts.

    Args:
        interval: Two-sided 1 − 2·alpha interval.
        value: Mean change.
        asked: Samples and groups behind it.
        alpha: One-sided error of each end.

    Source: Student (1908), Biometrika 6(1), 1–25.
    """
    units = asked.samples if asked.groups is None else asked.groups
    reach = min(interval[1] - value, value - interval[0])
    se = max(0.0, reach) / t_quantile(1 - alpha, max(units - 1, 1))
    return se * se * asked.samples


def needed_samples(asked: Asked, noise: Noise, rule: Rule) -> int | None:
    """Return the fewest samples like these that prove a margin with 80 % chance.

    With a noise of 0 that is the number below which no pass is possible.

    Args:
        asked: Answers to each sample, and the groups that more samples come in, too.
        noise: Difference between two runs of one chatbot.
        rule: Rule of the gate, as if it were about samples like these.

    Returns:
        A number of samples; None above a thousand millions.
    """
    wide = replace(rule, is_these=False)
    if _counts_flips(asked, noise, wide):
        return needed_for_flips(noise.within, rule.margin, alpha=rule.alpha)

    def is_proven(samples: int) -> bool:
        provable = look_ahead(_enlarged(asked, samples), noise, wide).provable
        return provable is not None and provable < rule.margin

    low, high = 0, LEAST_SAMPLES
    while not is_proven(high):
        low, high = high, 2 * high
        if low > _MOST_SAMPLES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_proven(middle) else (middle, high)
    return high


def _enlarged(asked: Asked, samples: int) -> Asked:
    """Return another number of samples, in groups of the same sizes."""
    if asked.groups is None:
        return replace(asked, samples=samples)
    factor = samples / asked.samples
    return replace(
        asked,
        samples=samples,
        groups=math.ceil(asked.groups * factor),
        effective_groups=asked.units * factor,
    )


def needed_repeats(samples: int, noise: Noise, rule: Rule) -> int:
    """Return the fewest answers to each sample, on both sides, that prove a margin for these alone.

    Args:
        samples: Number of samples, at least 1.
        noise: Difference between two runs of one chatbot.
        rule: Rule of the gate, as if it were about these samples.
    """
    least = math.ceil(LEAST_SAMPLES / samples)
    margin, alpha = rule.margin, rule.alpha
    if noise.is_binary:
        return max(least, repeats_for_flips(noise.within, margin, n=samples, alpha=alpha))
    needed = repeats_for_scores(noise.within, margin, n=samples, width=noise.width, alpha=alpha)
    return max(least, needed)
