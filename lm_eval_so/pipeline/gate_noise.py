"""Noise of a gate, as earlier results tell it: reports with several answers, and the last comparison."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median_low
from typing import Literal

from lm_eval_so.comparator.effect.finding import Shape
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener, Warned
from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import ABOUT_THESE, MetricKind
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import read_report
from lm_eval_so.core.stats.diagnostic import WEAK_J
from lm_eval_so.core.stats.outlook import (
    ASSUMED_DEVIATION,
    ASSUMED_FLIPS,
    Asked,
    Noise,
    variance_of_change,
    variance_within,
)
from lm_eval_so.core.stats.power import flip_share_of
from lm_eval_so.errors import InputError
from lm_eval_so.pipeline.measure.plan import Place, read_baseline
from lm_eval_so.pipeline.reports import read_comparison

Source = Literal["baseline", "report", "comparison", "assumed"]
_STAGE = "plan"
_GROUPED, _OF_FLIPS = "cr1", "tango_midp"
"""Methods of a comparison: of groups, and of single flips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A metric that a gate decides by, and how it is asked."""

    metric: str
    shape: Shape
    margin: float
    """Largest accepted drop, in score units."""
    asked: Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Noise of a metric, and what tells it."""

    noise: Noise
    source: Source
    answers: int | None = None
    """Answers to each sample behind it; None if no report tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Earlier results of a suite."""

    baseline: EvaluationReport | None
    report: EvaluationReport | None
    """Last report."""
    comparison: Comparison | None
    """Last comparison."""

    @property
    def reports(self) -> Iterator[tuple[Source, EvaluationReport]]:
        """Reports with their names, the baseline first."""
        if self.baseline is not None:
            yield "baseline", self.baseline
        if self.report is not None:
            yield "report", self.report


def read_earlier(config: Config, place: Place, listener: Listener) -> Earlier:
    """Read what there is of earlier results; a file that cannot be read is told, and left out.

    Args:
        config: Config of the suite.
        place: Place of the baseline.
        listener: Gets the warnings.
    """
    baseline = report = comparison = None
    folder = config.resolve(config.report.out)
    try:
        baseline = read_baseline(config, place).report
    except InputError as error:
        listener(_unread("the baseline", error))
    try:
        if (folder / "report.json").is_file():
            report = read_report(folder)
    except InputError as error:
        listener(_unread("the last report", error))
    try:
        if (folder / "comparison.json").is_file():
            comparison = read_comparison(folder / "comparison.json")
    except InputError as error:
        listener(_unread("the last comparison", error))
    return Earlier(
        baseline=baseline,
        report=report if report and report.experiment.suite == config.suite else None,
        comparison=comparison if comparison and comparison.suite == config.suite else None,
    )


def _unread(what: str, error: InputError) -> Warned:
    first = error.problems[0]
    place = f"{first.where}: " if first.where else ""
    return Warned(stage=_STAGE, text=f"planned without {what}: {place}{first.what}")


def repeats_of(report: EvaluationReport, metric: str) -> int:
    """Return the scored answers to a sample, the median; 0 without any."""
    if not _has_repeats(report):
        return int(any(score is not None for score in report.samples.scores.get(metric, ())))
    return median_low(list(map(len, _answers(report, metric))) or [0])


def known_noise(tried: Tried, earlier: Earlier) -> Known:
    """Return the noise of a metric: of several answers, else of the last comparison, else assumed.

    Args:
        tried: The metric.
        earlier: Earlier results.
    """
    is_binary, width = tried.shape.kind is MetricKind.BINARY, tried.shape.width or 1.0
    make = partial(Noise, is_binary=is_binary, width=width)
    change = _last_change(tried, earlier)
    for source, report in earlier.reports:
        answers = _answers(report, tried.metric) if _has_repeats(report) else []
        within = variance_within(answers, is_binary=is_binary)
        if within is not None:
            noise = make(within=within, between=change.beyond(within) if change else 0.0)
            return Known(noise=noise, source=source, answers=repeats_of(report, tried.metric))
    if change is not None:
        noise = make(within=change.within, between=change.beyond(change.within))
        return Known(noise=noise, source="comparison")
    within = ASSUMED_FLIPS if is_binary else (ASSUMED_DEVIATION * width) ** 2
    return Known(noise=make(within=within), source="assumed")


def shown_by_judge(tried: Tried, earlier: Earlier) -> float:
    """Return the share of a true difference that a metric shows: Youden's J of a calibrated judge.

    Source: Rogan, Gladen (1978), American Journal of Epidemiology 107(1), 71–76.
    """
    if tried.shape.kind is not MetricKind.BINARY:
        return 1.0
    for _, report in earlier.reports:
        health = report.judges.get(tried.metric)
        if health is not None and health.calibration.state == "ok":
            j = health.calibration.j
            return j if j is not None and j > WEAK_J else 1.0
    return 1.0


def _has_repeats(report: EvaluationReport) -> bool:
    return any(report.samples.repeats)


def _answers(report: EvaluationReport, metric: str) -> list[list[float]]:
    """Return the scores of the answers to each sample that has any."""
    columns = report.samples
    by_sample: dict[str, list[float]] = {}
    for name, score in zip(columns.ids, columns.scores.get(metric, ()), strict=False):
        if score is not None:
            by_sample.setdefault(name, []).append(score)
    return list(by_sample.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """Change of a metric in the last comparison."""

    within: float
    """Variance of the change between two single answers."""
    of_samples: float
    """Variance of the change of a sample's mean; 0 where it tells nothing of true changes."""
    repeats: float

    def beyond(self, within: float) -> float:
        """Return the variance that answers which differ by themselves do not explain."""
        return max(0.0, self.of_samples - within / self.repeats)


def _last_change(tried: Tried, earlier: Earlier) -> _Change | None:
    last = earlier.comparison
    found = last.metrics.get(tried.metric) if last else None
    if last is None or found is None or found.ci90 is None or found.delta is None or found.n < 2:
        return None
    asked = Asked(
        samples=found.n,
        baseline=_answers_then("baseline", earlier.baseline, found, tried),
        candidate=_answers_then("candidate", earlier.report, found, tried),
        groups=tried.asked.groups if found.method == _GROUPED else None,
    )
    of_samples = variance_of_change(found.ci90, found.delta, asked, alpha=last.alpha)
    if tried.shape.kind is MetricKind.BINARY and not found.stability:
        flaky = sum(case.metric == tried.metric for case in last.flaky)
        worse, better = found.worse + flaky, found.better
        within = flip_share_of(worse, better, found.n, margin=tried.margin)
    else:
        within = of_samples * asked.repeats
    if found.method == _OF_FLIPS or found.method in ABOUT_THESE:
        of_samples = 0.0
    return _Change(within=within, of_samples=of_samples, repeats=asked.repeats)


def _answers_then(
    side: str, report: EvaluationReport | None, found: MetricComparison, tried: Tried
) -> int:
    """Return the answers to a sample on one side of the last comparison."""
    if side in found.stability:
        return found.stability[side].repeats
    if tried.shape.kind is MetricKind.BINARY or report is None:
        return 1  # else it would tell how stable they are
    return max(1, repeats_of(report, tried.metric))
