"""The file of the cache: opened by several processes at once, looked into, emptied.

SQLite in WAL mode; values are JSON, so that a file from elsewhere can do no more than lie.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.record import record
from lm_eval_so.errors import InputError, Where


@contextmanager
def known_keys(path: Path | None) -> Iterator[Callable[[str], bool]]:
    """Yield a function that tells whether a cache has a key; a file that cannot be read knows none.

    Args:
        path: The file; None for no cache.
    """
    connection = None
    if path is not None and path.is_file():
        # to read a log that is not there SQLite would make one
        is_in_use = path.with_name(f"{path.name}-wal").exists()
        uri = f"{path.resolve().as_uri()}?{'mode=ro' if is_in_use else 'immutable=1'}"
        with suppress(sqlite3.Error):
            connection = sqlite3.connect(uri, uri=True)
    if connection is None:
        yield lambda _: False
        return

    def knows(key: str) -> bool:
        sql = "SELECT 1 FROM answers WHERE key = ?"
        try:
            return connection.execute(sql, (bytes.fromhex(key),)).fetchone() is not None
        except sqlite3.Error:
            return False

    with closing(connection):
        yield knows


_TABLE = """CREATE TABLE IF NOT EXISTS answers
    (key BLOB PRIMARY KEY, made_at INTEGER NOT NULL, value BLOB NOT NULL)"""
_PUT = """INSERT INTO answers VALUES (?, ?, ?) ON CONFLICT (key)
    DO UPDATE SET made_at = excluded.made_at, value = excluded.value"""
_PUT_NEWER = f"{_PUT} WHERE excluded.made_at > answers.made_at"
_BUSY_S = 5.0
_AGAIN_S = 0.005

Row = tuple[bytes, int, bytes]
"""Key, when it was made in seconds since 1970, and the value."""


@record
class Kept:
    """An answer as the cache keeps it."""

    status: RunStatus
    response: ChatResponse
    latency_ms: float | None = None
    """Latency of then, in milliseconds."""
    cost_usd: float | None = None
    """Cost of then; null if not known."""
    answered_at: str | None = None
    """When it was given: RFC 3339, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheInfo:
    """Contents of a cache."""

    path: str
    entries: int = 0
    bytes: int = 0
    """Size of the file and its logs."""
    oldest: str | None = None
    """When the oldest entry was made: RFC 3339, UTC."""
    newest: str | None = None


def connect(path: Path, *, busy_s: float = _BUSY_S) -> sqlite3.Connection:
    """Open a cache for reading and writing; it is made if it is not there.

    A folder that has to be made keeps the cache out of git.

    Args:
        path: The file.
        busy_s: Seconds to wait for another process that writes.

    Raises:
        OSError: If the folder cannot be made.
        sqlite3.Error: If the file is no cache, or cannot be written to.
    """
    if not path.parent.exists():
        # another process may make it in the meantime
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / ".gitignore").write_text(f"/{path.name}*\n", encoding="utf-8")
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
    try:
        _set_up(connection, until=time.monotonic() + busy_s)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, *, until: float) -> None:
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
        except sqlite3.Error as error:
            # SQLite does not wait by itself where two processes turn WAL on at once
            if not is_busy(error) or time.monotonic() >= until:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def write_rows(
    connection: sqlite3.Connection, rows: Iterable[Row], *, keep_newer: bool = False
) -> int:
    """Write rows in one transaction, and give how many.

    Args:
        connection: An open cache.
        rows: Rows, which replace those with the same key.
        keep_newer: Leave entries that are not older than the row.

    Raises:
        sqlite3.Error: If it cannot be written to; then none is written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = connection.executemany(_PUT_NEWER if keep_newer else _PUT, rows).rowcount
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return max(done, 0)


def is_busy(error: Exception) -> bool:
    """Return whether another process holds the file just now."""
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_damaged(error: BaseException | None) -> bool:
    """Return whether the file is no database, or no longer one."""
    return _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def put_aside(path: Path) -> Path:
    """Rename a damaged cache, and give its new name; an earlier one of that name goes."""
    for log in _logs(path):
        log.unlink(missing_ok=True)
    return path.replace(path.with_name(f"{path.name}.damaged"))


def encode(kept: Kept) -> bytes:
    """Return an answer as JSON.

    Raises:
        ValueError: If JSON cannot hold it.
    """
    return kept_adapter().serializer.to_json(kept, exclude_defaults=True)


def decode(value: bytes) -> Kept | None:
    """Return the answer of a value; None if it is none."""
    try:
        return kept_adapter().validate_json(value)
    except ValidationError:
        return None


def answer_of(row: Row) -> Kept | None:
    """Return the answer of a row, with its time even where the value does not tell it."""
    _, made_at, value = row
    kept = decode(value)
    if kept is None or kept.answered_at is not None:
        return kept
    return replace(kept, answered_at=time_text(made_at))


def look_into(path: Path) -> CacheInfo:
    """Return the contents of a cache; a missing file is an empty cache.

    Raises:
        InputError: If it cannot be read.
    """
    if not is_there(path):
        return CacheInfo(path=str(path))
    size = sum(file.stat().st_size for file in (path, *_logs(path)) if file.exists())
    with reading(path) as connection:
        entries, oldest, newest = connection.execute(
            "SELECT count(*), min(made_at), max(made_at) FROM answers"
        ).fetchone()
    return CacheInfo(
        path=str(path),
        entries=entries,
        bytes=size,
        oldest=time_text(oldest),
        newest=time_text(newest),
    )


def clear(path: Path) -> CacheInfo:
    """Empty a cache, and return its former contents; a damaged file is removed.

    Processes that use it go on; a file that is not there stays so.

    Raises:
        InputError: If it cannot be written to.
    """
    try:
        before = look_into(path)
    except InputError as error:
        if not is_damaged(error.__cause__):
            raise
        size = path.stat().st_size
        put_aside(path).unlink()
        return CacheInfo(path=str(path), bytes=size)
    if is_there(path):
        with using(path), closing(connect(path)) as connection:
            connection.execute("DELETE FROM answers")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return before


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a cache that is there for reading; errors as `using`."""
    # reading makes a log, which closing removes; where that cannot be, nobody writes
    how = "mode=rw" if os.access(path.parent, os.W_OK) else "immutable=1"
    uri = f"{path.resolve().as_uri()}?{how}"
    with (
        using(path),
        closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)) as opened,
    ):
        yield opened


@contextmanager
def using(path: Path) -> Iterator[None]:
    """Raise the faults of a cache in words for people.

    Raises:
        InputError: In the place of errors of the database and the disk.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        hint = "lm-eval-so cache clear removes it" if is_damaged(error) else None
        where = Where(file=str(path))
        raise InputError(f"cannot use the cache: {error}", where=where, hint=hint) from error


def is_there(path: Path) -> bool:
    """Return whether there is a cache, which an empty file is not."""
    return path.is_file() and path.stat().st_size > 0


def _logs(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _code(error: BaseException | None) -> int:
    # the low byte is the kind, the others say more
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def time_text(seconds: int | None) -> str | None:
    """Return seconds since 1970 as RFC 3339 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@cache
def kept_adapter() -> TypeAdapter[Kept]:
    """Return the adapter of answers, made once."""
    return TypeAdapter(Kept)
