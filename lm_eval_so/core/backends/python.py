"""A chatbot that is a Python function of the user's own."""

import inspect
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from pydantic import Field, JsonValue

from lm_eval_so.core.backends.base import Capabilities, ChatBackend, SharedOptions
from lm_eval_so.core.backends.own_code import messages_of, response_of, sample_of
from lm_eval_so.core.backends.target import Target, find_target
from lm_eval_so.core.backends.threads import Threads
from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where, refuse

_OFFERED = frozenset({"sample", "params", "session", "tools", "seed"})


class PythonBackend(ChatBackend):
    """Calls a function `(messages, *, sample, params, session)`, plain or async.

    Of the named arguments it gets those that it takes; `tools` and `seed` are there, too. It
    gives a text, the fields of a `ChatResponse` as a mapping, or a `ChatResponse`.
    """

    name: ClassVar[str] = "python"
    capabilities: ClassVar[Capabilities] = Capabilities(seed=True, tools=True, cacheable=False)

    class Options(SharedOptions):
        """Which function, and how many threads it may take."""

        target: str
        """module:function, or path.py:function; found from the config's folder, too."""
        threads: int = Field(default=4, ge=1, le=1024)
        """Most calls at once of a function that is not async."""

    options: Options
    _target: Target | None = None

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._threads = Threads(self.options.threads)

    def check(self) -> Iterator[Problem]:
        """Import the function: find what is missing, and arguments that nobody would give."""
        found = self._found()
        if isinstance(found, Problem):
            yield found
            return
        unknown = found.needs - _OFFERED
        if unknown:
            what = f"{self.options.target} needs {', '.join(sorted(unknown))}, which nothing gives"
            hint = "take (messages, *, sample, params, session), or give it a default"
            yield Problem(what=what, where=Where(key="options.target"), hint=hint)

    async def open(self) -> None:
        """Import the function, if `check` did not."""
        refuse(list(self.check()))

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt; what the function raises is passed on.

        Raises:
            BackendError: `bad_response`, if what it gives is no answer.
            CannotMeasure: If calls that never ended hold all threads.
        """
        target = self._target
        assert target is not None  # noqa: S101 - `open` imports it
        call = partial(target.function, _messages(request), **_named(target, request))
        try:
            answer = await (call() if target.is_async else self._threads.run(call))
            if inspect.isawaitable(answer):
                answer = await answer
        except ModuleNotFoundError as error:
            hint = f"import {error.name} at the top of the file; later its folder is not searched"
            what = f"ModuleNotFoundError: {error}"
            raise BackendError(ErrorKind.CALLABLE, what, retryable=False, hint=hint) from None
        except TimeoutError as error:  # the function's own, not that of the attempt
            what = f"TimeoutError: {error}"
            raise BackendError(ErrorKind.CALLABLE, what, retryable=False) from None
        return response_of(answer, source=self.options.target)

    def limiter_key(self) -> str:
        """Name the function."""
        return f"{self.name} {self.env.folder}/{self.options.target}"

    def most_at_once(self) -> int:
        """As many as there are threads, for a function that is not async."""
        if self._target is not None and self._target.is_async:
            return self.env.concurrency
        return min(self.env.concurrency, self.options.threads)

    def reach(self) -> Mapping[str, JsonValue]:
        """Tell the function and the digest of its file: another code is another chatbot."""
        found = self._found()
        file = found.file if isinstance(found, Target) else None
        code = digest_bytes(file.read_bytes()) if file is not None and file.is_file() else None
        return {"target": self.options.target, "sha256": code}

    def _found(self) -> Target | Problem:
        if self._target is not None:
            return self._target
        found = find_target(self.options.target, self.env.folder)
        if isinstance(found, Target):
            self._target = found
        return found


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    system = [] if request.system is None else [{"role": "system", "content": request.system}]
    return [*system, *messages_of(request)]


def _named(target: Target, request: ChatRequest) -> dict[str, Any]:
    values = {
        "sample": sample_of(request),
        "params": dict(request.params),
        "session": request.session,
        "tools": list(request.tools),
        "seed": request.seed,
    }
    return {name: value for name, value in values.items() if target.takes(name)}
