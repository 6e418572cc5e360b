"""Answers that were given before: another run, or a file of answers from anywhere."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from lm_eval_so.core.backends.base import Capabilities, ChatBackend, SharedOptions
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.records.codec import from_json, parse_json, validation_problems
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind, InputError, Problem, Where

_RESULTS_FILE = "run_results.jsonl"


class PlainAnswer(BaseModel):
    """An answer from anywhere."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    id: str
    answer: str | None
    repeat: int = 0


class ReplayBackend(ChatBackend):
    """Gives what was answered before, with the latency and usage of then."""

    name: ClassVar[str] = "replay"
    capabilities: ClassVar[Capabilities] = Capabilities(
        measures_latency=False, offline=True, priced=False
    )

    class Options(SharedOptions):
        """Which answers."""

        run: Path
        """Folder of a run, its run_results.jsonl, or a JSONL file of {id, answer, repeat?}."""
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
        """Give the recorded answer to a request."""
        row = self._row(
            request.sample_id, request.repeat, str(request.metadata.get("sample_hash", ""))
        )
        if row is None:
            what = f"no answer is recorded for this sample in {self.options.run}"
            raise BackendError(ErrorKind.NOT_FOUND, what, retryable=False)
        return _replay(row) if isinstance(row, RunResult) else _plain(row)

    def skips(self, sample_id: str, sample_hash: str, repeat: int) -> bool:
        """Whether there is no answer and such rows are left out."""
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


def _replay(row: RunResult) -> ChatResponse:
    if row.response is None:
        told = row.error
        raise BackendError(
            told.kind if told else ErrorKind.NOT_FOUND,
            told.message if told else "no answer was recorded",
            retryable=False,
            http_status=told.http_status if told else None,
            code=told.code if told else None,
        )
    said = row.response
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


def _plain(row: PlainAnswer) -> ChatResponse:
    if row.answer is None:
        what = "the file has no answer to this sample"
        raise BackendError(ErrorKind.NOT_FOUND, what, retryable=False)
    return ChatResponse(text=row.answer)
