"""Views of cost and time."""

from collections.abc import Iterator

from lm_eval_so.core.clock import parse_time
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.numbers import count, usd
from lm_eval_so.reporter.views.view import ABSENT, CostRow, Words


def cost_lines(report: EvaluationReport, words: Words) -> Iterator[str]:
    """Yield cost and time of the run, one fact each, for a comment."""
    cost = report.cost
    if cost.bot_usd is not None:
        yield words("cost_bot", usd=usd(cost.bot_usd), n=count(cost.bot_priced))
    else:
        yield words("cost_unknown")
    if cost.simulator_usd is not None:
        yield words("cost_simulator", usd=usd(cost.simulator_usd))
    if cost.judges_usd is not None:
        yield words("cost_judges", usd=usd(cost.judges_usd))
    tokens_in, tokens_out = cost.usage.input_tokens, cost.usage.output_tokens
    if tokens_in is not None and tokens_out is not None:
        yield words("tokens", tokens_in=count(tokens_in), tokens_out=count(tokens_out))
    took = seconds_between(report.experiment.started_at, report.experiment.finished_at)
    if took is not None:
        yield words("seconds", n=f"{took:,.0f}")
    latency = report.latency
    if latency.p50_ms is not None and latency.p95_ms is not None:
        p50, p95 = f"{latency.p50_ms:,.0f}", f"{latency.p95_ms:,.0f}"
        yield words("latency", p50=p50, p95=p95)
    if latency.cached:
        yield words("cached", n=count(latency.cached))


def cost_rows(report: EvaluationReport, words: Words) -> Iterator[CostRow]:
    """Yield the costs of chatbot, simulated user and judges, apart."""
    cost = report.cost
    yield _row(words("part_bot"), cost.bot_usd, cost.bot_priced, cost.bot_rows, cost.usage)
    if cost.simulator_rows:
        yield _row(
            words("part_simulator"),
            cost.simulator_usd,
            cost.simulator_priced,
            cost.simulator_rows,
            cost.simulator_usage,
        )
    if report.judges:
        yield _row(
            words("part_judges"),
            cost.judges_usd,
            cost.judges_priced,
            cost.judges_rows,
            cost.judges_usage,
        )


def time_lines(report: EvaluationReport, words: Words) -> Iterator[str]:
    """Yield the run's time, its latencies, and the cost that the cache saved."""
    took = seconds_between(report.experiment.started_at, report.experiment.finished_at)
    if took is not None:
        yield words("took", n=f"{took:,.0f}")
    latency = report.latency
    spread = (latency.p50_ms, latency.p95_ms, latency.max_ms)
    if latency.n and None not in spread:
        p50, p95, most = (f"{each:,.0f}" for each in spread)
        yield words("latency_whole", n=count(latency.n), p50=p50, p95=p95, max=most)
    if latency.cached:
        yield words("latency_cached", n=count(latency.cached))
    if report.cost.bot_saved_usd:
        yield words("saved", usd=usd(report.cost.bot_saved_usd))


def total_usd(report: EvaluationReport) -> float | None:
    """Return the known cost of all parts."""
    cost = report.cost
    known = [c for c in (cost.bot_usd, cost.simulator_usd, cost.judges_usd) if c is not None]
    return sum(known) if known else None


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Return the seconds from one time of a record to another."""
    begin, finish = (parse_time(time) if time else None for time in (start, end))
    return (finish - begin).total_seconds() if begin and finish else None


def _row(part: str, cost: float | None, priced: int, rows: int, usage: Usage) -> CostRow:
    return CostRow(
        part=part,
        cost=ABSENT if cost is None else usd(cost),
        rows=count(rows) if rows else ABSENT,
        unpriced=count(rows - priced) if rows else ABSENT,
        tokens_in=_tokens(usage.input_tokens),
        tokens_out=_tokens(usage.output_tokens),
    )


def _tokens(n: int | None) -> str:
    return ABSENT if n is None else count(n)
