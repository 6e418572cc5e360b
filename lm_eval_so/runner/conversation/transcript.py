"""The chatbot's side of a conversation: its turns, the tools that are played, and their sums."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Ask
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatResponse, Message, ToolCall, Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Turn
from lm_eval_so.core.text import nfc
from lm_eval_so.errors import ErrorKind
from lm_eval_so.runner.plan.jobs import Job, with_given

NO_RESULT: Mapping[str, JsonValue] = {"error": "no result for this call"}
CostSource = Literal["prices", "config", "none", "unknown"]
_SOURCES: tuple[CostSource, ...] = ("config", "prices", "none")
_DECIMALS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """End of a conversation."""

    reason: str
    error: ErrorInfo | None = None
    """Error of the simulated user, if it had one."""


class Conversation:
    """A conversation under way.

    Args:
        job: The row.
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
        """Send a message of the user, and return the end of the conversation if it is over."""
        said = with_given(self._job.sample, text) if not self.turns else text
        self.messages.append(Message(role="user", content=said))
        return await self.reply(text)

    async def reply(self, text: str) -> Ended | None:
        """Ask the chatbot for its answer to the last message, as a turn of the record."""
        self._rounds.append([])
        begin = len(self.messages)
        ended = await self._play_rounds()
        calls = tuple(chain.from_iterable(m.tool_calls for m in self.messages[begin:]))
        self.turns.append(self._turn(text, calls, ended))
        return ended

    def answer(self, ended: Ended | None) -> Answer:
        """Return the answer of the row: the last one, with the sums of all."""
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
        """Ask with all messages so far."""
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
        """Yield the messages so far, without calls that have no answer: servers refuse these."""
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
        """Return whether the chatbot answered its calls itself: it was offered no tools."""
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
        """Return the last response with all calls of its turn and the ttft of the first turn."""
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


def answer_calls(
    calls: Sequence[ToolCall], table: Sequence[Mapping[str, JsonValue]]
) -> list[Message]:
    """Return the messages that answer calls, in their order.

    Args:
        calls: The calls, each with an id.
        table: Rows {name, arguments, result}: the first whose name is that of the call and whose
            arguments are all among the call's counts; without arguments it answers every call.
    """
    return [
        Message(role="tool", tool_call_id=call.id, name=call.name, content=_result(call, table))
        for call in calls
    ]


def with_ids(calls: Sequence[ToolCall], *, start: int) -> tuple[ToolCall, ...]:
    """Return the calls, each with an id: "call_<n>" from `start` where the chatbot gave none."""
    return tuple(
        call if call.id else ToolCall(id=f"call_{n}", name=call.name, arguments=call.arguments)
        for n, call in enumerate(calls, start=start)
    )


def _result(call: ToolCall, table: Sequence[Mapping[str, JsonValue]]) -> str:
    arguments = _parsed(call.arguments)
    found = next((row for row in table if _answers(row, call.name, arguments)), None)
    result = NO_RESULT if found is None else found.get("result")
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _answers(row: Mapping[str, JsonValue], name: str, arguments: Any) -> bool:
    wanted = row.get("arguments")
    return row.get("name") == name and (wanted is None or _has(arguments, wanted))


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return None


def _has(given: Any, wanted: JsonValue) -> bool:
    """Return whether a value matches: mappings by the wanted keys, all else as a whole.

    1 is 1.0.
    """
    if isinstance(wanted, Mapping):
        is_mapping = isinstance(given, Mapping)
        return is_mapping and all(key in given and _has(given[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        same = isinstance(given, list) and len(given) == len(wanted)
        return same and all(map(_has, given, wanted))
    if isinstance(wanted, str) and isinstance(given, str):
        return nfc(given) == nfc(wanted)
    return isinstance(given, bool) == isinstance(wanted, bool) and bool(given == wanted)


def sum_usage(answers: Sequence[Answer]) -> Usage:
    """Add up the tokens of all responses; null where one of them does not tell."""
    told = [answer.usage for answer in answers if answer.response is not None]
    return Usage(
        input_tokens=_whole(usage.input_tokens for usage in told),
        output_tokens=_whole(usage.output_tokens for usage in told),
        cached_tokens=_whole(usage.cached_tokens for usage in told),
        reasoning_tokens=_whole(usage.reasoning_tokens for usage in told),
    )


def sum_costs(answers: Sequence[Answer]) -> float | None:
    """Add up what all responses cost, in US dollars; null if it is not known of one of them."""
    return add(answer.cost_usd for answer in answers if answer.response is not None)


def source_of(answers: Sequence[Answer]) -> CostSource:
    """Return the source of the sum of costs; "unknown" if a cost is."""
    if sum_costs(answers) is None:
        return "unknown"
    sources = {answer.cost_source for answer in answers if answer.response is not None}
    return next((source for source in _SOURCES if source in sources), "unknown")


def add(numbers: Iterable[float | None]) -> float | None:
    """Add numbers up; null if there are none, or one of them is not told."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return round(math.fsum(known), _DECIMALS) if known and len(known) == len(found) else None


def _whole(numbers: Iterable[int | None]) -> int | None:
    total = add(numbers)
    return None if total is None else int(total)
