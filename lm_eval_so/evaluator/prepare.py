"""What comes before the first score: the dataset is read, and the metrics get ready for it."""

from collections.abc import Sequence

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset, load_dataset
from lm_eval_so.core.events import Listener, Warned, ignore
from lm_eval_so.errors import ConfigError, DatasetError, LMEvalError, Problem, nearest
from lm_eval_so.evaluator.bind import sample_problems
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.score import BoundMetric

_MOST_PROBLEMS = 1000


def load_samples(config: Config) -> Dataset:
    """Read the dataset of a config; errors as in `load_dataset`."""
    told = config.dataset
    return load_dataset(
        config.resolve(told.path), name=told.name, version=told.version, shown_as=told.path
    )


def prepare(bound: Sequence[BoundMetric], dataset: Dataset, listener: Listener = ignore) -> None:
    """Check the parameters that samples bring, then let the metrics get ready.

    Args:
        bound: The metrics.
        dataset: The samples.
        listener: Told of parameters for a metric that is not here but nearly has the name of one.

    Raises:
        DatasetError: With every sample whose parameters do not fit.
        ConfigError: If a metric cannot get ready.
    """
    problems: list[Problem] = []
    checks_all = any(each.metric.checks_every_sample for each in bound)
    strangers: dict[str, str] = {}
    known = {key for each in bound for key in each.metric.sample_keys}
    for sample in dataset:
        problems += sample_problems(bound, sample) if sample.metrics or checks_all else ()
        for name in sample.metrics.keys() - known:
            strangers.setdefault(name, sample.id)
    if problems:
        # what stands under a metric's name is looked at for each id of it
        raise DatasetError.of([*dict.fromkeys(problems)][:_MOST_PROBLEMS])
    for name, sample_id in sorted(strangers.items()):
        close = nearest(name, known)
        if close is not None:  # others are of another config that shares the dataset
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
            except Exception as error:  # a metric of others fails in ways of its own
                what = f"the metric {metric.id} cannot get ready: {type(error).__name__}: {error}"
                raise ConfigError(what) from error
