"""Blocking calls in threads that may be lost: Python can end no thread."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind

Done = Callable[[Any, BaseException | None], None]


class Threads:
    """Runs blocking calls, so many at once.

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
        """Run a call in a thread, and give what it gives or raise what it raises.

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
