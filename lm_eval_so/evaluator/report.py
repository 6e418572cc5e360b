"""From the scores to the report."""

from collections import Counter
from collections.abc import Mapping

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.report import (
    Columns,
    CostSummary,
    EvaluationReport,
    Experiment,
    LatencySummary,
    MetricSummary,
)
from lm_eval_so.errors import CannotMeasure
from lm_eval_so.evaluator.fold import percentile
from lm_eval_so.evaluator.scoring import Scoring
from lm_eval_so.evaluator.sheet import MISSING, Sheet
from lm_eval_so.evaluator.slices import break_down
from lm_eval_so.evaluator.usage import add_costs


def make_report(
    config: Config,
    scoring: Scoring,
    *,
    summaries: Mapping[str, MetricSummary],
    experiment: Experiment,
) -> EvaluationReport:
    """Put a report together.

    Args:
        config: The config.
        scoring: The scores.
        summaries: Their figures, by metric id.
        experiment: What was measured.
    """
    sheet = scoring.sheet
    lead = next(iter(scoring.gating or tuple(summaries)), None)
    return EvaluationReport(
        experiment=experiment,
        metrics=summaries,
        breakdowns=break_down(scoring.bound, sheet, lead=lead, by=config.report.by),
        statuses=_statuses(sheet),
        cost=_cost(scoring),
        latency=_latency(sheet),
        judges={
            metric_id: judge.health(summaries[metric_id].fingerprint)
            for metric_id, judge in scoring.judges.items()
        },
        errors=scoring.cases.shown(),
        failed_ids=scoring.cases.ids(),
        samples=_columns(sheet, config),
    )


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


def _cost(scoring: Scoring) -> CostSummary:
    sheet = scoring.sheet
    judges = [cost for judge in scoring.judges.values() for cost in judge.costs]
    return CostSummary(
        bot_usd=add_costs(sheet.costs),
        bot_priced=sum(cost is not None for cost in sheet.costs),
        bot_rows=len(sheet.costs),
        judges_usd=add_costs(judges),
        usage=sheet.usage,
    )


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
    samples = [sheet.samples[number] for number in sheet.sample_of]
    keeps = config.report.answers
    answers: tuple[str | None, ...] | None = None
    if keeps == "full":
        answers = tuple(sheet.answers)
    elif keeps == "hash":
        answers = tuple(digest_text(a) if a is not None else None for a in sheet.answers)
    return Columns(
        ids=tuple(sample.id for sample in samples),
        sample_hashes=tuple(sample.sample_hash for sample in samples),
        revs=tuple(sample.rev for sample in samples),
        groups=tuple(sample.group_id for sample in samples),
        repeats=tuple(sheet.repeats),
        statuses=tuple(sheet.statuses),
        scores={name: tuple(column.values) for name, column in sheet.columns.items()},
        not_applicable={
            name: tuple(sorted(column.not_applicable))
            for name, column in sheet.columns.items()
            if column.not_applicable
        },
        inputs=None if keeps == "none" else tuple(sample.input or "" for sample in samples),
        expected=None if keeps == "none" else tuple(sample.expected for sample in samples),
        answers=answers,
        cached=tuple(sorted(sheet.cached)),
    )
