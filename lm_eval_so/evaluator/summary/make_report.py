"""The report of an evaluation."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed
from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.phrases import answers_text
from lm_eval_so.evaluator.own_code import find_own_code
from lm_eval_so.evaluator.scoring.gather import STAGE, Gathered
from lm_eval_so.evaluator.summary.all_rows import columns_of, costs_of, latency_of
from lm_eval_so.evaluator.summary.experiment import Origin, make_experiment
from lm_eval_so.evaluator.summary.fold import break_down, summarise_all
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
        cost=costs_of(gathered, judges),
        latency=latency_of(gathered),
        answered=sheet.answered.record(),
        judges=judges,
        errors=gathered.cases.shown(),
        failed_ids=gathered.cases.ids(sheet),
        samples=columns_of(gathered, config),
    )
    has_answers = config.report.answers == "full"
    report = mask_report(report, masked_kinds(gathered.bound), has_answers=has_answers)
    report = replace(report, errors=tuple(shown_case(case, config) for case in report.errors))
    if not config.report.keeps_texts:
        report = report.without_texts()
    if text := answers_text(report, config.language):
        resources.listener(Noticed(stage=STAGE, text=text))
    return report
