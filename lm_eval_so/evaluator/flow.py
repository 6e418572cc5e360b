"""Rows on their way: alone, in batches, with the other answers to their sample; few at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.evaluator.bound import BoundMetric
from lm_eval_so.evaluator.hooks import ask_batch
from lm_eval_so.evaluator.score import ScoredRow, complete, score_sample, settled
from lm_eval_so.evaluator.stages import Stages

_LONGEST_SPAN = 16
"""Batches' worth of rows after which a batch goes as it is: its rows wait in memory."""


@dataclass(slots=True, kw_only=True, eq=False)
class Row:
    """A row on its way, and its place in the report."""

    number: int
    sample: TestSample
    scored: ScoredRow
    closes: "list[_Batch]" = field(default_factory=list)
    """Batches that it is the last of, and scores."""
    waits: int = 1
    """Scores that are under way: its own, and a batch each."""
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
    """Rows that are under way, and one more until the last is there."""


@dataclass(slots=True)
class _Batch:
    """Rows that a metric scores at once."""

    bound: BoundMetric
    rows: list[tuple[Row, RunResult]] = field(default_factory=list)


class Flow:
    """Brings rows through all stages but the last, whatever order they are done in.

    Which rows a batch has depends on their order alone, so that a fault costs the same scores
    every time.

    Args:
        stages: The metrics.
        done: Gets each row that has its scores.
    """

    def __init__(self, stages: Stages, done: Callable[[Row], None]) -> None:
        self._stages = stages
        self._done = done
        self._keeps_samples = bool(stages.sample or stages.late)
        self._group: _Group | None = None
        self._open: dict[str, _Batch] = {}

    def enter(
        self,
        number: int,
        sample: TestSample,
        scored: ScoredRow,
        *,
        is_last: bool,
    ) -> Row:
        """Let a row in, in dataset order.

        Args:
            number: Its place in the report.
            sample: The sample.
            scored: The answer.
            is_last: Whether it is the last of its sample.
        """
        row = Row(number=number, sample=sample, scored=scored)
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
        """Score a row, and the batches that it was the last of."""
        await score_sample(self._stages.row, row.sample, [row.scored])
        for batch in row.closes:
            await self._score_batch(batch)
        await self._settle(row)

    async def flush(self) -> None:
        """Score the batches that no further row comes to."""
        rest, self._open = self._open, {}
        for batch in rest.values():
            await self._score_batch(batch)

    def _enter_batch(self, bound: BoundMetric, row: Row) -> None:
        batch = self._open.get(bound.id)
        score = settled(bound, row.sample, row.run)
        if score is not None:
            row.scored.scores[bound.id] = complete(bound, score, row.sample, row.scored.repeat)
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
        found = await ask_batch(bound, [(row.sample, run) for row, run in batch.rows])
        for (row, _), score in zip(batch.rows, found, strict=True):
            row.scored.scores[bound.id] = complete(bound, score, row.sample, row.scored.repeat)
        for row, _ in batch.rows:
            await self._settle(row)

    async def _settle(self, row: Row) -> None:
        """Go on with a row once nothing of it is under way."""
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
            # what holds samples against each other says at once that it does not apply to this one
            late = self._stages.late if row.sample.relation is None else ()
            scored = [each.scored for each in group.rows]
            await score_sample((*self._stages.sample, *late), row.sample, scored)
        for each in group.rows:
            each.group = None  # a row that holds what holds it stays until the garbage is collected
            self._done(each)
