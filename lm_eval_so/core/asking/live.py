"""Asking for real: cache, limit, breaker, pace, budget, attempts and retries."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from lm_eval_so.core.asking.admission import FREE, Gate, Pass
from lm_eval_so.core.asking.answer.outcome import Row, answered, failed, kept
from lm_eval_so.core.asking.answer.redact import clean_error
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.attempt import OutOfTime, attempt, too_late
from lm_eval_so.core.asking.cache.cache import AnswerCache
from lm_eval_so.core.asking.cache.keys import RequestKeys
from lm_eval_so.core.asking.cost.prices import Rates
from lm_eval_so.core.asking.endpoint.limiter import Limiter
from lm_eval_so.core.asking.endpoint.refusals import is_refusal
from lm_eval_so.core.asking.preflight import prove
from lm_eval_so.core.asking.proof import Proof
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import Policy, wait_s
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.clock import fixed_time
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.files import is_out_of_files
from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.records.run import Retry
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind, Interrupted, LMEvalError, Where

_NOTICE_EVERY_S = 10.0
_NO_KINDS: frozenset[ErrorKind] = frozenset()
_PROVING = frozenset({ErrorKind.CONNECTION})
"""What gets one more attempt at most in the first request: a wrong address should show at once."""


class LiveAsker:
    """Asks one backend; several may ask through one limiter.

    The first request that the cache does not know goes alone: it proves address, credentials and
    parameters, so that a mistake costs one request; what may be about that sample, a few more.

    Args:
        backend: An open backend.
        policy: How hard it is tried.
        limiter: Bounds the requests under way to this endpoint.
        resources: Clock, stop event, budget, listener and redactor.
        cache: Answers of earlier; None if they may not be used.
        key_of: Makes the digests of requests, what the cache knows their answers by.
        rates: What the model charges, for the budget; None if that is not known.
        label: Names the backend for people; default: its name.
        where: Gives the place in the config of a key of the backend's section.
        seed: Decides the jitter of waits.
        stage: Names the stage in what the listener is told.
    """

    def __init__(
        self,
        backend: ChatBackend,
        *,
        policy: Policy,
        limiter: Limiter,
        resources: Resources,
        cache: AnswerCache | None = None,
        key_of: RequestKeys | None = None,
        rates: Rates | None = None,
        label: str = "",
        where: Callable[[str], Where] = lambda key: Where(key=key),
        seed: int = 0,
        stage: str = "run",
    ) -> None:
        self.backend = backend
        self.limiter = limiter
        self.requests = 0
        """Attempts sent so far."""
        self.adaptations: list[str] = []
        """What was changed in the requests because the endpoint refused it."""
        self._policy = policy
        self._resources = resources
        self._clock = resources.clock
        self._cache = cache
        self.key_of = key_of or RequestKeys(fingerprint="", reach="")
        self._where = where
        self._seed = seed
        self._stage = stage
        name = label or backend.name or type(backend).__name__
        self.proof = Proof(name, where=where, is_given=backend.capabilities.offline)
        self._endpoint = resources.endpoint(backend.limiter_key(), label=name, stage=stage)
        self._gate = Gate(self._endpoint, resources, rates)
        self._fixed_time = fixed_time(resources.environ)
        self._proving = asyncio.Lock()
        self._end: LMEvalError | None = None
        self._untold: LMEvalError | None = None
        self._noticed_at = float("-inf")

    async def ask(self, request: ChatRequest) -> Answer:
        """Ask until there is an answer, or no more attempts.

        Raises:
            Interrupted: If the user stopped it before this request was sent again.
            BackendError: If the endpoint cannot be reached, refuses the credentials or is gone.
            CannotMeasure: If budget or quota is used up, or the endpoint only refuses or fails.
            ConfigError: If the first requests show that the config is to blame.
        """
        began = self._clock()
        key = self.key_of(request)
        answer = self.known(key)
        if answer is not None:
            return answer
        answer = await self._ask_alone(request, key, began) if self.proof.goes_alone else None
        if answer is None:
            answer = await self._ask(Row(request=request, key=key, began=began))
            self._learn(answer, request)
        self.keep(key, answer)
        return answer

    @property
    def ending(self) -> LMEvalError | None:
        """What the last answers showed that must end the stage, unless one who asked got it since."""
        return self._untold or self.proof.blamed

    def known(self, key: str) -> Answer | None:
        """Return the answer that the cache has by this digest of a request; None if it has none."""
        found = self._cache.get(key) if self._cache else None
        if found is None:
            return None
        redactor = self._resources.redactor
        return kept(found, key, self.backend, redactor=redactor, wall=self._wall())

    def keep(self, key: str, answer: Answer) -> None:
        """Give an answer to the cache."""
        if self._cache is not None:
            self._cache.put(key, answer)

    async def _ask_alone(self, request: ChatRequest, key: str, began: float) -> Answer | None:
        """Ask alone, or wait for the one who does; None if nobody has to any more."""

        async def ask() -> Answer:
            return await self._ask(Row(request=request, key=key, began=began), only_once=_PROVING)

        async with self._proving:
            if not self.proof.goes_alone:
                return None
            self._refuse_if_over()
            try:
                answer = await prove(self.backend, ask, tell=self._adapted, where=self._where)
            except (BackendError, ConfigError) as error:
                self._end = error
                raise
            self._learn(answer, request)
            return answer

    def _learn(self, answer: Answer, request: ChatRequest) -> None:
        """Take note of what a request came to; its row counts even if it ends the stage."""
        if answer.error is None:
            self.proof.answered()
        elif self._end is None:
            asked = request.sample_id or answer.request_hash or ""  # embeddings are of no sample
            self._end = self._untold = self.proof.failed(answer.error, asked)

    async def _ask(self, row: Row, *, only_once: frozenset[ErrorKind] = _NO_KINDS) -> Answer:
        async with self.limiter.slot() as slot:
            while True:
                found = await self._try(row)
                if isinstance(found, Answer):
                    return found
                wait = self._wait_after(found, row, only_once)
                if wait is None:
                    info = clean_error(found, self._resources.redactor)
                    return failed(info, row, now=self._clock())
                waited_ms = round(wait * 1000, 1)
                row.retries.append(
                    Retry(kind=found.kind, http_status=found.http_status, wait_ms=waited_ms)
                )
                slot.lend()
                await self._resources.pause(wait)
                since = self._clock()
                await slot.keep()
                row.give(self._clock() - since)

    async def _try(self, row: Row) -> Answer | BackendError:
        """Make one attempt, as soon as it may be made."""
        self._refuse_if_over()
        held = FREE if self._gate.is_free() else await self._enter(row)
        answer = None
        try:
            response = await self._send(row)
            answer = self._answered(response, row)
            return answer
        except BackendError as error:
            self._note(error, row, held)
            return error
        finally:
            if held is not FREE:
                self._gate.leave(held, answer)

    async def _enter(self, row: Row) -> Pass:
        since = self._clock()
        held = await self._gate.enter(row.request)
        try:
            self._refuse_if_over()
        except LMEvalError:
            self._gate.leave(held, None)
            raise
        row.give(self._clock() - since)  # it was us who let it wait
        return held

    async def _send(self, row: Row) -> ChatResponse:
        now = row.sent_at = self._clock()
        row.wall = self._wall()
        if row.queue_ms is None:
            row.queue_ms = round((now - row.began) * 1000, 1)
            row.deadline = min(row.request.deadline, now + self._policy.row_deadline_s)
        request = replace(
            row.request,
            attempt=len(row.retries) + 1,
            deadline=row.deadline,
            idempotency_key=row.key,
        )
        left_s, cut_s = row.deadline - now, self._resources.budget.cut_s()
        self.requests += 1
        most_s = min(self._policy.timeout_s, left_s)
        try:
            return await attempt(self.backend, request, time_s=min(most_s, cut_s))
        except OutOfTime:
            if cut_s < most_s:
                raise self._resources.budget.out_of_time() from None
            raise too_late(self.backend, self._policy, left_s=left_s) from None

    def _answered(self, response: ChatResponse, row: Row) -> Answer:
        now = self._clock()
        self.limiter.succeeded(sent_at=row.sent_at, now=now)
        self._endpoint.breaker.answered()
        self._endpoint.refusals.answered()
        return answered(response, row, self.backend, redactor=self._resources.redactor, now=now)

    def _note(self, error: BackendError, row: Row, held: Pass) -> None:
        """Let limiter and breaker know of a failed attempt, and end the stage if it must end.

        Raises:
            LMEvalError: If asking on would only cost time or money.
        """
        now = self._clock()
        if is_out_of_files(error):  # one less under way is one that fits; no fault of the endpoint
            self.limiter.narrow(max(1, self.limiter.limit - 1))
            return
        self._tell_limiter(error, row.sent_at, now)
        self._endpoint.breaker.failed(error, row.name, is_probe=held.is_probe)
        end = self._endpoint.refusals.end_of(
            error, policy=self._policy, now=now, redactor=self._resources.redactor
        )
        if end is not None:
            self._end = end
            raise end

    def _tell_limiter(self, error: BackendError, sent_at: float, now: float) -> None:
        if not is_refusal(error):
            is_slow = error.kind is ErrorKind.TIMEOUT and error.http_status is None
            if is_slow or (error.http_status or 0) >= 500:
                why = "timeout" if is_slow else "server"
                self.limiter.slowed(sent_at=sent_at, now=now, why=why)
            return
        before = self.limiter.limit
        why = "busy" if error.http_status == 503 else "rate_limit"
        self.limiter.refused(sent_at=sent_at, now=now, why=why)
        is_cut = self.limiter.limit < before
        if is_cut and now - self._noticed_at >= _NOTICE_EVERY_S:
            self._noticed_at = now
            text = f"rate limited: now {self.limiter.limit} at once (was {before})"
            if error.retry_after_s is not None:
                text += f"; the server asks to wait {error.retry_after_s:.3g} s"
            self._resources.listener(Noticed(stage=self._stage, text=text))

    def _wait_after(
        self, error: BackendError, row: Row, only_once: frozenset[ErrorKind]
    ) -> float | None:
        chance = u64(self._seed, *row.name, len(row.retries) + 1) / 2**64
        return wait_s(
            error,
            earlier=row.retries,
            time_left_s=row.deadline - self._clock(),
            policy=self._policy,
            chance=chance,
            only_once=only_once,
        )

    def _refuse_if_over(self) -> None:
        if self._resources.stop.is_set():
            raise Interrupted("interrupted")
        if self._end is not None:
            self._untold = None
            raise self._end

    def _adapted(self, text: str) -> None:
        self.adaptations.append(text)
        self._resources.listener(Warned(stage=self._stage, text=text))

    def _wall(self) -> datetime:
        return self._fixed_time or datetime.now(UTC)
