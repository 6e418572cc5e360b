"""The batches of a run: rows handed to the batch service of the endpoint, and read when it is done."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from lm_eval_so.core.asking.answer.outcome import Row
from lm_eval_so.core.asking.cost.cost_estimate import bound_of
from lm_eval_so.core.asking.cost.prices import known_rates
from lm_eval_so.core.backends.batches import Batches, BatchState
from lm_eval_so.core.config.model import RunSection
from lm_eval_so.core.words import counted
from lm_eval_so.core.workers import until_stopped
from lm_eval_so.errors import (
    BudgetSpent,
    CannotMeasure,
    ConfigError,
    DatasetError,
    Interrupted,
    LMEvalError,
    Problem,
)
from lm_eval_so.runner.batch.service import (
    BatchLimits,
    InputFile,
    InputLine,
    OutputFiles,
    PatientService,
)
from lm_eval_so.runner.plan.jobs import Job
from lm_eval_so.runner.store.batch_log import ID_LENGTH, BatchFiles
from lm_eval_so.runner.store.recorder import Recorder

Todo = Callable[[], Iterator[Job]]
"""Function that yields the jobs that have no row yet, anew with each call."""

_SLOWER = 1.5
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
        self._service = PatientService(batches, self._asker.answers, self._resources, settings)
        self._run = settings
        self._limits = limits or BatchLimits()
        self._files = BatchFiles(self._run_dir.path)
        self._rates = known_rates(self._asker.backend)
        self._reserved = Decimal(0)
        self._spent: BudgetSpent | None = None
        self._states: dict[int, BatchState] = {}
        self._in_vain = 0

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
            self._tell_that_it_goes_on()
        if failure is None and stop.is_set():
            return Interrupted("interrupted")
        return failure

    async def _ask_all(self, todo: Todo) -> LMEvalError | None:
        _refuse_conversations(todo())
        for position in self._files.unread:  # of an earlier invocation
            await self._resume(position, todo)
        await self._read_all(todo)
        while self._spent is None and await self._hand_over(todo):
            await self._read_all(todo)
        left = sum(1 for _ in todo())
        if left and self._spent is None and self._run.batch_leftovers == "leave":
            what = f"{counted(left, 'row')} did not come back with their batch"
            hint = "set run.batch_leftovers: ask, so that the next run asks them one by one"
            return CannotMeasure(what, hint=hint)
        return self._spent if left else None

    async def _hand_over(self, todo: Todo) -> bool:
        """Put the rows that no batch has into new batches; return whether there were any."""
        before, lines = len(self._files.log.chunks), self._lines(todo())
        held = next(lines, None)
        while held is not None:
            with InputFile.open() as file:
                while held is not None and file.has_room(held, self._limits):
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
            usd = Decimal(0)
            if self._resources.budget.max_usd is not None:
                usd = bound_of(job.request, self._rates).usd * self._discount
            try:
                if not self._resources.budget.take(usd):
                    return  # more may fit once it is known what the others cost
            except BudgetSpent as error:
                self._spent = error
                return
            self._reserved += usd
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
        """Upload the file of a chunk and begin its batch, each once."""
        chunk = self._files.log.chunks[position]
        if chunk.file_id is None:
            file.finish()
            name = f"lm-eval-so-{chunk.digest[:16]}.jsonl"
            uploaded = await self._service.upload(file.path, name)
            chunk = self._files.change(position, file_id=uploaded)
        log = self._files.log
        metadata = {"lm_eval_so_run": log.run, "lm_eval_so_chunk": chunk.digest}
        state = await self._service.begin(chunk.file_id or "", metadata, since=log.begun_at)
        self._files.change(position, batch_id=state.id)
        self._states[position] = state
        self._asker.requests += chunk.requests
        self._recorder.notice(f"batch {state.id}: {counted(chunk.requests, 'request')} handed over")

    async def _read_all(self, todo: Todo) -> None:
        """Wait for every batch, and read each as soon as it is over."""
        wait_s = self._limits.first_wait_s
        while self._files.unread:
            over = [at for at in self._files.unread if (await self._look(at)).is_over]
            for position in over:
                await self._read(position, todo)
            if not over:
                await self._service.pause(wait_s)
                wait_s = min(self._limits.longest_wait_s, wait_s * _SLOWER)
        self._resources.budget.settle(self._reserved, Decimal(0))
        self._reserved = Decimal(0)

    async def _look(self, position: int) -> BatchState:
        """Ask for the state of a batch, and tell the listener if it is new."""
        batch_id = self._files.log.chunks[position].batch_id or ""
        before = self._states.get(position)
        state = await self._service.look(batch_id)
        if state is None:
            return before or BatchState(id=batch_id, status="unknown")
        self._states[position] = state
        if before is None or (before.status, before.completed) != (state.status, state.completed):
            self._recorder.notice(f"batch {state.id}: {state.status}, {self._so_far(position)}")
        return state

    async def _read(self, position: int, todo: Todo) -> None:
        """Write the rows that a batch answered."""
        state = self._states[position]
        if state.status == "failed":
            problems = self._problems(position, state, todo)
            self._files.change(position, is_void=True)
            raise ConfigError.of(problems)
        rows = 0
        with OutputFiles.open() as files:
            await self._service.download(files, state)
            for job in todo() if len(files) else ():
                rows += self._read_row(job, files, state)
        self._run_dir.log.sync()  # before it counts as read
        self._files.change(position, is_read=True)
        self._recorder.notice(f"batch {state.id}: {state.status}, {counted(rows, 'row')} came back")

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

    def _problems(self, position: int, state: BatchState, todo: Todo) -> list[Problem]:
        """Return the problems that the service found in a file, by sample where it names a line."""
        ids = self._files.ids(position)
        wanted = {ids[n - 1] for n, _ in state.problems if n and n <= len(ids)}
        jobs = ((self._asker.key_of(job.request)[:ID_LENGTH], job) for job in todo())
        names = {i: job.sample_id for i, job in jobs if i in wanted} if wanted else {}
        told = []
        for line, text in state.problems:
            name = names.get(ids[line - 1]) if line and line <= len(ids) else None
            at = f'sample "{name}": ' if name else f"line {line}: " if line else ""
            why = self._resources.redactor.redact(text)
            told.append(Problem(what=f"the batch service refuses {at}{why}"))
        return told or [Problem(what=f"the batch service refuses batch {state.id}")]

    def _so_far(self, position: int) -> str:
        state, chunk = self._states.get(position), self._files.log.chunks[position]
        return f"{state.completed if state else 0:,} of {chunk.requests:,}"

    def _tell_that_it_goes_on(self) -> None:
        for position in self._files.unread:
            batch_id = self._files.log.chunks[position].batch_id
            if batch_id is None:
                continue
            text = f"batch {batch_id} goes on ({self._so_far(position)})"
            hint = f"come back with {self._resources.again}, or stop it with --cancel-batch"
            self._recorder.warn(text, hint)

    @property
    def _discount(self) -> Decimal:
        return Decimal(str(self._run.batch_discount))


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
