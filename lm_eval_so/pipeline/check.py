"""The check of a config for all stages, before anything is spent."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import folder_problems
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator import evaluation_plan as evaluation
from lm_eval_so.evaluator.binding.metric_problems import dataset_problems
from lm_eval_so.generator import generate as generating
from lm_eval_so.pipeline.gate import gate_problems
from lm_eval_so.runner import run_problems

Stage = Literal["generate", "run", "evaluate"]


def check(
    config: Config,
    environ: Mapping[str, str],
    *,
    needs: Collection[Stage],
    folders: Callable[[Config], Iterable[Path]] = lambda _: (),
) -> Iterator[Problem]:
    """Find all problems of a config, at every stage.

    Args:
        config: The config.
        environ: Environment variables, for keys.
        needs: Stages that come next; only for these a missing key, package, source or section of the
            config is a problem.
        folders: Function that returns the folders that are written to.
    """
    of_metrics = evaluation.check(config, environ=environ if "evaluate" in needs else None)
    told = {problem.where for problem in of_metrics}
    yield from (
        generating.check(config) if "generate" in needs else generating.config_problems(config)
    )
    yield from run_problems.check(config, environ if "run" in needs else None)
    yield from of_metrics
    # both stages know which metrics there are: a gate's mistake is told once
    of_gate = gate_problems(config, environ)
    yield from (problem for problem in of_gate if problem.where not in told)
    if "generate" not in needs:  # else it is made anew
        yield from dataset_problems(config)
    yield from folder_problems(folders(config))
