"""The batches of a log: begun once, and looked at until they are over."""

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

from lm_eval_so.core.asking.batch.batch_log import BatchFiles
from lm_eval_so.core.asking.batch.service import BatchSettings, InputFile, PatientService
from lm_eval_so.core.asking.cost.cost_estimate import bound_of
from lm_eval_so.core.asking.cost.prices import known_rates
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.batches import Batches, BatchState
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.words import counted
from lm_eval_so.errors import BackendError, BudgetSpent, ConfigError, Problem

_SLOWER = 1.5


class Reserve:
    """Requests and money of the budget that are held until the answers of batches are read.

    Args:
        asker: Asker of the backend that is asked.
        resources: The budget.
        discount: Price of a batch as a share of the usual one.
    """

    def __init__(self, asker: LiveAsker, resources: Resources, discount: float) -> None:
        self.spent: BudgetSpent | None = None
        """Error of the request that the budget has nothing left for."""
        self.is_short = False
        """Whether a request has to wait until the real costs of others are known."""
        self._budget = resources.budget
        self._rates = known_rates(asker.backend)
        self._discount = Decimal(str(discount))
        self._held = Decimal(0)

    def take(self, request: ChatRequest) -> bool:
        """Hold what a request may cost; False: nothing is left, or not before others are read."""
        usd = self._most(request) * self._discount
        try:
            if not self._budget.take(usd):
                self.is_short = True
                return False
        except BudgetSpent as error:
            self.spent = error
            return False
        self._held += usd
        return True

    def has_room_for_one(self, request: ChatRequest) -> bool:
        """Return whether a request can be asked alone now, and need not wait until others are read."""
        return self._budget.has_room(self._most(request))

    def release(self) -> None:
        """Release what is held, once the real costs are known."""
        self._budget.settle(self._held, Decimal(0))
        self._held = Decimal(0)

    def _most(self, request: ChatRequest) -> Decimal:
        """Return the most that a request may cost at the usual price, if anybody wants to know."""
        is_limited = self._budget.max_usd is not None
        return bound_of(request, self._rates).usd if is_limited else Decimal(0)


class Chunks:
    """Batches of one log.

    Args:
        asker: Open asker of the backend.
        batches: Batch service of the backend.
        files: The log.
        resources: Budget, clock, listener and stop event.
        settings: Attempts, discount, limits.
    """

    def __init__(
        self,
        asker: LiveAsker,
        batches: Batches,
        files: BatchFiles,
        resources: Resources,
        settings: BatchSettings,
    ) -> None:
        self.limits = settings.limits
        self.service = PatientService(batches, asker.answers, resources, settings.run)
        self.reserve = Reserve(asker, resources, settings.run.batch_discount)
        self._files = files
        self._resources = resources
        self._stage = settings.stage
        self._states: dict[int, BatchState] = {}

    async def begin(self, position: int, file: InputFile) -> None:
        """Upload the file of a chunk and begin its batch, each once.

        Raises:
            BackendError: If the service refuses it, or does not answer.
        """
        chunk = self._files.log.chunks[position]
        if chunk.file_id is None:
            file.finish()
            name = f"lm-eval-so-{chunk.digest[:16]}.jsonl"
            uploaded = await self.service.upload(file.path, name)
            chunk = self._files.change(position, file_id=uploaded)
        log = self._files.log
        metadata = {"lm_eval_so_run": log.run, "lm_eval_so_chunk": chunk.digest}
        state = await self.service.begin(chunk.file_id or "", metadata, since=log.begun_at)
        self._files.change(position, batch_id=state.id)
        self._states[position] = state
        self.notice(f"batch {state.id}: {counted(chunk.requests, 'request')} handed over")

    async def each_over(self) -> AsyncIterator[tuple[int, BatchState]]:
        """Wait for every chunk that is unread, and yield it with its state as soon as it is over.

        Whoever gets a chunk notes in the log that it is read, or void.

        Raises:
            BackendError: If the service does not say how a batch stands.
            Interrupted: If the user stopped it.
            BudgetSpent: If the time is up.
        """
        wait_s = self.limits.first_wait_s
        while self._files.unread:
            states = [(at, await self._look(at)) for at in self._files.unread]
            over = [(at, state) for at, state in states if state.is_over]
            for each in over:
                yield each
            if not over:
                await self.service.pause(wait_s)
                wait_s = min(self.limits.longest_wait_s, wait_s * _SLOWER)
        self.reserve.release()  # the real costs are known

    def refused(self, state: BatchState, names: Mapping[int, str]) -> ConfigError:
        """Return the error of a batch that failed as a whole.

        Args:
            state: State of the batch.
            names: Names for people of the lines of its file, from 1, as far as there are any.
        """
        redact = self._resources.redactor.redact
        told = [
            Problem(what=f"the batch service refuses {_place(line, names)}{redact(text)}")
            for line, text in state.problems
        ]
        told = told or [Problem(what=f"the batch service refuses batch {state.id}")]
        return ConfigError.of(told)

    def tell_unread(self, stop: str = "--cancel-batch") -> None:
        """Warn of every batch that is not read: it goes on only if the service said so when last asked.

        Args:
            stop: Way to stop it, for people.
        """
        for position in self._files.unread:
            batch_id = self._files.log.chunks[position].batch_id
            if batch_id is None:
                continue
            state = self._states.get(position)
            text, hint = f"batch {batch_id} is not read yet", None
            if state is not None and not state.is_over:
                text = f"batch {batch_id} goes on ({self._so_far(position)})"
                hint = f"come back with {self._resources.again}, or stop it with {stop}"
            self._resources.listener(Warned(stage=self._stage, text=text, hint=hint))

    def notice(self, text: str) -> None:
        """Tell the listener news."""
        self._resources.listener(Noticed(stage=self._stage, text=text))

    async def _look(self, position: int) -> BatchState:
        """Ask for the state of a batch, and tell the listener if it is new."""
        batch_id = self._files.log.chunks[position].batch_id or ""
        before = self._states.get(position)
        try:
            state = await self.service.look(batch_id)
        except BackendError:
            self._states.pop(position, None)  # how it stands is no longer known
            raise
        if state is None:
            return before or BatchState(id=batch_id, status="unknown")
        self._states[position] = state
        if before is None or (before.status, before.completed) != (state.status, state.completed):
            self.notice(f"batch {state.id}: {state.status}, {self._so_far(position)}")
        return state

    def _so_far(self, position: int) -> str:
        state, chunk = self._states.get(position), self._files.log.chunks[position]
        return f"{state.completed if state else 0:,} of {chunk.requests:,}"


def _place(line: int | None, names: Mapping[int, str]) -> str:
    return f"{names.get(line, f'line {line}')}: " if line else ""
