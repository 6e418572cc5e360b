"""The stage `evaluate`: a dataset and the answers to it become a report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import text_as_written
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.events import Began, Ended, Noticed
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import counted
from lm_eval_so.core.words.phrases import answers_text
from lm_eval_so.core.workers import drain, finish
from lm_eval_so.errors import Problem, refuse
from lm_eval_so.evaluator.baseline import baseline_problems, open_baselines
from lm_eval_so.evaluator.bind import bind_metrics, find_problems
from lm_eval_so.evaluator.calibration.files import calibration_problems, read_calibrations
from lm_eval_so.evaluator.calibration.labels import LabelRows
from lm_eval_so.evaluator.experiment import (
    Origin,
    make_experiment,
    params_written,
    shown_case,
    shown_summary,
)
from lm_eval_so.evaluator.fold import summarise
from lm_eval_so.evaluator.join import Answers, join
from lm_eval_so.evaluator.judges import OpenJudge, judge_problems, open_judge, open_judges
from lm_eval_so.evaluator.plan import MetricPlan, planned_judges
from lm_eval_so.evaluator.prepare import load_samples, prepare
from lm_eval_so.evaluator.report import make_report, nothing_scored
from lm_eval_so.evaluator.scoring import STAGE, Scoring

__all__ = ["check", "evaluate", "plan_evaluation"]


def check(config: Config, *, environ: Mapping[str, str] | None = None) -> list[Problem]:
    """Find everything that is wrong with metrics, judges and gate, before anything is spent.

    Args:
        config: The config.
        environ: Environment variables; None: nothing is to be scored here, so only what the config
            says is looked at.
    """
    problems = [*find_problems(config), *calibration_problems(config)]
    problems += judge_problems(config, environ)
    return [each for each in problems if environ is not None or each.about != "surroundings"]


async def evaluate(
    config: Config,
    resources: Resources,
    *,
    runs: Sequence[Path],
    suite_id: str | None = None,
    commit: str | None = None,
    base_ref: str | None = None,
    labels: LabelRows | None = None,
    baseline: EvaluationReport | None = None,
    opens: OpenJudge = open_judge,
) -> EvaluationReport:
    """Score the answers of one or more runs.

    Args:
        config: The config.
        resources: Environment, listener, stop event, redactor.
        runs: Folders of runs, or files of `RunResult` rows.
        suite_id: Identity of comment and baseline; default: the suite.
        commit: Commit under test.
        base_ref: Branch that it is to go into.
        labels: Gets the rows among which people are to label some.
        baseline: The baseline report, for metrics that compare answers with its own.
        opens: Opens the judge of a metric.

    Raises:
        InputError: With every problem of config, dataset or runs.
        CannotMeasure: If no row has a score of any metric.
        BackendError: If a judge cannot be reached or refuses the credentials.
        Interrupted: If the user stopped it; there is no report of half the rows.
    """
    refuse(find_problems(config))
    calibrations = read_calibrations(config, resources.listener)
    dataset = load_samples(config)
    refuse([*baseline_problems(config, baseline)])
    with (
        Answers(runs, config.located.file) as answers,
        open_baselines(config, baseline) as baselines,
    ):
        async with open_judges(config, resources, opens) as judges:
            bound = bind_metrics(config, judges, baselines)
            scoring = Scoring(config, resources, bound, labels)
            prepare(scoring.bound, dataset, resources.listener)
            await _score(scoring, dataset, answers, config, resources)
        figures = {each.id: summarise(each, scoring.sheet) for each in scoring.bound}
        summaries = {name: shown_summary(each, config) for name, each in figures.items()}
        if not any(summary.rows for summary in summaries.values()):
            raise nothing_scored(scoring.sheet, config.where().file or "lm-eval-so.yaml")
        experiment = make_experiment(
            config,
            resources,
            dataset=dataset.ref,
            answers=answers,
            scoring=scoring,
            summaries=summaries,
            origin=Origin(suite_id=suite_id, commit=commit, base_ref=base_ref),
        )
    report = make_report(
        config, scoring, summaries=summaries, experiment=experiment, calibrations=calibrations
    )
    report = replace(report, errors=tuple(shown_case(case, config) for case in report.errors))
    if text := answers_text(report, config.language):
        resources.listener(Noticed(stage=STAGE, text=text))
    return report


def plan_evaluation(
    config: Config, *, runs: Sequence[Path], baseline: EvaluationReport | None = None
) -> dict[str, Any]:
    """Say what `evaluate` would do: rows by metric, calls of judges, a judge's first prompt.

    Calls are those without any repair, and those if every output had to be repaired.

    Args:
        config: The config.
        runs: Folders of runs, or files of `RunResult` rows.
        baseline: The baseline report.

    Raises:
        InputError: As `evaluate`.
    """
    refuse(find_problems(config))
    refuse([*baseline_problems(config, baseline)])
    dataset = load_samples(config)
    with (
        Answers(runs, config.located.file) as answers,
        open_baselines(config, baseline) as baselines,
    ):
        bound = bind_metrics(config, planned_judges(config), baselines)
        prepare(bound, dataset)
        plans = {each.id: MetricPlan(each) for each in bound}
        rows = missing = 0
        for row in join(dataset, answers, digest=dataset.ref.digest):
            rows, missing = rows + 1, missing + (row.run is None)
            for plan in plans.values():
                if row.run is not None:
                    plan.add(row.sample, row.run)
    metrics = {name: {"rows": plan.rows, "calls": plan.calls()} for name, plan in plans.items()}
    written = params_written(config)
    prompts = {
        name: text_as_written(plan.prompt, written)
        for name, plan in plans.items()
        if plan.prompt is not None
    }
    return {"rows": rows, "missing": missing, "metrics": metrics, "prompts": prompts}


async def _score(
    scoring: Scoring, dataset: Dataset, answers: Answers, config: Config, resources: Resources
) -> None:
    most = dataset.ref.n * answers.repeats
    resources.listener(Began(stage=STAGE, total=most))
    scoring.sheet.expect(most, begun_at=answers.begun_at)
    rows = scoring.rows(join(dataset, answers, digest=dataset.ref.digest))

    async def work() -> None:
        await drain(rows, scoring.score, workers=config.run.concurrency)
        related = (sample for sample in dataset if sample.relation is not None)
        await scoring.score_rest(join(related, answers, digest=dataset.ref.digest))
        await drain(scoring.retests.rows(), scoring.retest, workers=config.run.concurrency)

    what = "interrupted while scoring; no report is written from half the rows"
    await finish(work(), resources.stop, what=what)
    for warning in scoring.warnings():
        resources.listener(warning)
    by = ", ".join(each.id for each in scoring.bound)
    resources.listener(
        Ended(stage=STAGE, text=f"{counted(len(scoring.sheet.statuses), 'row')} scored by {by}")
    )
