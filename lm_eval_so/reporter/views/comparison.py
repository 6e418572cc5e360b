"""View of a comparison."""

import json
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from lm_eval_so.core.records.comparison import Comparison, MetricComparison
from lm_eval_so.core.records.enums import Direction, Language, MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.formats import (
    MetricFigures,
    count,
    difference,
    factor,
    percent,
    reason_figures,
    reason_key,
    round_up,
)
from lm_eval_so.core.words.phrases import (
    forecast_sentence,
)
from lm_eval_so.core.words.verdict_names import (
    figures_of,
    lead_metric,
    metric_verdict_name,
    verdict_icon,
)
from lm_eval_so.reporter.views.baseline import acceptance_note
from lm_eval_so.reporter.views.cases import changed_cases, exemption_tables
from lm_eval_so.reporter.views.first_view import lost_view, verdict_view
from lm_eval_so.reporter.views.origin import (
    COMMIT_DIGITS,
    minute,
    report_footer,
    short_hash,
)
from lm_eval_so.reporter.views.slices import slice_changes
from lm_eval_so.reporter.views.view import (
    ABSENT,
    ComparisonView,
    GateRow,
    SliceChanges,
    Words,
    words_of,
)

_MISSING_ROWS = "missing_rows"
_ABOUT_MISSING = {"missing", "missing_unbounded", "error_rate", "budget"}
"""Reason codes whose sentence tells of the missing rows already."""
_MOST_ACCEPTED, _ACCEPTED_DAYS = 5, 30
"""Cases for which an entry is proposed, and how long it holds."""
_ROUNDED, _NOISE = 1000, 1e-6


def view_comparison(
    comparison: Comparison, report: EvaluationReport | None, *, language: Language
) -> ComparisonView:
    """Make the view of a comparison.

    Args:
        comparison: Comparison record.
        report: Candidate's report, which knows the range of each metric, if it is at hand.
        language: Language of the texts.
    """
    words = words_of("comment", language)
    accepted = comparison.baseline.accepted
    shown = figures_of(comparison, report, language)
    # a table that has figures of the baseline only tells nothing of this run
    is_error = comparison.verdict is Verdict.ERROR
    is_empty = is_error and all(m.candidate is None for m in comparison.metrics.values())
    rows = [
        (metric.kind, _gate_row(key, metric, shown[key], words))
        for key, metric in comparison.metrics.items()
        if not is_empty
    ]
    lead = lead_metric(comparison)
    verdict = verdict_view(comparison, report, language)
    lead_notes = (
        _lead_notes(comparison, lead, shown[lead], words, is_told=bool(verdict.headline.remark))
        if lead
        else ()
    )
    return ComparisonView(
        suite=comparison.suite,
        verdict=verdict,
        scores=tuple(row for kind, row in rows if kind is not MetricKind.RATIO),
        ratios=tuple(row for kind, row in rows if kind is MetricKind.RATIO),
        notes=(*_pairing_notes(comparison, words), *lead_notes, *_forecast(comparison, language)),
        warnings=(
            *verdict.warnings,
            *_warnings(comparison, language),
        ),
        differences=tuple(difference(each, language) for each in comparison.differences),
        rerun=comparison.rerun,
        accepted=acceptance_note(accepted, language) if accepted else None,
        cases=changed_cases(comparison, report, words),
        slices=SliceChanges(
            rows=tuple(slice_changes(comparison, shown, words)),
            note=words("slices_note", n=count(comparison.slices_tested))
            if comparison.slices_tested
            else "",
        ),
        exemptions=tuple(exemption_tables(comparison, report, words)),
        footer=tuple(_footer(comparison, report, language, words)),
        lost=lost_view(comparison.lost, language),
    )


def _forecast(comparison: Comparison, language: Language) -> Iterator[str]:
    """Yield how often this gate fails without a change, if a forecast says it."""
    if comparison.forecast is not None:
        yield forecast_sentence(comparison.forecast, language)


