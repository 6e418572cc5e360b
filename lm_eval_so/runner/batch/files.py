"""The files that go to a batch service and come from it; they live as long as they are needed."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

from lm_eval_so.core.backends.batches import Batches, BatchState
from lm_eval_so.core.files import cannot_write


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What a batch service takes, and how often it is asked how a batch stands."""

    requests: int = 50_000
    """Most requests of a file; the limit of OpenAI and Azure."""
    size: int = 190_000_000
    """Most bytes of a file; theirs is 200 MB."""
    first_wait_s: float = 15.0
    longest_wait_s: float = 300.0


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
        """Make an empty file that is gone in the end, and that nobody else can read."""
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
        """Let others read what was added."""
        self.file.flush()


class OutputFiles:
    """What came of a chunk: each line is found by the id of its request, whatever their order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, tuple[Path, int]] = {}

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Make room for downloads that are gone in the end."""
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
