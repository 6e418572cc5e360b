"""The backend of recorded answers: another run, or a file of answers from anywhere."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from lm_eval_so.core.backends.base import Capabilities, ChatBackend, SharedOptions
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage
from lm_eval_so.core.records.codec import from_json, parse_json, validation_problems
from lm_eval_so.core.records.run import Response, RunResult, Turn
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind, InputError, Problem, Where

_RESULTS_FILE = "run_results.jsonl"
_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


class PlainAnswer(BaseModel):
    """An answer from anywhere, with its known facts; null counts as not given."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    answer: str | None
    repeat: int = 0
    context: tuple[str, ...] = ()
    context_ids: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    refusal: str | None = None
    usage: Usage = Field(default_factory=Usage)
    model: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {key: each for key, each in values.items() if each is not None or key == "answer"}


class ReplayBackend(ChatBackend):
    """Answers from a record, with the latency and usage of then."""

    name: ClassVar[str] = "replay"
    capabilities: ClassVar[Capabilities] = Capabilities(
        tools=True, measures_latency=False, offline=True, priced=False, files=0, recorded=True
    )

    class Options(SharedOptions):
        """The recorded answers."""

        run: Path
        """Folder of a run, its run_results.jsonl, or a JSONL file of {id, answer, repeat?, …}."""
        on_missing: Literal["error", "skip"] = "error"
        """Whether a row without a recorded answer is an error or left out of the run."""

    options: Options

    def check(self) -> Iterator[Problem]:
        """Find a missing or unreadable file."""
        try:
            _ = self._recorded
        except InputError as error:
            yield from error.problems

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Return the recorded answer to a request."""
        row = self._row(
            request.sample_id, request.repeat, str(request.metadata.get("sample_hash", ""))
        )
        if row is None:
            what = f"no answer is recorded for this sample in {self.options.run}"
            raise BackendError(ErrorKind.NOT_FOUND, what, retryable=False)
        return _replay(row, request) if isinstance(row, RunResult) else _plain(row, request)

    def skips(self, sample_id: str, sample_hash: str, repeat: int) -> bool:
        """Return whether there is no answer and such rows are left out."""
        return (
            self.options.on_missing == "skip" and self._row(sample_id, repeat, sample_hash) is None
        )

    def reach(self) -> Mapping[str, JsonValue]:
        """Tell a digest of the answers, so that changed ones are read anew."""
        of_answers = None
        if self._file.is_file():
            with self._file.open("rb") as file:
                of_answers = hashlib.file_digest(file, "sha256").hexdigest()
        return {"answers": of_answers, "on_missing": self.options.on_missing}

    @property
    def _file(self) -> Path:
        path = self.env.folder / self.options.run
        return path / _RESULTS_FILE if path.is_dir() else path

    def _row(self, sample_id: str, repeat: int, sample_hash: str) -> RunResult | PlainAnswer | None:
        offset = self._recorded.get((sample_id, repeat))
        if offset is None:
            return None
        with self._file.open("rb") as file:
            file.seek(offset)
            row = _read(json.loads(file.readline()), Where(file=str(self._file)))
        if isinstance(row, RunResult) and sample_hash not in {"", row.sample_hash}:
            return None  # the question has changed since
        return row

    @cached_property
    def _recorded(self) -> Mapping[tuple[str, int], int]:
        """Byte offset of the last row of each sample and repeat."""
        if not self._file.is_file():
            hint = "name the folder of a run, or a file with a line {id, answer} for each sample"
            what = f"no recorded answers at {self._file}"
            raise ConfigError(what, where=Where(key="options.run"), hint=hint)
        found: dict[tuple[str, int], int] = {}
        problems: list[Problem] = []
        offset = 0
        with self._file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                where = Where(file=str(self._file), line=number)
                try:
                    row = _read(parse_json(line, where=where), where) if line.strip() else None
                except InputError as error:
                    problems += error.problems
                else:
                    if row is not None:
                        name = row.sample_id if isinstance(row, RunResult) else row.id
                        found[name, row.repeat] = offset
                offset += len(line)
        if problems:
            raise ConfigError.of(problems)
        return found


def _read(values: Any, where: Where) -> RunResult | PlainAnswer:
    if isinstance(values, dict) and "sample_id" in values:
        return from_json(values, RunResult, where=where)
    try:
        return PlainAnswer.model_validate(values)
    except ValidationError as error:
        problems = list(validation_problems(error, lambda key: _at(where, key)))
        raise ConfigError.of(problems) from None


def _at(where: Where, key: str) -> Where:
    return Where(file=where.file, line=where.line, key=key or None)


def _replay(row: RunResult, request: ChatRequest) -> ChatResponse:
    said = row.response
    if said is None:
        return _replay_failed(row, request)
    if said.messages:
        return _replay_message(row, said, request)
    return _whole(row, said)


def _whole(row: RunResult, said: Response) -> ChatResponse:
    return ChatResponse(
        text=said.text,
        tool_calls=said.tool_calls,
        finish_reason=said.finish_reason,
        refusal=said.refusal,
        reasoning=said.reasoning,
        usage=row.usage,
        model=row.model,
        ttft_ms=row.ttft_ms,
        context=said.context,
        context_ids=said.context_ids,
        status=row.status,
        latency_ms=row.latency_ms,
    )


def _replay_message(row: RunResult, said: Response, request: ChatRequest) -> ChatResponse:
    """Return the answer that stands at the same place in the transcript.

    Time and tokens of a turn count for its last answer; rounds of tools before it have none.
    """
    places = [n for n, message in enumerate(said.messages) if message.role == "assistant"]
    number = sum(message.role == "assistant" for message in request.messages)
    if number >= len(places):
        what = "the recorded conversation has no further answer"
        raise BackendError(ErrorKind.NOT_FOUND, what, retryable=False)
    place = places[number]
    message, after = said.messages[place], said.messages[place + 1 : place + 2]
    took = _turn(row, said.messages[:place])
    whole = replace(
        _whole(row, said),
        text=message.content,
        tool_calls=message.tool_calls,
        ttft_ms=took.ttft_ms,
        latency_ms=took.latency_ms,
        usage=took.usage,
    )
    if not after:
        return whole
    is_round = after[0].role == "tool"
    return replace(
        whole,
        finish_reason="tool_calls" if is_round else None,
        refusal=None,
        reasoning=None,
        context=(),
        context_ids=(),
        status=None if is_round else took.status,
        latency_ms=0.0 if is_round else took.latency_ms,
        usage=_nothing(took.usage) if is_round else took.usage,
    )


def _replay_failed(row: RunResult, request: ChatRequest) -> ChatResponse:
    """Return the answers of a conversation up to where it failed, then the failure."""
    number = sum(message.role == "user" for message in request.messages) - 1
    turn = row.turns[number] if 0 <= number < len(row.turns) else None
    if turn is None or not turn.status.is_answer:
        told = row.error
        raise BackendError(
            told.kind if told else ErrorKind.NOT_FOUND,
            told.message if told else "no answer was recorded",
            retryable=False,
            http_status=told.http_status if told else None,
            code=told.code if told else None,
        )
    return ChatResponse(
        text=turn.text,
        tool_calls=() if turn.text else turn.tool_calls,
        usage=turn.usage,
        ttft_ms=turn.ttft_ms,
        status=turn.status,
        latency_ms=turn.latency_ms,
    )


def _turn(row: RunResult, before: Sequence[Message]) -> Turn | RunResult:
    """Return the turn of an answer; of a row that is no scenario the row itself."""
    number = sum(message.role == "user" for message in before) - 1
    return row.turns[number] if 0 <= number < len(row.turns) else row


def _nothing(usage: Usage) -> Usage:
    told = {name: 0 for name in _TOKENS if getattr(usage, name) is not None}
    return Usage(**told)


def _plain(row: PlainAnswer, request: ChatRequest) -> ChatResponse:
    if row.answer is None and not row.tool_calls and row.refusal is None:
        what = "the file has no answer to this sample"
        raise BackendError(ErrorKind.NOT_FOUND, what, retryable=False)
    # once a sample's table has answered its calls, what is left is the text
    has_results = bool(request.messages) and request.messages[-1].role == "tool"
    return ChatResponse(
        text=row.answer or "",
        tool_calls=() if has_results else row.tool_calls,
        finish_reason=row.finish_reason,
        refusal=row.refusal,
        usage=_nothing(row.usage) if has_results else row.usage,
        model=row.model,
        context=row.context,
        context_ids=row.context_ids,
    )
