"""Views of a report's metrics: means and denominators."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.report import EvaluationReport, MetricSummary, PartFigures
from lm_eval_so.core.words.formats import count, interval, percent, score, usd
from lm_eval_so.reporter.views.view import ABSENT, MetricRow, Words


def metric_row(metric_id: str, metric: MetricSummary, words: Words) -> MetricRow:
    """Return a metric with all that its mean is based on."""
    n = count(metric.sample_count)
    if metric.rows != metric.sample_count:
        n = words("n_of_rows", n=n, rows=count(metric.rows))
    if metric.vacuous:
        n += f" ({words('vacuous', n=count(metric.vacuous))})"
    return MetricRow(
        id=metric_id,
        arrow="↑" if metric.direction is Direction.HIGHER else "↓",
        mean=valued(metric.mean, metric.unit, words),
        interval=bounds(metric.ci95),
        std=ABSENT if metric.std is None else score(metric.std),
        n=n,
        no_score=_with_codes(metric.unscored, metric.unscored_by, words),
        not_applicable=count(metric.not_applicable),
        note=_note(metric, words),
        facts=tuple(_facts(metric, words)),
    )


def valued(value: float | None, unit: str | None, words: Words) -> str:
    """Return a value or a mean with its unit, as 0.614, 1,184 ms or USD 0.0021."""
    if value is None:
        return ABSENT
    match unit:
        case None:
            return score(value)
        case "USD":
            return usd(value)
        case "tokens":
            return words("unit_tokens", n=score(value))
        case _:
            return f"{score(value)} {unit}"


def bounds(found: tuple[float, float] | None) -> str:
    """Return an interval, if there is one."""
    return ABSENT if found is None else interval(*found)


def codes_of(by_code: Mapping[str, int], words: Words) -> str:
    """Return counts by code, the most frequent first, as "run_timeout 2, metric_error 1"."""
    return _counts_of({code_name(code, words): n for code, n in by_code.items()})


def code_name(code: str, words: Words) -> str:
    """Return a reason code in words, with the code itself; a plugin's own code as it is."""
    try:
        return words(f"code_{code}")
    except KeyError:
        return code


def first_score(report: EvaluationReport) -> str | None:
    """Return the first metric that is no cost or time."""
    return next((k for k, m in report.metrics.items() if m.kind is not MetricKind.RATIO), None)


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
    if metric.parts:
        yield words("parts", parts=", ".join(map(_part, metric.parts.items())))
    if metric.units:
        yield words("units", units=_counts_of(metric.units))
    if metric.corpus_score is not None:
        yield words("corpus_score", score=score(metric.corpus_score))
    if metric.signature:
        yield words("signature", signature=metric.signature)


def _part(named: tuple[str, PartFigures]) -> str:
    name, figures = named
    rate = ABSENT if figures.rate is None else percent(figures.rate)
    return f"{name} {rate} (n={count(figures.n)})"


def _counts_of(by_name: Mapping[str, int]) -> str:
    ordered = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count(n)}" for name, n in ordered)


def _with_codes(n: int, by_code: Mapping[str, int], words: Words) -> str:
    return f"{count(n)} ({codes_of(by_code, words)})" if n and by_code else count(n)
