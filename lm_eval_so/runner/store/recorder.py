"""From answers to rows on disk, and to what is told of the run."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.asking.asker import Clock
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.events import Began, Event, Moved
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.run import Response, RunInfo, RunResult
from lm_eval_so.runner.conversation.play import Played
from lm_eval_so.runner.plan.jobs import Job
from lm_eval_so.runner.store.places import Places
from lm_eval_so.runner.store.run_dir import RunDir
from lm_eval_so.runner.store.totals import Tally

STAGE = "run"

State = Literal["running", "complete", "interrupted", "stopped"]
_INFO_EVERY_S = 10.0
_TELL_EVERY_S = 0.1


class Recorder:
    """Writes each row as it comes, keeps `run.json` up to date, and tells the listener."""

    def __init__(
        self,
        run_dir: RunDir,
        head: RunInfo,
        tally: Tally,
        places: Places,
        *,
        asker: LiveAsker,
        resources: Resources,
        clock: Clock = time.monotonic,
    ) -> None:
        self.tally = tally
        self.places = places
        self._run_dir = run_dir
        self._head = head
        self._asker = asker
        self._resources = resources
        self._clock = clock
        self._already = tally.rows
        self._info_at = clock()
        self._telling: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Tell that the run starts, or that there is nothing to ask."""
        label, planned = self._head.backend.label, self._head.planned
        text = f"asking {label}"
        if self.tally.rows == planned:
            folder = self._run_dir.path
            which = "the row is" if planned == 1 else f"all {planned:,} rows are"
            text = f"nothing to ask: {which} in {folder}; --fresh asks again"
        self.tell(Began(stage=STAGE, total=planned, text=text))
        self._run_dir.write_info(self.info("running"))
        self._tell_progress()

    def record(self, job: Job, played: Played) -> None:
        """Write a row, and tell of it soon: rows can come faster than anybody wants to know."""
        row = make_row(job, played, self._head.fingerprint)
        self.places.put(job.key, self._run_dir.log.append(row))
        self.tally.add(row)
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(_TELL_EVERY_S, self._tell_progress)
        now = self._clock()
        if now - self._info_at >= _INFO_EVERY_S:
            self._info_at = now
            self._run_dir.write_info(self.info("running"))

    def end(self, info: RunInfo) -> RunInfo:
        """Tell of the last rows, write the last `run.json` and give it."""
        if self._telling is not None:
            self._telling.cancel()
            self._tell_progress()
        info = replace(info, finished_at=now_text(self._resources.environ))
        self._run_dir.write_info(info)
        return info

    def info(self, state: State, *, stopped: Mapping[str, JsonValue] | None = None) -> RunInfo:
        """Return `run.json` as it is now."""
        tally = self.tally
        return replace(
            self._head,
            state=state,
            counts=tally.counts,
            requests=self._asker.requests,
            usage=tally.usage,
            cost_usd=tally.cost_usd,
            unpriced=tally.unpriced,
            adaptations=tuple(self._asker.adaptations),
            limits=self._asker.limiter.changes,
            backend=replace(self._head.backend, models_answered=tuple(sorted(tally.models))),
            stopped=stopped,
        )

    def tell(self, event: Event) -> None:
        """Tell the listener."""
        self._resources.listener(event)

    def _tell_progress(self) -> None:
        self._telling = None
        moved = Moved(
            stage=STAGE,
            done=self.tally.rows,
            already=self._already,
            counts=self.tally.counts,
            kinds=self.tally.kinds,
            limit=self._asker.limiter.limit,
            cost_usd=self.tally.spent_usd,
            max_cost_usd=self._resources.budget.max_usd,
        )
        self.tell(moved)


def make_row(job: Job, played: Played, fingerprint: str) -> RunResult:
    """Make the row of what a job came to."""
    answer, said = played.answer, played.answer.response
    return RunResult(
        sample_id=job.sample_id,
        sample_hash=job.sample_hash,
        repeat=job.repeat,
        status=answer.status,
        response=_response(said, played) if said else None,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        cost_source=answer.cost_source,
        latency_ms=answer.latency_ms,
        ttft_ms=said.ttft_ms if said else None,
        total_ms=answer.total_ms,
        queue_ms=answer.queue_ms,
        attempts=answer.attempts,
        retries=answer.retries,
        cached=answer.cached,
        error=answer.error,
        model=said.model if said else None,
        seed=job.seed,
        started_at=answer.started_at or None,
        answered_at=answer.answered_at,
        request_hash=answer.request_hash,
        cost_saved_usd=answer.cost_saved_usd,
        turns=played.turns,
        stop_reason=played.stop_reason,
        simulator=played.simulator,
        fingerprint=fingerprint,
        redactions=answer.redactions,
    )


def _response(said: ChatResponse, played: Played) -> Response:
    return Response(
        text=said.text,
        messages=played.messages,
        tool_calls=said.tool_calls,
        finish_reason=said.finish_reason,
        refusal=said.refusal,
        reasoning=said.reasoning,
        context=said.context,
        context_ids=said.context_ids,
        logprobs=said.logprobs,
        raw=said.raw,
    )
