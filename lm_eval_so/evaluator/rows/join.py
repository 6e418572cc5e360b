"""Samples and their answers, in dataset order, one row in memory at a time."""

import json
import shlex
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from operator import ne
from pathlib import Path
from typing import Any, BinaryIO, Self

from pydantic_core import from_json as quick_json

from lm_eval_so.core.clock import parse_time
from lm_eval_so.core.columns.column import Coded
from lm_eval_so.core.columns.index import order_of
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset, load_dataset
from lm_eval_so.core.hashing import sample_hash, u64
from lm_eval_so.core.records.codec import load_row, loads
from lm_eval_so.core.records.run import RunInfo, RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import Problem, RecordError, Where

RESULTS_FILE = "run_results.jsonl"
INFO_FILE = "run.json"

_MOST_PROBLEMS = 100


def load_samples(config: Config) -> Dataset:
    """Read the dataset of a config; errors as of `load_dataset`."""
    told = config.dataset
    return load_dataset(
        config.resolve(told.path), name=told.name, version=told.version, shown_as=told.path
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedRow:
    """A sample and one answer to it."""

    sample: TestSample
    sample_hash: str
    repeat: int
    run: RunResult | None
    """None if the run does not have the row."""
    is_changed: bool = False
    """Whether the sample was asked, but has changed since."""


class RowPlaces:
    """Index of rows by sample and repeat: 16 bytes a row, and one with several files. First add all, then find.

    Keys are numbers of 64 bits: of ten million rows two share one with a chance of 3 in a million,
    so a reader of a row checks that it is the right one.
    """

    def __init__(self) -> None:
        self._keys = array("Q")
        self._offsets = array("Q")
        self._files: Coded[int] = Coded()
        self.asked = 0
        """Number of answers asked for, by sample and repeat, whatever the content."""

    def add(self, sample_id: str, repeat: int, *, file: int, offset: int) -> None:
        """Add a row."""
        self._keys.append(u64(sample_id, repeat))
        self._offsets.append(offset)
        self._files.append(file)

    def close(self) -> None:
        """Sort the index once all rows are added."""
        order = order_of(self._keys)
        self._offsets = array("Q", map(self._offsets.__getitem__, order))
        self._files = Coded(map(self._files.__getitem__, order))
        self._keys = array("Q", map(self._keys.__getitem__, order))
        self.asked = sum(map(ne, self._keys, islice(self._keys, 1, None))) + bool(self._keys)

    def find(self, sample_id: str, repeat: int) -> Iterator[tuple[int, int]]:
        """Yield file and byte offset of each row of a sample and repeat, the last one first."""
        key = u64(sample_id, repeat)
        at = bisect_right(self._keys, key) - 1
        while at >= 0 and self._keys[at] == key:
            yield self._files[at], self._offsets[at]
            at -= 1


class Answers:
    """The rows of one or more runs, found by offset; a context that holds files open.

    Args:
        paths: Folders of runs, or plain files of `RunResult` rows.
        config: The config file that the runs were made with, for messages; None if not known.

    Raises:
        RecordError: If a path is missing or no run, or the runs are of different chatbots.
    """

    def __init__(self, paths: Sequence[Path], config: str | None = None) -> None:
        self.label = paths[0].stem if paths else ""
        """Name of the first file or folder."""
        self.paths = tuple(paths)
        self.infos: list[RunInfo] = []
        """One per run folder; a plain file of rows has none."""
        self.repeats = 1
        """Answers per sample."""
        self._places = RowPlaces()
        self._config = config
        self._files: list[BinaryIO] = []
        self._mends: list[str] = []
        """Command that repairs a damaged line of each file; "" if the runner did not write the file."""
        with ExitStack() as stack:
            problems = [problem for path in paths for problem in self._add(path, stack)]
            if len({info.fingerprint for info in self.infos}) > 1:
                what = f"{' and '.join(map(str, paths))} are runs of different chatbots"
                hint = "evaluate each by itself, and compare the reports"
                problems.append(Problem(what=what, hint=hint))
            if problems:
                raise RecordError.of(problems[:_MOST_PROBLEMS])
            self._places.close()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._places = RowPlaces()  # what follows needs the memory

    @property
    def begun_at(self) -> datetime | None:
        """Time when the last invocation of the run began; None if no run tells.

        Of several runs, such as shards, the earliest: a row that one shard asked before another
        one began was not asked before a resumption.
        """
        begun = (parse_time(info.resumed_at or info.started_at) for info in self.infos)
        return min((at for at in begun if at is not None), default=None)

    def find(self, sample_id: str, repeat: int, digest: str) -> RunResult | None:
        """Return the last row of a sample as it is now; None if there is none.

        Raises:
            RecordError: If the row has another shape.
        """
        rows = (self._read(*place) for place in self._places.find(sample_id, repeat))
        wanted = (sample_id, repeat, digest)
        return next((r for r in rows if (r.sample_id, r.repeat, r.sample_hash) == wanted), None)

    def find_answer(self, sample: TestSample, repeat: int) -> RunResult | None:
        """Return the last row of a sample; errors as of `find`."""
        return self.find(sample.id, repeat, sample_hash(sample))

    def was_asked(self, sample_id: str, repeat: int) -> bool:
        """Return whether a sample has a row, even of an earlier content."""
        return any(True for _ in self._places.find(sample_id, repeat))

    def left_out(self, dataset_digest: str) -> bool:
        """Return whether missing rows were never planned.

        A complete run of this very dataset that has all its planned rows left the others out on
        purpose.
        """
        planned = sum(info.planned for info in self.infos)
        ended = [info.state == "complete" for info in self.infos]
        same = [info.dataset.digest == dataset_digest for info in self.infos]
        return bool(self.infos) and all(ended) and all(same) and planned == self._places.asked

    def _add(self, path: Path, stack: ExitStack) -> list[Problem]:
        try:
            info = _read_info(path)
        except RecordError as error:
            hint = "put a copy of it back, or lm-eval-so run begins anew and keeps this one aside"
            return [replace(problem, hint=hint) for problem in error.problems]
        file = path / RESULTS_FILE if path.is_dir() else path
        if not file.is_file():
            hint = "make it with lm-eval-so run"
            return [Problem(what=f"no run at {path}", where=Where(file=str(file)), hint=hint)]
        lines = stack.enter_context(file.open("rb"))
        number = len(self._files)
        self._files.append(lines)
        self._mends.append(_mend(path, info, self._config))
        self.infos += [info] if info else []
        highest, problems = self._index(number, lines, info.fingerprint if info else None)
        self.repeats = max(self.repeats, info.repeats if info else highest + 1)
        return problems

    def _read(self, number: int, offset: int) -> RunResult:
        file = self._files[number]
        file.seek(offset)
        line = file.readline()
        # what the runner wrote needs no second look; what people wrote may have a key twice
        row = load_row(line) if self._mends[number] else None
        return self._sure_row(number, offset, line) if row is None else row

    def _sure_row(self, number: int, offset: int, line: bytes) -> RunResult:
        file = self._files[number]
        where = Where(file=file.name, line=line_at(file, offset))
        try:
            return loads(line, RunResult, where=where)
        except RecordError as error:
            hint = self._mends[number] or None
            raise RecordError.of([replace(each, hint=hint) for each in error.problems]) from None

    def _index(
        self, file: int, lines: BinaryIO, fingerprint: str | None
    ) -> tuple[int, list[Problem]]:
        """Note the place of each row; of one sample, content and repeat the last row counts.

        Rows of another fingerprint than the run's are of an earlier chatbot and do not count.
        """
        problems: list[Problem] = []
        highest = offset = 0
        for number, line in enumerate(lines, start=1):
            at, offset = offset, offset + len(line)
            if not line.strip():
                continue
            key = _key(line)
            if number == 1 and line.strip() in {b"{", b"["}:
                where = Where(file=lines.name, line=1)
                hint = "name the folder of a run, as runs/http; a report is scored already"
                return 0, [Problem(what="a JSON document is no run", where=where, hint=hint)]
            if key is None:
                if line.endswith(b"\n"):  # a torn last line is a row that never was
                    where = Where(file=lines.name, line=number)
                    written = "a row has sample_id and sample_hash, as lm-eval-so run writes them"
                    hint = self._mends[file] or written
                    problems.append(Problem(what="no row of a run", where=where, hint=hint))
                continue
            sample_id, repeat, asked_by = key
            if fingerprint is not None and asked_by != fingerprint:
                continue
            self._places.add(sample_id, repeat, file=file, offset=at)
            highest = max(highest, repeat)
        return highest, problems


def join(samples: Iterable[TestSample], answers: Answers, *, digest: str) -> Iterator[JoinedRow]:
    """Yield each sample with each of its answers, in dataset order.

    Args:
        samples: The dataset.
        answers: The rows.
        digest: Digest of the dataset's file.
    """
    skips = answers.left_out(digest)
    for sample in samples:
        given = sample_hash(sample)
        for repeat in range(answers.repeats):
            run = answers.find(sample.id, repeat, given)
            if run is None and skips:
                continue
            yield JoinedRow(
                sample=sample,
                sample_hash=given,
                repeat=repeat,
                run=run,
                is_changed=run is None and answers.was_asked(sample.id, repeat),
            )


class JoinedRows:
    """All samples of a dataset with their answers, in dataset order.

    Args:
        dataset: The samples.
        answers: The rows of the runs.
    """

    def __init__(self, dataset: Dataset, answers: Answers) -> None:
        self.dataset = dataset
        self.answers = answers

    def __iter__(self) -> Iterator[JoinedRow]:
        return join(self.dataset, self.answers, digest=self.dataset.ref.digest)

    @property
    def most(self) -> int:
        """Largest number of rows that there may be."""
        return self.dataset.ref.n * self.answers.repeats

    def related(self) -> Iterator[JoinedRow]:
        """Yield the rows of the samples that have a relation."""
        samples = (sample for sample in self.dataset if sample.relation is not None)
        return join(samples, self.answers, digest=self.dataset.ref.digest)


@contextmanager
def open_rows(config: Config, runs: Sequence[Path]) -> Iterator[JoinedRows]:
    """Open the dataset of a config with the answers of one or more runs.

    Args:
        config: The config.
        runs: Folders of runs, or files of `RunResult` rows.

    Raises:
        InputError: With every problem of the dataset or of the runs.
    """
    dataset = load_samples(config)
    with Answers(runs, config.located.file) as answers:
        yield JoinedRows(dataset, answers)


def _mend(folder: Path, info: RunInfo | None, config: str | None) -> str:
    """Return the command that repairs a damaged line of a run; "" for a file that people wrote."""
    if info is None:
        return ""
    shard = f" --shard {info.shard}" if info.shard else ""
    file = f" -c {shlex.quote(config)}" if config else ""
    command = f"lm-eval-so run{file}{shard} -o {shlex.quote(str(folder))}"
    return f"{command} keeps the line apart and asks its row again"


def _read_info(path: Path) -> RunInfo | None:
    file = path / INFO_FILE
    if not file.is_file():
        return None
    return loads(file.read_bytes(), RunInfo, where=Where(file=str(file)))


def _key(line: bytes) -> tuple[str, int, str] | None:
    try:
        row: Any = quick_json(line)
    except ValueError:
        row = _slowly(line)
    if not isinstance(row, dict):
        return None
    repeat = row.get("repeat", 0)
    if not isinstance(repeat, int) or repeat < 0:
        return None
    match row.get("sample_id"), row.get("sample_hash"), row.get("fingerprint", ""):
        case (str(sample_id), str(_), str(fingerprint)):
            return sample_id, repeat, fingerprint
        case _:
            return None


def _slowly(line: bytes) -> Any:
    """Read a line that the fast parser refuses: half surrogate pairs, deep nesting."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def line_at(file: BinaryIO, offset: int) -> int:
    """Return the number of the line that begins at a byte offset."""
    file.seek(0)
    number = 1
    while file.tell() < offset:
        file.readline()
        number += 1
    return number
