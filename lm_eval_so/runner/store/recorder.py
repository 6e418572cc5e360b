"""The recorder of a run: answers become rows on disk and progress."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

from pydantic import JsonValue

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.events import Began, Event, Moved, Noticed, Warned
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.run import Response, RunInfo, RunResult
from lm_eval_so.runner.conversation.play import Played
from lm_eval_so.runner.plan.jobs import LEFT_OUT, Job
from lm_eval_so.runner.store.row_log import RowOffsets
from lm_eval_so.runner.store.run_dir import RunDir
from lm_eval_so.runner.store.totals import Tally

STAGE = "run"

State = Literal["running", "complete", "interrupted", "stopped"]
_INFO_EVERY_S = 10.0
_TELL_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Done:
    """Rows of a run that need not be asked again."""

    offsets: RowOffsets
    tally: Tally

    @classmethod
    def none_of(cls, keys: Iterable[int]) -> Self:
        """Return that none of the planned rows is done."""
        return cls(RowOffsets(key for key in keys if key != LEFT_OUT), Tally())

    def with_no_sums(self) -> Self:
        """Return the same rows with sums that are still to be made."""
        return replace(self, tally=Tally())


class Recorder:
    """Writes each row as it comes, keeps `run.json` up to date, and tells the listener.

    Args:
        run_dir: Folder of the run.
        head: `run.json` before anything is asked.
        done: Rows of an earlier run that hold.
        asker: Asks the chatbot.
        resources: Environment, listener, budget and clock.
    """

    def __init__(
        self, run_dir: RunDir, head: RunInfo, done: Done, *, asker: LiveAsker, resources: Resources
    ) -> None:
        self.done = done
        self.run_dir = run_dir
        self.head = head
        self.asker = asker
        self.resources = resources
        self._already = done.tally.rows
        self._info_at = resources.clock()
        self._telling: asyncio.TimerHandle | None = None

    @property
    def tally(self) -> Tally:
        """Sums over all rows that are there."""
        return self.done.tally

    def begin(self) -> None:
        """Tell that the run begins, or that all rows are there already."""
        label, planned = self.head.backend.label, self.head.planned
        text = f"asking {label}"
        if self.tally.rows == planned:
            folder = self.run_dir.path
            which = "the row is" if planned == 1 else f"all {planned:,} rows are"
            text = f"nothing to ask: {which} in {folder}; --fresh asks again"
        self.tell(Began(stage=STAGE, total=planned, text=text))
        self.run_dir.write_info(self.info("running"))
        self._tell_progress()

    def record(self, job: Job, played: Played) -> None:
        """Write a row, and tell it soon: rows can come faster than a listener wants to know."""
        self.take(job.key, make_row(job, played, self.head.fingerprint))
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(_TELL_EVERY_S, self._tell_progress)

    def take(self, key: int, row: RunResult) -> None:
        """Write a row that was made elsewhere, and tell nobody."""
        self.done.offsets.put(key, self.run_dir.log.append(row))
        self.tally.add(row)
        now = self.resources.clock()
        if now - self._info_at >= _INFO_EVERY_S:
            self._info_at = now
            self.run_dir.write_info(self.info("running"))

    def record_answer(self, job: Job, answer: Answer) -> None:
        """Write the row of a single request."""
        self.record(job, Played(answer=answer))

    def record_killed(self, job: Job) -> None:
        """Write the row of a request that killed every process that made it, and warn of it."""
        answer = Answer.of_killed()
        self.record_answer(job, answer)
        if answer.error is not None:
            self.warn(f'sample "{job.sample_id}": {answer.error.message}', answer.error.hint)

    def end(self, info: RunInfo) -> RunInfo:
        """Tell the last rows, write the last `run.json` and return it."""
        if self._telling is not None:
            self._telling.cancel()
            self._tell_progress()
        info = replace(info, finished_at=now_text(self.resources.environ))
        self.run_dir.write_info(info)
        return info

    def info(self, state: State, *, stopped: Mapping[str, JsonValue] | None = None) -> RunInfo:
        """Return `run.json` as it is now."""
        tally = self.tally
        return replace(
            self.head,
            state=state,
            counts=tally.counts,
            # a command that was killed could not tell its last ones; its rows do
            requests=max(self.head.requests + self.asker.requests, tally.attempts),
            usage=tally.usage,
            cost_usd=tally.cost_usd,
            unpriced=tally.unpriced,
            adaptations=tuple(self.asker.adaptations),
            notes=tuple(self.asker.notes),
            limits=self.asker.limiter.changes,
            backend=replace(self.head.backend, models_answered=tuple(sorted(tally.models))),
            stopped=stopped,
        )

    def tell(self, event: Event) -> None:
        """Tell the listener an event."""
        self.resources.listener(event)

    def notice(self, text: str) -> None:
        """Tell the listener news of the run."""
        self.tell(Noticed(stage=STAGE, text=text))

    def warn(self, text: str, hint: str | None = None) -> None:
        """Warn the listener."""
        self.tell(Warned(stage=STAGE, text=text, hint=hint))

    def tell_with(self, others: Sequence[Moved], note: str) -> None:
        """Tell the progress of this run with that of workers whose rows are not here yet.

        Args:
            others: Progress of the workers.
            note: More about them, for people.
        """
        mine = self._progress()
        counts, kinds = Counter(mine.counts), Counter(mine.kinds)
        for other in others:
            counts.update(other.counts)
            kinds.update(other.kinds)
        known = [each.cost_usd for each in (mine, *others) if each.cost_usd is not None]
        moved = replace(
            mine,
            done=mine.done + sum(other.done for other in others),
            counts=dict(counts),
            kinds=dict(kinds.most_common()),
            limit=None,
            cost_usd=sum(known) if known else None,
            note=note,
        )
        self.tell(moved)

    def _tell_progress(self) -> None:
        self._telling = None
        self.tell(self._progress())

    def _progress(self) -> Moved:
        return Moved(
            stage=STAGE,
            done=self.tally.rows,
            already=self._already,
            counts=self.tally.counts,
            kinds=self.tally.kinds,
            limit=self.asker.limiter.limit,
            cost_usd=self.tally.spent_usd,
            max_cost_usd=self.resources.budget.max_usd,
        )


def make_row(job: Job, played: Played, fingerprint: str) -> RunResult:
    """Make the row of a job that was played."""
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
