"""The batch service: files of requests and answers, and calls that are repeated with patience."""

import json
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

from lm_eval_so.core.asking.answer.outcome import Answers, Row, with_known_finish
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import is_asked_live, service_wait_s
from lm_eval_so.core.backends.batches import Batches, BatchState
from lm_eval_so.core.backends.faults import answered_error
from lm_eval_so.core.config.model import RunSection
from lm_eval_so.core.files import cannot_write
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, Interrupted

T = TypeVar("T")
_LOOKS_IN_VAIN = 10
"""Times in a row that the service may not say how a batch stands."""
_DECIMALS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """Limits of a batch service, and the times between looks at a batch."""

    requests: int = 50_000
    """Most requests of a file; the limit of OpenAI and Azure."""
    size: int = 190_000_000
    """Most bytes of a file; theirs is 200 MB."""
    first_wait_s: float = 15.0
    longest_wait_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """Settings of asking by batch."""

    run: RunSection
    """The section `run` of the config."""
    stage: str
    """Name of the stage in events."""
    limits: BatchLimits = field(default_factory=BatchLimits)
    """Limits of the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLine:
    """One request of an input file."""

    custom_id: str
    line: bytes


@dataclass(slots=True)
class InputFile:
    """The requests of one chunk.

    It stands outside the run's folder, since requests may hold what no file of a run may: a
    secret that the config takes from the environment.
    """

    path: Path
    file: BinaryIO
    ids: list[str] = field(default_factory=list)
    size: int = 0
    """Bytes so far."""

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Make an empty file that nobody else can read, deleted in the end."""
        try:
            with tempfile.NamedTemporaryFile(prefix="lm-eval-so-", suffix=".jsonl") as file:
                yield cls(path=Path(file.name), file=file.file)  # type: ignore[arg-type]
        except OSError as error:
            raise cannot_write(Path(tempfile.gettempdir()), error) from None

    def has_room(self, line: InputLine, limits: BatchLimits) -> bool:
        """Return whether a request fits in; the first one always does."""
        fits = len(self.ids) < limits.requests and self.size + len(line.line) <= limits.size
        return fits or not self.ids

    def add(self, line: InputLine) -> None:
        """Add a request."""
        self.file.write(line.line)
        self.ids.append(line.custom_id)
        self.size += len(line.line)

    def finish(self) -> None:
        """Flush the requests that were added."""
        self.file.flush()


class OutputFiles:
    """Answers to a chunk: each line is found by the id of its request, in any order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, tuple[Path, int]] = {}

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Make a folder for downloads that is deleted in the end."""
        try:
            with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as folder:
                yield cls(Path(folder))
        except OSError as error:
            raise cannot_write(Path(tempfile.gettempdir()), error) from None

    def __len__(self) -> int:
        return len(self._places)

    async def download(self, batches: Batches, state: BatchState) -> None:
        """Get the output file, then the error file, as far as there are any.

        Raises:
            BackendError: If the service does not give them.
        """
        files = [name for name in (state.output_file_id, state.error_file_id) if name]
        for number, name in enumerate(files):
            path = self._folder / f"{number}.jsonl"
            await batches.download(name, path)
            self._index(path)

    def find(self, custom_id: str) -> dict[str, Any] | None:
        """Return the line of a request; None if there is none."""
        place = self._places.get(custom_id)
        if place is None:
            return None
        path, offset = place
        with path.open("rb") as file:
            file.seek(offset)
            return _parsed(file.readline())

    def _index(self, path: Path) -> None:
        offset = 0
        with path.open("rb") as file:
            for line in file:
                values = _parsed(line)
                custom_id = values.get("custom_id") if values else None
                if isinstance(custom_id, str):
                    self._places.setdefault(custom_id, (path, offset))
                offset += len(line)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


class PatientService:
    """Batch service that is asked again after what another attempt may cure.

    Args:
        batches: Service.
        answers: Makes the answers of its backend.
        resources: Clock, budget and stop event.
        run: Attempts of each step, and the discount of a batch.
    """

    def __init__(
        self, batches: Batches, answers: Answers, resources: Resources, run: RunSection
    ) -> None:
        self.batches = batches
        self._answers = answers
        self._resources = resources
        self._max_attempts = run.max_attempts
        self._discount = run.batch_discount
        self._in_vain = 0

    def line(self, custom_id: str, request: ChatRequest) -> bytes:
        """Return the line of an input file that asks a request."""
        line = {
            "custom_id": custom_id,
            "method": "POST",
            "url": self.batches.path,
            "body": self.batches.body(request),
        }
        return json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"

    def answer(self, line: Mapping[str, Any], row: Row, state: BatchState) -> Answer | None:
        """Return the answer that a line of an output or error file holds.

        None if it is worth asking again: the batch ended before its turn, or it failed in a way
        that another attempt may cure. Latencies are not known; the row took as long as its batch.

        Args:
            line: Parsed line.
            row: Request.
            state: Batch, over.
        """
        row.wall = datetime.fromtimestamp(state.created_at, UTC)
        try:
            response = self._response(line)
        except BackendError as error:
            if is_asked_live(
                error
            ):  # lines that say batch_expired or batch_cancelled are such, too
                return None
            answer = self._answers.of_error(error, row, now=row.began)
        else:
            answer = self._answers.of_response(response, row, now=row.began)
        usd = answer.cost_usd
        return replace(
            answer,
            latency_ms=None,
            total_ms=1000.0 * max(0, (state.ended_at or state.created_at) - state.created_at),
            cost_usd=None if usd is None else self._discounted(usd),
        )

    def answer_to(
        self, line: Mapping[str, Any], request: ChatRequest, key: str, state: BatchState
    ) -> Answer | None:
        """Return the answer that a line holds, as `answer` does.

        Args:
            line: Parsed line.
            request: Request, or one with the same parameters.
            key: Digest of the request.
            state: Batch, over.
        """
        return self.answer(line, Row(request=request, key=key, began=0.0), state)

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
            if service_wait_s(error, nth=self._in_vain, most=_LOOKS_IN_VAIN) is None:
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
        nth = 1
        while True:
            try:
                return await work()
            except BackendError as error:
                wait_s = service_wait_s(error, nth=nth, most=self._max_attempts)
                if wait_s is None:
                    raise
            await self.pause(wait_s)
            nth += 1

    def _response(self, line: Mapping[str, Any]) -> ChatResponse:
        told = line.get("response")
        if not isinstance(told, Mapping):
            error = line.get("error")
            raise answered_error(200, {}, {"error": error if isinstance(error, Mapping) else {}})
        status = told.get("status_code")
        body = json.dumps(told.get("body"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        headers = {"x-request-id": str(told["request_id"])} if told.get("request_id") else {}
        response = self.batches.read(status if isinstance(status, int) else 200, headers, body)
        return with_known_finish(response)

    def _discounted(self, usd: float) -> float:
        return float(round(Decimal(str(usd)) * Decimal(str(self._discount)), _DECIMALS))


async def cancel(
    batches: Batches, ids: Iterable[str], tell: Callable[[BatchState], None]
) -> list[BatchState]:
    """Ask for the end of batches, close the service, and return their states.

    Args:
        batches: Service; answers until then are kept there.
        ids: Ids of the batches.
        tell: Function that is told each state.

    Raises:
        BackendError: If the service cannot be asked.
    """
    try:
        states = [await batches.cancel(batch_id) for batch_id in ids]
    finally:
        await batches.close()
    for state in states:
        tell(state)
    return states
