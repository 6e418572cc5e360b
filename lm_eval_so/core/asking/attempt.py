"""One attempt: the backend's `send` within its time, and whatever it raises as a `BackendError`."""

import asyncio
from collections.abc import Mapping
from types import TracebackType, UnionType

from lm_eval_so.core.asking.answer.finish import with_known_finish
from lm_eval_so.core.asking.retry import Policy
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Usage
from lm_eval_so.errors import BackendError, ErrorKind, LMEvalError

_OURS = "lm_eval_so."
"""Modules of backends whose responses need no check."""
_SHAPE: Mapping[str, type | UnionType] = {
    "text": str,
    "tool_calls": tuple | list,
    "finish_reason": str | None,
    "refusal": str | None,
    "reasoning": str | None,
    "model": str | None,
    "usage": Usage,
    "context": tuple | list,
    "context_ids": tuple | list,
    "headers": Mapping,
}
"""What of a response is written, and as what."""


class OutOfTime(Exception):  # noqa: N818 - no error: whoever set the time says what it means
    """The time of an attempt is up."""


async def attempt(backend: ChatBackend, request: ChatRequest, *, time_s: float) -> ChatResponse:
    """Send a request once.

    Args:
        backend: An open backend.
        request: What is sent.
        time_s: Seconds until it is cut off.

    Raises:
        OutOfTime: If it took longer.
        BackendError: What the backend raises; any other exception of it is `callable`. `server` if
            the answer ended by an error.
    """
    try:
        with _TimeLimit(time_s):
            response = await backend.send(request)
    except (OutOfTime, LMEvalError):
        raise
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise _callable(error) from None  # the backend gave up something of its own
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's; the row says what
        raise _callable(error) from None
    if not type(backend).__module__.startswith(_OURS):
        _check(response, backend)
    return with_known_finish(response, may_repeat=may_repeat(backend))


def may_repeat(backend: ChatBackend) -> bool:
    """Return whether a message may be sent again though the chatbot may have taken it in."""
    is_forgetful = not backend.capabilities.stateful
    return is_forgetful or bool(getattr(backend.options, "retry_unsafe", False))


def too_late(backend: ChatBackend, policy: Policy, *, left_s: float) -> BackendError:
    """Return the error of an attempt that took longer than it may.

    Args:
        backend: What was asked.
        policy: How long an attempt may take, and a row.
        left_s: Seconds that the row had left.
    """
    if left_s <= policy.timeout_s:
        what = f"no answer within the {policy.row_deadline_s:g} s of a row"
        return BackendError(ErrorKind.DEADLINE, what, retryable=False)
    what = f"no answer within {policy.timeout_s:g} s"
    return BackendError(ErrorKind.TIMEOUT, what, retryable=may_repeat(backend))


class _TimeLimit:
    """Cuts the task off that enters it: `asyncio.timeout`, in half its time."""

    __slots__ = ("_before", "_is_up", "_task", "_time_s", "_timer")

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._is_up = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._task, self._before = task, task.cancelling()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, self._time_s), self._cut)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        # uncancelled whatever became of it: it was this who cancelled
        is_own = self._is_up and self._task.uncancel() <= self._before
        if is_own and kind is asyncio.CancelledError:
            raise OutOfTime from error

    def _cut(self) -> None:
        self._is_up = True
        self._task.cancel()


def _check(response: object, backend: ChatBackend) -> None:
    """Refuse what is no response: plugins are not type-checked."""
    name = f"{type(backend).__name__}.send"
    if not isinstance(response, ChatResponse):
        raise _callable(TypeError(f"{name} gave {type(response).__name__}, not a ChatResponse"))
    for key, kind in _SHAPE.items():
        value = getattr(response, key)
        if not isinstance(value, kind):
            what = f"{name} gave a ChatResponse whose {key} is {type(value).__name__}"
            raise _callable(TypeError(what))


def _callable(error: BaseException) -> BackendError:
    first_line = str(error).partition("\n")[0]
    what = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
    return BackendError(ErrorKind.CALLABLE, what, retryable=False)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
