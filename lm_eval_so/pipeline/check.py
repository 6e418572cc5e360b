"""What is wrong with a config at any stage, found before anything is spent."""

from collections.abc import Mapping

from lm_eval_so.comparator import compare as comparing
from lm_eval_so.comparator.exceptions import exception_problems
from lm_eval_so.comparator.finding import Shape, make_shape
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.enums import Direction
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.evaluator.bind import sound_metrics
from lm_eval_so.generator import generate as generating
from lm_eval_so.runner import run as running


def check(
    config: Config, environ: Mapping[str, str], *, makes_dataset: bool = False
) -> list[Problem]:
    """Find everything that is wrong, at every stage.

    Args:
        config: The config.
        environ: Environment variables, for keys.
        makes_dataset: Whether the dataset is made first, of sources that are to be looked at.
    """
    of_metrics = evaluating.check(config, environ=environ)
    told = {problem.where for problem in of_metrics}
    of_gate = comparing.check(config, _shapes(config))
    return [
        *(generating.check(config) if makes_dataset else []),
        *running.check(config, environ),
        *of_metrics,
        # both stages know which metrics there are: a gate's mistake is told once
        *(problem for problem in of_gate if problem.where not in told),
        *exception_problems(config, environ),
    ]


def _shapes(config: Config) -> dict[str, Shape]:
    """Give what values the metrics take that can be made."""
    return {
        each.id: make_shape(
            each.metric.kind,
            Direction.HIGHER if each.metric.higher_is_better else Direction.LOWER,
            each.metric.range,
        )
        for _, each in sound_metrics(config)
    }