def _gate_row(key: str, metric: MetricComparison, shown: MetricFigures, words: Words) -> GateRow:
    change, bare, interval = ABSENT, ABSENT, ""
    if metric.delta is not None:
        if metric.ci90 is not None:
            low, high = map(shown.bare, shown.ends(*metric.ci90))
            interval = f" ({words('interval', low=low, high=high)})"
        change = shown.change(metric.delta) + interval
        bare = shown.change(metric.delta) if shown.is_ratio else shown.bare(metric.delta)
        bare += interval
    name = metric_verdict_name(metric, shown.language)
    is_lower = metric.direction is Direction.LOWER and not shown.is_ratio
    return GateRow(
        metric=key,
        note=words("less_is_better") if is_lower else "",
        baseline=_mean(metric, "baseline", shown),
        candidate=_mean(metric, "candidate", shown),
        change=change,
        allowed=_allowed(metric, shown, words),
        icon=verdict_icon(metric.verdict),
        verdict=name if metric.gating else f"{name} ({words('not_gating')})",
        is_gating=metric.gating,
        means=" → ".join(
            ABSENT if mean is None else shown.value(mean)
            for mean in (metric.baseline, metric.candidate)
        ),
        bare_change=bare,
        bare_allowed=_allowed(metric, shown, words, is_bare=True),
    )


def _mean(
    metric: MetricComparison, side: Literal["baseline", "candidate"], shown: MetricFigures
) -> str:
    value = metric.baseline if side == "baseline" else metric.candidate
    if value is None:
        return ABSENT
    answers = _answers(metric, side)
    hits = value * answers
    if answers and abs(hits - round(hits)) < 1e-6 * answers:
        return f"{shown.value(value)} ({count(round(hits))}/{count(answers)})"
    return shown.value(value)


def _answers(metric: MetricComparison, side: str) -> int:
    """Return the answers behind a share of right ones; 0 if not all samples have as many."""
    if metric.kind is not MetricKind.BINARY or any(metric.missing):
        return 0
    asked = metric.stability.get(side)
    if asked is None:
        return metric.n
    return asked.n * asked.repeats if asked.n == metric.n else 0


def _allowed(
    metric: MetricComparison, shown: MetricFigures, words: Words, *, is_bare: bool = False
) -> str:
    parts = []
    limits = metric.threshold or {}
    increase = limits.get("max_increase")
    if isinstance(increase, int | float):
        parts.append(factor(1 + increase))
    elif metric.margin is not None and not shown.is_ratio:
        parts.append((shown.bare if is_bare else shown.change)(-metric.margin))
    for bound in ("min", "max"):
        limit = limits.get(bound)
        if isinstance(limit, int | float):
            parts.append(words(bound, limit=shown.value(limit)))
    return ", ".join(parts) or ABSENT


def _pairing_notes(comparison: Comparison, words: Words) -> Iterator[str]:
    if comparison.baseline.source == "none":
        return
    pairing = comparison.pairing
    yield words("paired", n=count(pairing.paired))
    for name in ("added", "removed", "changed"):
        if ids := getattr(pairing, name):
            yield words(name, n=count(len(ids)))


def _lead_notes(
    comparison: Comparison, lead: str, shown: MetricFigures, words: Words, *, is_told: bool
) -> Iterator[str]:
    """Yield notes on the metric that decides.

    Args:
        comparison: Verdict and its evidence.
        lead: Metric that decides.
        shown: Form of its figures.
        words: Texts of the topic `comment`.
        is_told: Whether the headline says already what such a test set can rule out.
    """
    metric = comparison.metrics[lead]
    if metric.left_out:
        yield words("left_out", metric=lead, n=count(metric.left_out))
    is_closed = metric.kind in {MetricKind.BINARY, MetricKind.BOUNDED}
    is_warned = any(warning.code == _MISSING_ROWS for warning in metric.warnings)
    missing = sum(metric.missing)
    if missing and is_closed and not is_warned and metric.ci90 is not None:
        yield words("missing", metric=lead, n=count(missing))
    if metric.provable_margin is not None and metric.margin is not None and not is_told:
        yield words("provable", metric=lead, margin=shown.size(metric.provable_margin))
    needed = metric.needed_n or 0
    # a regression and a gain are settled, and inconclusive says it in its sentence
    if needed > metric.n and comparison.verdict is Verdict.PASS:
        yield words("needed", metric=lead, n=count(round_up(needed)))
    yield from _stability_notes(lead, metric, words)


