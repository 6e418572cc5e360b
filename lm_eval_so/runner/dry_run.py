"""The plan and the cost of a run; nothing is sent, nothing is written."""

from lm_eval_so.core.asking.open import build_asked
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import as_written
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.runner.plan.run_plan import RunPlan, count_cost
from lm_eval_so.runner.plan.selection import (
    AS_CONFIGURED,
    RunOptions,
    backend_section,
    select,
    share_text,
)
from lm_eval_so.runner.store.fingerprint import new_run
from lm_eval_so.runner.store.for_verdict import ForVerdict
from lm_eval_so.runner.store.resume import find_earlier

__all__ = ["RunPlan", "plan_run"]

_SHOWN = ("system", "messages", "params", "tools", "tool_choice", "response_format", "seed")
"""Parts of a request that go to the chatbot."""


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
    found, cost = count_cost(new.plan.todo(done.offsets), config, backend, refreshes=refreshes)
    sent = to_json(found.first) if found.first else None
    share = config.run.batch_discount if config.run.executor == "batch" else 1.0
    shown = sent and {key: sent[key] for key in _SHOWN if sent[key] not in (None, [], {})}
    for key in ("system", "tools", "tool_choice"):
        if shown and key in shown:
            shown[key] = as_written(shown[key], config.located.written_below(key))
    return RunPlan(
        folder=selection.folder.as_posix(),
        planned=new.head.planned,
        share=share_text(new.head),
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
