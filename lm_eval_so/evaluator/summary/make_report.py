"""The report of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed
from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.costs import CostSummary, LatencySummary, add_costs, add_usage
from lm_eval_so.core.records.report import Columns, EvaluationReport, JudgeHealth
from lm_eval_so.core.words.phrases import answers_text
from lm_eval_so.evaluator.own_code import find_own_code
from lm_eval_so.evaluator.scoring.gather import STAGE, Gathered
from lm_eval_so.evaluator.summary.experiment import Origin, make_experiment
from lm_eval_so.evaluator.summary.fold import break_down, label_columns, percentile, summarise_all
from lm_eval_so.evaluator.summary.masking import (
    mask_report,
    masked_kinds,
    shown_case,
    shown_summary,
)

T = TypeVar("T")


def make_report(
    config: Config,
    resources: Resources,
    gathered: Gathered,
    calibrations: Mapping[str, Calibration],
    origin: Origin,
) -> EvaluationReport:
    """Sum up scores in a report, and tell when its answers were given.

    Args:
        config: The config.
        resources: Environment, listener and redactor.
        gathered: Runs, metrics and scores.
        calibrations: Calibrations of judges by metric id.
        origin: Origin of the change under test.

    Raises:
        CannotMeasure: If no row has a score of any metric.
    """
    sheet = gathered.sheet
    figures = summarise_all(gathered.bound, sheet, config_file=config.where().file)
    summaries = {name: shown_summary(each, config) for name, each in figures.items()}
    experiment = make_experiment(config, resources, gathered, summaries, origin)
    own_code = dict.fromkeys(resources.redactor.redact(c.what) for c in find_own_code(config))
    experiment = replace(experiment, own_code=tuple(own_code))
    lead = next(iter(gathered.gating or tuple(summaries)), None)
    verdicts = {bound.id: bound.verdict_fingerprint for bound in gathered.bound}
    judges = {
        metric_id: judge.health(
            summaries[metric_id].fingerprint,
            calibrations.get(metric_id),
            verdicts=verdicts[metric_id],
            judged=(experiment.backend.model, *experiment.backend.models_answered),
        )
        for metric_id, judge in gathered.judges.items()
    }
    report = EvaluationReport(
        experiment=experiment,
        metrics=summaries,
        breakdowns=break_down(gathered.bound, sheet, lead=lead, by=config.report.by),
        statuses=sheet.count_statuses(),
        cost=_cost(gathered, judges),
        latency=_latency(gathered),
        answered=sheet.answered.record(),
        judges=judges,
        errors=gathered.cases.shown(),
        failed_ids=gathered.cases.ids(sheet),
        samples=_columns(gathered, config),
    )
    has_answers = config.report.answers == "full"
    report = mask_report(report, masked_kinds(gathered.bound), has_answers=has_answers)
    report = replace(report, errors=tuple(shown_case(case, config) for case in report.errors))
    if not config.report.keeps_texts:
        report = report.without_texts()
    if text := answers_text(report, config.language):
        resources.listener(Noticed(stage=STAGE, text=text))
    return report


def _cost(gathered: Gathered, judges: Mapping[str, JudgeHealth]) -> CostSummary:
    sheet = gathered.sheet
    judged = [cost for judge in gathered.judges.values() for cost in judge.costs]
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


def _latency(gathered: Gathered) -> LatencySummary:
    values = gathered.sheet.latencies_ms
    return LatencySummary(
        n=len(values),
        p50_ms=percentile(values, 0.50),
        p95_ms=percentile(values, 0.95),
        max_ms=max(values, default=None),
        cached=len(gathered.sheet.cached),
    )


def _columns(gathered: Gathered, config: Config) -> Columns:
    sheet, has_texts = gathered.sheet, config.report.keeps_texts
    samples = sheet.samples

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
        references=by_row(samples.references) if any(samples.references) else None,
        sources=by_row(samples.sources) if any(samples.sources) else None,
        labels=label_columns(sheet, config.report.by),
    )
