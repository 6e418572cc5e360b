"""Rows on their way through all metrics: alone, in batches, with their sample, and last of all."""

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, groupby, pairwise

from pydantic import TypeAdapter

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.binding.bind import in_order
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.rows.join import JoinedRow
from lm_eval_so.evaluator.rows.sheet import Sheet
from lm_eval_so.evaluator.scoring.score_sample import FindBase, ScoredRow, score_batch, score_sample

_LONGEST_SPAN = 16
"""Distance of rows, in batch sizes, after which a batch is scored as it is: its rows wait in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Metrics by when they are scored, each after its parts."""

    row: tuple[BoundMetric, ...]
    """Row by row, as rows come."""
    batch: tuple[BoundMetric, ...]
    """Many rows at once."""
    joined: tuple[BoundMetric, ...]
    """Row by row, once the batches of their parts are scored."""
    sample: tuple[BoundMetric, ...]
    """Once all answers to a sample are scored."""
    late: tuple[BoundMetric, ...]
    """Once all samples are scored, since they compare one with another."""


def make_stages(bound: Sequence[BoundMetric]) -> Stages:
    """Sort metrics that have no problems by when they are scored."""
    names = {each.id: _stage(each) for each in bound}
    ordered = [each for each in in_order(bound) if names.get(each.id)]

    def of(name: str) -> tuple[BoundMetric, ...]:
        return tuple(each for each in ordered if names[each.id] == name)

    return Stages(
        row=of("row"),
        batch=of("batch"),
        joined=of("joined"),
        sample=of("sample"),
        late=of("late"),
    )


@dataclass(slots=True, kw_only=True, eq=False)
class Row:
    """A row on its way, and its place in the report."""

    number: int
    sample: TestSample
    scored: ScoredRow
    closes: "list[_Batch]" = field(default_factory=list)
    """Batches that the row is the last of."""
    waits: int = 1
    """Scores under way: one for the row by itself and one for each batch."""
    group: "_Group | None" = None

    @property
    def run(self) -> RunResult | None:
        """The answer; None if the run does not have the row."""
        return self.scored.run


@dataclass(slots=True)
class _Group:
    """The rows of a sample."""

    rows: list[Row] = field(default_factory=list)
    waits: int = 1
    """Rows under way, and one more until the last has entered."""


@dataclass(slots=True)
class _Batch:
    """Rows that a metric scores at once."""

    bound: BoundMetric
    rows: list[tuple[Row, RunResult]] = field(default_factory=list)


class Flow:
    """Flow of rows through all stages but the last, in whatever order they are done.

    The rows of a batch depend on the order of the dataset alone, so that a fault costs the same
    scores every time.

    Args:
        stages: The metrics.
        done: Receiver of each row that has its scores.
    """

    def __init__(self, stages: Stages, done: Callable[[Row], None]) -> None:
        self._stages = stages
        self._done = done
        self._keeps_samples = bool(stages.sample or stages.late)
        self._group: _Group | None = None
        self._open: dict[str, _Batch] = {}

    def enter(self, number: int, joined: JoinedRow, *, is_last: bool) -> Row:
        """Enter a row, in dataset order.

        Args:
            number: Place of the row in the report.
            joined: The sample and the answer.
            is_last: Whether the row is the last of its sample.
        """
        scored = ScoredRow(repeat=joined.repeat, run=joined.run)
        row = Row(number=number, sample=joined.sample, scored=scored)
        group = row.group = self._group or _Group()
        group.rows.append(row)
        group.waits += 1
        self._group = group
        if is_last or not self._keeps_samples:
            group.waits -= 1
            self._group = None
        for bound in self._stages.batch:
            self._enter_batch(bound, row)
        return row

    async def score(self, row: Row) -> None:
        """Score a row, and the batches that it closes."""
        await score_sample(self._stages.row, row.sample, [row.scored])
        for batch in row.closes:
            await self._score_batch(batch)
        await self._settle(row)

    async def flush(self) -> None:
        """Score the batches that get no further row."""
        rest, self._open = self._open, {}
        for batch in rest.values():
            await self._score_batch(batch)

    def _enter_batch(self, bound: BoundMetric, row: Row) -> None:
        batch = self._open.get(bound.id)
        score = bound.settled(row.sample, row.run)
        if score is not None:
            row.scored.scores[bound.id] = bound.complete(score, row.sample, row.scored.repeat)
        elif row.run is not None:
            batch = self._open.setdefault(bound.id, batch or _Batch(bound))
            batch.rows.append((row, row.run))
            row.waits += 1
        if batch is None:
            return
        size, first = bound.metric.batch_size, batch.rows[0][0].number
        if len(batch.rows) >= size or row.number - first >= _LONGEST_SPAN * size:
            row.closes.append(self._open.pop(bound.id))

    async def _score_batch(self, batch: _Batch) -> None:
        bound = batch.bound
        found = await score_batch(bound, [(row.sample, run) for row, run in batch.rows])
        for (row, _), score in zip(batch.rows, found, strict=True):
            row.scored.scores[bound.id] = bound.complete(score, row.sample, row.scored.repeat)
        for row, _ in batch.rows:
            await self._settle(row)

    async def _settle(self, row: Row) -> None:
        """Go on with a row once all its scores under way are there."""
        row.waits -= 1
        if row.waits:
            return
        if self._stages.joined:
            await score_sample(self._stages.joined, row.sample, [row.scored])
        group = row.group
        assert group is not None  # noqa: S101 - every row has entered
        group.waits -= 1
        if group.waits:
            return
        if self._keeps_samples:
            # a metric that compares samples says at once that it does not apply to this one
            late = self._stages.late if row.sample.relation is None else ()
            scored = [each.scored for each in group.rows]
            await score_sample((*self._stages.sample, *late), row.sample, scored)
        for each in group.rows:
            each.group = None  # a cycle would keep the row until the garbage is collected
            self._done(each)


