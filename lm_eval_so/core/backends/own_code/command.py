"""The backend of a program: one process a request, or workers that answer line by line."""

import asyncio
import hashlib
import os
import shlex
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue

from lm_eval_so.core.backends.base import (
    Capabilities,
    ChatBackend,
    Secrets,
    SecretSource,
    SharedOptions,
)
from lm_eval_so.core.backends.own_code.child import Child, start_child
from lm_eval_so.core.backends.own_code.interface import (
    bad_response,
    messages_of,
    response_of,
    sample_of,
)
from lm_eval_so.core.files import is_short, out_of_files
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.records.codec import dump_line, parse_json
from lm_eval_so.core.secrets import is_secret_name, make_redactor
from lm_eval_so.errors import BackendError, ErrorKind, Problem, RecordError, Where

_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ")
_SHOWN = 200
_LAST_PATIENCE_S = 1.0
_MOST_DIGESTED = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class CommandBackend(ChatBackend):
    """Asks a program through its stdin and stdout, without a shell.

    It gets {id, messages, system, params, session, seed, sample} as JSON, and tools where there
    are any; it answers with a text, or with JSON that has the fields of a `ChatResponse`.
    """

    name: ClassVar[str] = "command"
    capabilities: ClassVar[Capabilities] = Capabilities(
        seed=True,
        tools=True,
        cacheable=False,
        own_code=True,
        files=4,  # three pipes, and what tells that it has ended
    )

    class Options(SharedOptions):
        """The program, and the form of its input and output."""

        argv: list[str] = Field(min_length=1)
        """Program and arguments, as [python, bot.py]; a path, as ./bot.sh, starts at `cwd`."""
        mode: Literal["once", "jsonl"] = "once"
        """once: a process a request. jsonl: workers that stay, a line of JSON in, one out."""
        cwd: Path | None = None
        """Folder to run it in; default: that of the config file."""
        env: list[str] = Field(default_factory=list)
        """Variables that it gets, besides PATH, HOME, LANG, TZ and PYTHONUTF8=1."""
        stdin: Literal["json", "text"] = "json"
        """json: the whole request; text: the last user message alone."""
        stdout: Literal["json", "text"] = "json"
        """json: the fields of an answer; text: the answer itself."""

    options: Options

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._idle: list[Child] = []
        self._busy: set[Child] = set()

    @classmethod
    def secrets(cls, options: BaseModel) -> Secrets:
        """Return the secrets by default, and the variables of the program that are named like keys."""
        found = super().secrets(options)
        named = options.env if isinstance(options, CommandBackend.Options) else []
        given = (
            SecretSource(
                name=name,
                key=("env", place),
                is_needed=is_secret_name(name),
                is_secret=is_secret_name(name),
            )
            for place, name in enumerate(named)
        )
        return replace(found, sources=(*found.sources, *given))

    @classmethod
    def runs(cls, options: BaseModel) -> str:
        """Return the program with its arguments."""
        return shlex.join(options.argv) if isinstance(options, CommandBackend.Options) else ""

    def check_options(self) -> Iterator[Problem]:
        """Find options that do not go together."""
        for key in ("stdin", "stdout"):
            if self.options.mode == "jsonl" and getattr(self.options, key) == "text":
                what = f"mode jsonl speaks JSON, so {key} cannot be text"
                yield Problem(what=what, where=Where(key=f"options.{key}"))

    def check(self) -> Iterator[Problem]:
        """Find those, and a missing program, folder or variable."""
        yield from self.check_options()
        if not self._folder.is_dir():
            yield Problem(what=f"no folder {self._folder}", where=Where(key="options.cwd"))
        yield from self._program_problems()
        for name in self.options.env:
            if name not in self.env.environ:
                where = Where(key="options.env")
                yield Problem(what=f"{name} is not set", where=where, hint="export it")

    def _program_problems(self) -> Iterator[Problem]:
        """Find a missing program as the shell does: names on PATH, paths from the folder."""
        program, where = self.options.argv[0], Where(key="options.argv")
        file = self._folder / program
        if os.sep in program and file.is_file():
            if not os.access(file, os.X_OK):
                hint = f"chmod +x {shlex.quote(str(file))}"
                yield Problem(what=f"{program} may not be executed", where=where, hint=hint)
        elif os.sep in program or not self._is_on_path(program):
            hint = "give a program of PATH, or a path to one that may be executed"
            if os.sep not in program and file.is_file():
                hint = f"write ./{program} for the file in the folder that it runs in"
            yield Problem(what=f"no program {program}", where=where, hint=hint)

    def _is_on_path(self, program: str) -> bool:
        return shutil.which(program, path=self.env.environ.get("PATH", os.defpath)) is not None

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt.

        Raises:
            BackendError: `subprocess` if the program fails, `bad_response` if its answer does.
        """
        name = f"{request.sample_id}:{request.repeat}:{request.turn}:{request.attempt}"
        is_jsonl = self.options.mode == "jsonl"
        child = (self._take() if is_jsonl else None) or await self._start()
        self._busy.add(child)
        is_well = False
        try:
            if is_jsonl:
                response = await self._ask(child, self._given(request, name), name)
                is_well = True
            else:
                response = await self._run(child, self._given(request, name))
        finally:
            self._busy.discard(child)
            if is_well:
                self._idle.append(child)
            else:  # a time-out too: what it started must not outlive it
                await child.end()
        return response

    async def close(self) -> None:
        """End the workers; those that wait get a second to end of themselves."""
        waiting = [child.end(patience_s=_LAST_PATIENCE_S) for child in self._idle]
        await asyncio.gather(*waiting, *(child.end() for child in self._busy))
        self._idle.clear()
        self._busy.clear()

    def limiter_key(self) -> str:
        """Return the program: the same arguments in the same folder."""
        return f"{self.name} {digest([self.options.argv, str(self._folder)])[:12]}"

    def reach(self) -> Mapping[str, JsonValue]:
        """Return the arguments, and the digests of the files that they name."""
        files = [self._folder / argument for argument in self.options.argv]
        named = zip(self.options.argv, files, strict=True)
        return {
            "argv": list(self.options.argv),
            "mode": self.options.mode,
            "stdin": self.options.stdin,
            "stdout": self.options.stdout,
            "files": {argument: _digest_of(file) for argument, file in named if file.is_file()},
        }

    @property
    def _folder(self) -> Path:
        return self.env.folder / (self.options.cwd or "")

    def _take(self) -> Child | None:
        """Return a worker that waits; dead ones are forgotten."""
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                return child
            child.forget()
        return None

    async def _start(self) -> Child:
        names = (*_KEPT_VARIABLES, *self.options.env)
        known = {name: self.env.environ[name] for name in names if name in self.env.environ}
        argv, environ = self.options.argv, {**known, "PYTHONUTF8": "1"}
        try:
            return await start_child(argv, cwd=self._folder, environ=environ)
        except (OSError, ValueError) as error:
            if is_short(error):
                raise out_of_files(ErrorKind.SUBPROCESS) from None
            reason = getattr(error, "strerror", None) or str(error)
            raise BackendError(
                ErrorKind.SUBPROCESS,
                f"{argv[0]} cannot be started: {reason}",
                retryable=False,
                details={"option": "options.argv"},
            ) from None

    def _given(self, request: ChatRequest, name: str) -> bytes:
        if self.options.stdin == "text":
            texts = (m.content for m in reversed(request.messages) if m.role == "user")
            return next(texts, "").encode("utf-8", "replace")
        values: dict[str, Any] = {
            "id": name,
            "messages": messages_of(request),
            "system": request.system,
            "params": dict(request.params),
            "session": request.session,
            "seed": request.seed,
            "sample": sample_of(request),
        }
        if request.tools:
            values |= {"tools": list(request.tools), "tool_choice": request.tool_choice}
        if request.response_format is not None:
            values["response_format"] = request.response_format
        return dump_line(values).encode("utf-8", "replace") + b"\n"

    async def _run(self, child: Child, given: bytes) -> ChatResponse:
        code, written = await child.run(given)
        if code != 0:
            raise self._failed(child, code)
        text = _decoded(written)
        if self.options.stdout == "text":
            return ChatResponse(text=text.removesuffix("\n").removesuffix("\r"))
        return self._response(_parsed(text))

    async def _ask(self, child: Child, given: bytes, name: str) -> ChatResponse:
        line = await child.exchange(given)
        if not line.endswith(b"\n"):
            raise self._failed(child, await child.ended())
        values = _parsed(_decoded(line))
        if not isinstance(values, dict) or values.get("id") != name:
            found = values.get("id") if isinstance(values, dict) else values
            what = f"the answer has another id: {str(found)[:_SHOWN]}, asked was {name}"
            raise bad_response(what, hint="answer each line with its id, one line each")
        return self._response({key: value for key, value in values.items() if key != "id"})

    def _response(self, values: object) -> ChatResponse:
        return response_of(values, source=Path(self.options.argv[0]).name)

    def _failed(self, child: Child, code: int) -> BackendError:
        """Return the error of a program that ended, without the values of its variables."""
        redactor = make_redactor(self.env.environ, self.options.env)
        last_words = redactor.redact(child.last_words)
        how = f"exit code {code}"
        if code < 0:
            how = f"signal {-code}"
            with suppress(ValueError):
                how = signal.Signals(-code).name
        last_line = last_words.rpartition("\n")[2].strip()[:_SHOWN]
        what = f"{Path(self.options.argv[0]).name} ended ({how})"
        return BackendError(
            ErrorKind.SUBPROCESS,
            f"{what}: {last_line}" if last_line else what,
            retryable=True,
            details={"stderr": last_words} if last_words else None,
        )


def _digest_of(file: Path) -> str:
    """Return a file's digest, or of a large one (weights of a model) only its size."""
    if (size := file.stat().st_size) > _MOST_DIGESTED:
        return f"{size} bytes"
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _decoded(data: bytes) -> str:
    data = data.removeprefix(_BOM)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        what = f"the output is no UTF-8 at byte {error.start}"
        raise bad_response(what, hint=_encoding_hint(data)) from None


def _encoding_hint(data: bytes) -> str:
    with suppress(UnicodeDecodeError):
        data.decode("cp949")
        return "it reads as CP949, the encoding of a Korean console; write UTF-8 to stdout"
    return "write UTF-8 to stdout"


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except RecordError as error:
        hint = "write nothing but the answer to stdout (logs to stderr), or set stdout: text"
        what = f"the output is {error}: {text.strip()[:_SHOWN] or 'nothing'}"
        raise bad_response(what, hint=hint, option="options.stdout") from None
