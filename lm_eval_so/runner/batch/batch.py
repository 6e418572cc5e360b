"""The batches of a run: rows handed to the batch service of the endpoint, and read when it is done."""

from collections.abc import Callable, Iterator

from lm_eval_so.core.asking.answer.outcome import Row
from lm_eval_so.core.asking.batch.batch_log import ID_LENGTH, BatchFiles
from lm_eval_so.core.asking.batch.service import (
    BatchLimits,
    BatchSettings,
    InputFile,
    InputLine,
    OutputFiles,
)
from lm_eval_so.core.asking.batch.under_way import Chunks
from lm_eval_so.core.backends.batches import Batches, BatchState
from lm_eval_so.core.config.model import RunSection
from lm_eval_so.core.words import counted
from lm_eval_so.core.workers import until_stopped
from lm_eval_so.errors import CannotMeasure, DatasetError, Interrupted, LMEvalError, Problem
from lm_eval_so.runner.plan.jobs import Job
from lm_eval_so.runner.store.recorder import STAGE, Recorder

Todo = Callable[[], Iterator[Job]]
"""Function that yields the jobs that have no row yet, anew with each call."""

_MOST_PROBLEMS = 1000


class Batching:
    """Batches of one run.

    Args:
        recorder: Writes the rows; its asker's cache answers what it knows.
        batches: Batch service of the asker's backend.
        settings: The section `run` of the config.
        limits: Limits of the service.
    """

    def __init__(
        self,
        recorder: Recorder,
        batches: Batches,
        settings: RunSection,
        *,
        limits: BatchLimits | None = None,
    ) -> None:
        self._recorder = recorder
        self._asker = recorder.asker
        self._run_dir = recorder.run_dir
        self._resources = recorder.resources
        self._run = settings
        self._files = BatchFiles(self._run_dir.path)
        how = BatchSettings(run=settings, stage=STAGE, limits=limits or BatchLimits())
        self._chunks = Chunks(self._asker, batches, self._files, self._resources, how)
        self._service, self._reserve = self._chunks.service, self._chunks.reserve

    async def ask_all(self, todo: Todo) -> LMEvalError | None:
        """Hand over, wait and read; return the error that ended it early, if any.

        Rows that the batches did not answer are still to do then.
        """
        stop, failure = self._resources.stop, None

        async def work() -> None:
            nonlocal failure
            try:
                failure = await self._ask_all(todo)
            except LMEvalError as error:
                failure = error

        await until_stopped(work(), stop, grace_s=self._run.drain_s)
        if self._files.unread and (stop.is_set() or failure is not None):
            self._chunks.tell_unread()
        if failure is None and stop.is_set():
            return Interrupted("interrupted")
        return failure

    async def _ask_all(self, todo: Todo) -> LMEvalError | None:
        _refuse_conversations(todo())
        for position in self._files.unread:  # of an earlier invocation
            await self._resume(position, todo)
        await self._read_all(todo)
        while self._reserve.spent is None and await self._hand_over(todo):
            await self._read_all(todo)
        left = sum(1 for _ in todo())
        if left and self._reserve.spent is None and self._run.batch_leftovers == "leave":
            what = f"{counted(left, 'row')} did not come back with their batch"
            hint = "set run.batch_leftovers: ask, so that the next run asks them one by one"
            return CannotMeasure(what, hint=hint)
        return self._reserve.spent if left else None

    async def _hand_over(self, todo: Todo) -> bool:
        """Put the rows that no batch has into new batches; return whether there were any."""
        before, lines = len(self._files.log.chunks), self._lines(todo())
        held = next(lines, None)
        while held is not None:
            with InputFile.open() as file:
                while held is not None and file.has_room(held, self._chunks.limits):
                    file.add(held)
                    held = next(lines, None)
                position = self._files.add(file.ids)
                await self._begin(position, file)
        return len(self._files.log.chunks) > before

    def _lines(self, jobs: Iterator[Job]) -> Iterator[InputLine]:
        """Yield the requests to hand over, as far as the budget goes."""
        for job in jobs:
            key = self._asker.key_of(job.request)
            if self._files.has(key[:ID_LENGTH]) or self._is_known(job, key):
                continue
            if not self._reserve.take(job.request):
                return  # more may fit once it is known what the others cost
            line = self._service.line(key[:ID_LENGTH], job.request)
            yield InputLine(custom_id=key[:ID_LENGTH], line=line)

    def _is_known(self, job: Job, key: str) -> bool:
        """Write the row of a job whose answer the cache has."""
        answer = self._asker.known(key)
        if answer is not None:
            self._recorder.record_answer(job, answer)
        return answer is not None

    async def _resume(self, position: int, todo: Todo) -> None:
        """Resume a chunk that a killed process left at any step."""
        chunk = self._files.log.chunks[position]
        if chunk.batch_id is not None:
            return
        ids = set(self._files.ids(position))
        with InputFile.open() as file:
            for job in todo() if chunk.file_id is None else ():
                custom_id = self._asker.key_of(job.request)[:ID_LENGTH]
                if custom_id in ids:
                    line = self._service.line(custom_id, job.request)
                    file.add(InputLine(custom_id=custom_id, line=line))
            if chunk.file_id is None and not file.ids:  # the dataset has other questions now
                self._files.change(position, is_void=True)
                return
            await self._begin(position, file)

    async def _begin(self, position: int, file: InputFile) -> None:
        await self._chunks.begin(position, file)
        self._asker.requests += self._files.log.chunks[position].requests

    async def _read_all(self, todo: Todo) -> None:
        """Wait for every batch, and read each as soon as it is over."""
        async for position, state in self._chunks.each_over():
            await self._read(position, state, todo)

    async def _read(self, position: int, state: BatchState, todo: Todo) -> None:
        """Write the rows that a batch answered."""
        if state.status == "failed":
            error = self._chunks.refused(state, self._names(position, state, todo))
            self._files.change(position, is_void=True)
            raise error
        rows = 0
        with OutputFiles.open() as files:
            await self._service.download(files, state)
            for job in todo() if len(files) else ():
                rows += self._read_row(job, files, state)
        self._run_dir.log.sync()  # before it counts as read
        self._files.change(position, is_read=True)
        self._chunks.notice(f"batch {state.id}: {state.status}, {counted(rows, 'row')} came back")

    def _read_row(self, job: Job, files: OutputFiles, state: BatchState) -> bool:
        key = self._asker.key_of(job.request)
        line = files.find(key[:ID_LENGTH])
        if line is None:
            return False
        row = Row(request=job.request, key=key, began=0.0)
        answer = self._service.answer(line, row, state)
        if answer is None:
            return False
        self._recorder.record_answer(job, answer)
        self._asker.keep(key, answer)
        self._resources.budget.add(answer.cost_usd)
        return True

    def _names(self, position: int, state: BatchState, todo: Todo) -> dict[int, str]:
        """Return the samples of the lines of a file that the service blames."""
        ids = self._files.ids(position)
        lines = {ids[n - 1]: n for n, _ in state.problems if n and n <= len(ids)}
        jobs = ((self._asker.key_of(job.request)[:ID_LENGTH], job) for job in todo())
        wanted = ((lines.get(i), job) for i, job in jobs) if lines else ()
        return {line: f'sample "{job.sample_id}"' for line, job in wanted if line}


def _refuse_conversations(jobs: Iterator[Job]) -> None:
    """Refuse samples that take more than one request.

    Raises:
        DatasetError: If there are such samples; names them all.
    """
    names = {job.sample_id: None for job in jobs if job.sample.scenario or job.sample.tool_results}
    if names:
        hint = "ask it with run.executor: live"
        what = "is a conversation, which a batch cannot hold"
        told = [Problem(what=f'sample "{name}" {what}', hint=hint) for name in names]
        raise DatasetError.of(told[:_MOST_PROBLEMS])
