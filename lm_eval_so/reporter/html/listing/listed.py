"""The cases of a very large report that a page may have room for, and how many there are in all."""

from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from heapq import nsmallest
from itertools import chain, pairwise

from lm_eval_so.core.columns.column import Column, Picked, key_of
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import with_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A report with the rows of some of its samples."""

    report: EvaluationReport
    total: int
    """Number of samples of the whole report."""
    telling: int
    """Number of those that changed, failed, have no score, or do not count."""


def some_listed(
    report: EvaluationReport,
    named: Collection[str],
    lost: Collection[int],
    *,
    most: int,
) -> Listed | None:
    """Return the samples that a page may show; None if the report is small enough to look at each.

    A few bytes a row are held at a time: an entry for each sample would take some hundred.

    Args:
        report: The report; the rows of a sample stand together.
        named: Samples of which the comparison tells something.
        lost: Rows without a score.
        most: Most samples to return that tell something, besides those named, and most of the others.
    """
    ids = report.samples.ids
    if not isinstance(ids, Column) or len(ids) <= most:
        return None
    keys, failed = ids.keys, report.failed_ids
    is_failed, is_telling = (bytearray(len(ids)) for _ in range(2))
    for row in failed.places if isinstance(failed, Picked) else _rows_of(failed, keys).values():
        is_failed[row] = is_telling[row] = 1
    there = _rows_of(named, keys)
    for row in chain(there.values(), lost):
        is_telling[row] = 1
    others = (ids[start] for start, end in _samples(keys) if 1 not in is_telling[start:end])
    chosen = chain(
        named,
        failed[:most],
        (ids[row] for row in sorted(lost)[:most]),
        nsmallest(most, others, key=by_chance),
    )
    wanted = {*map(key_of, chosen)}
    rows = array("I", (row for row, key in enumerate(keys) if key in wanted))
    named_failed = (ids[row] for row in there.values() if is_failed[row])
    some_failed = tuple(dict.fromkeys(chain(failed[:most], named_failed)))
    return Listed(
        report=replace(with_rows(report, rows), failed_ids=some_failed),
        total=sum(1 for _ in _samples(keys)),
        telling=sum(1 in is_telling[start:end] for start, end in _samples(keys)),
    )


def by_chance(sample_id: str) -> bytes:
    """Return what orders samples by chance, the same way whenever the ids are the same."""
    return blake2b(sample_id.encode("utf-8", "replace"), digest_size=8).digest()


def _rows_of(names: Iterable[str], keys: "array[int]") -> dict[int, int]:
    """Return the last row of each sample that has one, by its key."""
    wanted = {*map(key_of, names)}
    return {key: row for row, key in enumerate(keys) if key in wanted}


def _samples(keys: "array[int]") -> Iterator[tuple[int, int]]:
    """Yield where the rows of each sample begin and end."""
    start = 0
    for row, (key, next_key) in enumerate(pairwise(keys), start=1):
        if key != next_key:
            yield start, row
            start = row
    if keys:
        yield start, len(keys)
