"""Looking keys up in the cache without changing a byte of its folder: for dry runs."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path


@contextmanager
def known_keys(path: Path | None) -> Iterator[Callable[[str], bool]]:
    """Give what tells whether a cache knows a key; a file that cannot be read knows none.

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
