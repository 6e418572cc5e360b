"""Datasets: lines of `test.jsonl` read to samples, with all problems at once."""

import hashlib
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from lm_eval_so.core.files import lines_at, read_lines
from lm_eval_so.core.hashing import sorted_u64
from lm_eval_so.core.records.codec import (
    dump_line,
    from_json,
    loads,
    parse_json,
)
from lm_eval_so.core.records.dataset import DatasetInfo
from lm_eval_so.core.records.run import DatasetRef
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import DatasetError, InputError, Problem, Where

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
SAMPLES_FILE = "test.jsonl"
METADATA_FILE = "metadata.json"
_MOST_PROBLEMS = 1000
_TABLES = frozenset({".csv", ".tsv", ".xls", ".xlsx"})
"""Endings of tables, which people take for datasets and which give one error a line."""


def read_sample(line: bytes, *, where: Where | None = None) -> TestSample:
    """Make a sample of a line of test.jsonl, in the shape of the record or in its short form.

    Args:
        line: The line.
        where: Place of the line, for errors.

    Raises:
        InputError: If the line is not UTF-8, JSON or a sample, or asks nothing; lists every problem.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        hint = "save the file as UTF-8"
        raise DatasetError(f"no UTF-8 at byte {error.start}", where=where, hint=hint) from None
    values = parse_json(text, where=where)
    if "\\u" in text and _HALF_PAIR.search(text) and not _is_writable(values):
        raise DatasetError("half a surrogate pair, which no file can hold", where=where)
    sample = from_json(_long_form(values), TestSample, where=where)
    ways = bool(sample.messages) + (sample.input is not None) + (sample.scenario is not None)
    if ways != 1 or not sample.id:
        raise DatasetError(_what_is_asked(sample), where=where, hint=_how_to_ask(values))
    if sample.messages and sample.messages[-1].role not in {"user", "tool"}:
        what = "the last message must be the user's or a tool's result"
        raise DatasetError(what, where=where)
    return sample


def _what_is_asked(sample: TestSample) -> str:
    if not sample.id:
        return "the id is empty"
    ways = [w for w in ("messages", "input", "scenario") if getattr(sample, w) not in (None, ())]
    return f"{' and '.join(ways)} cannot stand together" if ways else "nothing is asked"


def _how_to_ask(values: Mapping[str, Any]) -> str:
    """Return advice: keys that ask, and unknown keys of the sample."""
    strange = sorted(values.keys() - TestSample.__dataclass_fields__.keys())
    found = f"; {', '.join(strange)}: no such field" if strange else ""
    return f"give one of messages, input or scenario{found}"


def _long_form(values: Any) -> Any:
    """Return the short form, written by hand, in the shape of the record."""
    if not isinstance(values, dict):
        return values
    # a `rev` that stands in the file is not believed: somebody may have corrected an answer by hand
    values = {key: v for key, v in values.items() if v is not None and key != "rev"}
    is_short = isinstance(values.get("input"), str)
    if is_short and not values.get("messages") and "scenario" not in values:
        values["messages"] = [{"role": "user", "content": values.pop("input")}]
    expected = values.get("expected")
    if isinstance(expected, list):
        texts = [_as_text(item) for item in expected]
        values["expected"] = texts[0] if texts else None
        if isinstance(values.setdefault("references", []), list):
            values["references"] = [*texts[1:], *values["references"]]
    elif expected is not None:
        values["expected"] = _as_text(expected)
    context = values.get("context")
    if isinstance(context, str):
        context = [context]
    if isinstance(context, list):
        values["context"] = [
            {"role": "gold", "text": p} if isinstance(p, str) else p for p in context
        ]
    return values


def _is_writable(values: Any) -> bool:
    try:
        dump_line(values).encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_text(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A checked dataset; iteration streams its samples."""

    file: Path
    """The file with the samples."""
    ref: DatasetRef
    size: int = 0
    """Bytes of the file."""
    sets_metrics: bool = True
    """Whether a sample may set parameters of metrics."""

    def __iter__(self) -> Iterator[TestSample]:
        for number, line in read_lines(self.file):
            yield _read_sample(line, self.file, number)

    def starts(self, every: int) -> Iterator[int]:
        """Yield the byte offset of the first sample, and of each that stands `every` samples later.

        Raises:
            InputError: If the file cannot be read.
        """
        samples = 0
        for at, line in lines_at(self.file, 0):
            if line:
                if samples % every == 0:
                    yield at
                samples += 1

    def some(self, at: int, most: int) -> Iterator[TestSample]:
        """Yield the samples from a byte offset on, `most` of them.

        Raises:
            InputError: If the file cannot be read, or no sample stands there.
        """
        lines = (line for _, line in lines_at(self.file, at) if line)
        return (read_sample(line, where=Where(file=str(self.file))) for line in islice(lines, most))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """Facts about the samples of a valid dataset."""

    n: int
    languages: tuple[str, ...]
    unreviewed: int
    sets_metrics: bool