def _warnings(comparison: Comparison, language: Language) -> Iterator[str]:
    """Yield the warnings about the data that the sentence does not tell."""
    words = words_of("comparison", language)
    for key, metric in comparison.metrics.items():
        # too many rows without a score are an error, and not counted as anything
        is_told = metric.reason == "error_rate" or (
            metric.sentence in comparison.sentence and metric.reason in _ABOUT_MISSING
        )
        for warning in metric.warnings:
            if is_told and warning.code == _MISSING_ROWS:
                continue
            figures = {"metric": key, **reason_figures(warning.figures, language)}
            text = words(reason_key(warning.code, warning.figures), **figures)
            if text not in comparison.sentence:
                yield text


def _footer(
    comparison: Comparison, report: EvaluationReport | None, language: Language, words: Words
) -> Iterator[tuple[str, str]]:
    baseline = comparison.baseline
    if baseline.source != "none":
        place = baseline.commit or baseline.ref or baseline.path or baseline.source
        yield words("footer_baseline", source=baseline.source), short_hash(place, COMMIT_DIGITS)
    anchor = comparison.anchor
    if anchor is not None and anchor.ref.source != "none":
        place = anchor.ref.commit or anchor.ref.ref or anchor.ref.path or anchor.ref.source
        yield words_of("anchor", language)("footer"), short_hash(place, COMMIT_DIGITS)
    if report is not None:
        yield from report_footer(report, words_of("report", language))
    yield words("compared"), minute(comparison.compared_at)


def _stability_notes(key: str, metric: MetricComparison, words: Words) -> Iterator[str]:
    """Yield how steady several answers to the same sample are, by one metric."""
    for side, found in metric.stability.items():
        is_steady = found.flaky_share == found.self_flip_rate == 0
        yield words(
            "steady" if is_steady else "stability",
            metric=key,
            side=words(f"of_{side}"),
            k=count(found.repeats),
            n=count(found.n),
            flaky=percent(found.flaky_share),
            flips=percent(found.self_flip_rate),
        )


def accept_entries(comparison: Comparison) -> str:
    """Return entries for the accept file under which a regression would be accepted; their reasons are to be written.

    Empty if the run did not get worse, or by a fixed bound alone, which no entry lowers.
    """
    if comparison.verdict is not Verdict.REGRESSION:
        return ""
    names = _stayed_wrong(comparison)[:_MOST_ACCEPTED]
    found = [_entry(comparison, "id", name, _fallen(name, comparison)) for name in names]
    for key, metric in comparison.metrics.items():
        before, now = metric.baseline, metric.candidate
        is_fall = metric.gating and metric.verdict is Verdict.REGRESSION
        if is_fall and metric.reason != "threshold" and before is not None and now is not None:
            found.append(_entry(comparison, "metric", key, abs(now - before)))
    return "\n".join(found)


def accept_entry(comparison: Comparison, sample_id: str) -> str:
    """Return the entry for the accept file under which a case that stayed wrong would be accepted.

    Empty if the run does not fail for it.
    """
    is_worse = comparison.verdict is Verdict.REGRESSION
    if not is_worse or sample_id not in _stayed_wrong(comparison):
        return ""
    return _entry(comparison, "id", sample_id, _fallen(sample_id, comparison))


def _stayed_wrong(comparison: Comparison) -> list[str]:
    """Return the cases for which a run fails."""
    cases = comparison.broken.cases if comparison.broken else ()
    failing = (case.sample_id for case in cases if case.state in {"must", "proven"})
    return list(dict.fromkeys(failing))


def _entry(comparison: Comparison, kind: str, name: str, drop: float) -> str:
    day = datetime.fromisoformat(comparison.compared_at).date() + timedelta(days=_ACCEPTED_DAYS)
    return (
        f"- {kind}: {json.dumps(name, ensure_ascii=False)}\n  max_drop: {_rounded_up(drop)}\n"
        f"  reason:\n  until: {day}"
    )


def _fallen(name: str, comparison: Comparison) -> float:
    """Return how far a case fell; a case that is only right or wrong by 1."""
    falls = (abs(c.candidate - c.baseline) for c in comparison.changed if c.sample_id == name)
    return max(falls, default=1.0)


def _rounded_up(drop: float) -> str:
    return f"{math.ceil(drop * _ROUNDED - _NOISE) / _ROUNDED:g}"
