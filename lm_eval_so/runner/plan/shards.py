"""Parts of a dataset that several machines ask, each its own, without speaking to each other."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import UsageError

_TEXT = re.compile(r"([1-9][0-9]{0,4})/([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of `count` parts of a dataset, from 1.

    A sample's id alone decides where it belongs, so a sample that is added or gone moves no other.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "2/3".

        Raises:
            UsageError: If the text is no such part.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is not None and int(found[1]) <= int(found[2]):
            return cls(number=int(found[1]), count=int(found[2]))
        hint = "write I/N with 1 ≤ I ≤ N, as in --shard 2/3"
        raise UsageError(f'"{text}" is no shard', hint=hint)

    @classmethod
    def of(cls, sample_id: str, count: int) -> Self:
        """Return the shard of a sample: SHA-256 of its id in UTF-8, as one number, mod `count`."""
        data = sample_id.encode("utf-8", "surrogatepass")
        place = int.from_bytes(hashlib.sha256(data).digest(), "big") % count
        return cls(number=place + 1, count=count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def suffix(self) -> str:
        """What tells its folder from those of the others: "-2of3"."""
        return f"-{self.number}of{self.count}"

    def has(self, sample_id: str) -> bool:
        """Return whether a sample belongs to it."""
        return type(self).of(sample_id, self.count) == self


@dataclass(frozen=True, slots=True)
class ShardSamples:
    """The samples of a dataset that belong to a shard, in its order; to be read as often as needed."""

    samples: Iterable[TestSample]
    shard: Shard

    def __iter__(self) -> Iterator[TestSample]:
        return (sample for sample in self.samples if self.shard.has(sample.id))
