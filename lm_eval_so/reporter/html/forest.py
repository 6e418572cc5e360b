"""Figures of the page as a forest plot: the rows of a group share one scale, and right is better.

Ratios such as cost stand in groups of their own, on a logarithmic axis that is turned round where less is better.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import Direction, Language, MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport, MetricSummary
from lm_eval_so.core.words.formats import MetricFigures, count, factor, p_value, percent, round_up
from lm_eval_so.core.words.verdict_names import figures_of, metric_verdict_name
from lm_eval_so.reporter.html import drawings
from lm_eval_so.reporter.html.drawings import Bar, Scale
from lm_eval_so.reporter.views.metrics import valued
from lm_eval_so.reporter.views.view import (
    ABSENT,
    ComparisonView,
    GateRow,
    MetricRow,
    Words,
    words_of,
)

_TONES: Final = {
    Verdict.PASS: "pass",
    Verdict.IMPROVED: "pass",
    Verdict.REGRESSION: "bad",
    Verdict.ERROR: "bad",
    Verdict.INCONCLUSIVE: "open",
}
_UNIT: Final = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A metric in the plot, and what its row opens to."""

    name: str
    arrow: str
    small: str
    means: str
    plot: Markup
    change: str
    interval: str
    allowed: str
    tone: str
    verdict: str
    note: str = ""
    """Note that it does not count for the verdict of the run."""
    facts: tuple[tuple[str, str], ...] = ()
    """Names and values of further figures."""
    sentence: str = ""
    histogram: Markup | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Metrics on one scale."""

    is_reported: bool
    """Whether none of them counts for the verdict."""
    rows: tuple[Row, ...]
    axis: Markup
    """Axis below the rows; empty if nothing can be placed on it."""
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """All metrics of a comparison, or the means of a run without one."""

    head: Markup
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    """A metric of a comparison with all that is known of it."""

    key: str
    metric: MetricComparison
    shown: MetricFigures
    row: GateRow
    summary: MetricSummary | None

    @property
    def kind(self) -> tuple[str, ...]:
        """Common ground of the metrics on one scale."""
        side = self.metric.direction.value
        if self.shown.is_ratio:
            return "ratio", side
        return ("unit", side) if self.shown.is_unit else ("other", self.key)

    @property
    def bar(self) -> Bar | None:
        """The change on its axis: positive is better; ratios by their logarithm."""
        metric = self.metric
        if metric.delta is None:
            return None
        low, high = metric.ci90 or (metric.delta, metric.delta)
        if not self.shown.is_ratio:
            limit = None if metric.margin is None else -metric.margin
            return Bar(low=low, dot=metric.delta, high=high, limit=limit)
        if min(low, metric.delta) <= 0:
            return None
        sign = -1 if metric.direction is Direction.LOWER else 1
        ends = sorted(sign * math.log(each) for each in (low, high))
        increase = (metric.threshold or {}).get("max_increase")
        limit = sign * math.log(1 + increase) if isinstance(increase, int | float) else None
        return Bar(low=ends[0], dot=sign * math.log(metric.delta), high=ends[1], limit=limit)


def forest_of_changes(
    comparison: Comparison, view: ComparisonView, report: EvaluationReport, language: Language
) -> Forest:
    """Return the changes of a comparison, gating metrics first.

    Args:
        comparison: Verdict and its evidence.
        view: View of the comparison.
        report: Scores.
        language: Language of the texts.
    """
    shown, words = figures_of(comparison, report, language), words_of("page", language)
    rows = {row.metric: row for row in (*view.scores, *view.ratios)}
    found: dict[tuple[str, ...], list[_Change]] = {}
    for key in sorted(rows, key=lambda key: not comparison.metrics[key].gating):
        made = _Change(key, comparison.metrics[key], shown[key], rows[key], report.metrics.get(key))
        found.setdefault(made.kind, []).append(made)
    told = _Told(comparison, report, words, words_of("report", language))
    head, groups = Markup(), list[Group]()
    for changes in found.values():
        bars = {each.key: each.bar for each in changes}
        ends = [v for bar in bars.values() if bar for v in (bar.low, bar.dot, bar.high, bar.limit)]
        scale = drawings.scale_of([each for each in ends if each is not None])
        if not groups:
            heads = [words(f"plot_{name}") for name in ("worse", "allowed", "no_change", "better")]
            gating = [bars[each.key] for each in changes if each.metric.gating]
            limits = {bar.limit for bar in gating if bar is not None}
            head = drawings.plot_head(scale, heads, limits.pop() if len(limits) == 1 else None)
        groups.append(
            Group(
                is_reported=not any(each.metric.gating for each in changes),
                rows=tuple(told.row(each, scale) for each in changes),
                axis=_axis(changes, scale) if any(bars.values()) else Markup(),
                unit=_unit(changes[0]),
            )
        )
    return Forest(head=head, groups=tuple(groups))


def _axis(changes: Sequence[_Change], scale: Scale) -> Markup:
    first = changes[0]
    sign = -1 if first.metric.direction is Direction.LOWER else 1
    if first.shown.is_ratio:
        factors = drawings.factor_ticks(*sorted((sign * scale.low, sign * scale.high)))
        labels = _short([factor(each) for each in factors])
        places = [sign * math.log(each) for each in factors]
    else:
        places = drawings.ticks(scale.low, scale.high)
        labels = _short([first.shown.bare(each) for each in places])
    return drawings.plot_axis(scale, [*zip(places, labels, strict=True)])


def _short(texts: Sequence[str]) -> list[str]:
    """Return figures without the zeros that all of them end with."""
    while texts and all("." in each and each.endswith("0") for each in texts):
        texts = [each[:-1] for each in texts]
    return [each.removesuffix(".") for each in texts]


def _unit(change: _Change) -> str:
    """Return the unit of an axis, as points; empty if its figures carry it, or if it has none."""
    told = change.shown.change(0.0)
    return "" if change.shown.is_ratio else told.removeprefix(change.shown.bare(0.0)).strip()


@dataclass(frozen=True, slots=True)
class _Told:
    """A comparison as its figures tell it."""

    comparison: Comparison
    report: EvaluationReport
    words: Words
    of_report: Words

    def row(self, change: _Change, scale: Scale) -> Row:
        metric, shown, bar = change.metric, change.shown, change.bar
        interval = ""
        if metric.ci90 is not None:
            low, high = (shown.bare(each) for each in shown.ends(*metric.ci90))
            if shown.is_ratio:
                low, high = f"×{low}", f"×{high}"
            interval = words_of("comment", shown.language)("interval", low=low, high=high)
        tone = _TONES.get(metric.verdict, "none")
        unit = change.summary.unit if change.summary else None
        means = [
            ABSENT
            if mean is None
            else (valued(mean, unit, self.of_report) if unit else shown.value(mean))
            for mean in (metric.baseline, metric.candidate)
        ]
        return Row(
            name=change.key,
            arrow="↑" if metric.direction is Direction.HIGHER else "↓",
            small=self._small(change),
            means=" → ".join(means),
            plot=drawings.plot_row(bar, scale, tone),
            change=ABSENT if metric.delta is None else shown.change(metric.delta),
            interval=interval,
            allowed=change.row.bare_allowed,
            tone=tone,
            verdict=metric_verdict_name(metric, shown.language),
            note="" if metric.gating else words_of("comment", shown.language)("not_gating"),
            facts=tuple(self._facts(change)),
            sentence=metric.sentence,
            histogram=self._histogram(change),
        )

    def _small(self, change: _Change) -> str:
        parts = []
        if change.summary is not None:
            parts = [change.summary.name] if change.summary.name != change.key else []
            parts.append(self.of_report(f"category_{change.summary.category}"))
        statistic = (change.metric.threshold or {}).get("statistic")
        parts += [str(statistic)] if statistic not in {None, "mean"} else []
        return " · ".join(parts)

    def _facts(self, change: _Change) -> Iterator[tuple[str, str]]:
        metric, words = change.metric, self.words
        n = words("n_cases", n=count(metric.n))
        moved = words("moved", w=count(metric.worse), b=count(metric.better))
        yield words("cases"), f"{n}: {moved}"
        if change.row.baseline != ABSENT and "/" in f"{change.row.baseline}{change.row.candidate}":
            yield words("means"), f"{change.row.baseline} → {change.row.candidate}"
        if any(metric.missing):
            before, now = map(count, metric.missing)
            yield words("missing"), words("missing_rows", before=before, now=now)
        if metric.method is not None:
            yield words("method"), _method_name(metric.method, words)
        if metric.p_worse is not None:
            p = p_value(metric.p_worse, change.shown.language)
            yield words("p_worse"), words("p_value", p=p)
        if metric.needed_n and metric.needed_n > metric.n:
            yield words("needed"), words("n_cases", n=count(round_up(metric.needed_n)))
        if metric.needed_repeats:
            yield words("needed"), words("answers_each", k=count(metric.needed_repeats))
        if metric.provable_margin is not None:
            yield words("provable"), change.shown.size(metric.provable_margin)

    def _histogram(self, change: _Change) -> Markup:
        """Draw the scores of the cases, and of the baseline as far as the changes tell all of them."""
        span = change.summary.range if change.summary else None
        shown = drawings.bins(_scores(self.report, change.key), span)
        if span is None or not shown:
            return Markup()
        changed = [each for each in self.comparison.changed if each.metric == change.key]
        counts = [sum(c.change == way for c in changed) for way in ("worse", "better")]
        pairing = self.comparison.pairing
        is_whole = counts == [change.metric.worse, change.metric.better] and not any(
            (any(change.metric.missing), pairing.added, pairing.removed, pairing.changed)
        )
        before = [*shown] if is_whole and change.metric.n == sum(shown) else []
        for each in changed if before else ():
            before[drawings.bin_of(each.candidate, span)] -= 1
            before[drawings.bin_of(each.baseline, span)] += 1
        return drawings.histogram(shown, before)


def _method_name(method: str, words: Words) -> str:
    """Return a method in words; one of another release as its code."""
    try:
        return words(f"method_{method}")
    except KeyError:
        return method


def _scores(report: EvaluationReport, key: str) -> Sequence[float | None]:
    """Return the mean score of each case; None if it has none."""
    columns, values = report.samples, report.samples.scores.get(key, ())
    if columns.file is not None and not any(columns.repeats):
        return values
    found: dict[str, list[float]] = {}
    for sample_id, value in zip(columns.ids, values, strict=False):
        if value is not None:
            found.setdefault(sample_id, []).append(value)
    return [sum(own) / len(own) for own in found.values()]


def forest_of_means(
    report: EvaluationReport, comparison: Comparison | None, rows: Sequence[MetricRow], words: Words
) -> Forest:
    """Return the means of a run that is compared with nothing, against its thresholds.

    Args:
        report: Scores.
        comparison: Thresholds that were checked; None if there is none.
        rows: Views of the metrics.
        words: Texts of the topic `page`.
    """
    known = comparison.metrics if comparison else {}
    made = [_Mean(row, report.metrics[row.id], known.get(row.id), words) for row in rows]
    units = [each for each in made if each.is_placed]
    low = min((end for each in units for end in each.ends), default=0.0)
    # only the part of the range where something is: from the next lower tenth to 1
    scale = Scale(low=max(0.0, math.floor(10 * low - 0.5) / 10), high=1.0)
    as_shares = any(each.metric.kind is MetricKind.BINARY for each in units)
    at = drawings.ticks(scale.low, scale.high)
    labels = _short([f"{100 * v:.1f}" if as_shares else f"{v:.2f}" for v in at])
    told = [f"{label}%" if as_shares else label for label in labels]
    axis = drawings.plot_axis(scale, [*zip(at, told, strict=True)])
    others = [each for each in made if not each.is_placed]
    groups = []
    for found, drawn in ((units, axis), (others, Markup())):
        if found:
            shown = tuple(each.drawn(scale if drawn else None) for each in found)
            groups.append(Group(is_reported=False, rows=shown, axis=drawn, unit=""))
    return Forest(head=Markup(), groups=tuple(groups))


@dataclass(frozen=True, slots=True)
class _Mean:
    """A metric of a run, and what the gate says of it."""

    row: MetricRow
    metric: MetricSummary
    gate: MetricComparison | None
    words: Words

    @property
    def is_placed(self) -> bool:
        """Whether the mean stands on the axis of scores from 0 to 1."""
        return self.metric.range == _UNIT and self.metric.mean is not None

    @property
    def _limits(self) -> Mapping[str, object]:
        return (self.gate.threshold if self.gate else None) or {}

    def _bound(self, key: str) -> float | None:
        limit = self._limits.get(key)
        return float(limit) if isinstance(limit, int | float) else None

    @property
    def _span(self) -> tuple[float, float]:
        mean = self.metric.mean or 0.0
        return self.metric.ci95 or (mean, mean)

    @property
    def ends(self) -> Iterator[float]:
        """All that has to be on the axis."""
        yield from self._span
        yield from (v for key in ("min", "max") if (v := self._bound(key)) is not None)

    def drawn(self, scale: Scale | None) -> Row:
        """Return the row; without a scale it has no plot."""
        held, bar = self._limits.get("held"), None
        tone = "none" if not isinstance(held, bool) else "pass" if held else "bad"
        if scale is not None and self.metric.mean is not None:
            low, high = self._span
            bar = Bar(low=low, dot=self.metric.mean, high=high, limit=self._bound("min"))
        required = [
            f"{sign} {self._shown(limit)}"
            for key, sign in (("min", "≥"), ("max", "≤"))
            if (limit := self._bound(key)) is not None
        ]
        small = [self.metric.name] if self.metric.name != self.row.id else []
        is_known = self.metric.mean is not None
        return Row(
            name=self.row.id,
            arrow=self.row.arrow,
            small=" · ".join([*small, self.row.note]),
            means=self._shown(self.metric.mean) if is_known and self._is_share else self.row.mean,
            plot=drawings.plot_row(bar, scale, tone, zero=None) if scale else Markup(),
            change=self._interval(),
            interval="",
            allowed=", ".join(required) or ABSENT,
            tone=tone,
            verdict=self.words({"pass": "held", "bad": "missed"}.get(tone, "not_judged")),
        )

    @property
    def _is_share(self) -> bool:
        return self.metric.kind is MetricKind.BINARY

    def _shown(self, value: float | None) -> str:
        if value is None:
            return ABSENT
        return percent(value) if self._is_share else f"{value:g}"

    def _interval(self) -> str:
        if self.metric.ci95 is None or not self._is_share:
            return self.row.interval
        low, high = map(percent, self.metric.ci95)
        return f"[{low}, {high}]"
