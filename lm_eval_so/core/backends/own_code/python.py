"""The backend of a Python function of the user's own."""

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from pydantic import BaseModel, Field, JsonValue

from lm_eval_so.core.backends.base import Capabilities, ChatBackend, SharedOptions
from lm_eval_so.core.backends.own_code.interface import messages_of, response_of, sample_of
from lm_eval_so.core.hashing import digest_bytes, digest_text
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.registry import import_file, refuse_own_code
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, Problem, Where, refuse

_OFFERED = frozenset({"sample", "params", "session", "tools", "seed"})
_FORM = "write module:function, or path.py:function"
_KIND = inspect.Parameter
_MESSAGES = inspect.Parameter("messages", _KIND.POSITIONAL_ONLY)
Done = Callable[[Any, BaseException | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A function that was found."""

    function: Callable[..., Any]
    file: Path | None
    """The file that it stands in; None if there is none."""
    is_async: bool
    named: frozenset[str] | None
    """Arguments that it takes by name; None: any."""
    needs: frozenset[str]
    """Named arguments without a default."""

    def takes(self, name: str) -> bool:
        """Return whether an argument may be given to it."""
        return self.named is None or name in self.named


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


def find_target(target: str, folder: Path) -> Target | Problem:
    """Import a function.

    Args:
        target: Name of the function.
        folder: Searched before everything else, but only while the module is imported.

    Returns:
        Function, or the problem with it.

    Raises:
        ConfigError: If no code of the user's own may run.
    """
    module_name, colon, name = target.rpartition(":")
    if not (colon and module_name and name):
        return _problem(f'"{target}" names no function', hint=_FORM)
    refuse_own_code(target)
    try:
        with _searched(folder):
            module = _import(module_name, folder)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's code raises
        return _import_problem(module_name, error, folder)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        return _problem(f"no function {name} in {_file(module) or module_name}", hint=_FORM)
    if inspect.isclass(found):
        hint = "name a function, which may call an object that the module makes"
        return _problem(f"{target} is a class", hint=hint)
    return _described(found, module)


def _import(name: str, folder: Path) -> ModuleType:
    if not name.endswith(".py"):
        return _same(importlib.import_module(name), folder)
    path = (folder / name).resolve()
    # a name of its own: two configs may each have a bot.py
    alias = f"_lm_eval_so_target_{path.stem}_{digest_text(str(path))[:8]}"
    if alias in sys.modules:
        return sys.modules[alias]
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    return import_file(path, alias)


def _same(module: ModuleType, folder: Path) -> ModuleType:
    """Return a module, unless another one of its name was loaded before that of the folder."""
    top, _, rest = module.__name__.partition(".")
    places = [folder / f"{top}.py", folder / top / "__init__.py"]
    own = next((place.resolve() for place in places if place.is_file()), None)
    loaded = _file(sys.modules[top])
    if own is not None and loaded is not None and loaded.resolve() != own:
        hint = "" if rest else f"; name it as {top}.py:…"
        raise ImportError(f"another {top} is loaded already, from {loaded}{hint}")
    return module


@contextmanager
def _searched(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    importlib.invalidate_caches()
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _described(function: Callable[..., Any], module: ModuleType) -> Target | Problem:
    call = function if inspect.isroutine(function) else type(function).__call__
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some builtins do not tell
        parameters = [_MESSAGES]
    if not parameters or parameters[0].kind in {_KIND.KEYWORD_ONLY, _KIND.VAR_KEYWORD}:
        name = getattr(function, "__name__", type(function).__name__)
        hint = "take (messages, *, sample, params, session)"
        return _problem(f"{name} takes no messages", hint=hint)
    by_name = [p for p in parameters[1:] if p.kind not in {_KIND.VAR_POSITIONAL, _KIND.VAR_KEYWORD}]
    takes_any = any(p.kind is _KIND.VAR_KEYWORD for p in parameters)
    return Target(
        function=function,
        file=_source(function) or _file(module),
        is_async=inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call),
        named=None if takes_any else frozenset(p.name for p in by_name),
        needs=frozenset(p.name for p in by_name if p.default is inspect.Parameter.empty),
    )


def _source(function: Callable[..., Any]) -> Path | None:
    """Return the file of a function, below its decorators."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:  # an object that can be called, a builtin
        return None
    return Path(file) if file else None


def _file(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _import_problem(name: str, error: BaseException, folder: Path) -> Problem:
    what = f"{name} cannot be imported: {type(error).__name__}: {error}"
    hint = f"run python -c 'import …' in {folder} to see why"
    if isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
        hint = f"it is searched in {folder}, and where Python finds modules"
    return _problem(f"{what}{_line_of(error)}", hint=hint)


def _line_of(error: BaseException) -> str:
    """Return the line of the user's code that failed, as " (bot.py:3)"; "" if none did."""
    if isinstance(error, SyntaxError):
        return ""  # tells its line itself
    frame, place = error.__traceback__, ""
    while frame is not None:
        file = frame.tb_frame.f_code.co_filename
        if not file.startswith("<") and file != __file__ and "importlib" not in file:
            place = f" ({Path(file).name}:{frame.tb_lineno})"
        frame = frame.tb_next
    return place


def _problem(what: str, *, hint: str) -> Problem:
    return Problem(what=what, where=Where(key="options.target"), hint=hint)


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
