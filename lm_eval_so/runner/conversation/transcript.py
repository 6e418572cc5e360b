"""The chatbot's side of a conversation: its turns, tools included, and what they took."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from lm_eval_so.core.asking.answer.json_answer import Ask
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatResponse, Message, ToolCall
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Turn
from lm_eval_so.errors import ErrorKind
from lm_eval_so.runner.conversation.sums import add, source_of, sum_costs, sum_usage
from lm_eval_so.runner.conversation.tools import answer_calls, with_ids
from lm_eval_so.runner.plan.jobs import Job, with_given


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why a conversation is over."""

    reason: str
    error: ErrorInfo | None = None
    """What kept the simulated user from going on."""


class Talk:
    """A conversation under way.

    Args:
        job: Its row.
        ask: Asks the chatbot.
        max_tool_rounds: Most rounds of calls in a turn that are answered.
        deadline_s: Seconds that its requests may take together, waits for a free place apart.
    """

    def __init__(self, job: Job, ask: Ask, *, max_tool_rounds: int, deadline_s: float) -> None:
        is_scenario = job.sample.scenario is not None
        self.messages: list[Message] = [] if is_scenario else list(job.request.messages)
        self.turns: list[Turn] = []
        self._job = job
        self._ask = ask
        self._max_tool_rounds = max_tool_rounds
        self._is_offered = bool(job.request.tools or job.sample.tool_results)
        self._left_ms = deadline_s * 1000
        self._rounds: list[list[Answer]] = []
        self._calls = 0

    @property
    def answers(self) -> Sequence[Answer]:
        """All answers of the chatbot, in their order."""
        return list(chain.from_iterable(self._rounds))

    async def say(self, text: str) -> Ended | None:
        """Say something, and give why that ends the conversation, if it does."""
        said = with_given(self._job.sample, text) if not self.turns else text
        self.messages.append(Message(role="user", content=said))
        return await self.reply(text)

    async def reply(self, text: str) -> Ended | None:
        """Let the chatbot answer what was said last; a turn of its own in the record."""
        self._rounds.append([])
        begin = len(self.messages)
        ended = await self._play_rounds()
        calls = tuple(chain.from_iterable(m.tool_calls for m in self.messages[begin:]))
        self.turns.append(self._turn(text, calls, ended))
        return ended

    def answer(self, ended: Ended | None) -> Answer:
        """Return what the row came to: the last answer, with the sums of all."""
        spoiled = ended.error if ended else None
        if not self.turns:
            return Answer(status=RunStatus.ERROR, error=spoiled, attempts=0)
        answers, last_turn = self.answers, self.turns[-1]
        last = answers[-1]
        status = RunStatus.ERROR if spoiled else last_turn.status
        is_kept = status.is_answer or last.status is RunStatus.FILTERED
        return replace(
            last,
            status=status,
            error=spoiled or last.error,
            response=self._response(last.response, last_turn) if is_kept else None,
            usage=sum_usage(answers),
            cost_usd=sum_costs(answers),
            cost_source=source_of(answers),
            latency_ms=_mean(turn.latency_ms for turn in self.turns if turn.status.is_answer),
            queue_ms=add(a.queue_ms for a in answers if a.queue_ms is not None),
            attempts=sum(answer.attempts for answer in answers),
            retries=tuple(chain.from_iterable(answer.retries for answer in answers)),
            cached=all(answer.cached for answer in answers),
            started_at=answers[0].started_at,
            answered_at=min((a.answered_at for a in answers if a.answered_at), default=None),
            redactions=sum(answer.redactions for answer in answers),
            request_hash=answers[0].request_hash,
            cost_saved_usd=add(a.cost_saved_usd for a in answers if a.cost_saved_usd is not None),
        )

    async def _play_rounds(self) -> Ended | None:
        table = self._job.sample.tool_results
        for round_ in range(self._max_tool_rounds + 1):
            answer = await self._next()
            if not answer.status.is_answer or answer.response is None:
                return Ended(reason=_why(answer))
            calls = self._said(answer.response)
            if not calls or self._are_only_told(answer.response):
                return None
            if not table:
                return Ended(reason="tool_call")
            if round_ < self._max_tool_rounds:
                self.messages += answer_calls(calls, table)
        return Ended(reason="tool_rounds")

    async def _next(self) -> Answer:
        """Ask with all that was said so far."""
        if self._left_ms <= 0:
            what = "the conversation took longer than its row may (run.row_deadline_s a turn)"
            error = ErrorInfo(kind=ErrorKind.DEADLINE, message=what)
            answer = Answer(status=RunStatus.TIMEOUT, error=error, attempts=0)
        else:
            turn, messages = sum(map(len, self._rounds)), tuple(self._sent())
            answer = await self._ask(replace(self._job.request, messages=messages, turn=turn))
        self._left_ms -= answer.total_ms - (answer.queue_ms or 0)
        self._rounds[-1].append(answer)
        return answer

    def _sent(self) -> Iterator[Message]:
        """Give what was said so far, without calls that nobody is to answer: servers refuse them."""
        for message in self.messages:
            is_told = message.tool_calls and not self._is_offered
            yield replace(message, tool_calls=()) if is_told else message

    def _said(self, response: ChatResponse) -> tuple[ToolCall, ...]:
        calls = with_ids(response.tool_calls, start=self._calls)
        self._calls += len(calls)
        message = Message(role="assistant", content=response.text, tool_calls=calls)
        self.messages.append(message)
        return calls

    def _are_only_told(self, response: ChatResponse) -> bool:
        """Whether calls are those that the chatbot answered itself: it was offered no tools."""
        is_waiting = response.finish_reason == "tool_calls" or not response.text.strip()
        return not self._is_offered and not is_waiting

    def _turn(self, text: str, calls: tuple[ToolCall, ...], ended: Ended | None) -> Turn:
        rounds = self._rounds[-1]
        last = rounds[-1]
        is_cut = ended is not None and ended.reason == "tool_rounds"
        first = rounds[0].response
        return Turn(
            user=text,
            text=last.response.text if last.response else "",
            tool_calls=calls,
            status=RunStatus.TRUNCATED if is_cut else last.status,
            latency_ms=add(answer.latency_ms for answer in rounds),
            ttft_ms=first.ttft_ms if first else None,
            usage=sum_usage(rounds),
            cost_usd=sum_costs(rounds),
            cached=all(answer.cached for answer in rounds),
            seed=self._job.seed,
        )

    def _response(self, response: ChatResponse | None, last_turn: Turn) -> ChatResponse | None:
        """Give the last answer as that of the row: all calls of its turn, the first turn's ttft."""
        if response is None:
            return None
        calls, ttft_ms = last_turn.tool_calls, self.turns[0].ttft_ms
        return replace(response, tool_calls=calls, ttft_ms=ttft_ms)


def _why(answer: Answer) -> str:
    kind = answer.error.kind if answer.error else None
    if kind is ErrorKind.DEADLINE and not answer.attempts:
        return "deadline"
    return "budget" if kind is ErrorKind.BUDGET else f"bot_{answer.status.value}"


def _mean(numbers: Iterator[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return round(sum(known) / len(known), 1) if known else None
