"""The metrics of a report as they are shown: means, denominators, slices."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.report import EvaluationReport, MetricSummary, Slice, SliceFigures
from lm_eval_so.core.words.numbers import count, interval, percent, score, usd
from lm_eval_so.reporter.views.view import ABSENT, MetricRow, SliceRow, Words

SMALL = 10
"""Samples below which a slice says little."""

_MOST_SLICES = 10
_BUILT_IN = frozenset({"tag", "language", "length", "status"})


def metric_row(metric_id: str, metric: MetricSummary, words: Words) -> MetricRow:
    """Return a metric with all that its mean rests on."""
    n = count(metric.sample_count)
    if metric.rows != metric.sample_count:
        n = words("n_of_rows", n=n, rows=count(metric.rows))
    if metric.vacuous:
        n += f" ({words('vacuous', n=count(metric.vacuous))})"
    return MetricRow(
        id=metric_id,
        arrow="↑" if metric.direction is Direction.HIGHER else "↓",
        mean=valued(metric.mean, metric, words),
        interval=bounds(metric.ci95),
        std=ABSENT if metric.std is None else score(metric.std),
        n=n,
        no_score=_with_codes(metric.unscored, metric.unscored_by, words),
        not_applicable=count(metric.not_applicable),
        note=_note(metric, words),
        facts=tuple(_facts(metric, words)),
    )


def valued(value: float | None, metric: MetricSummary, words: Words) -> str:
    """Return a value or a mean with its unit, as 0.614, 1,184 ms or USD 0.0021."""
    if value is None:
        return ABSENT
    match metric.unit:
        case None:
            return score(value)
        case "USD":
            return usd(value)
        case "tokens":
            return words("unit_tokens", n=score(value))
        case unit:
            return f"{score(value)} {unit}"


def bounds(found: tuple[float, float] | None) -> str:
    """Return an interval, if there is one."""
    return ABSENT if found is None else interval(*found)


def codes_of(by_code: Mapping[str, int], words: Words) -> str:
    """Return counts by code, the most frequent first, as "run_timeout 2, metric_error 1"."""
    return _counts_of({code_name(code, words): n for code, n in by_code.items()})


def code_name(code: str, words: Words) -> str:
    """Return a reason code as people read it, the code itself in it; a plugin's own as it is."""
    try:
        return words(f"code_{code}")
    except KeyError:
        return code


def slice_rows(report: EvaluationReport, lead: str, words: Words) -> tuple[list[SliceRow], int]:
    """Return the slices of a metric, worst first, and how many are left out."""
    rows: list[SliceRow] = []
    hidden = 0
    metric = report.metrics[lead]
    for by, slices in slices_by(report, lead).items():
        name = by_name(by, words)
        rows += [_slice_row(name, s, f, metric, words) for s, f in slices[:_MOST_SLICES]]
        hidden += len(slices[_MOST_SLICES:])
    return rows, hidden


def slices_by(report: EvaluationReport, lead: str) -> dict[str, list[tuple[Slice, SliceFigures]]]:
    """Return the slices in which a metric applies; what all samples have in common is none."""
    found: dict[str, list[tuple[Slice, SliceFigures]]] = {}
    for each in report.breakdowns:
        figures = each.metrics.get(lead)
        if figures is not None and (figures.n or figures.unscored):
            found.setdefault(each.by, []).append((each, figures))
    return {by: slices for by, slices in found.items() if len(slices) > 1}


def by_name(by: str, words: Words) -> str:
    """Return what slices are made by, as people call it."""
    return words(f"by_{by}") if by in _BUILT_IN else by


def is_small(each: Slice, figures: SliceFigures) -> bool:
    """Return whether a slice has too few samples to say much of a metric."""
    return each.small or figures.n < SMALL


def first_score(report: EvaluationReport) -> str | None:
    """Return the first metric that is no cost or time."""
    return next((k for k, m in report.metrics.items() if m.kind is not MetricKind.RATIO), None)


def _slice_row(
    by: str, each: Slice, figures: SliceFigures, metric: MetricSummary, words: Words
) -> SliceRow:
    n = count(figures.n)
    return SliceRow(
        by=by,
        value=each.value,
        n=f"{n} ({words('small')})" if is_small(each, figures) else n,
        mean=valued(figures.mean, metric, words),
        interval=bounds(figures.ci95),
        no_score=count(figures.unscored),
    )


def _note(metric: MetricSummary, words: Words) -> str:
    parts = [words(f"category_{metric.category}")]
    if metric.p50 is not None and metric.p95 is not None:
        parts = [f"p50 {score(metric.p50)}", f"p95 {score(metric.p95)}"]
    if metric.passed_share is not None and metric.kind is not MetricKind.BINARY:
        parts.append(words("passed_share", share=percent(metric.passed_share)))
    return " · ".join(parts)


def _facts(metric: MetricSummary, words: Words) -> Iterator[str]:
    if metric.unscored and metric.coverage is not None:
        rows = count(metric.rows + metric.unscored)
        share = percent(metric.coverage)
        yield words("coverage", n=count(metric.rows), rows=rows, share=share)
    worst, best = metric.mean_if_missing_worst, metric.mean_if_missing_best
    if metric.unscored and worst is not None and best is not None:
        yield words("if_missing", worst=score(worst), best=score(best))
    if metric.min is not None and metric.max is not None:
        yield words("span", min=score(metric.min), max=score(metric.max))
    if metric.scored_by:
        yield words("scored_by", codes=codes_of(metric.scored_by, words))
    if metric.units:
        yield words("units", units=_counts_of(metric.units))
    if metric.corpus_score is not None:
        yield words("corpus_score", score=score(metric.corpus_score))
    if metric.signature:
        yield words("signature", signature=metric.signature)


def _counts_of(by_name: Mapping[str, int]) -> str:
    ordered = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count(n)}" for name, n in ordered)


def _with_codes(n: int, by_code: Mapping[str, int], words: Words) -> str:
    return f"{count(n)} ({codes_of(by_code, words)})" if n and by_code else count(n)
