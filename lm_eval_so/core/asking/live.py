"""Asking for real: cache, limit, breaker, pace, budget, attempts and retries."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from lm_eval_so.core.asking.answer.outcome import Answers, Row
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.attempt import OutOfTime, attempt
from lm_eval_so.core.asking.cache.cache import AnswerCache, RequestKeys
from lm_eval_so.core.asking.endpoint.admission import FREE, Gate, Pass, Slot
from lm_eval_so.core.asking.proof import Proof, prove
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import Policy, RetryDecision, Tried, chance_of, decide
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind, Interrupted, LMEvalError, Where

_NOTICE_EVERY_S = 10.0


def _key_only(key: str) -> Where:
    return Where(key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A backend to ask, and how."""

    backend: ChatBackend
    """Open backend."""
    policy: Policy
    """Limits of a row's attempts."""
    label: str = ""
    """Name of the backend for people; default: its own."""
    stage: str = "run"
    """Name of the stage in events."""
    where: Callable[[str], Where] = _key_only
    """Function from a key of the backend's section to its place in the config."""
    seed: int = 0
    """Seed of the jitter of waits."""

    @property
    def name(self) -> str:
        """Name of the backend for people."""
        return self.label or self.backend.name or type(self.backend).__name__


class LiveAsker:
    """Asks one backend; several may ask through one endpoint.

    The first request that the cache does not know goes alone: it proves address, credentials and
    parameters, so that a mistake costs one request, or a few more if the sample may be to blame.

    Args:
        target: Backend, and how it is asked.
        resources: Clock, stop event, budget, listener and redactor.
        cache: Earlier answers; None if they may not be used.
        key_of: Makes the digests of requests, by which the cache knows their answers.
    """

    def __init__(
        self,
        target: Target,
        resources: Resources,
        *,
        cache: AnswerCache | None = None,
        key_of: RequestKeys | None = None,
    ) -> None:
        self.backend = target.backend
        self.requests = 0
        """Attempts sent so far."""
        self.adaptations: list[str] = []
        """Changes of all requests because the endpoint refused something."""
        self.notes: list[str] = []
        """Advice on the settings, from how the endpoint was found to answer."""
        self.key_of = key_of or RequestKeys(fingerprint="", reach="")
        offline = self.backend.capabilities.offline
        self.proof = Proof(target.name, where=target.where, is_given=offline)
        self.answers = Answers(self.backend, resources.redactor)
        self._target = target
        self._resources = resources
        self._clock = resources.clock
        self._wall = resources.wall_clock()
        self._cache = cache
        self._endpoint = resources.endpoint(self.backend, label=target.name, stage=target.stage)
        self.limiter = self._endpoint.limiter
        self._gate = Gate(self._endpoint, self.backend, resources.budget)
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
        row = Row(request=request, key=self.key_of(request), began=self._clock())
        answer = self.known(row.key) if self._cache is not None else None
        if answer is not None:
            return answer
        if self.proof.goes_alone:
            answer = await self._ask_alone(row)
        if answer is None:
            answer = await self._ask(row)
            if not self.proof.is_over:
                self._learn(answer, request)
        if self._cache is not None:
            self._cache.put(row.key, answer)
        return answer

    @property
    def ending(self) -> LMEvalError | None:
        """Error of the last answers that must end the stage, unless one who asked got it since."""
        return self._untold or self.proof.blamed

    def known(self, key: str) -> Answer | None:
        """Return the answer that the cache has by this digest of a request; None if it has none."""
        found = self._cache.get(key) if self._cache else None
        if found is None:
            return None
        return self.answers.of_cache(found, key, wall=self._wall())

    def keep(self, key: str, answer: Answer) -> bool:
        """Put an answer into the cache, and return whether it is one that the cache keeps."""
        return self._cache is not None and self._cache.put(key, answer)

    def save(self) -> bool:
        """Write the cache to its file now, and return whether all answers that it keeps are there."""
        return self._cache is not None and self._cache.save()

    async def _ask_alone(self, row: Row) -> Answer | None:
        """Ask alone, or wait for the request that does; None if that is no longer needed."""

        async def ask() -> Answer:
            first = Row(request=row.request, key=row.key, began=row.began, is_first=True)
            return await self._ask(first)

        async with self._proving:
            if not self.proof.goes_alone:
                return None
            self._refuse_if_over()
            try:
                answer = await prove(
                    self.backend, ask, tell=self._adapted, where=self._target.where
                )
            except (BackendError, ConfigError) as error:
                self._end = error
                raise
            self._learn(answer, row.request)
            return answer

    def _learn(self, answer: Answer, request: ChatRequest) -> None:
        """Take note of an answer; its row counts even if it ends the stage."""
        if answer.error is None:
            self.proof.answered()
        elif self._end is None:
            asked = request.sample_id or answer.request_hash or ""  # embeddings are of no sample
            self._end = self._untold = self.proof.failed(answer.error, asked)

    async def _ask(self, row: Row) -> Answer:
        async with self.limiter.slot() as slot:
            while True:
                found = await self._try(row, slot)
                if isinstance(found, Answer):
                    return found
                if found.wait_s is None:
                    return self.answers.of_error(found.error, row, now=self._clock())
                row.retries.append(found.retry)
                self.limiter.wait(slot)
                await self._resources.pause(found.wait_s)
                since = self._clock()
                await self.limiter.keep(slot)
                row.give(self._clock() - since)

    async def _try(self, row: Row, slot: Slot) -> Answer | RetryDecision:
        """Make one attempt, as soon as it may be made."""
        self._refuse_if_over()
        held = FREE if self._gate.is_free() else await self._enter(row)
        answer = None
        try:
            response = await self._send(row, slot)
            now = self._clock()
            self._endpoint.answered(slot, now=now)
            answer = self.answers.of_response(response, row, now=now)
            return answer
        except BackendError as error:
            return self._after(error, row, slot, is_probe=held.is_probe)
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

    async def _send(self, row: Row, slot: Slot) -> ChatResponse:
        policy, now = self._target.policy, self._clock()
        row.sent_at, row.wall = now, self._wall()
        if row.queue_ms is None:
            row.queue_ms = round((now - row.began) * 1000, 1)
            row.deadline = min(row.request.deadline, now + policy.row_deadline_s)
        request = replace(
            row.request,
            attempt=len(row.retries) + 1,
            deadline=row.deadline,
            idempotency_key=row.key,
        )
        self.requests += 1
        self.limiter.sends(slot, now)
        budget, left_s = self._resources.budget, row.deadline - now
        most_s = min(policy.timeout_s, left_s)
        cut_s = budget.cut_s() if budget.is_limited else most_s
        try:
            return await attempt(self.backend, request, time_s=min(most_s, cut_s))
        except OutOfTime:
            if cut_s < most_s:
                raise budget.out_of_time() from None
            raise _too_late(policy, left_s=left_s) from None

    def _after(self, error: BackendError, row: Row, slot: Slot, *, is_probe: bool) -> RetryDecision:
        """Tell the endpoint of a failed attempt, and decide what follows.

        Raises:
            LMEvalError: If asking on would only cost time or money.
        """
        now = self._clock()
        told = self._endpoint.failed(error, row.name, slot, now=now, probe=is_probe)
        if told and now - self._noticed_at >= _NOTICE_EVERY_S:
            self._noticed_at = now
            self._resources.listener(Noticed(stage=self._target.stage, text=told))
        if self.limiter.wants_pace and not self.notes:
            self._advise_pace()
        tried = Tried(
            error=error,
            earlier=row.retries,
            now=now,
            deadline=row.deadline,
            chance=chance_of(self._target.seed, *row.name, nth=len(row.retries) + 1),
            is_first=row.is_first,
            may_hear_twice=self.backend.may_hear_twice,
        )
        decision = decide(tried, self._target.policy, self._endpoint.refusals)
        if decision.end is not None:
            self._end = decision.end
            raise decision.end
        return decision

    def _refuse_if_over(self) -> None:
        if self._resources.stop.is_set():
            raise Interrupted("interrupted")
        if self._end is not None:
            self._untold = None
            raise self._end

    def _advise_pace(self) -> None:
        text = f"{self._target.name} refuses requests even where only 1 or 2 are under way"
        verb = "lower" if self._endpoint.pace.is_set else "set"
        hint = f"{verb} run.max_requests_per_s to what the account allows"
        self.notes.append(f"{text}: {hint}")
        self._resources.listener(Warned(stage=self._target.stage, text=text, hint=hint))

    def _adapted(self, text: str) -> None:
        self.adaptations.append(text)
        self._resources.listener(Warned(stage=self._target.stage, text=text))


def _too_late(policy: Policy, *, left_s: float) -> BackendError:
    """Return the error of an attempt that took longer than it may.

    Args:
        policy: Seconds of an attempt and of a row.
        left_s: Seconds that the row had left.
    """
    if left_s <= policy.timeout_s:
        what = f"no answer within the {policy.row_deadline_s:g} s of a row"
        return BackendError(ErrorKind.DEADLINE, what, retryable=False)
    what = f"no answer within {policy.timeout_s:g} s"
    return BackendError(ErrorKind.TIMEOUT, what, retryable=True, taken_in=True)
