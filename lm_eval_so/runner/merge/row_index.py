"""Where the rows of several runs stand, and which of them counts."""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lm_eval_so.core.files import cannot_write
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.run import Response, RunResult

_TABLE = """
CREATE TABLE rows (sample_id TEXT, repeat INTEGER, sample_hash TEXT, part INTEGER, at INTEGER,
                   is_final INTEGER, answer TEXT)
"""
_FIND = (
    "SELECT part, at, is_final, answer, sample_hash FROM rows WHERE sample_id = ? AND repeat = ?"
)
# rowid grows with part and place, so this is their order
_KEYS = "SELECT sample_id, repeat FROM rows GROUP BY sample_id, repeat ORDER BY min(rowid)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A row that is there."""

    part: int
    """In which of the runs."""
    at: int
    """Byte offset in its file."""
    is_final: bool
    """Whether it is an answer, or at least would not be asked again."""
    answer: str
    """Digest of what was answered."""
    sample_hash: str


class RowIndex:
    """Finds rows by sample and repeat; kept in a temporary file, so that memory stays flat."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Make an index that is gone in the end.

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

    def find(self, sample_id: str, repeat: int, sample_hash: str | None = None) -> list[Found]:
        """Return the row of each part that has one, by part: the last, as in a run that goes on.

        Args:
            sample_id: The sample.
            repeat: Which of several answers to it.
            sample_hash: What the sample asks; rows that asked something else do not count.
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
    """Return a digest of what was answered: not of when, how fast, at what price, or random ids."""
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
