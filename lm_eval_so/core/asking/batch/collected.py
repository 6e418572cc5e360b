"""Requests that a stage makes bit by bit, collected for a batch service; the cache keeps the answers.

The stage makes all its requests in rounds. In each one it gets the answers that there are, and
stand-ins for the others, which are handed over when the round ends. It repeats the round once they
are answered, and makes the requests that follow from the answers. So nothing of the stage waits in
memory, and after a killed process the cache and the log of batches tell where it was.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.batch.batch_log import BatchFiles, lock_log
from lm_eval_so.core.asking.batch.service import BatchSettings, InputFile, InputLine, OutputFiles
from lm_eval_so.core.asking.batch.under_way import Chunks
from lm_eval_so.core.asking.live import LiveAsker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.batches import Batches, BatchState
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.words import counted
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind

_KEY_LENGTH = 64
"""Digits of a key of the cache, by which a request is called: an answer needs no more to be kept."""
_WAITS = Answer(status=RunStatus.ERROR)
"""Stands for an answer that is still to come."""


class Collected:
    """Requests to one backend that has a batch service; made by `open_collected`.

    Args:
        asker: Asker of the backend, with a cache.
        batches: Batch service of the backend.
        folder: Folder of the log.
        resources: Budget, clock, listener and stop event.
        settings: Discount, limits.
    """

    def __init__(
        self,
        asker: LiveAsker,
        batches: Batches,
        folder: Path,
        resources: Resources,
        settings: BatchSettings,
    ) -> None:
        self.asker = asker
        self.left = 0
        """Requests of this round that came back from their batch without an answer."""
        self._collects = True
        self._resources = resources
        self._folder = folder
        self._files = BatchFiles(folder, id_length=_KEY_LENGTH)
        self._chunks = Chunks(asker, batches, self._files, resources, settings)
        self._open: tuple[ExitStack, InputFile] | None = None
        self._keys: set[str] = set()
        self._uncached: dict[str, Answer] = {}
        self._given: bytearray | None = None
        """Requests that are in no chunk yet."""
        self._proving = asyncio.Lock()
        if any(chunk.is_read for chunk in self._files.log.chunks):
            asker.proof.goes_on(self._files.requests)

    @property
    def under_way(self) -> bool:
        """Whether a batch is still to be read."""
        return bool(self._files.unread)

    @property
    def is_short(self) -> bool:
        """Whether requests of this round have to wait until others have cost less than they may."""
        return self._chunks.reserve.is_short

    async def begin_round(self, *, collects: bool = True) -> None:
        """Begin a round.

        Args:
            collects: Whether requests are collected; if not, what has no answer gets a stand-in.

        Raises:
            BackendError: If a batch that was about to be begun cannot be.
        """
        self.left, self._collects = 0, collects
        self._chunks.reserve.is_short = False
        with naming_log(self._folder):
            await self._resume()

    async def ask(self, request: ChatRequest) -> Answer:
        """Return the answer that is known, else collect the request and return a stand-in.

        The first request of a process is asked at once, as every first request: it shows whether
        key, model and parameters are right, and lets the backend adapt. A repair is never collected.

        Raises:
            LMEvalError: As `LiveAsker.ask`, of the first request; as the batch service.
        """
        key = self.asker.key_of(request)
        answer = self._uncached.get(key) or self.asker.known(key)
        if answer is not None:
            return answer
        is_left = self._files.has(key)
        self.left += is_left
        if is_left or request.turn or not self._collects:
            return _WAITS
        async with self._proving:
            if self.asker.proof.goes_alone:
                if not self._chunks.reserve.has_room_for_one(request):
                    return _WAITS  # what was collected holds the money, and is handed over later
                answer = self._uncached[key] = await self.asker.ask(request)
                self.asker.save()  # so that a process which is killed soon has it, too
                return answer
        is_new = key not in self._keys and not self._files.has(key)
        if is_new and self._chunks.reserve.take(request):
            self._keys.add(key)
            line = self._chunks.service.line(key, request)
            await self._add(InputLine(custom_id=key, line=line))
        return _WAITS

    async def ask_rest(self, request: ChatRequest) -> Answer:
        """Return the answer that a batch or an earlier call gave, else ask at once.

        An answer that this log was paid for has its cost the first time it is returned.

        Raises:
            LMEvalError: As `LiveAsker.ask`.
        """
        key = self.asker.key_of(request)
        answer = self._uncached.get(key) or await self.asker.ask(request)
        place = self._files.place(key) if answer.cached else None
        if place is None:
            return answer
        if self._given is None:
            self._given = bytearray(self._files.requests)
        if self._given[place]:
            return answer
        self._given[place] = True
        cost = answer.cost_saved_usd
        return replace(answer, cached=False, cost_usd=cost, cost_saved_usd=None, attempts=1)

    async def hand_over(self) -> None:
        """Hand over what was collected, as the end of a round.

        Raises:
            BackendError: If the service refuses it, or does not answer.
        """
        if self._open is None:
            return
        (stack, file), self._open = self._open, None
        with stack:
            position = self._files.add(file.ids)
            self._keys.difference_update(file.ids)
            await self._chunks.begin(position, file)

    async def read_all(self) -> int:
        """Wait for all batches, keep their answers, and return the number of batches.

        Raises:
            ConfigError: If the service refuses a batch as a whole.
            CannotMeasure: If the cache does not keep the answers; they stay with the service.
            BackendError: If the service does not answer.
            Interrupted: If the user stopped it.
            BudgetSpent: If the time is up.
        """
        read = 0
        with naming_log(self._folder):
            async for position, state in self._chunks.each_over():
                if state.status == "failed":
                    self._files.change(position, is_void=True)
                    names = {n: f"line {n} of batch {state.id}" for n, _ in state.problems if n}
                    raise self._chunks.refused(state, names)
                await self._read(position, state)
                read += 1
        return read

    def tell_unread(self, stop: str) -> None:
        """Warn of every batch that is not read.

        Args:
            stop: Way to stop it, for people.
        """
        self._chunks.tell_unread(stop)

    def forget(self) -> None:
        """Remove the log, unless a batch is still to be read: what it was for is done."""
        if not self.under_way:
            self._files.forget()

    def close(self) -> None:
        """Remove the file of what was collected and not handed over."""
        if self._open is not None:
            self._open[0].close()

    async def _resume(self) -> None:
        """Resume what a killed process left: begin batches that were about to be begun."""
        for position in self._files.unread:
            chunk = self._files.log.chunks[position]
            if chunk.batch_id is not None:
                continue
            if chunk.file_id is None:  # no batch was made of it: its requests are collected anew
                self._files.change(position, is_void=True)
                continue
            with InputFile.open() as nothing:
                await self._chunks.begin(position, nothing)

    async def _add(self, line: InputLine) -> None:
        while self._open is not None and not self._open[1].has_room(line, self._chunks.limits):
            await self.hand_over()
        if self._open is None:
            stack = ExitStack()
            self._open = stack, stack.enter_context(InputFile.open())
        self._open[1].add(line)

    async def _read(self, position: int, state: BatchState) -> None:
        """Keep the answers of a batch, and note that it is read once they are on disk."""
        answers = 0
        like = ChatRequest(messages=(), params=sent_params(self.asker.backend))
        with OutputFiles.open() as files:
            await self._chunks.service.download(files, state)
            for key in self._files.ids(position) if len(files) else ():
                line = files.find(key)
                answer = line and self._chunks.service.answer_to(line, like, key, state)
                if not answer:
                    continue
                answers += 1
                if not self.asker.keep(key, answer):
                    self._uncached[key] = answer
                self._resources.budget.add(answer.cost_usd)
        if not self.asker.save():
            what = f"the cache does not keep the answers of batch {state.id}"
            hint = "they stay with the service: mend the cache (run.cache), and run the same again"
            raise CannotMeasure(what, hint=hint)
        self._files.change(position, is_read=True)
        if answers:
            self.asker.proof.goes_on(self._files.requests)
        told = counted(answers, "answer")
        self._chunks.notice(f"batch {state.id}: {state.status}, {told} came back")


@asynccontextmanager
async def open_collected(
    asker: LiveAsker, folder: Path, resources: Resources, settings: BatchSettings
) -> AsyncIterator[Collected]:
    """Open the log and the batch service of a backend, for this process alone.

    Args:
        asker: Open asker of the backend, with a cache.
        folder: Folder of the log.
        resources: Budget, clock, listener and stop event.
        settings: Discount, limits.

    Raises:
        InputError: If another process has the log open, or it cannot be read.
        CannotMeasure: If there is no cache.
    """
    if not asker.save():
        what = "the cache cannot be used, and only there answers of batches are kept"
        raise CannotMeasure(what, hint="mend it (run.cache), or ask with executor: live")
    with lock_log(folder):
        batches = asker.backend.batches()
        try:
            collected = Collected(asker, batches, folder, resources, settings)
            try:
                yield collected
            finally:
                collected.close()
        finally:
            await batches.close()


@contextmanager
def naming_log(folder: Path) -> Iterator[None]:
    """Tell whoever is told that a batch is not there which log still waits for it.

    Args:
        folder: Folder of the log.

    Raises:
        BackendError: If a service does not know a batch, or a file of it.
    """
    try:
        yield
    except BackendError as error:
        if error.kind is not ErrorKind.NOT_FOUND:
            raise
        hint = (
            f"is the key that of the batch? if the batch is gone for good, remove {folder}, its log"
        )
        raise BackendError(
            error.kind, error.message, retryable=False, http_status=error.http_status, hint=hint
        ) from None


async def ask_nobody(request: object) -> Answer:
    """Return a stand-in for an answer, as a backend does that is not asked in a round."""
    del request
    return _WAITS
