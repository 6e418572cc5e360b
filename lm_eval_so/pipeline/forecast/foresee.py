"""The forecast of a gate from known answers: trials, noise, and what would help."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lm_eval_so.comparator.terms import read_terms
from lm_eval_so.comparator.trial_gate import Leading, TrialGate
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.forecast import (
    CaseState,
    Forecast,
    ForecastGate,
    KnownAnswers,
    MetricNoise,
    NoisePart,
)
from lm_eval_so.core.stats.broken import wrong_needed
from lm_eval_so.core.stats.repeat_noise import (
    Part,
    Retests,
    Scores,
    between_days,
    measure_noise,
    noisiest,
    spread,
)
from lm_eval_so.core.stats.trials import Effort, Rows
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.core.words.forecast_text import Told
from lm_eval_so.pipeline.forecast.known_answers import Known
from lm_eval_so.pipeline.forecast.rehearsal import Rehearsal, suggested
from lm_eval_so.pipeline.forecast.subject import Subject
from lm_eval_so.pipeline.look_ahead import plan_gate, price_of_answer

_MOST_REPEATS = 10
"""Answers of a baseline up to which the fewest that prove a broken case are looked for."""
_LONGEST_QUESTION = 40
LEAST_TO_NAME = 5
"""Answers from which on they tell which questions are noisy: of two, a tenth of the truth is found."""


def foresee(known: Known, resources: Resources, *, effort: Effort | None = None) -> Forecast:
    """Return the forecast of a gate from known answers; the same answers give the same one.

    Args:
        known: Answers, and the gate that they are tried on.
        resources: Environment and listener.
        effort: Number of trials; default: as many as the size allows.
    """
    subject = known.subject
    plan = plan_gate(subject.config, resources.listener)
    sides, blank = subject.sides, replace(_without_trials(known), plan=plan)
    if known.columns is None or known.reached < sides.total:
        return blank
    gate = _gate(known, resources)
    noise = [(each, noise_by(known, each)) for each in gate.leading()]
    leading = noise[0][0] if noise else None
    rehearsal = Rehearsal(
        gate=gate,
        noise=noise,
        rows=known.rows,
        days=known.rows_by_day,
        sides=sides,
        effort=effort or Effort.for_size(len(known.rows) * len(gate.report.metrics)),
        usd=price_of_answer(reversed(known.reports)),
    )
    scenarios = tuple(rehearsal.scenarios())
    options = tuple(rehearsal.options(scenarios))
    return replace(
        blank,
        gate=replace(
            blank.gate,
            metrics=_leading_first(blank.gate.metrics, leading.metric if leading else None),
            margin=leading.margin if leading else None,
        ),
        source=rehearsal.source,
        trials=rehearsal.effort.trials,
        seed=rehearsal.seed,
        scenarios=scenarios,
        options=options,
        suggestion=suggested(options),
    )


def _without_trials(known: Known) -> Forecast:
    """Return all of a forecast that takes no trials."""
    subject, counts = known.subject, known.counts
    config, sides = subject.config, subject.sides
    noise = tuple(noise_of(known))
    lacking = max(0, subject.wanted - known.reached_now)
    case, repeats = _case(subject)
    return Forecast(
        suite=config.suite,
        n=len(subject.revs),
        groups=subject.groups,
        answers=KnownAnswers(
            k_min=min(counts, default=0),
            k_median=statistics.median(counts) if counts else 0.0,
            runs=len(known.reports),
            days=known.days,
        ),
        gate=ForecastGate(
            metrics=tuple(each.id for each in subject.metrics),
            margin=None,
            k_b=sides.baseline,
            k_c=sides.candidate,
            claim=config.gate.claim.value,
        ),
        source="formula" if noise else "assumed",
        case=case,
        case_repeats=repeats,
        noise=noise,
        missing=len(subject.revs) * lacking,
        fits=fits_of(subject, known.chatbot),
        left_out=subject.left_out,
    )


def told_of(forecast: Forecast, known: Known) -> Told:
    """Return what people want to know of the answers behind a forecast."""
    metrics = {each.id: each for each in known.subject.metrics}
    leading = metrics.get(next(iter(forecast.gate.metrics), ""))
    return Told(
        language=known.subject.config.language,
        is_share=leading is None or leading.metric.kind is MetricKind.BINARY,
        is_unit=leading is not None and leading.metric.range == (0.0, 1.0),
        questions=named_questions(known, leading.id) if leading else {},
        is_earlier=bool(known.reached) and known.chatbot != known.subject.chatbot,
        reached=known.reached,
        held=known.subject.held,
        next_baseline=known.subject.config.baseline_repeats,
    )


def _gate(known: Known, resources: Resources) -> TrialGate:
    """Return the gate of the config, with the deciding metrics alone; it asks nothing again."""
    subject, newest, columns = known.subject, known.reports[-1], known.columns
    assert columns is not None  # noqa: S101 - there are answers
    terms = read_terms(subject.config, now=now_text(resources.environ))
    keys = [each.id for each in subject.metrics]
    named = terms.gate.metrics
    section = terms.gate.model_copy(
        update={
            "confirm": 0,
            "metrics": None if named is None else {k: named[k] for k in named if k in keys},
        }
    )
    report = replace(
        newest,
        metrics={key: newest.metrics[key] for key in keys},
        breakdowns=(),
        errors=(),
        failed_ids=(),
        samples=columns,
    )
    return TrialGate(report=report, terms=replace(terms, gate=section))


def _leading_first(metrics: Sequence[str], leading: str | None) -> tuple[str, ...]:
    return tuple(sorted(metrics, key=lambda key: key != leading))


def _case(subject: Subject) -> tuple[CaseState | None, int | None]:
    """Return what a case that breaks for good does to a run, and the answers that it takes to fail."""
    gate = subject.config.gate
    watched = sum(each.decides for each in subject.metrics)
    family = watched * len(subject.revs)
    if gate.broken == "off" or not family:
        return None, None

    def fails(k: int) -> bool:
        return wrong_needed(k, k, family=family, alpha=gate.alpha) > 0

    repeats = next((k for k in range(2, _MOST_REPEATS + 1) if fails(k)), None)
    is_failing = gate.broken != "warn" and (
        gate.broken == "strict" or fails(subject.sides.baseline)
    )
    return "fails" if is_failing else "named", repeats


def fits_of(subject: Subject, chatbot: str) -> str:
    """Return a digest of all that a forecast depends on, but for the answers.

    Args:
        subject: Samples, metrics and gate.
        chatbot: Fingerprint of the chatbot that answered.
    """
    return digest(
        {
            "chatbot": chatbot,
            "metrics": {each.id: each.fingerprint for each in subject.metrics},
            "samples": dict(subject.revs),
            "gate": subject.config.gate.model_dump(mode="json"),
            "answers": [subject.sides.baseline, subject.sides.candidate],
        }
    )


def noise_of(known: Known) -> Iterator[MetricNoise]:
    """Yield the noise of each deciding metric whose answers were asked more than once."""
    for metric in known.subject.metrics:
        if metric.metric.kind is MetricKind.RATIO or known.columns is None:
            continue
        samples = [_scores(known, metric.id, own) for own in known.rows]
        is_share = metric.metric.kind is MetricKind.BINARY
        retests = _retests(known, metric.id, is_share=is_share) if metric.section.judges else None
        found = measure_noise(samples, retests)
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


def noise_by(known: Known, leading: Leading) -> float:
    """Return the noise of a metric; 0 if no sample was asked more than once."""
    samples = (_scores(known, leading.metric, own) for own in known.rows)
    each = [spread(own) for own in samples if len(own) > 1]
    return math.fsum(each) / len(each) if each else 0.0


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


def _retests(known: Known, metric: str, *, is_share: bool) -> Retests:
    """Return what the judges of a metric said twice."""
    count, total = 0, 0.0
    for report in known.reports:
        health = report.judges.get(metric)
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
