"""The plan of a run: its rows, and the cost of those that are to be asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.asking.cache.file import known_keys
from lm_eval_so.core.asking.cost.cost_estimate import Estimate, estimate
from lm_eval_so.core.asking.cost.prices import known_rates
from lm_eval_so.core.asking.open import cache_path, key_maker
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.record import record
from lm_eval_so.runner.plan.jobs import Job
from lm_eval_so.runner.plan.selection import backend_section


@record
class RunPlan:
    """Plan of a run, with its cost."""

    folder: str
    """Folder of its files."""
    planned: int
    """Rows that the run should have."""
    share: str | None
    """Share of a shard of the limits of the whole run, in words; null without such limits, and for the whole."""
    done: int
    """Rows that are there from an earlier run."""
    cached: int
    """Rows whose answer the cache knows."""
    to_ask: int
    """Rows that would be sent; a conversation counts with its first request alone."""
    conversations: int
    """Conversations among these, which take more than their first request."""
    input_tokens: int
    """Tokens of what would be sent, as estimated: one for 3.5 bytes."""
    output_tokens: int
    """Most tokens of all answers."""
    usd_low: float | None
    """US dollars if every answer were empty; null if no price is known."""
    usd_high: float | None
    """US dollars if every answer took all the tokens that it may."""
    first_request: Mapping[str, JsonValue] | None
    """The first request that would be sent, without secrets; null if there is none."""

    def facts(self) -> dict[str, Any]:
        """Return the plan as commands show it: only that of a shard tells a share."""
        facts = to_json(self)
        if self.share is None:
            del facts["share"]
        return facts


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
