"""The backend of written answers: for tests, and for judges in CI without a key."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from lm_eval_so.core.backends.base import Capabilities, ChatBackend, SharedOptions
from lm_eval_so.core.backends.faults import RETRYABLE
from lm_eval_so.core.files import read_lines
from lm_eval_so.core.hashing import digest, digest_bytes
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, ToolCall
from lm_eval_so.core.records.codec import parse_json, validation_problems
from lm_eval_so.core.text import nfc
from lm_eval_so.errors import (
    BackendError,
    ConfigError,
    ErrorKind,
    InputError,
    Problem,
    Where,
)


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScriptedError(_Row):
    """An error instead of an answer."""

    kind: ErrorKind
    http_status: int | None = None
    retry_after_s: float | None = Field(default=None, ge=0)
    message: str = "scripted"


class ScriptedAnswer(_Row):
    """An answer: one of text, tool_calls, refusal and error."""

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    refusal: str | None = None
    error: ScriptedError | None = None

    @property
    def says_something(self) -> bool:
        """Return whether there is an answer at all."""
        return self.text is not None or bool(self.tool_calls or self.error or self.refusal)


class ScriptedRow(ScriptedAnswer):
    """A key, and its answer, or its answers in a conversation."""

    sample_id: str | None = None
    input: str | None = None
    pattern: str | None = None
    turns: tuple[ScriptedAnswer, ...] = ()
    """Answers by the number of the request in its conversation; a text is short for {text}."""

    @field_validator("turns", mode="before")
    @classmethod
    def _texts_are_short(cls, turns: Any) -> Any:
        if not isinstance(turns, list | tuple):
            return turns
        return [{"text": turn} if isinstance(turn, str) else turn for turn in turns]

    @model_validator(mode="after")
    def _says_what_to_what(self) -> Self:
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"no regular expression: {error}") from None
        if self.says_something == bool(self.turns) or not all(t.says_something for t in self.turns):
            raise ValueError("give one of text, tool_calls, refusal, error or turns")
        return self

    def answer(self, number: int) -> ScriptedAnswer | None:
        """Return the answer to a request of a conversation, counted from 0.

        None if there is none.
        """
        if not self.turns:
            return self
        return self.turns[number] if number < len(self.turns) else None


class ScriptedBackend(ChatBackend):
    """Answers from a script, found by sample id, by text or by regular expression."""

    name: ClassVar[str] = "scripted"
    capabilities: ClassVar[Capabilities] = Capabilities(
        tools=True, json_schema=True, offline=True, priced=False, files=0
    )

    class Options(SharedOptions):
        """The answers, and the way they are found."""

        answers: Path | dict[str, str | dict[str, JsonValue]] = Field(default_factory=dict)
        """A JSONL file of rows, or a mapping of key to text or row."""
        match: Literal["id", "text", "regex"] = "id"
        """Type of the key: the sample's id, the last user message, or a pattern for it."""
        default: str = "error"
        """Answer to other samples: error, echo (the last user message), or a text."""
        latency_ms: float = Field(default=0, ge=0)
        """Milliseconds that each answer takes."""

    options: Options

    def check(self) -> Iterator[Problem]:
        """Find a missing file and rows that make no sense."""
        try:
            _ = self._rows
        except InputError as error:
            yield from error.problems

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Return the answer that is written for a request."""
        if self.options.latency_ms:
            await asyncio.sleep(self.options.latency_ms / 1000)
        said = next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        found = self._find(request.sample_id, nfc(said))
        row = found.answer(request.turn) if found else None
        if row is None:
            return self._default(said)
        if row.error is not None:
            raise _error(row.error)
        return ChatResponse(
            text=row.text or "",
            tool_calls=row.tool_calls,
            finish_reason=row.finish_reason or ("tool_calls" if row.tool_calls else "stop"),
            refusal=row.refusal,
            model=self.name,
        )

    def reach(self) -> Mapping[str, JsonValue]:
        """Return a digest of the answers, so that changed ones are asked anew."""
        answers = self.options.answers
        if isinstance(answers, Path):
            path = self.env.folder / answers
            of_answers = digest_bytes(path.read_bytes()) if path.is_file() else None
        else:
            of_answers = digest(answers)
        return {
            "answers": of_answers,
            "match": self.options.match,
            "default": self.options.default,
        }

    def _find(self, sample_id: str, said: str) -> ScriptedRow | None:
        match self.options.match:
            case "id":
                return self._by_key.get(sample_id)
            case "text":
                return self._by_key.get(said)
            case "regex":
                return next((row for matches, row in self._patterns if matches(said)), None)

    def _default(self, said: str) -> ChatResponse:
        match self.options.default:
            case "error":
                what = "no answer is written for this sample"
                raise BackendError(ErrorKind.NOT_FOUND, what, retryable=False)
            case "echo":
                return ChatResponse(text=said, finish_reason="stop", model=self.name)
            case text:
                return ChatResponse(text=text, finish_reason="stop", model=self.name)

    @cached_property
    def _rows(self) -> list[tuple[str, ScriptedRow]]:
        answers = self.options.answers
        key = {"id": "sample_id", "text": "input", "regex": "pattern"}[self.options.match]
        if isinstance(answers, Path):
            rows = list(_read_rows(self.env.folder / answers))
        else:
            given = ({"text": v} if isinstance(v, str) else dict(v) for v in answers.values())
            rows = [
                (_row({**row, key: name}, Where(key="options.answers")), name)
                for name, row in zip(answers, given, strict=True)
            ]
        found = []
        for row, place in rows:
            name = getattr(row, key)
            if name is None:
                what = f'a row has no "{key}", which options.match: {self.options.match} needs'
                raise ConfigError(f"{what} ({place})", where=Where(key="options.answers"))
            found.append((name, row))
        return found

    @cached_property
    def _by_key(self) -> Mapping[str, ScriptedRow]:
        is_text = self.options.match == "text"
        return {nfc(name) if is_text else name: row for name, row in self._rows}

    @cached_property
    def _patterns(self) -> list[tuple[Callable[[str], object], ScriptedRow]]:
        return [(re.compile(nfc(pattern)).search, row) for pattern, row in self._rows]


def _read_rows(path: Path) -> Iterator[tuple[ScriptedRow, str]]:
    if not path.is_file():
        raise ConfigError(f"no such file: {path}", where=Where(key="options.answers"))
    for number, line in read_lines(path):
        where = Where(file=str(path), line=number)
        yield _row(parse_json(line, where=where), where), f"line {number}"


def _row(values: object, where: Where) -> ScriptedRow:
    try:
        return ScriptedRow.model_validate(values)
    except ValidationError as error:
        problems = list(validation_problems(error, lambda _: where))
        raise ConfigError.of(problems) from None


def _error(scripted: ScriptedError) -> BackendError:
    return BackendError(
        scripted.kind,
        scripted.message,
        retryable=scripted.kind in RETRYABLE,
        retry_after_s=scripted.retry_after_s,
        http_status=scripted.http_status,
    )
