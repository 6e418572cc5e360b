"""Noise of known answers: how much they differ, and whether the chatbot or its judge does."""

import math
from collections.abc import Iterator, Sequence

from lm_eval_so.comparator.forecast import Leading
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.forecast import MetricNoise, NoisePart
from lm_eval_so.core.stats.forecast import Rows
from lm_eval_so.core.stats.noise import (
    Part,
    Retests,
    Scores,
    between_days,
    measure_noise,
    noisiest,
    spread,
)
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.pipeline.forecast.answers import Known

_LONGEST_QUESTION = 40
LEAST_TO_NAME = 5
"""Answers from which on they tell which questions are noisy: of two, a tenth of the truth is found."""


def noise_of(known: Known) -> Iterator[MetricNoise]:
    """Yield the noise of each deciding metric whose answers were asked more than once."""
    for metric in known.subject.metrics:
        if metric.metric.kind is MetricKind.RATIO or known.columns is None:
            continue
        samples = [_scores(known, metric.id, own) for own in known.rows]
        is_share = metric.metric.kind is MetricKind.BINARY
        found = measure_noise(samples, _retests(known, metric, is_share=is_share))
        if found is None:
            continue
        by_day = zip(*known.rows_by_day, strict=True)
        days = ([_scores(known, metric.id, own) for own in sample] for sample in by_day)
        yield MetricNoise(
            metric=metric.id,
            is_share=is_share,
            total=_record(found.total),
            chatbot=_record(found.chatbot) if found.chatbot else None,
            judge=_record(found.judge) if found.judge else None,
            between_days=between_days(days),
            half_by=_half_by(known, samples) if known.reached >= LEAST_TO_NAME else None,
        )


def leading_noise(known: Known, leading: Leading) -> float:
    """Return the noise of the leading metric; 0 if no sample was asked more than once."""
    samples = (_scores(known, leading.metric, own) for own in known.rows)
    each = [spread(own) for own in samples if len(own) > 1]
    return math.fsum(each) / len(each) if each else 0.0


def price_of_answer(known: Known) -> float | None:
    """Return the price of an answer with its scores in US dollars; None if one is not known."""
    total, rows = 0.0, 0
    for report in known.reports:
        cost = report.cost
        if cost.bot_usd is None or cost.bot_priced < cost.bot_rows or not cost.bot_rows:
            return None
        total += cost.bot_usd + (cost.judges_usd or 0.0) + (cost.simulator_usd or 0.0)
        rows += cost.bot_rows
    return total / rows if rows else None


def named_questions(known: Known, metric: str) -> dict[str, tuple[str, str, int, int]]:
    """Return shown id, question, right answers and answers of each sample that has answers."""
    found = {}
    for sample, rows in zip(known.subject.dataset, known.rows, strict=True):
        if rows:
            scores = _scores(known, metric, rows)
            question = cut(" ".join(sample.question.split()), _LONGEST_QUESTION)
            found[sample.id] = (sample.ref or sample.id, question, scores.count(1), len(scores))
    return found


def _scores(known: Known, metric: str, rows: Rows) -> Scores:
    """Return the scores of some answers to which a metric applies."""
    assert known.columns is not None  # noqa: S101 - rows are rows of it
    out = known.columns.not_applicable.get(metric, ())
    return [known.columns.scores[metric][row] for row in rows if row not in out]


def _retests(known: Known, metric: BoundMetric, *, is_share: bool) -> Retests | None:
    """Return what the judges of a metric said twice; None if it has none."""
    if not metric.section.judges:
        return None
    count, total = 0, 0.0
    for report in known.reports:
        health = report.judges.get(metric.id)
        if health is None or not health.retested:
            continue
        differs = health.retest_msd
        if is_share and health.retest_agreement is not None:
            differs = 1 - health.retest_agreement
        if differs is not None:
            count += health.retested
            total += health.retested * differs
    return Retests(n=count, noise=total / count if count else 0.0, is_share=is_share)


def _half_by(known: Known, samples: Sequence[Scores]) -> tuple[str, ...]:
    names = list(known.subject.revs)
    return tuple(names[place] for place in noisiest([spread(own) for own in samples]))


def _record(part: Part) -> NoisePart:
    return NoisePart(value=part.value, low=part.low, high=part.high)
