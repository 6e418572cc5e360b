"""Samples and the answers to them: dataset order, one row in memory at a time."""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

from pydantic_core import from_json as quick_json

from lm_eval_so.core.clock import parse_time
from lm_eval_so.core.hashing import sample_hash
from lm_eval_so.core.records.codec import load_row, loads
from lm_eval_so.core.records.run import RunInfo, RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import Problem, RecordError, Where
from lm_eval_so.evaluator.row_places import RowPlaces, line_at

RESULTS_FILE = "run_results.jsonl"
INFO_FILE = "run.json"

_MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedRow:
    """A sample and one answer to it."""

    sample: TestSample
    sample_hash: str
    repeat: int
    run: RunResult | None
    """None if the run does not have the row."""
    is_changed: bool = False
    """The sample was asked, but has changed since."""


class Answers:
    """The rows of one or more runs, found by offset; a context, since it holds files open.

    Args:
        paths: Folders of runs, or plain files of `RunResult` rows.
        config: The config file that the runs were made with, if that is known; for people.

    Raises:
        RecordError: If one is missing or no run, or if they are runs of different chatbots.
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
        """What mends a damaged line of each file; "" of one that the runner did not write."""
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

    @property
    def begun_at(self) -> datetime | None:
        """When the last invocation of the run began; None if no run tells.

        Of several, as shards, the first: what one was asked before another began is not resumed.
        """
        begun = (parse_time(info.resumed_at or info.started_at) for info in self.infos)
        return min((at for at in begun if at is not None), default=None)

    def find(self, sample_id: str, repeat: int, digest: str) -> RunResult | None:
        """Return the last row of a sample as it is now; None if there is none.

        Raises:
            RecordError: If the row has another shape.
        """
        place = self._places.find(sample_id, repeat, digest)
        if place is None:
            return None
        number, offset = place
        file = self._files[number]
        file.seek(offset)
        line = file.readline()
        # what the runner wrote needs no second look; what people wrote may have a key twice
        row = load_row(line) if self._mends[number] else None
        if row is None:
            row = self._sure_row(number, offset, line)
        is_it = (row.sample_id, row.repeat, row.sample_hash) == (sample_id, repeat, digest)
        return row if is_it else None

    def was_asked(self, sample_id: str, repeat: int) -> bool:
        """Return whether there is a row of a sample, whatever it asked then."""
        return self._places.was_asked(sample_id, repeat)

    def left_out(self, dataset_digest: str) -> bool:
        """Return whether rows that are not there were never planned.

        A run that ended, has all rows that it planned and asked this very dataset left the others
        out on purpose.
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
        """Note where each row stands: the last one of a sample, its content and repeat counts.

        Rows of another fingerprint than the run's are of an earlier chatbot and do not count.
        """
        problems: list[Problem] = []
        highest = offset = 0
        for number, line in enumerate(lines, start=1):
            at, offset = offset, offset + len(line)
            if not line.strip():
                continue
            key = _key(line)
            if key is None:
                if line.endswith(b"\n"):  # a torn last line is a row that never was
                    where = Where(file=lines.name, line=number)
                    written = "a row has sample_id and sample_hash, as lm-eval-so run writes them"
                    hint = self._mends[file] or written
                    problems.append(Problem(what="no row of a run", where=where, hint=hint))
                continue
            sample_id, repeat, digest, asked_by = key
            if fingerprint is not None and asked_by != fingerprint:
                continue
            self._places.add(sample_id, repeat, digest, file=file, offset=at)
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


def _mend(folder: Path, info: RunInfo | None, config: str | None) -> str:
    """Say what mends a damaged line of a run; "" of a file that people wrote."""
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


def _key(line: bytes) -> tuple[str, int, str, str] | None:
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
        case (str(sample_id), str(digest), str(fingerprint)):
            return sample_id, repeat, digest, fingerprint
        case _:
            return None


def _slowly(line: bytes) -> Any:
    """Read what the quick way does not take: half surrogate pairs, deep nesting."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
