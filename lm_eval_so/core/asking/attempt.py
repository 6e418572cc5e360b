"""One attempt: a request sent once, in limited time, whatever the backend's code does."""

import asyncio
from collections.abc import Mapping
from types import UnionType

from lm_eval_so.core.asking.answer.outcome import with_known_finish
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
"""Fields of a response that are written, and their types."""


class OutOfTime(Exception):  # noqa: N818 - no error: the asker says what it means
    """End of an attempt's time."""


async def attempt(backend: ChatBackend, request: ChatRequest, *, time_s: float) -> ChatResponse:
    """Send a request once.

    Args:
        backend: Open backend.
        request: Request to send.
        time_s: Seconds until it is cut off.

    Raises:
        OutOfTime: If it took longer.
        BackendError: The backend's own; `callable` for any other exception of it; `server` if the
            answer ended by an error.
    """
    limit = asyncio.timeout(time_s)
    try:
        async with limit:
            response = await backend.send(request)
    except LMEvalError:
        raise
    except TimeoutError as error:
        if limit.expired():
            raise OutOfTime from None
        raise _callable(error) from None  # a time-out of the backend's own
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise _callable(error) from None  # the backend gave up something of its own
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's; the row says what
        raise _callable(error) from None
    if not type(backend).__module__.startswith(_OURS):
        _check(response, backend)
    return with_known_finish(response)


def _check(response: object, backend: ChatBackend) -> None:
    """Refuse an object that is no response: plugins are not type-checked."""
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
