"""What a run would do and cost; nothing is sent, nothing is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.asking.cache.file import known_keys
from lm_eval_so.core.asking.cost.estimate import Estimate, estimate
from lm_eval_so.core.asking.cost.prices import known_rates
from lm_eval_so.core.asking.open import build_asked, cache_path, key_maker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import as_written
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.record import record
from lm_eval_so.runner.for_verdict import ForVerdict
from lm_eval_so.runner.outline import outline_run
from lm_eval_so.runner.plan.jobs import Job
from lm_eval_so.runner.plan.selection import backend_section, select
from lm_eval_so.runner.plan.shards import Shard
from lm_eval_so.runner.resume import find_done, readable_info, why_aside
from lm_eval_so.runner.store.places import Places
from lm_eval_so.runner.store.totals import Tally

_SHOWN = ("system", "messages", "params", "tools", "tool_choice", "response_format", "seed")
"""What of a request goes to the chatbot."""


@record
class RunPlan:
    """What a run would do."""

    folder: str
    """Where its files would be."""
    planned: int
    """Rows that the run should have."""
    done: int
    """Rows that are there from an earlier run."""
    cached: int
    """Rows whose answer the cache knows."""
    to_ask: int
    """Rows that would be sent; a conversation counts with its first request alone."""
    conversations: int
    """How many of these are conversations, which take more than their first request."""
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


@dataclass(slots=True)
class _Sorted:
    """What the jobs of a run come to, counted as they pass."""

    cached: int = 0
    conversations: int = 0
    first: ChatRequest | None = None


async def plan_run(
    config: Config,
    resources: Resources,
    *,
    out: Path | None = None,
    fresh: bool = False,
    keep_errors: bool = False,
    shard: Shard | None = None,
    verdict: ForVerdict | None = None,
) -> RunPlan:
    """Tell what `run` would do; nothing is sent or written. Arguments and errors as there."""
    section = backend_section(config)
    selection = select(config, out=out, shard=shard)
    backend = build_asked(section, config=config, environ=resources.environ)
    outline = outline_run(config, backend, selection, resources)
    start, keys = outline.start, outline.plan.keys
    earlier = None if fresh else readable_info(selection.folder)
    done, tally = Places(()), Tally()
    if earlier is not None and why_aside(selection.folder, start, verdict) is None:
        done, tally = find_done(
            *(selection.folder, start.fingerprint, keys), keep_errors=keep_errors, damaged=[]
        )
    refreshes = resources.refreshes_cache or fresh or verdict is not None
    found, cost = _look_through(outline.todo(done), config, backend, refreshes=refreshes)
    sent = to_json(found.first) if found.first else None
    share = config.run.batch_discount if config.run.executor == "batch" else 1.0
    shown = sent and {key: sent[key] for key in _SHOWN if sent[key] not in (None, [], {})}
    for key in ("system", "tools", "tool_choice"):
        if shown and key in shown:
            shown[key] = as_written(shown[key], config.located.written_below(key))
    return RunPlan(
        folder=selection.folder.as_posix(),
        planned=start.planned,
        done=tally.rows,
        cached=found.cached,
        to_ask=cost.requests,
        conversations=found.conversations,
        input_tokens=cost.input_tokens,
        output_tokens=cost.output_tokens,
        usd_low=cost.usd_low and cost.usd_low * share,
        usd_high=cost.usd_high and cost.usd_high * share,
        first_request=resources.redactor.redact_json(shown),
    )


def _look_through(
    todo: Iterator[Job], config: Config, backend: ChatBackend, *, refreshes: bool
) -> tuple[_Sorted, Estimate]:
    """Sort out what the cache knows, and estimate the rest."""
    found = _Sorted()
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
