"""What comes before the first score: the dataset is read, and the metrics get ready for it."""

from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset, load_dataset
from lm_eval_so.core.events import Listener, Warned, ignore
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import ConfigError, DatasetError, InputError, LMEvalError, Problem, nearest
from lm_eval_so.evaluator.bind import sample_problems, sound_metrics
from lm_eval_so.evaluator.metrics.base import Metric, is_given, need_text
from lm_eval_so.evaluator.score import BoundMetric, is_meant, sample_has

_MOST_PROBLEMS = 1000


def load_samples(config: Config) -> Dataset:
    """Read the dataset of a config; errors as in `load_dataset`."""
    told = config.dataset
    return load_dataset(
        config.resolve(told.path), name=told.name, version=told.version, shown_as=told.path
    )


def dataset_problems(config: Config) -> Iterator[Problem]:
    """Find what is wrong with samples, and with metrics that get their parameters from none.

    Nothing is found if there is no dataset yet. A metric with mistakes of its own is left out.
    """
    if not config.resolve(config.dataset.path).exists():
        return
    try:
        dataset = load_samples(config)
    except InputError as error:
        yield from error.problems
        return
    bound = [
        (position, each)
        for position, each in sound_metrics(config)
        if each.metric.given == config.metrics[position].params
    ]
    lacking = [each for position, one in bound if (each := _Lacking(position, one)).needs]
    checked = [each for _, each in bound]
    checks_all = any(each.metric.checks_every_sample for each in checked)
    problems: list[Problem] = []
    for sample in dataset:
        problems += sample_problems(checked, sample) if sample.metrics or checks_all else ()
        lacking = [each for each in lacking if not each.is_met_by(sample)]
    yield from problems[:_MOST_PROBLEMS]
    yield from (each.problem(config) for each in lacking if each.could_score)


class _Lacking:
    """A metric that needs parameters which the config does not give, so that samples must.

    Args:
        position: Which of the metrics it is.
        bound: The metric.
    """

    def __init__(self, position: int, bound: BoundMetric) -> None:
        self.needs = [
            need
            for need in bound.sample_needs
            if need.startswith("params.") and not is_given(bound.metric.params, need)
        ]
        self.could_score = False
        """Whether a sample has all but these parameters."""
        self._position, self._bound = position, bound

    def is_met_by(self, sample: TestSample) -> bool:
        """Return whether a sample brings them."""
        metric, needs = self._bound.metric, self._bound.sample_needs
        try:
            lacks = {need for need in needs if not sample_has(metric, sample, need)}
        except ValidationError:  # told with the sample
            return True
        is_suited = is_meant(self._bound.section.only, sample) and lacks <= {*self.needs}
        self.could_score = self.could_score or is_suited
        return is_suited and not lacks

    def problem(self, config: Config) -> Problem:
        """Say what is missing."""
        needed, name = " and ".join(map(need_text, self.needs)), self._bound.id
        what = f"{name} needs {needed}, which neither the config nor any sample gives"
        example = self.needs[0].removeprefix("params.").partition("|")[0]
        hint = (
            f"give it here, as params: {{{example}: …}}, or as metrics.{name}.{example} in samples"
        )
        return Problem(
            what=what, where=config.where("metrics", self._position, "params"), hint=hint
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