def load_dataset(
    path: Path,
    *,
    name: str | None = None,
    version: str | None = None,
    shown_as: Path | None = None,
) -> Dataset:
    """Check a dataset, and return it for streaming.

    Args:
        path: A folder with test.jsonl (and metadata.json), or a .jsonl file.
        name: Name, if metadata.json has none; default: that of folder or file.
        version: Version, if metadata.json has none.
        shown_as: Path as written in the config, for records.

    Raises:
        DatasetError: With every problem of the file and its line: no JSON, wrong shape, a duplicate
            id, nothing to ask. Also for an empty dataset or a table.
    """
    file = path / SAMPLES_FILE if path.is_dir() else path
    if not file.is_file():
        hint = "run lm-eval-so generate, or set dataset.path"
        raise DatasetError(f"no dataset at {path}", where=Where(file=str(file)), hint=hint)
    if file.suffix.lower() in _TABLES:
        what = f"{file.name} is a table; a dataset has one JSON object a line"
        hint = "name it under generator.sources, and run lm-eval-so generate"
        raise DatasetError(what, where=Where(file=str(file)), hint=hint)
    digest = _file_digest(file)
    facts = _check(file, digest)
    info = read_metadata(path)
    ref = DatasetRef(
        name=(info.name if info else None) or name or path.stem,
        version=(info.version if info else None) or version,
        path=(shown_as or path).as_posix(),
        digest=digest,
        n=facts.n,
        languages=facts.languages,
        unreviewed=facts.unreviewed,
    )
    return Dataset(file=file, ref=ref, size=file.stat().st_size, sets_metrics=facts.sets_metrics)


def read_metadata(path: Path) -> DatasetInfo | None:
    """Read metadata.json of a dataset folder; None if there is none.

    Raises:
        RecordError: If the file exists and cannot be read.
    """
    file = path / METADATA_FILE
    if not (path.is_dir() and file.is_file()):
        return None
    return loads(file.read_bytes(), DatasetInfo, where=Where(file=str(file)))


@lru_cache(maxsize=16)
def _check(file: Path, digest: str) -> _Facts:  # noqa: ARG001 - the same bytes are checked once
    """Read every sample, and return the facts about all.

    Args:
        file: The file with the samples.
        digest: SHA-256 of its bytes.

    Raises:
        DatasetError: With every problem.
    """
    problems: list[Problem] = []
    ids = array("Q")
    languages: set[str] = set()
    unreviewed = 0
    sets_metrics = False
    for number, line in read_lines(file):
        try:
            sample = _read_sample(line, file, number)
        except InputError as error:
            problems += error.problems[: _MOST_PROBLEMS - len(problems)]
            continue
        ids.append(_id_key(sample.id))
        sets_metrics = sets_metrics or bool(sample.metrics)
        if sample.language is not None and sample.language not in languages:
            languages.add(sample.language)
        unreviewed += sample.review is not None and sample.review.status == "unreviewed"
    if twice := _ids_that_stand_twice(file, ids):
        problems = sorted([*problems, *twice], key=_line_of)
    if not problems and not ids:
        problems.append(Problem(what="the dataset has no samples", where=Where(file=str(file))))
    if problems:
        raise DatasetError.of(problems[:_MOST_PROBLEMS])
    return _Facts(
        n=len(ids),
        languages=tuple(sorted(languages)),
        unreviewed=unreviewed,
        sets_metrics=sets_metrics,
    )


def _ids_that_stand_twice(file: Path, keys: Sequence[int]) -> list[Problem]:
    """Return problems of duplicate ids, compared as texts only if their hashes are equal.

    A million ids in memory would take 100 MB.
    """
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


def _read_sample(line: bytes, file: Path, number: int) -> TestSample:
    try:
        return read_sample(line)
    except InputError:  # once more, to say where: making a place for each line would cost more
        return read_sample(line, where=Where(file=str(file), line=number))


def _file_digest(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
