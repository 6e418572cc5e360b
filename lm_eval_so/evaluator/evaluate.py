"""The stage `evaluate`: a dataset and the answers to it become a report."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.drain import drain, until_stopped
from lm_eval_so.core.asking.open import backend_problems
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset, load_dataset
from lm_eval_so.core.events import Began, Ended
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.errors import (
    ConfigError,
    DatasetError,
    Interrupted,
    LMEvalError,
    Problem,
    refuse,
)
from lm_eval_so.evaluator.bind import bind_metrics, find_problems, sample_problems
from lm_eval_so.evaluator.experiment import Origin, make_experiment
from lm_eval_so.evaluator.fold import summarise
from lm_eval_so.evaluator.join import Answers, join
from lm_eval_so.evaluator.judges import OpenJudge, open_judge, open_judges
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.llm_judge import LLMJudge
from lm_eval_so.evaluator.report import make_report, nothing_scored
from lm_eval_so.evaluator.score import BoundMetric, is_asked
from lm_eval_so.evaluator.scoring import STAGE, Scoring

__all__ = ["check", "evaluate", "plan_evaluation"]

_MOST_PROBLEMS = 1000


def check(config: Config, *, environ: Mapping[str, str] | None = None) -> list[Problem]:
    """Find everything that is wrong with metrics, judges and gate, before anything is spent.

    Args:
        config: The config.
        environ: Environment variables; with them the judges' backends are checked too.
    """
    problems = find_problems(config)
    for section in config.metrics:
        if section.backend is not None and environ is not None:
            problems += backend_problems(section.backend, config=config, environ=environ)
    return problems


async def evaluate(
    config: Config,
    resources: Resources,
    *,
    runs: Sequence[Path],
    suite_id: str | None = None,
    commit: str | None = None,
    base_ref: str | None = None,
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
        opens: Opens the judge of a metric.

    Raises:
        InputError: With every problem of config, dataset or runs.
        CannotMeasure: If no row has a score of any metric.
        BackendError: If a judge cannot be reached or refuses the credentials.
        Interrupted: If the user stopped it; there is no report of half the rows.
    """
    refuse(find_problems(config))
    dataset = _load(config)
    with Answers(runs) as answers:
        async with open_judges(config, resources, opens) as asks:
            scoring = Scoring(config, resources, bind_metrics(config, asks))
            _prepare(scoring.bound, dataset)
            await _score(scoring, dataset, answers, config, resources)
        summaries = {each.id: summarise(each, scoring.sheet) for each in scoring.bound}
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
    return make_report(config, scoring, summaries=summaries, experiment=experiment)


def plan_evaluation(config: Config, *, runs: Sequence[Path]) -> dict[str, Any]:
    """Say what `evaluate` would do: rows by metric, calls of judges, a judge's first prompt.

    Args:
        config: The config.
        runs: Folders of runs, or files of `RunResult` rows.

    Raises:
        InputError: As `evaluate`.
    """
    refuse(find_problems(config))
    dataset, bound = _load(config), bind_metrics(config, {})
    _prepare(bound, dataset)
    asked = dict.fromkeys((each.id for each in bound), 0)
    prompts: dict[str, str] = {}
    rows = missing = 0
    with Answers(runs) as answers:
        for row in join(dataset, answers, digest=dataset.ref.digest):
            rows, missing = rows + 1, missing + (row.run is None)
            for each in bound:
                if row.run is None or not is_asked(each, row.sample, row.run):
                    continue
                asked[each.id] += 1
                if isinstance(each.metric, LLMJudge) and each.id not in prompts:
                    request = each.metric.request(row.sample, row.run)
                    prompts[each.id] = request.messages[0].content
    judged = {each.id for each in bound if isinstance(each.metric, LLMJudge)}
    metrics = {
        name: {"rows": n, "calls": [n, 2 * n] if name in judged else None}
        for name, n in asked.items()
    }
    return {"rows": rows, "missing": missing, "metrics": metrics, "prompts": prompts}


async def _score(
    scoring: Scoring, dataset: Dataset, answers: Answers, config: Config, resources: Resources
) -> None:
    resources.listener(Began(stage=STAGE, total=dataset.ref.n * answers.repeats))
    rows = scoring.rows(join(dataset, answers, digest=dataset.ref.digest))
    work = drain(rows, scoring.score, workers=config.run.concurrency)
    with suppress(Interrupted):  # told below, in one way
        await until_stopped(work, resources.stop, grace_s=0)
    if resources.stop.is_set():
        what = "interrupted while scoring; no report is written from half the rows"
        raise Interrupted(what, hint="run the same command again")
    for warning in scoring.warnings():
        resources.listener(warning)
    by = ", ".join(each.id for each in scoring.bound)
    resources.listener(
        Ended(stage=STAGE, text=f"{len(scoring.sheet.statuses)} rows scored by {by}")
    )


def _load(config: Config) -> Dataset:
    told = config.dataset
    return load_dataset(
        config.resolve(told.path), name=told.name, version=told.version, shown_as=told.path
    )


def _prepare(bound: Sequence[BoundMetric], dataset: Dataset) -> None:
    """Check the parameters that samples bring, then let the metrics get ready.

    Raises:
        DatasetError: With every sample whose parameters do not fit.
        ConfigError: If a metric cannot get ready.
    """
    problems: list[Problem] = []
    for sample in dataset:
        problems += sample_problems(bound, sample) if sample.metrics else ()
    if problems:
        raise DatasetError.of(problems[:_MOST_PROBLEMS])
    waiting = [each.metric for each in bound if type(each.metric).prepare is not Metric.prepare]
    if waiting:
        samples = tuple(dataset)
        for metric in waiting:
            try:
                metric.prepare(samples)
            except LMEvalError:
                raise
            except Exception as error:  # a metric of others fails in ways of its own
                what = f"the metric {metric.id} cannot get ready: {type(error).__name__}: {error}"
                raise ConfigError(what) from error
