"""The check of the stage `run`: problems of the config that would keep it from starting."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lm_eval_so.core.asking.open import backend_problems
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.errors import InputError, Problem
from lm_eval_so.runner.batch.executor import no_batches
from lm_eval_so.runner.plan.selection import backend_section


def check(config: Config, environ: Mapping[str, str] | None) -> list[Problem]:
    """Find the problems that would keep `run` from starting; nothing is opened or sent.

    Args:
        config: The config.
        environ: Environment variables; None if nothing is asked here, so that only the config
            itself is checked.
    """
    problems = [
        problem
        for section in _sections(config)
        for problem in backend_problems(section, config=config, environ=environ)
    ]
    if config.run.executor == "batch":
        problems += no_batches(config, environ)
    return problems if environ is None else [*problems, *_lacking(config)]


def _lacking(config: Config) -> Iterator[Problem]:
    """Find a missing chatbot and a missing dataset."""
    if config.backend is None:
        try:
            backend_section(config)
        except InputError as error:
            yield from error.problems
    path = config.resolve(config.dataset.path)
    if config.generator is None and not path.exists():
        try:
            load_dataset(path)
        except InputError as error:
            where = config.where("dataset", "path")
            yield from (replace(each, where=where) for each in error.problems)


def _sections(config: Config) -> Iterator[BackendSection]:
    """Yield the backends that `run` asks: the chatbot and the simulated user."""
    if config.backend is not None:
        yield config.backend
    if config.run.simulator is not None:
        yield config.run.simulator.backend
