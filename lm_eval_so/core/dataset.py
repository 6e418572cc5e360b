"""Datasets: reading with all problems at once."""

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lm_eval_so.core.hashing import sorted_u64
from lm_eval_so.core.jsonl import read_lines
from lm_eval_so.core.records.codec import loads, parse_checked_json, parse_json
from lm_eval_so.core.records.dataset import DatasetInfo
from lm_eval_so.core.records.run import DatasetRef
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.sample_line import read_sample
from lm_eval_so.errors import DatasetError, InputError, Problem, Where

SAMPLES_FILE = "test.jsonl"
METADATA_FILE = "metadata.json"
_MOST_PROBLEMS = 1000
_TABLES = frozenset({".csv", ".tsv", ".xls", ".xlsx"})
"""Endings of what people take for a dataset, which would be one error a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset that has been checked; iterate it to stream its samples."""

    file: Path
    """The file with the samples."""
    ref: DatasetRef

    def __iter__(self) -> Iterator[TestSample]:
        for number, line in read_lines(self.file):
            yield _read_sample(line, self.file, number, parse=parse_checked_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What there is to tell of samples that have no problem."""

    n: int
    languages: tuple[str, ...]
    unreviewed: int


def load_dataset(
    path: Path,
    *,
    name: str | None = None,
    version: str | None = None,
    shown_as: Path | None = None,
) -> Dataset:
    """Check a dataset and give it for streaming.

    Args:
        path: A folder with test.jsonl (and metadata.json), or a .jsonl file.
        name: Name, where metadata.json does not give one; default: that of folder or file.
        version: Version, likewise.
        shown_as: The path as the config has it, for records.

    Raises:
        DatasetError: With every problem of the file and its line: no JSON, wrong shape, an id
            that stands twice, nothing to ask. An empty dataset or a table is one, too.
    """
    file = path / SAMPLES_FILE if path.is_dir() else path
    if not file.is_file():
        hint = "run lm-eval-so generate, or set dataset.path"
        raise DatasetError(f"no dataset at {path}", where=Where(file=str(file)), hint=hint)
    if file.suffix.lower() in _TABLES:
        what = f"{file.name} is a table; a dataset has one JSON object a line"
        hint = "name it under generator.sources, and run lm-eval-so generate"
        raise DatasetError(what, where=Where(file=str(file)), hint=hint)
    facts = _check(file)
    info = read_metadata(path)
    ref = DatasetRef(
        name=(info.name if info else None) or name or path.stem,
        version=(info.version if info else None) or version,
        path=(shown_as or path).as_posix(),
        digest=_file_digest(file),
        n=facts.n,
        languages=facts.languages,
        unreviewed=facts.unreviewed,
    )
    return Dataset(file=file, ref=ref)


def read_metadata(path: Path) -> DatasetInfo | None:
    """Read metadata.json of a dataset folder; None if there is none.

    Raises:
        RecordError: If it is there and cannot be read.
    """
    file = path / METADATA_FILE
    if not (path.is_dir() and file.is_file()):
        return None
    return loads(file.read_bytes(), DatasetInfo, where=Where(file=str(file)))


def _check(file: Path) -> _Facts:
    """Read every sample, and give what there is to tell of all.

    Raises:
        DatasetError: With every problem.
    """
    problems: list[Problem] = []
    ids = array("Q")
    languages: set[str] = set()
    unreviewed = 0
    for number, line in read_lines(file):
        try:
            sample = _read_sample(line, file, number)
        except InputError as error:
            problems += error.problems[: _MOST_PROBLEMS - len(problems)]
            continue
        ids.append(_id_key(sample.id))
        if sample.language is not None and sample.language not in languages:
            languages.add(sample.language)
        unreviewed += sample.review is not None and sample.review.status == "unreviewed"
    if twice := _ids_that_stand_twice(file, ids):
        problems = sorted([*problems, *twice], key=_line_of)
    if not problems and not ids:
        problems.append(Problem(what="the dataset has no samples", where=Where(file=str(file))))
    if problems:
        raise DatasetError.of(problems[:_MOST_PROBLEMS])
    return _Facts(n=len(ids), languages=tuple(sorted(languages)), unreviewed=unreviewed)


def _ids_that_stand_twice(file: Path, keys: Sequence[int]) -> list[Problem]:
    """Look at the ids themselves only where their keys meet: a million ids would take 100 MB."""
    shared = {key for key, next_key in pairwise(sorted_u64(keys)) if key == next_key}
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for number, line in read_lines(file) if shared else ():
        try:
            sample = _read_sample(line, file, number)
        except InputError:
            continue
        if sample.id in lines:
            what = f'the id "{sample.id}" already stands in line {lines[sample.id]}'
            problems.append(Problem(what=what, where=Where(file=str(file), line=number)))
        elif _id_key(sample.id) in shared:
            lines[sample.id] = number
        if len(problems) >= _MOST_PROBLEMS:
            break
    return problems


def _id_key(sample_id: str) -> int:
    return hash(sample_id) & 0xFFFF_FFFF_FFFF_FFFF


def _line_of(problem: Problem) -> int:
    return (problem.where.line or 0) if problem.where else 0


def _read_sample(
    line: bytes, file: Path, number: int, parse: Callable[..., Any] = parse_json
) -> TestSample:
    try:
        return read_sample(line, parse=parse)
    except InputError:  # once more, to say where: making a place for each line would cost more
        return read_sample(line, where=Where(file=str(file), line=number))


def _file_digest(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
