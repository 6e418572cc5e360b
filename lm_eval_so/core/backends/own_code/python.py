"""The backend of a Python function of the user's own."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, Field, JsonValue

from lm_eval_so.core.backends.base import Capabilities, ChatBackend, SharedOptions
from lm_eval_so.core.backends.own_code.function import Target, Wanted, find_target
from lm_eval_so.core.backends.own_code.interface import messages_of, response_of, sample_of
from lm_eval_so.core.hashing import digest_bytes
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, Problem, Where, refuse

_OFFERED = frozenset({"sample", "params", "session", "tools", "seed"})
_WANTED = Wanted(
    key="options.target", first="messages", form="(messages, *, sample, params, session)"
)
Done = Callable[[Any, BaseException | None], None]


class PythonBackend(ChatBackend):
    """Calls a function `(messages, *, sample, params, session)`, plain or async.

    Of the named arguments it gets those that it takes; `tools` and `seed` are there, too. It
    gives a text, the fields of a `ChatResponse` as a mapping, or a `ChatResponse`.
    """

    name: ClassVar[str] = "python"
    capabilities: ClassVar[Capabilities] = Capabilities(
        seed=True, tools=True, cacheable=False, own_code=True
    )

    class Options(SharedOptions):
        """The function, and its threads."""

        target: str
        """module:function, or path.py:function; found from the config's folder, too."""
        threads: int = Field(default=4, ge=1, le=1024)
        """Most calls at once of a function that is not async."""

    options: Options
    _target: Target | None = None

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._threads = Threads(self.options.threads)

    @classmethod
    def runs(cls, options: BaseModel) -> str:
        """Return the function."""
        return options.target if isinstance(options, PythonBackend.Options) else ""

    def check(self) -> Iterator[Problem]:
        """Import the function: find missing modules, and arguments that no call would have."""
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
        """Make one attempt; exceptions of the function are passed on.

        Raises:
            BackendError: `bad_response`, if its return value is no answer.
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
        """Return the function."""
        return f"{self.name} {self.env.folder}/{self.options.target}"

    def most_at_once(self) -> int:
        """Return the number of threads, for a function that is not async."""
        if self._target is not None and self._target.is_async:
            return self.env.concurrency
        return min(self.env.concurrency, self.options.threads)

    def reach(self) -> Mapping[str, JsonValue]:
        """Return the function and the digest of its file: another code is another chatbot."""
        found = self._found()
        file = found.file if isinstance(found, Target) else None
        code = digest_bytes(file.read_bytes()) if file is not None and file.is_file() else None
        return {"target": self.options.target, "sha256": code}

    def _found(self) -> Target | Problem:
        if self._target is not None:
            return self._target
        found = find_target(self.options.target, self.env.folder, _WANTED)
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


class Threads:
    """Threads for blocking calls, so many at once.

    A call that is cancelled goes on in its thread, which is lost until it ends of itself. Threads
    do not hold the process back when it ends.

    Args:
        most: Calls at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lost = 0
        self._free = asyncio.Semaphore(most)

    async def run(self, call: Callable[[], Any]) -> Any:
        """Return or raise the outcome of a call in a thread.

        Raises:
            CannotMeasure: If all threads are lost.
        """
        if self._lost >= self._most:
            what = f"all {self._most} threads hang in calls that passed their time-out"
            hint = "give the function a time limit of its own, or raise run.timeout_s"
            raise CannotMeasure(what, hint=hint)
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

        def done(value: Any, error: BaseException | None) -> None:
            self._free.release()
            if result.cancelled():
                self._lost -= 1
            else:
                result.set_result((value, error))

        work = partial(_work, call, loop, done)
        threading.Thread(target=work, name="lm-eval-so-python", daemon=True).start()
        try:
            value, error = await result
        except asyncio.CancelledError:
            self._lost += result.cancelled()
            raise
        if error is not None:
            raise _passed_on(error)
        return value


def _work(call: Callable[[], Any], loop: asyncio.AbstractEventLoop, done: Done) -> None:
    value, error = None, None
    try:
        value = call()
    except BaseException as raised:  # noqa: BLE001 - the caller's, whatever it is
        error = raised
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(done, value, error)


def _passed_on(error: BaseException) -> BaseException:
    """Return an error as it is, unless it would end more than the call."""
    if isinstance(error, Exception | SystemExit) and not isinstance(error, StopIteration):
        return error
    what = f"{type(error).__name__}: {error}"
    return BackendError(ErrorKind.CALLABLE, what, retryable=False)
