"""Samples that changed, asked again: only changes that repeat count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.comparator.effect.finding import Again, Finding
from lm_eval_so.comparator.effect.interval import Tested, estimate_change, rounding_of, subtract
from lm_eval_so.comparator.effect.refusals import is_time
from lm_eval_so.comparator.effect.values import complete_pairs, read_values
from lm_eval_so.comparator.gate.verdicts import Judged
from lm_eval_so.comparator.pairing import Reports, scope_of
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.stats.power import needed_for_flips

Answers = Mapping[str, Sequence[float | None]]
"""Scores of the further answers, by sample; None for an answer without a score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    """A sample whose score changed."""

    place: int
    """Place among the complete pairs."""
    position: int
    """Position among the paired samples."""
    gain: float
    before: float


def to_ask_again(judged: Mapping[str, Judged]) -> dict[str, tuple[str, ...]]:
    """Return the samples that changed, by gating metric whose change is a regression.

    Samples that got better are among them: if only losses were asked again, gains by chance would
    stay and hide a true drop. Costs, times and counts are left out: they differ on every sample.
    """
    return {
        key: changed
        for key, metric in judged.items()
        if metric.gating and can_confirm(metric) and (changed := _changed(metric.finding))
    }


def can_confirm(metric: Judged) -> bool:
    """Return whether further answers could tell that a regression is none."""
    is_ratio = metric.finding.shape.kind is MetricKind.RATIO
    is_worse = metric.change is Verdict.REGRESSION or metric.change_code is Code.PROVIDER_MOVED
    return is_worse and not is_ratio


def confirmed(
    key: str, finding: Finding, reports: Reports, answers: Answers, times: int
) -> Finding:
    """Return the finding of a regression in which unconfirmed changes count as unchanged.

    Interval, margin and means stay those of the run; only p is taken anew, and never smaller. So a
    regression holds or becomes inconclusive, and can never become a pass. An answer without a score
    counts as worse, whatever the sample did: an endpoint that is down excuses nothing.

    Args:
        key: Id of the metric.
        finding: Measured change.
        reports: Candidate and baseline, without the samples that do not count.
        answers: Further answers.
        times: Number of further answers asked for, per sample.
    """
    pairs, shape, interval = reports.pairs, finding.shape, finding.interval
    if pairs is None or interval is None:
        return finding
    scope = scope_of(pairs, key, is_time=is_time(reports.candidate.metrics[key]))
    before = read_values(pairs.baseline.columns.scores[key], scope.baseline, shape.support)
    now = read_values(pairs.candidate.columns.scores[key], scope.candidate, shape.support)
    complete = complete_pairs(before, now)
    changes = subtract(before, now, complete, shape)
    limit = rounding_of(changes.complete)
    sign = 1 if shape.direction is Direction.HIGHER else -1
    rows = zip(complete.positions, changes.complete, complete.baseline, strict=True)
    moved = {
        scope.ids[position]: _Moved(place=place, position=position, gain=gain, before=old)
        for place, (position, gain, old) in enumerate(rows)
        if abs(gain) > limit
    }
    alike = {
        name: _count_alike(_gains(answers.get(name, ()), each.before, sign, times), each, limit)
        for name, each in moved.items()
    }
    again = Again(
        times=times,
        worse={name: alike[name] for name, each in moved.items() if each.gain < 0},
        better={name: alike[name] for name, each in moved.items() if each.gain > 0},
    )
    best = list(changes.best)
    are_complete = len(best) == len(changes.complete)
    for name in again.flaky | again.lucky:
        best[moved[name].place if are_complete else moved[name].position] = 0.0
    groups = scope.groups
    if groups is not None and are_complete:
        groups = groups.at(complete.positions)
    tested = Tested(changes=best, groups=groups, shape=shape)
    p = estimate_change(tested, alpha=reports.alpha).p_worse
    outcome, margin = finding.outcome, finding.limits.margin
    if again.flaky and interval.method == "tango_midp" and margin is not None:
        flip_share = (len(moved) + 1) / (finding.n + 2)  # the fall was noise, so all flips are
        needed = needed_for_flips(flip_share, margin, alpha=reports.alpha)
        outcome = replace(outcome, needed_n=needed)
    interval = replace(interval, p=max(p, interval.p))
    return replace(finding, interval=interval, outcome=outcome, again=again)


def warned_unasked(judged: Mapping[str, Judged]) -> dict[str, Judged]:
    """Return the regressions whose samples were not asked again, with a warning that says so."""
    warning = Reason(code=Code.NOT_ASKED_AGAIN)
    unasked = [key for key in to_ask_again(judged) if judged[key].finding.again is None]
    findings = {key: judged[key].finding for key in unasked}
    told = {key: replace(f, warnings=(*f.warnings, warning)) for key, f in findings.items()}
    return {key: replace(judged[key], finding=finding) for key, finding in told.items()}


def _changed(finding: Finding) -> tuple[str, ...]:
    paired = finding.paired
    if paired is None:
        return ()
    places = sorted([*paired.moved.worse, *paired.moved.better])
    return tuple(paired.ids[paired.complete.positions[place]] for place in places)


def _gains(scores: Sequence[float | None], before: float, sign: int, times: int) -> list[float]:
    """Return the changes of the further answers; one without a score is a loss."""
    given = [*scores, *[None] * times][:times]
    return [
        -math.inf if score is None or not math.isfinite(score) else sign * (score - before)
        for score in given
    ]


def _count_alike(gains: Sequence[float], first: _Moved, limit: float) -> int:
    """Count the further answers that changed as the first one did."""
    is_loss = first.gain < 0
    return sum(gain < -limit if is_loss else gain > limit for gain in gains)