def with_ends(rows: Iterable[JoinedRow]) -> Iterator[tuple[JoinedRow, bool, bool]]:
    """Yield each row, with whether it is the first and whether it is the last of its sample."""
    last = None
    for each, following in pairwise(chain(rows, [None])):
        assert each is not None  # noqa: S101 - only the last one is, which follows alone
        is_last = following is None or following.sample.id != each.sample.id
        yield each, each.sample.id != last, is_last
        last = each.sample.id


class Late:
    """The last stage: rows that wait for other samples, their scores in a file to save memory.

    Args:
        bound: The metrics of the last stage, each after its parts.
    """

    def __init__(self, bound: Sequence[BoundMetric]) -> None:
        self.bound = tuple(bound)
        self._numbers = array("Q")
        self._offsets = array("Q")
        self._size = 0
        self._file = tempfile.TemporaryFile() if bound else None  # noqa: SIM115 - closed by `close`

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def takes(self, sample: TestSample) -> bool:
        """Return whether a sample has to wait for another."""
        return self._file is not None and sample.relation is not None

    def keep(self, row: Row) -> None:
        """Keep the scores that a row has."""
        assert self._file is not None  # noqa: S101 - `takes` said so
        line = _adapter().dump_json(row.scored.scores, exclude_defaults=True) + b"\n"
        self._numbers.append(row.number)
        self._offsets.append(self._size)
        self._size += self._file.write(line)

    async def score(
        self, joined: Iterable[JoinedRow], sheet: Sheet, done: Callable[[Row], None]
    ) -> None:
        """Score the rows that wait.

        Args:
            joined: Samples and answers of these rows, read once more, in dataset order.
            sheet: The scores of all samples.
            done: Receiver of each row with all its scores.
        """
        find, waiting = _finder(sheet), self._waiting()
        for _, of_sample in groupby(joined, key=lambda row: row.sample.id):
            rows = [self._row(number, row) for row, number in zip(of_sample, waiting, strict=False)]
            if not rows:
                return
            scored = [row.scored for row in rows]
            await score_sample(self.bound, rows[0].sample, scored, base=find)
            for row in rows:
                done(row)

    def _waiting(self) -> Iterator[int]:
        """Return the indices of the rows in `_numbers`, in dataset order."""
        return iter(sorted(range(len(self._numbers)), key=self._numbers.__getitem__))

    def _row(self, place: int, joined: JoinedRow) -> Row:
        assert self._file is not None  # noqa: S101 - only then rows wait
        self._file.seek(self._offsets[place])
        scores = _adapter().validate_json(self._file.readline())
        scored = ScoredRow(repeat=joined.repeat, run=joined.run, scores=scores)
        return Row(number=self._numbers[place], sample=joined.sample, scored=scored)


def _stage(each: BoundMetric) -> str:
    if each.is_late:
        return "late"
    below = {_stage(part) for part in each.parts}
    if each.is_over_repeats or "sample" in below:
        return "sample"
    if each.is_batched:
        return "batch"
    return "joined" if below & {"batch", "joined"} else "row"


def _finder(sheet: Sheet) -> FindBase:
    firsts: dict[str, int] = {}
    for number, sample in enumerate(sheet.sample_of):
        firsts.setdefault(sheet.samples.ids[sample], number)

    def find(sample: TestSample, repeat: int, metric_id: str) -> Score | None:
        base = sample.relation.base if sample.relation else ""
        number = firsts.get(base)
        while number is not None and number < len(sheet.sample_of):
            if sheet.samples.ids[sheet.sample_of[number]] != base:
                return None
            if sheet.repeats[number] == repeat:
                return _score(sheet, number, metric_id, base)
            number += 1
        return None

    return find


def _score(sheet: Sheet, number: int, metric_id: str, sample_id: str) -> Score:
    column = sheet.columns[metric_id]
    status = ScoreStatus.SCORED if column.values[number] is not None else ScoreStatus.UNSCORED
    if number in column.not_applicable:
        status = ScoreStatus.NOT_APPLICABLE
    return Score(
        metric=metric_id,
        sample_id=sample_id,
        repeat=sheet.repeats[number],
        status=status,
        value=column.values[number],
        passed=column.has_passed(number),
    )


@cache
def _adapter() -> TypeAdapter[dict[str, Score]]:
    return TypeAdapter(dict[str, Score])
