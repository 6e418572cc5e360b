"""From the scores to the report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.costs import CostSummary, LatencySummary
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.report import (
    Columns,
    EvaluationReport,
    Experiment,
    JudgeHealth,
    MetricSummary,
)
from lm_eval_so.errors import CannotMeasure
from lm_eval_so.evaluator.fold import percentile
from lm_eval_so.evaluator.masking import mask_report, masked_kinds
from lm_eval_so.evaluator.scoring import Scoring
from lm_eval_so.evaluator.sheet import MISSING, Sheet
from lm_eval_so.evaluator.slices import break_down, label_columns
from lm_eval_so.evaluator.usage import add_costs, add_usage

T = TypeVar("T")


def make_report(
    config: Config,
    scoring: Scoring,
    *,
    summaries: Mapping[str, MetricSummary],
    experiment: Experiment,
    calibrations: Mapping[str, Calibration] | None = None,
) -> EvaluationReport:
    """Put a report together.

    Args:
        config: The config.
        scoring: The scores.
        summaries: Their figures, by metric id.
        experiment: What was measured.
        calibrations: How the judges did against people, by metric id.
    """
    sheet = scoring.sheet
    lead = next(iter(scoring.gating or tuple(summaries)), None)
    judges = {
        metric_id: judge.health(
            summaries[metric_id].fingerprint,
            (calibrations or {}).get(metric_id),
            judged=(experiment.backend.model, *experiment.backend.models_answered),
        )
        for metric_id, judge in scoring.judges.items()
    }
    report = EvaluationReport(
        experiment=experiment,
        metrics=summaries,
        breakdowns=break_down(scoring.bound, sheet, lead=lead, by=config.report.by),
        statuses=_statuses(sheet),
        cost=_cost(scoring, judges),
        latency=_latency(sheet),
        answered=sheet.answered.record(),
        judges=judges,
        errors=scoring.cases.shown(),
        failed_ids=scoring.cases.ids(sheet),
        samples=_columns(sheet, config),
    )
    has_answers = config.report.answers == "full"
    return mask_report(report, masked_kinds(scoring.bound), has_answers=has_answers)


def nothing_scored(sheet: Sheet, config_file: str) -> CannotMeasure:
    """Say why no row has a score."""
    rows = len(sheet.statuses)
    hint = f"see run.json; run again with lm-eval-so run -c {config_file}"
    failed = Counter(s for s in sheet.statuses if s == MISSING or not RunStatus(s).is_answer)
    if failed.total() == rows and rows:
        status, n = failed.most_common(1)[0]
        how = "are missing in the run" if status == MISSING else f"ended with {status}"
        return CannotMeasure(f"nothing could be scored: {n} of {rows} rows {how}", hint=hint)
    reasons = [
        f"{metric_id}: {n} of {rows} rows {code}"
        for metric_id, column in sheet.columns.items()
        for code, n in [*column.codes.most_common(), ("not_applicable", len(column.not_applicable))]
        if n
    ]
    what = f"nothing could be scored: {'; '.join(reasons) or 'there are no rows'}"
    return CannotMeasure(what, hint="check that the metrics fit the dataset")


def _statuses(sheet: Sheet) -> dict[str, int]:
    counts = Counter(sheet.statuses)
    every = {status.value: counts[status.value] for status in RunStatus}
    return every | ({MISSING: counts[MISSING]} if counts[MISSING] else {})


def _cost(scoring: Scoring, judges: Mapping[str, JudgeHealth]) -> CostSummary:
    sheet = scoring.sheet
    judged = [cost for judge in scoring.judges.values() for cost in judge.costs]
    return CostSummary(
        bot_usd=add_costs(sheet.costs),
        bot_priced=_priced(sheet.costs),
        bot_rows=len(sheet.costs),
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


def _latency(sheet: Sheet) -> LatencySummary:
    values = sheet.latencies_ms
    return LatencySummary(
        n=len(values),
        p50_ms=percentile(values, 0.50),
        p95_ms=percentile(values, 0.95),
        max_ms=max(values, default=None),
        cached=len(sheet.cached),
    )


def _columns(sheet: Sheet, config: Config) -> Columns:
    samples, has_texts = sheet.samples, config.report.answers != "none"

    def by_row(values: Sequence[T]) -> tuple[T, ...]:
        return tuple([values[sample] for sample in sheet.sample_of])

    return Columns(
        ids=by_row(samples.ids),
        sample_hashes=by_row(samples.sample_hashes),
        revs=by_row(samples.revs),
        groups=by_row(samples.groups),
        repeats=tuple(sheet.repeats),
        statuses=tuple(sheet.statuses),
        scores={name: column.values.shared() for name, column in sheet.columns.items()},
        not_applicable={
            name: tuple(sorted(column.not_applicable))
            for name, column in sheet.columns.items()
            if column.not_applicable
        },
        inputs=by_row([text or "" for text in samples.inputs]) if has_texts else None,
        expected=by_row(samples.expected) if has_texts else None,
        answers=tuple(sheet.answers) if has_texts else None,
        cached=tuple(sorted(sheet.cached)),
        refs=by_row(samples.refs) if any(samples.refs) else None,
        failures={why: tuple(rows) for why, rows in sorted(sheet.failures.items())},
        tags=by_row(samples.tags),
        languages=by_row(samples.languages),
        labels=label_columns(sheet, config.report.by),
    )
