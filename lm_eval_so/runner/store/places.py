"""Where the rows of a run stand in its log, by key."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable

from lm_eval_so.core.hashing import sorted_u64

_ABSENT = -1


class Places:
    """The byte offset of each planned row that is there: 16 bytes a row, whatever rows hold.

    Args:
        keys: Keys of all rows that the run should have.
    """

    def __init__(self, keys: Iterable[int]) -> None:
        self._keys = sorted_u64(keys)
        self._offsets = array("q", [_ABSENT]) * len(self._keys)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self.get(key) is not None

    def get(self, key: int) -> int | None:
        """Return the offset of a row; None if it is not there, or not planned."""
        at = self._position(key)
        return None if at is None or self._offsets[at] == _ABSENT else self._offsets[at]

    def put(self, key: int, offset: int) -> None:
        """Note where a row stands, over an earlier one; rows that are not planned do not count."""
        at = self._position(key)
        if at is not None:
            self._offsets[at] = offset

    def drop(self, key: int) -> None:
        """Forget a row."""
        self.put(key, _ABSENT)

    def _position(self, key: int) -> int | None:
        at = bisect_left(self._keys, key)
        return at if at < len(self._keys) and self._keys[at] == key else None
