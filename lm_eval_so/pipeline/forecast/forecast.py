"""The stage `forecast`: what a gate does if nothing changes, and if some answers break."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval_so.comparator.forecast import TrialGate
from lm_eval_so.comparator.terms import read_terms
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.gate import GateMetricSection
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import write_atomic
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.core.records.enums import Language, MetricKind
from lm_eval_so.core.records.forecast import CaseState, Forecast, ForecastGate, KnownAnswers
from lm_eval_so.core.stats.broken import wrong_needed
from lm_eval_so.core.stats.forecast import Effort, Sides
from lm_eval_so.core.words.forecast import Told, forecast_lines
from lm_eval_so.errors import ConfigError
from lm_eval_so.pipeline.check import gate_problems
from lm_eval_so.pipeline.forecast.answers import FOLDER, Known, Subject, find_answers, subject_of
from lm_eval_so.pipeline.forecast.ask import Wanted, ask_missing, keep_out_of_git
from lm_eval_so.pipeline.forecast.noise import (
    leading_noise,
    named_questions,
    noise_of,
    price_of_answer,
)
from lm_eval_so.pipeline.forecast.trials import Rehearsal, suggested

FILE = FOLDER / "forecast.json"
_MOST_REPEATS = 10
"""Answers of a baseline up to which the fewest that prove a broken case are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that `forecast` alone has."""

    runs: tuple[Path, ...] = ()
    """Reports and runs to count; none: those at hand."""
    ask: bool = False
    """Whether to ask the answers that are missing."""
    most_requests: int | None = None
    margin: float | None = None
    """Margin over that of the config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A forecast, and what people want to know of the answers behind it."""

    forecast: Forecast
    known: Known
    file: Path | None
    """File that keeps it; None if too few answers are known for a forecast."""


async def forecast(config: Config, resources: Resources, options: Options) -> Foreseen:
    """Forecast the gate of a config from known answers, and keep the forecast.

    Args:
        config: A config without problems.
        resources: Environment, listener, stop event.
        options: Answers to count, and whether to ask more.

    Raises:
        InputError: If dataset, margin or a given report cannot be used.
        LMEvalError: If answers were to be asked and did not come; as of the stage `run`.
    """
    subject = subject_of(config, resources)
    if options.margin is not None:
        subject = with_margins(subject, options.margin, resources)
    sides = Sides(baseline=config.baseline_repeats, candidate=config.run.repeats)
    if options.ask:
        wanted = Wanted(
            answers=sides.total + 1, of_run=config.run.repeats, most=options.most_requests
        )
        known = await ask_missing(subject, resources, options.runs, wanted)
    else:
        known = await find_answers(subject, resources, options.runs)
    made = foresee(subject, known, sides, resources)
    file = None
    if made.scenarios:
        file = config.resolve(FILE)
        keep_out_of_git(file.parent)
        write_atomic(file, resources.redactor.redact(dump_document(to_json(made))))
    return Foreseen(forecast=made, known=known, file=file)


def foresee(subject: Subject, known: Known, sides: Sides, resources: Resources) -> Forecast:
    """Return the forecast of a gate from known answers; the same answers give the same one."""
    blank = _without_trials(subject, known, sides)
    if known.columns is None or not subject.metrics or known.reached < sides.total:
        return blank
    gate = _gate(subject, known, resources)
    leading = gate.leading()
    rehearsal = Rehearsal(
        gate=gate,
        leading=leading,
        rows=known.rows,
        days=known.rows_by_day,
        sides=sides,
        noise=leading_noise(known, leading) if leading else 0.0,
        effort=Effort.for_size(len(known.rows) * len(gate.report.metrics)),
        usd=price_of_answer(known),
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


def _without_trials(subject: Subject, known: Known, sides: Sides) -> Forecast:
    """Return all of a forecast that takes no trials."""
    config, counts = subject.config, known.counts
    noise = tuple(noise_of(known))
    lacking = max(0, sides.total + 1 - known.reached)
    case, repeats = _case(subject, sides)
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
        fits=_fits(subject, known, sides),
        left_out=subject.left_out,
    )


def tell(found: Foreseen, language: Language) -> list[str]:
    """Return a forecast as lines for people."""
    forecast, known = found.forecast, found.known
    metrics = {each.id: each for each in known.subject.metrics}
    leading = metrics.get(next(iter(forecast.gate.metrics), ""))
    told = Told(
        language=language,
        is_share=leading is None or leading.metric.kind is MetricKind.BINARY,
        is_unit=leading is not None and leading.metric.range == (0.0, 1.0),
        questions=named_questions(known, leading.id) if leading else {},
        is_earlier=bool(known.reached) and known.chatbot != known.subject.chatbot,
        reached=known.reached,
    )
    return forecast_lines(forecast, told)


def _gate(subject: Subject, known: Known, resources: Resources) -> TrialGate:
    """Return the gate of the config, with the deciding metrics alone; it asks nothing again."""
    newest, columns = known.reports[-1], known.columns
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


def _case(subject: Subject, sides: Sides) -> tuple[CaseState | None, int | None]:
    """Return what a case that breaks for good does to a run, and the answers that it takes to fail."""
    gate = subject.config.gate
    watched = sum(each.decides for each in subject.metrics)
    family = watched * len(subject.revs)
    if gate.broken == "off" or not family:
        return None, None

    def fails(k: int) -> bool:
        return wrong_needed(k, k, family=family, alpha=gate.alpha) > 0

    repeats = next((k for k in range(2, _MOST_REPEATS + 1) if fails(k)), None)
    is_failing = gate.broken != "warn" and (gate.broken == "strict" or fails(sides.baseline))
    return "fails" if is_failing else "named", repeats


def _fits(subject: Subject, known: Known, sides: Sides) -> str:
    return digest(
        {
            "chatbot": known.chatbot,
            "metrics": {each.id: each.fingerprint for each in subject.metrics},
            "samples": dict(subject.revs),
            "gate": subject.config.gate.model_dump(mode="json"),
            "answers": [sides.baseline, sides.candidate],
        }
    )


def with_margins(subject: Subject, margin: float, resources: Resources) -> Subject:
    """Return a subject whose deciding metrics all have a margin, except costs, times and counts.

    Raises:
        ConfigError: If the margin does not fit a metric.
    """
    config = subject.config
    named = config.gate.metrics
    if named is None:
        named = {each.id: GateMetricSection() for each in subject.metrics}
    scores = {each.id for each in subject.metrics if each.metric.kind is not MetricKind.RATIO}
    changed = {
        key: section.model_copy(update={"margin": margin}) if key in scores else section
        for key, section in named.items()
    }
    gate = config.gate.model_copy(update={"metrics": changed})
    config = config.model_copy(update={"gate": gate})
    problems = list(gate_problems(config, resources.environ))
    if problems:
        raise ConfigError.of(problems)
    return replace(subject, config=config)
