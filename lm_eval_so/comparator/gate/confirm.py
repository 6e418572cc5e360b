"""Samples that changed, asked again: only those that change the same way again count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lm_eval_so.comparator.effect.finding import Again, Finding
from lm_eval_so.comparator.effect.interval import estimate_change, rounding_of, subtract
from lm_eval_so.comparator.effect.measure import Reports, is_time
from lm_eval_so.comparator.effect.values import complete_pairs, read_arm
from lm_eval_so.comparator.gate.verdicts import Judged
from lm_eval_so.comparator.pairing.pair import scope_of
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict

Answers = Mapping[str, Sequence[float | None]]
"""Scores of the further answers, by sample; None for one without a score."""


def to_ask_again(judged: Mapping[str, Judged]) -> dict[str, tuple[str, ...]]:
    """Return the samples that changed, by each gating metric whose change is a regression.

    Those that got better are among them: were only losses asked again, gains by chance would stay
    and hide a true drop. Costs, times and counts are left out: they differ on every sample.
    """
    return {
        key: changed
        for key, metric in judged.items()
        if metric.gating and can_confirm(metric) and (changed := _changed(metric.finding))
    }


def can_confirm(metric: Judged) -> bool:
    """Return whether further answers could tell that a regression is none."""
    is_ratio = metric.finding.shape.kind is MetricKind.RATIO
    return metric.change is Verdict.REGRESSION and not is_ratio


def confirmed(
    key: str, finding: Finding, reports: Reports, answers: Answers, times: int
) -> Finding:
    """Return the finding of a regression in which what did not change again counts as unchanged.

    Interval, margin and means stay those of the run, and only p is taken anew, and never smaller:
    so a regression holds or becomes inconclusive, and can never become a pass. An answer without a
    score counts as worse, whatever the sample did: an endpoint that is down excuses nothing.

    Args:
        key: The metric.
        finding: What was measured.
        reports: Both, without the samples that do not count.
        answers: The further answers.
        times: How many there should be to each.
    """
    pairs, shape = reports.pairs, finding.shape
    if pairs is None or finding.complete is None:
        return finding
    scope = scope_of(pairs, key, is_time=is_time(reports.candidate.metrics[key]))
    before = read_arm(pairs.baseline.columns.scores[key], scope.baseline, shape.support)
    now = read_arm(pairs.candidate.columns.scores[key], scope.candidate, shape.support)
    complete = complete_pairs(before, now)
    changes = subtract(before, now, complete, shape)
    limit = rounding_of(changes.complete)
    sign = 1 if shape.direction is Direction.HIGHER else -1
    rows = zip(complete.positions, changes.complete, complete.baseline, strict=True)
    places = {
        scope.ids[position]: (place, position, gain, old)
        for place, (position, gain, old) in enumerate(rows)
        if abs(gain) > limit
    }
    alike = {
        name: _alike(answers.get(name, ()), old, sign, limit, times, is_loss=gain < 0)
        for name, (_, _, gain, old) in places.items()
    }
    again = Again(
        times=times,
        worse={name: alike[name] for name, (_, _, gain, _) in places.items() if gain < 0},
        better={name: alike[name] for name, (_, _, gain, _) in places.items() if gain > 0},
    )
    best = list(changes.best)
    are_complete = len(best) == len(changes.complete)
    for name in again.flaky | again.lucky:
        place, position, _, _ = places[name]
        best[place if are_complete else position] = 0.0
    groups = scope.groups
    if groups is not None and are_complete:
        groups = groups.at(complete.positions)
    p = estimate_change(best, groups, shape, alpha=reports.alpha).p_worse
    return replace(
        finding,
        p=max(p, finding.p or 0.0),
        worse=finding.worse - len(again.flaky),
        better=finding.better - len(again.lucky),
        again=again,
        figures={"w": again.confirmed, "w0": len(again.worse)},
    )


def _changed(finding: Finding) -> tuple[str, ...]:
    complete = finding.complete
    if complete is None:
        return ()
    places = sorted([*finding.moved.worse, *finding.moved.better])
    return tuple(finding.ids[complete.positions[place]] for place in places)


def _alike(
    scores: Sequence[float | None],
    before: float,
    sign: int,
    limit: float,
    times: int,
    *,
    is_loss: bool,
) -> int:
    """Count the further answers that changed as the first one did; one without a score is a loss."""
    given = [*scores, *[None] * times][:times]
    gains = [
        -math.inf if score is None or not math.isfinite(score) else sign * (score - before)
        for score in given
    ]
    return sum(gain < -limit if is_loss else gain > limit for gain in gains)
