"""Metrics ready for a dataset: judges and baselines open, parameters of samples checked."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.events import Listener, Warned, ignore
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.errors import ConfigError, DatasetError, LMEvalError, Problem, nearest
from lm_eval_so.evaluator.binding.baseline_answers import open_baselines
from lm_eval_so.evaluator.binding.bind import bind_metrics
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.binding.judges import OpenJudge, open_judges
from lm_eval_so.evaluator.metrics.base import Metric

_MOST_PROBLEMS = 1000


@asynccontextmanager
async def open_metrics(
    config: Config,
    resources: Resources,
    opens: OpenJudge,
    *,
    baseline: EvaluationReport | None = None,
) -> AsyncIterator[tuple[BoundMetric, ...]]:
    """Open what the metrics of a config ask and compare with, and build them.

    Args:
        config: A config that has no problems.
        resources: Environment, listener, stop event, redactor.
        opens: Opener of a judge.
        baseline: The baseline report, for metrics that compare answers with it.

    Raises:
        InputError: If a baseline lacks answers or cannot be read.
        BackendError: If a judge cannot be reached or refuses the credentials.
    """
    with open_baselines(config, baseline) as baselines:
        async with open_judges(config, resources, opens) as judges:
            yield bind_metrics(config, judges, baselines)


def prepare(bound: Sequence[BoundMetric], dataset: Dataset, listener: Listener = ignore) -> None:
    """Check the parameters of samples, then let the metrics get ready.

    Args:
        bound: The metrics.
        dataset: The samples.
        listener: Listener of warnings about parameters for misspelled metrics.

    Raises:
        DatasetError: With every sample whose parameters do not fit.
        ConfigError: If a metric cannot get ready.
    """
    problems: list[Problem] = []
    checks_all = any(each.metric.checks_every_sample for each in bound)
    strangers: dict[str, str] = {}
    known = {key for each in bound for key in each.metric.sample_keys}
    for sample in dataset if checks_all or dataset.sets_metrics else ():
        if sample.metrics or checks_all:
            problems += [found for each in bound for found in each.sample_problems(sample)]
        for name in sample.metrics.keys() - known:
            strangers.setdefault(name, sample.id)
    if problems:
        # parameters under a metric's name are checked for each id of it
        raise DatasetError.of([*dict.fromkeys(problems)][:_MOST_PROBLEMS])
    for name, sample_id in sorted(strangers.items()):
        close = nearest(name, known)
        if close is not None:  # others belong to another config that shares the dataset
            what = f'sample {sample_id} has parameters of "{name}", which is no metric here'
            listener(Warned(stage="evaluate", text=f'{what} (did you mean "{close}"?)'))
    waiting = [each.metric for each in bound if type(each.metric).prepare is not Metric.prepare]
    if waiting:
        samples = tuple(dataset)
        for metric in waiting:
            try:
                metric.prepare(samples)
            except LMEvalError:
                raise
            except Exception as error:  # a plugin may fail in any way
                what = f"the metric {metric.id} cannot get ready: {type(error).__name__}: {error}"
                raise ConfigError(what) from error
