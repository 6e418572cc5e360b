"""A batch service asked with patience: what another attempt may cure does not end a run of hours."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.batches import Batches, BatchState
from lm_eval_so.errors import BackendError, Interrupted
from lm_eval_so.runner.batch.files import OutputFiles

T = TypeVar("T")

_LONGEST_BACKOFF_S = 30.0
_LOOKS_IN_VAIN = 10
"""How often in a row the service may not say how a batch stands."""


class PatientService:
    """Repeats what failed in passing.

    Args:
        batches: The service.
        resources: Time, and the user who may stop it.
        max_attempts: How often each step is tried.
    """

    def __init__(self, batches: Batches, resources: Resources, *, max_attempts: int) -> None:
        self.batches = batches
        self._resources = resources
        self._max_attempts = max_attempts
        self._in_vain = 0

    async def upload(self, file: Path, name: str) -> str:
        """Upload an input file and give its id.

        Raises:
            BackendError: If the service refuses it, or does not answer.
        """
        return await self._insist(lambda: self.batches.upload(file, name))

    async def begin(self, file_id: str, metadata: Mapping[str, str], *, since: int) -> BatchState:
        """Begin a batch, unless one with this metadata has been begun since then.

        Raises:
            BackendError: As `upload`.
        """

        async def find_or_create() -> BatchState:
            found = await self.batches.find(metadata, since=since)
            return found or await self.batches.create(file_id, metadata)

        return await self._insist(find_or_create)

    async def look(self, batch_id: str) -> BatchState | None:
        """Ask how a batch stands; None if the service does not say so just now.

        Raises:
            BackendError: If it refuses to, or did not say so ten times in a row.
        """
        try:
            state = await self.batches.look(batch_id)
        except BackendError as error:
            self._in_vain += 1
            if not error.retryable or self._in_vain >= _LOOKS_IN_VAIN:
                raise
            return None
        self._in_vain = 0
        return state

    async def download(self, files: OutputFiles, state: BatchState) -> None:
        """Get what came of a batch.

        Raises:
            BackendError: As `upload`.
        """
        await self._insist(lambda: files.download(self.batches, state))

    async def pause(self, seconds: float) -> None:
        """Wait, unless the user stops it or the time of the run is up.

        Raises:
            Interrupted: If the user stopped it.
            BudgetSpent: If the time is up.
        """
        if self._resources.budget.left_s() <= 0:
            raise self._resources.budget.out_of_time()
        await self._resources.pause(seconds)
        if self._resources.stop.is_set():
            raise Interrupted("interrupted")

    async def _insist(self, work: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(1, self._max_attempts):
            try:
                return await work()
            except BackendError as error:
                if not error.retryable:
                    raise
                backoff = min(_LONGEST_BACKOFF_S, 0.5 * 2**attempt)
                await self.pause(backoff if error.retry_after_s is None else error.retry_after_s)
        return await work()
