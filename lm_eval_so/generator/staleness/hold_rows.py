"""Imported tests, held by id against what the sources give now."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lm_eval_so.core.dataset import SAMPLES_FILE
from lm_eval_so.core.files import read_lines
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.staleness import StaleTest
from lm_eval_so.generator.dataset.make_samples import known_sample
from lm_eval_so.generator.dataset.stored import is_written, sample_in
from lm_eval_so.generator.staleness.hold import changed_numbers


def hold_rows(folder: Path, made: Path) -> tuple[int, tuple[StaleTest, ...]]:
    """Return how many imported tests stand, and those that differ: first of these, then new ones.

    Args:
        folder: Folder of the dataset that stands.
        made: Folder of the dataset as the sources give it now.
    """
    standing, given = _contents(folder), _contents(made)
    differing = {each for each in {**standing, **given} if standing.get(each) != given.get(each)}
    return len(standing), tuple(_differing(folder, made, differing)) if differing else ()


def _differing(folder: Path, made: Path, differing: set[str]) -> Iterator[StaleTest]:
    before = {s.id: s for s in _imported(folder) if s.id in differing}
    now = {s.id: s for s in _imported(made) if s.id in differing}
    for old in before.values():
        new = now.pop(old.id, None)
        if new is None:
            yield replace(as_told(old, "row"), state="gone", old=old.expected)
            continue
        numbers = changed_numbers(old.expected or "", new.expected or "")
        told = replace(as_told(new, "row"), state="changed", old=old.expected, new=new.expected)
        yield replace(told, numbers=numbers)
    yield from (replace(as_told(new, "row"), new=new.expected) for new in now.values())


def _contents(folder: Path) -> dict[str, str]:
    """Return a digest of each imported test; its line in the file may change with the rows above."""
    return {s.id: digest(to_json(replace(s, provenance=None)))[:16] for s in _imported(folder)}


def _imported(folder: Path) -> Iterator[TestSample]:
    """Yield the imported tests of a folder; a line that is none was edited by hand, and fits no row."""
    file = folder / SAMPLES_FILE
    found = (sample_in(line) for _, line in (read_lines(file) if file.exists() else ()))
    return (sample for sample in found if sample and not is_written(sample))


def as_told(sample: TestSample, origin: Literal["document", "row"]) -> StaleTest:
    """Return a new test as people are told of it."""
    source = sample.provenance.source if sample.provenance else None
    return StaleTest(
        id=sample.id,
        origin=origin,
        state="new",
        question=sample.question or known_sample(sample).asked,
        file=source.file if source else "",
    )
