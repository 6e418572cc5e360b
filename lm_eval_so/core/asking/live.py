"""Asking for real: limiter, attempts, time limits, retries, status, cost, redaction."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import UnionType

from lm_eval_so.core.asking.asker import Answer, Clock
from lm_eval_so.core.asking.clock import now_text
from lm_eval_so.core.asking.limiter import Limiter, Slot
from lm_eval_so.core.asking.prices import cost_of
from lm_eval_so.core.asking.redact import clean_error, clean_response
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import Policy, asks_too_much, wait_s
from lm_eval_so.core.asking.status import status_of_error, status_of_response
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.events import Noticed
from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Retry
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, Interrupted

_IN_A_ROW = 3
_NOTICE_EVERY_S = 10.0
_NO_KINDS: frozenset[ErrorKind] = frozenset()
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
}
"""What of a response is written, and as what."""


@dataclass(slots=True)
class _Row:
    """One request on its way to an answer."""

    request: ChatRequest
    began: float
    deadline: float
    once: frozenset[ErrorKind]
    retries: list[Retry] = field(default_factory=list)


class LiveAsker:
    """Asks one backend; several may ask through one limiter.

    Args:
        backend: An open backend.
        policy: How hard it is tried.
        limiter: Bounds the requests under way to this endpoint.
        resources: Stop event, listener and redactor.
        seed: Decides the jitter of waits.
        stage: Names the stage in what the listener is told.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        backend: ChatBackend,
        *,
        policy: Policy,
        limiter: Limiter,
        resources: Resources,
        seed: int = 0,
        stage: str = "run",
        clock: Clock = time.monotonic,
    ) -> None:
        self.backend = backend
        self.limiter = limiter
        self.requests = 0
        """Attempts sent so far."""
        self._policy = policy
        self._resources = resources
        self._seed = seed
        self._stage = stage
        self._clock = clock
        self._refusals: Mapping[str, int] = {"auth": 0, "wait": 0}
        self._noticed_at = float("-inf")

    async def ask(
        self, request: ChatRequest, *, only_once: frozenset[ErrorKind] = _NO_KINDS
    ) -> Answer:
        """Ask until there is an answer, or no more attempts.

        Args:
            request: What to ask.
            only_once: Kinds of errors that get one more attempt at most.

        Raises:
            Interrupted: If the user stopped it before this request was sent again.
            BackendError: If the endpoint refused the credentials three times in a row.
            CannotMeasure: If the quota is used up, or the server asks for too long a wait.
        """
        began = self._clock()
        async with self.limiter.slot() as slot:
            deadline = min(request.deadline, self._clock() + self._policy.row_deadline_s)
            row = _Row(request=request, began=began, deadline=deadline, once=only_once)
            return await self._answer(row, slot)

    async def _answer(self, row: _Row, slot: Slot) -> Answer:
        while True:
            if self._resources.stop.is_set():
                raise Interrupted("interrupted")
            started_at = now_text(self._resources.environ)
            sent_at = self._clock()
            self.requests += 1
            try:
                response = await self._attempt(row, sent_at)
            except BackendError as error:
                self._tell_limiter(error, sent_at)
                wait = self._wait_after(error, row)
                if wait is None:
                    return self._failed(error, row, started_at)
                kept = Retry(
                    kind=error.kind, http_status=error.http_status, wait_ms=round(wait * 1000, 1)
                )
                row.retries.append(kept)
                await self._pause(wait)
                await slot.keep()
            else:
                self.limiter.succeeded(sent_at=sent_at)
                self._refusals = {"auth": 0, "wait": 0}
                return self._answered(response, row, started_at, self._clock() - sent_at)

    async def _attempt(self, row: _Row, sent_at: float) -> ChatResponse:
        attempt = len(row.retries) + 1
        request = replace(row.request, attempt=attempt, deadline=row.deadline)
        left_s = row.deadline - sent_at
        try:
            async with asyncio.timeout(min(self._policy.timeout_s, left_s)):
                return _checked(await self.backend.send(request), self.backend)
        except TimeoutError:
            if left_s <= self._policy.timeout_s:
                what = f"no answer within the {self._policy.row_deadline_s:g} s of a row"
                raise BackendError(ErrorKind.DEADLINE, what, retryable=False) from None
            what = f"no answer within {self._policy.timeout_s:g} s"
            raise BackendError(ErrorKind.TIMEOUT, what, retryable=True) from None
        except (BackendError, Interrupted):
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's; the row says what
            first_line = str(error).partition("\n")[0]
            what = f"{type(error).__name__}: {first_line}"
            raise BackendError(ErrorKind.CALLABLE, what, retryable=False) from None

    def _wait_after(self, error: BackendError, row: _Row) -> float | None:
        request = row.request
        attempt = len(row.retries) + 1
        chance = u64(self._seed, request.sample_id, request.repeat, attempt) / 2**64
        return wait_s(
            error,
            earlier=row.retries,
            time_left_s=row.deadline - self._clock(),
            policy=self._policy,
            chance=chance,
            only_once=row.once,
        )

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until the user stops it."""
        try:
            async with asyncio.timeout(seconds):
                await self._resources.stop.wait()
        except TimeoutError:
            return

    def _tell_limiter(self, error: BackendError, sent_at: float) -> None:
        is_busy = error.http_status == 503 and error.retry_after_s is not None
        if error.kind is not ErrorKind.RATE_LIMIT and not is_busy:
            return
        before, now = self.limiter.limit, self._clock()
        cut = self.limiter.refused(sent_at=sent_at, now=now)
        if cut and now - self._noticed_at >= _NOTICE_EVERY_S:
            self._noticed_at = now
            text = f"rate limited: now {self.limiter.limit} at once (was {before})"
            if error.retry_after_s is not None:
                text += f"; the server asks to wait {error.retry_after_s:.3g} s"
            self._resources.listener(Noticed(stage=self._stage, text=text))

    def _answered(
        self, response: ChatResponse, row: _Row, started_at: str, took_s: float
    ) -> Answer:
        status = status_of_response(response)
        if status is RunStatus.REFUSED and not response.text and response.refusal:
            response = replace(response, text=response.refusal)
        response, redactions = clean_response(response, self._resources.redactor)
        can = self.backend.capabilities
        price = getattr(self.backend.options, "price", None)
        cost = cost_of(response.usage, price, is_priced=can.priced)
        measured = round(took_s * 1000, 1) if can.measures_latency else response.latency_ms
        return Answer(
            status=status,
            response=response,
            usage=response.usage,
            cost_usd=cost.usd,
            cost_source=cost.source,
            latency_ms=measured,
            total_ms=self._since(row.began),
            attempts=len(row.retries) + 1,
            retries=tuple(row.retries),
            cached=not can.measures_latency,
            started_at=started_at,
            redactions=redactions,
        )

    def _failed(self, error: BackendError, row: _Row, started_at: str) -> Answer:
        info = clean_error(error, self._resources.redactor)
        answer = Answer(
            status=status_of_error(error.kind),
            error=info,
            total_ms=self._since(row.began),
            attempts=len(row.retries) + 1,
            retries=tuple(row.retries),
            started_at=started_at,
        )
        self._end_if_hopeless(error, info)
        return answer

    def _end_if_hopeless(self, error: BackendError, info: ErrorInfo) -> None:
        """Raise if asking on would only cost time or money."""
        if error.kind is ErrorKind.QUOTA:
            hint = "raise the quota or the budget of the account, then run again to go on"
            raise CannotMeasure(f"the quota is used up: {info.message}", hint=hint)
        auth = self._refusals["auth"] + 1 if error.kind is ErrorKind.AUTH else 0
        is_long = asks_too_much(error, self._policy)
        wait = self._refusals["wait"] + 1 if is_long else 0
        self._refusals = {"auth": auth, "wait": wait}
        if auth >= _IN_A_ROW:
            raise BackendError(
                ErrorKind.AUTH,
                info.message,
                retryable=False,
                http_status=info.http_status,
                hint=info.hint,
            )
        if wait >= _IN_A_ROW:
            seconds = f"{error.retry_after_s:,.0f}"
            raise CannotMeasure(
                f"the server asks to wait {seconds} s", hint="run again later to go on"
            )

    def _since(self, began: float) -> float:
        return round((self._clock() - began) * 1000, 1)


def _checked(response: object, backend: ChatBackend) -> ChatResponse:
    """Refuse what is no response: plugins are not type-checked."""
    name = f"{type(backend).__name__}.send"
    if not isinstance(response, ChatResponse):
        raise TypeError(f"{name} gave {type(response).__name__}, not a ChatResponse")
    for key, kind in _SHAPE.items():
        value = getattr(response, key)
        if not isinstance(value, kind):
            raise TypeError(f"{name} gave a ChatResponse whose {key} is {type(value).__name__}")
    return response
