"""The cost of the rows that are to be asked, without those that the cache knows."""

from collections.abc import Iterator
from dataclasses import dataclass

from lm_eval_so.core.asking.cache.file import known_keys
from lm_eval_so.core.asking.cost.estimate import Estimate, estimate
from lm_eval_so.core.asking.cost.prices import known_rates
from lm_eval_so.core.asking.open import cache_path, key_maker
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.runner.plan.jobs import Job
from lm_eval_so.runner.plan.selection import backend_section


@dataclass(slots=True)
class Counted:
    """Counts over the jobs of a run."""

    cached: int = 0
    conversations: int = 0
    first: ChatRequest | None = None


def count_cost(
    todo: Iterator[Job], config: Config, backend: ChatBackend, *, refreshes: bool
) -> tuple[Counted, Estimate]:
    """Count the rows that the cache knows, and estimate the rest."""
    found = Counted()
    key_of = key_maker(backend_section(config), backend)
    path = None if refreshes else cache_path(backend, config)
    with known_keys(path) as is_known:

        def uncached() -> Iterator[ChatRequest]:
            for job in todo:
                if job.sample.scenario is None and is_known(key_of(job.request)):
                    found.cached += 1
                    continue
                found.conversations += job.sample.scenario is not None
                found.first = found.first or job.request
                yield job.request

        return found, estimate(uncached(), known_rates(backend))
