"""All rows in a report: their columns, costs and latency."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from lm_eval_so.core.columns.column import Picked
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.costs import CostSummary, LatencySummary, add_costs, add_usage
from lm_eval_so.core.records.report import Columns, JudgeHealth
from lm_eval_so.core.records.sample import UNWRITTEN
from lm_eval_so.core.stats.ratios import ascending, percentile
from lm_eval_so.evaluator.scoring.gather import Gathered
from lm_eval_so.evaluator.summary.fold import label_columns

T = TypeVar("T")


def columns_of(gathered: Gathered, config: Config) -> Columns:
    """Return the columns, in dataset order: tuples, or of very many rows what stays in a file."""
    sheet, has_texts = gathered.sheet, config.report.keeps_texts
    samples, in_file = sheet.samples, sheet.in_file

    def as_kept(values: Sequence[T]) -> Sequence[T]:
        return values if in_file else tuple(values)

    def by_row(values: Sequence[T]) -> Sequence[T]:
        if not in_file:
            return tuple([values[sample] for sample in sheet.sample_of])
        return Picked(values, sheet.sample_of) if sheet.has_repeats else values

    return Columns(
        ids=by_row(samples.ids),
        sample_hashes=by_row(samples.sample_hashes),
        revs=by_row(samples.revs),
        groups=by_row(samples.groups),
        repeats=as_kept(sheet.repeats),
        statuses=as_kept(sheet.statuses),
        scores={
            name: column.values.compact() if in_file else column.values.shared()
            for name, column in sheet.columns.items()
        },
        not_applicable={
            name: tuple(sorted(column.not_applicable))
            for name, column in sheet.columns.items()
            if column.not_applicable
        },
        inputs=by_row(samples.inputs) if has_texts else None,
        expected=by_row(samples.expected) if has_texts else None,
        answers=as_kept(sheet.answers) if has_texts else None,
        cached=tuple(sorted(sheet.cached)),
        refs=by_row(samples.refs) if samples.has_refs else None,
        failures={why: as_kept(rows) for why, rows in sorted(sheet.failures.items())},
        tags=by_row(samples.tags),
        languages=by_row(samples.languages),
        references=by_row(samples.references) if samples.has_references else None,
        sources=by_row(samples.sources) if samples.has_sources else None,
        labels=label_columns(sheet, config.report.by),
        file=UNWRITTEN if in_file else None,
    )


def costs_of(gathered: Gathered, judges: Mapping[str, JudgeHealth]) -> CostSummary:
    """Return what was paid."""
    sheet = gathered.sheet
    judged = [cost for judge in gathered.judges.values() for cost in judge.costs]
    return CostSummary(
        bot_usd=add_costs(sheet.costs),
        bot_priced=len(sheet.costs),
        bot_rows=sheet.asked,
        bot_saved_usd=add_costs(sheet.saved),
        usage=sheet.usage,
        simulator_usd=add_costs(sheet.simulator_costs),
        simulator_priced=_priced(sheet.simulator_costs),
        simulator_rows=len(sheet.simulator_costs),
        simulator_usage=sheet.simulator_usage,
        judges_usd=add_costs(judged),
        judges_priced=_priced(judged),
        judges_rows=len(judged),
        judges_usage=add_usage(health.usage for health in judges.values()),
    )


def _priced(costs: Sequence[float | None]) -> int:
    return sum(cost is not None for cost in costs)


def latency_of(gathered: Gathered) -> LatencySummary:
    """Return how long answers took that were measured in this run."""
    values = ascending(gathered.sheet.latencies_ms)
    return LatencySummary(
        n=len(values),
        p50_ms=percentile(values, 0.50) if values else None,
        p95_ms=percentile(values, 0.95) if values else None,
        max_ms=values[-1] if values else None,
        cached=len(gathered.sheet.cached),
    )
