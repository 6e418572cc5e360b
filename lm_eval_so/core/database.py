"""SQLite files that several processes may use at once."""

import sqlite3
from pathlib import Path


def open_database(
    path: Path, *, table: str, busy_s: float, autocommit: bool = False
) -> sqlite3.Connection:
    """Open a file in WAL mode, and make it and its table if they are not there.

    Args:
        path: The file, in a folder that is there.
        table: Statement that makes the table unless it is there.
        busy_s: How long another process that writes is waited for, in seconds.
        autocommit: Whether a transaction begins only where a statement says so.

    Raises:
        sqlite3.Error: If the file is no database, or cannot be written to.
    """
    connection = sqlite3.connect(
        path, timeout=busy_s, isolation_level=None if autocommit else "DEFERRED"
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(table)
    except BaseException:
        connection.close()
        raise
    return connection
