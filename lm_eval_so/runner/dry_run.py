"""The plan and the cost of a run; nothing is sent, nothing is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from lm_eval_so.core.asking.cache.file import known_keys
from lm_eval_so.core.asking.cost.cost_estimate import Estimate, estimate
from lm_eval_so.core.asking.cost.prices import known_rates
from lm_eval_so.core.asking.open import build_asked, cache_path, key_maker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import as_written
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.record import record
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.runner.plan.jobs import Job
from lm_eval_so.runner.plan.selection import AS_CONFIGURED, RunOptions, backend_section, select
from lm_eval_so.runner.store.fingerprint import new_run
from lm_eval_so.runner.store.for_verdict import ForVerdict
from lm_eval_so.runner.store.resume import find_earlier

__all__ = ["RunPlan", "plan_run"]

_SHOWN = ("system", "messages", "params", "tools", "tool_choice", "response_format", "seed")
"""Parts of a request that go to the chatbot."""


@record
class RunPlan:
    """Plan of a run, with its cost."""

    folder: str
    """Folder of its files."""
    planned: int
    """Rows that the run should have."""
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


def head_of(config: Config, resources: Resources) -> RunInfo:
    """Return `run.json` of a run as it would begin now; errors as of `run`."""
    section, selection = backend_section(config), select(config)
    backend = build_asked(section, config=config, environ=resources.environ)
    return new_run(config, backend, selection, resources).head


async def plan_run(
    config: Config,
    resources: Resources,
    options: RunOptions = AS_CONFIGURED,
    *,
    verdict: ForVerdict | None = None,
) -> RunPlan:
    """Plan what `run` would do; nothing is sent or written. Arguments and errors as there."""
    section, selection = backend_section(config), select(config, options)
    backend = build_asked(section, config=config, environ=resources.environ)
    new = new_run(config, backend, selection, resources)
    done = find_earlier(new, selection.folder, options, verdict)
    refreshes = resources.refreshes_cache or options.fresh or verdict is not None
    found, cost = _count_cost(new.plan.todo(done.offsets), config, backend, refreshes=refreshes)
    sent = to_json(found.first) if found.first else None
    share = config.run.batch_discount if config.run.executor == "batch" else 1.0
    shown = sent and {key: sent[key] for key in _SHOWN if sent[key] not in (None, [], {})}
    for key in ("system", "tools", "tool_choice"):
        if shown and key in shown:
            shown[key] = as_written(shown[key], config.located.written_below(key))
    return RunPlan(
        folder=selection.folder.as_posix(),
        planned=new.head.planned,
        done=done.tally.rows,
        cached=found.cached,
        to_ask=cost.requests,
        conversations=found.conversations,
        input_tokens=cost.input_tokens,
        output_tokens=cost.output_tokens,
        usd_low=cost.usd_low and cost.usd_low * share,
        usd_high=cost.usd_high and cost.usd_high * share,
        first_request=resources.redactor.redact_json(shown),
    )


@dataclass(slots=True)
class _Counted:
    """Counts over the jobs of a run."""

    cached: int = 0
    conversations: int = 0
    first: ChatRequest | None = None


def _count_cost(
    todo: Iterator[Job], config: Config, backend: ChatBackend, *, refreshes: bool
) -> tuple[_Counted, Estimate]:
    """Count the rows that the cache knows, and estimate the rest."""
    found = _Counted()
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
