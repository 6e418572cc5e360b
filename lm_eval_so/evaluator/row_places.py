"""Where the rows of runs stand, by key: 26 bytes a row, whatever rows hold."""

from array import array
from bisect import bisect_right
from typing import BinaryIO

from lm_eval_so.core.hashing import sorted_u64, u64


class RowPlaces:
    """Finds the last row of a sample, its content and repeat; rows are added first, then found.

    Keys are numbers of 64 bits: of a million rows two share one with a chance of 3 in 100 million,
    so whoever reads a row looks whether it is the right one.
    """

    def __init__(self) -> None:
        self._keys = array("Q")
        self._offsets = array("Q")
        self._files = array("H")
        self._questions = array("Q")

    def add(self, sample_id: str, repeat: int, digest: str, *, file: int, offset: int) -> None:
        """Note a row; a later one with the same key takes its place."""
        self._keys.append(u64(sample_id, repeat, digest))
        self._questions.append(u64(sample_id, repeat))
        self._offsets.append(offset)
        self._files.append(file)

    def close(self) -> None:
        """Say that all rows are there."""
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        self._keys = array("Q", (self._keys[at] for at in order))
        self._offsets = array("Q", (self._offsets[at] for at in order))
        self._files = array("H", (self._files[at] for at in order))
        asked = array("Q")
        for question in sorted_u64(self._questions):
            if not asked or asked[-1] != question:
                asked.append(question)
        self._questions = asked

    @property
    def asked(self) -> int:
        """How many answers were asked for: samples and repeats, whatever the samples asked."""
        return len(self._questions)

    def find(self, sample_id: str, repeat: int, digest: str) -> tuple[int, int] | None:
        """Return file and byte offset of a row; None if it is not there."""
        at = _last(self._keys, u64(sample_id, repeat, digest))
        return None if at is None else (self._files[at], self._offsets[at])

    def was_asked(self, sample_id: str, repeat: int) -> bool:
        """Return whether there is a row of a sample, whatever it asked then."""
        return _last(self._questions, u64(sample_id, repeat)) is not None


def line_at(file: BinaryIO, offset: int) -> int:
    """Return the number of the line that begins at a byte offset."""
    file.seek(0)
    number = 1
    while file.tell() < offset:
        file.readline()
        number += 1
    return number


def _last(keys: "array[int]", key: int) -> int | None:
    at = bisect_right(keys, key) - 1
    return at if at >= 0 and keys[at] == key else None
