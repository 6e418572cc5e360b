"""Problems of a gate, found before anything is paid for."""

from collections.abc import Callable, Iterator, Mapping

from lm_eval_so.comparator.effect.finding import Shape, shape_of
from lm_eval_so.comparator.effect.ratio import LEVELS
from lm_eval_so.comparator.effect.values import Support
from lm_eval_so.core.config.gate import GateMetricSection, GateSection
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.enums import Claim, MetricKind
from lm_eval_so.core.records.report import EvaluationReport, MetricSummary
from lm_eval_so.core.stats.power import LEAST_REPEATS
from lm_eval_so.errors import ConfigError, Problem, UnknownName, Where

_CLOSED = frozenset({MetricKind.BINARY, MetricKind.BOUNDED})
Place = Callable[[str | None, str | None], Where]
"""Place of a key of a metric, or else of the gate, or of the metric itself, in the config."""


def check(config: Config, shapes: Mapping[str, Shape] | None = None) -> list[Problem]:
    """Return the problems of a config's gate.

    Args:
        config: Config with the gate.
        shapes: Shape of each metric, by id, as far as it is known; problems that depend on the
            others are found when the reports are compared.
    """

    def place(metric: str | None, key: str | None) -> Where:
        path = ("metrics", metric) if metric else ()
        return config.where("gate", *path, *([key] if key else []))

    # a config that only compares names no metrics: the reports do
    known = [metric.id for metric in config.metrics] or list(config.gate.metrics or ())
    found = _problems(config.gate, known, shapes or {}, place)
    return [*found, *_stop_problems(config)]


def refuse_gate(
    gate: GateSection, candidate: EvaluationReport, baseline: EvaluationReport | None
) -> None:
    """Refuse a gate that does not fit the reports.

    Raises:
        ConfigError: If the gate names a metric that neither report has, or asks of a metric what
            does not fit it; lists every problem.
    """

    def place(metric: str | None, key: str | None) -> Where:
        path = ("gate.metrics", metric) if metric else ("gate",)
        return Where(key=".".join(filter(None, (*path, key))))

    known = {**(baseline.metrics if baseline else {}), **candidate.metrics}
    shapes = {key: shape_of(summary) for key, summary in known.items()}
    problems = list(_problems(gate, list(known), shapes, place))
    if problems:
        raise ConfigError.of(problems)


def gates_by_default(summary: MetricSummary) -> bool:
    """Return whether a metric gates if the config names none.

    Its range is closed, it does not measure wording, and no other metric of the report sums it up.
    """
    is_summed_up = "part_of" in summary.definition
    return summary.kind in _CLOSED and not (summary.measures_overlap or is_summed_up)


def _problems(
    gate: GateSection, known: list[str], shapes: Mapping[str, Shape], place: Place
) -> Iterator[Problem]:
    yield from _claim_problems(gate, place)
    for metric, section in (gate.metrics or {}).items():
        if metric not in known:
            yield from UnknownName("metric", metric, known, where=place(metric, None)).problems
            continue
        yield from _contradictions(metric, section, place)
        if metric in shapes:
            yield from _misfits(metric, section, shapes[metric], place)


def _claim_problems(gate: GateSection, place: Place) -> Iterator[Problem]:
    if gate.claim is Claim.THESE and gate.confirm:
        yield Problem(
            what="confirm and claim: these exclude each other",
            where=place(None, "confirm"),
            hint="leave confirm out, and let run.repeats ask every question more often instead",
        )


def _stop_problems(config: Config) -> Iterator[Problem]:
    """Find what keeps a run from asking in rounds."""
    stop, run = config.gate.stop, config.run
    if stop == "never":
        return
    if config.gate.claim is not Claim.THESE:
        yield Problem(
            what=f"stop: {stop} needs claim: these",
            where=config.where("gate", "stop"),
            hint="write claim: these, or leave stop out: looks after each round are for that claim",
        )
    if run.repeats < LEAST_REPEATS:
        yield Problem(
            what=f"stop: {stop} asks in rounds, and run.repeats is {run.repeats}",
            where=config.where("run", "repeats"),
            hint="set run.repeats to the most rounds, as 5",
        )
    if run.executor == "batch":
        yield Problem(
            what=f"stop: {stop} and executor: batch exclude each other",
            where=config.where("run", "executor"),
            hint="use executor: live, or leave stop out",
        )
    for position, metric in enumerate(config.metrics):
        if metric.judge.executor == "batch":
            yield Problem(
                what=f"stop: {stop} looks after each round, and {metric.id} is judged by batch",
                where=config.where("metrics", position, "judge", "executor"),
                hint="ask the judge with executor: live, or leave stop out",
            )


def _contradictions(metric: str, section: GateMetricSection, place: Place) -> Iterator[Problem]:
    if section.min is not None and section.max is not None and section.min > section.max:
        what = f"min {section.min:g} is above max {section.max:g}"
        yield Problem(what=what, where=place(metric, "min"))
    if section.margin is not None and section.max_increase is not None:
        what = "margin and max_increase exclude each other"
        hint = "max_increase is for costs, times and token counts, margin for all other scores"
        yield Problem(what=what, where=place(metric, "max_increase"), hint=hint)
    if section.rule == "bound" and section.min is None and section.max is None:
        yield Problem(
            what="rule is given without a bound",
            where=place(metric, "rule"),
            hint="give min or max, or leave rule out",
        )
    if section.rule == "bound" and section.statistic in LEVELS:
        what = f"rule: bound is about a mean, not about {section.statistic}"
        yield Problem(what=what, where=place(metric, "rule"), hint="use rule: point")


def _misfits(
    metric: str, section: GateMetricSection, shape: Shape, place: Place
) -> Iterator[Problem]:
    if shape.kind is MetricKind.RATIO:
        if section.margin is not None:
            what = f"{metric} is compared as a ratio, which has no margin"
            yield Problem(what=what, where=place(metric, "margin"), hint="use max_increase")
        return
    if section.max_increase is not None:
        what = f"{metric} is no cost, time or token count, so it has no max_increase"
        yield Problem(what=what, where=place(metric, "max_increase"), hint="use margin")
    if section.statistic in LEVELS:
        what = f"{metric} is compared by its mean, not by {section.statistic}"
        hint = "leave statistic out: percentiles are for costs, times and token counts"
        yield Problem(what=what, where=place(metric, "statistic"), hint=hint)
    if shape.support is None or shape.width is None:
        return
    low, high = shape.support
    if section.margin is not None and section.margin >= shape.width:
        what = f"a margin of {section.margin:g} accepts any drop: {metric} is {low:g} … {high:g}"
        plain = f"a margin is the largest drop that you accept, as {shape.default_margin:g}"
        hint = _as_share(section.margin, shape.support) or plain
        yield Problem(what=what, where=place(metric, "margin"), hint=hint)
    for key, limit in (("min", section.min), ("max", section.max)):
        if limit is not None and not low <= limit <= high:
            what = f"{limit:g} is outside the range of {metric}, {low:g} … {high:g}"
            hint = _as_share(limit, shape.support) or f"give a score from {low:g} to {high:g}"
            yield Problem(what=what, where=place(metric, key), hint=hint)


def _as_share(value: float, support: Support) -> str | None:
    """Return a hint for a percentage where scores end at 1; None if it looks like none."""
    low, high = support
    if (low, high) != (0.0, 1.0) or not 1 < value <= 100:
        return None
    return f"scores go from 0 to 1: {value:g}% is {value / 100:g}"
