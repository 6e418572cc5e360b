"""What would keep `run` from starting, as far as the config shows it."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.asking.open import backend_problems
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.errors import InputError, Problem
from lm_eval_so.runner.by_batch import batch_problems
from lm_eval_so.runner.identity import backend_section


def check(config: Config, environ: Mapping[str, str]) -> list[Problem]:
    """Find what would keep `run` from starting; nothing is opened or sent."""
    problems = [
        problem
        for section in _sections(config)
        for problem in backend_problems(section, config=config, environ=environ)
    ]
    if config.backend is None:
        try:
            backend_section(config)
        except InputError as error:
            problems += error.problems
    if config.run.executor == "batch":
        problems += batch_problems(config, environ)
    path = config.resolve(config.dataset.path)
    if config.generator is None and not path.exists():
        try:
            load_dataset(path)
        except InputError as error:
            problems += error.problems
    return problems


def _sections(config: Config) -> Iterator[BackendSection]:
    """Give whom `run` asks: the chatbot, and who plays users."""
    if config.backend is not None:
        yield config.backend
    if config.run.simulator is not None:
        yield config.run.simulator.backend
