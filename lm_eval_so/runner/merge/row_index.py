"""Rows of several runs: found by sample, chosen, and copied into one file."""

import sqlite3
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from lm_eval_so.core.files import cannot_read, cannot_write, replacing
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.codec import load_row, loads
from lm_eval_so.core.records.run import Response, RunResult
from lm_eval_so.errors import Problem, RecordError, Where
from lm_eval_so.runner.plan.jobs import row_key
from lm_eval_so.runner.store.run_dir import RESULTS_FILE
from lm_eval_so.runner.store.totals import Tally

_TABLE = """
CREATE TABLE rows (sample_id TEXT, repeat INTEGER, sample_hash TEXT, part INTEGER, at INTEGER,
                   is_final INTEGER, answer TEXT)
"""
_FIND = (
    "SELECT part, at, is_final, answer, sample_hash FROM rows WHERE sample_id = ? AND repeat = ?"
)
_LAST = "SELECT max(at) AS last FROM rows WHERE part = ? GROUP BY sample_id, repeat, sample_hash ORDER BY last"
# rowid grows with part and place, so this is their order
_KEYS = "SELECT sample_id, repeat FROM rows GROUP BY sample_id, repeat ORDER BY min(rowid)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A row that is there."""

    part: int
    """Number of its run."""
    at: int
    """Byte offset in its file."""
    is_final: bool
    """Whether it is an answer, or would not be asked again."""
    answer: str
    """Digest of the answer."""
    sample_hash: str


@dataclass(slots=True)
class Chosen:
    """The rows that count, in their final order."""

    keys: "array[int]" = field(default_factory=lambda: array("Q"))
    parts: "array[int]" = field(default_factory=lambda: array("H"))
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    problems: list[Problem] = field(default_factory=list)
    """Rows with two answers."""

    def add(self, sample_id: str, repeat: int, row: Found) -> None:
        """Add the row that counts for a sample and repeat."""
        self.keys.append(row_key(sample_id, row.sample_hash, repeat))
        self.parts.append(row.part)
        self.offsets.append(row.at)

    def write(self, file: Path, folders: Sequence[Path]) -> Tally:
        """Copy the rows into a file, byte for byte, and return their sums.

        Args:
            file: The file.
            folders: Folders of the runs, by the number of the part.

        Raises:
            InputError: If a file cannot be read or written, or changed meanwhile.
        """
        tally = Tally()
        with ExitStack() as stack, replacing(file) as target:
            sources = [_open(folder / RESULTS_FILE, stack) for folder in folders]
            for key, number, offset in zip(self.keys, self.parts, self.offsets, strict=True):
                source = sources[number]
                row, line = read_line(source, offset)
                if row_key(row.sample_id, row.sample_hash, row.repeat) != key:
                    hint = "merge again when nobody writes to it"
                    raise RecordError(f"{source.name} changed while it was merged", hint=hint)
                tally.add(row)
                target.write(line)
        return tally


class RowIndex:
    """Finds rows by sample and repeat; kept in a temporary file, so that memory stays flat."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Make an index that is deleted in the end.

        Raises:
            InputError: If the temporary folder is full.
        """
        try:
            with closing(sqlite3.connect("", isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = OFF")
                database.execute(_TABLE)
                yield cls(database)
        except sqlite3.OperationalError as error:
            raise cannot_write(Path(tempfile.gettempdir()), OSError(str(error))) from None

    def add(self, part: int, rows: Iterable[tuple[int, RunResult]]) -> None:
        """Note the rows of a run with their byte offsets, in the order of its file."""
        values = (
            (
                *(row.sample_id, row.repeat, row.sample_hash, part, at),
                *(row.status.is_final, answer_digest(row)),
            )
            for at, row in rows
        )
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        self._database.execute("COMMIT")

    def ready(self) -> None:
        """Tell that all rows are there; `find` is quick from now on."""
        self._database.execute("CREATE INDEX by_key ON rows (sample_id, repeat)")

    def questions(self) -> Iterator[tuple[str, int]]:
        """Yield every (sample id, repeat) once, by part, then by place in the file."""
        yield from self._database.execute(_KEYS)

    def last_rows(self, part: int) -> Iterator[int]:
        """Yield the byte offset of the last row of each question of a part, in the order of its file."""
        yield from (at for (at,) in self._database.execute(_LAST, (part,)))

    def find(self, sample_id: str, repeat: int, sample_hash: str | None = None) -> list[Found]:
        """Return the last row of each part that has one, in the order of the parts.

        Args:
            sample_id: The sample.
            repeat: Number of the repeat.
            sample_hash: Digest of the question; rows of another question do not count.
        """
        last: dict[int, Found] = {}
        for part, at, is_final, answer, asked in self._database.execute(_FIND, (sample_id, repeat)):
            if sample_hash not in {None, asked} or (part in last and last[part].at > at):
                continue
            last[part] = Found(
                part=part, at=at, is_final=bool(is_final), answer=answer, sample_hash=asked
            )
        return [last[part] for part in sorted(last)]


def choose(rows: Iterable[Found]) -> Found | None:
    """Return the row that counts: the last one with an answer, else the last; None of none."""
    return max(rows, key=lambda row: (row.is_final, row.part), default=None)


def disagreeing(rows: Iterable[Found]) -> tuple[Found, Found] | None:
    """Return two rows that hold different answers to the same question; None if there are none."""
    final = [row for row in rows if row.is_final]
    others = (row for row in final if row.answer != final[0].answer)
    return next(((final[0], row) for row in others), None)


def answer_digest(row: RunResult) -> str:
    """Return the digest of an answer, without its times, its cost and random ids."""
    said = row.response or Response()
    return digest(
        {
            "asked": row.sample_hash,
            "status": row.status,
            "text": said.text,
            "refusal": said.refusal,
            "tool_calls": [[call.name, call.arguments] for call in said.tool_calls],
            "turns": [[turn.user, turn.text] for turn in row.turns],
        }
    )


def read_line(file: BinaryIO, offset: int) -> tuple[RunResult, bytes]:
    """Read the row at a byte offset of an open file, and its line.

    Raises:
        RecordError: If no row is there any more.
    """
    file.seek(offset)
    line = file.readline()
    return load_row(line) or loads(line, RunResult, where=Where(file=file.name)), line


def _open(path: Path, stack: ExitStack) -> BinaryIO:
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise cannot_read(path, error) from None
