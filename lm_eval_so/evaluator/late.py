"""The last stage: samples are held against each other, when all have their other scores."""

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby

from pydantic import TypeAdapter

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.bound import BoundMetric
from lm_eval_so.evaluator.flow import Row
from lm_eval_so.evaluator.join import JoinedRow
from lm_eval_so.evaluator.score import FindBase, ScoredRow, score_sample
from lm_eval_so.evaluator.sheet import Sheet


class Late:
    """Scores of rows that wait for other samples, in a file, so that memory stays flat.

    Args:
        bound: The metrics of the last stage, each after what it is built from.
    """

    def __init__(self, bound: Sequence[BoundMetric]) -> None:
        self.bound = tuple(bound)
        self._numbers = array("Q")
        self._offsets = array("Q")
        self._size = 0
        self._file = tempfile.TemporaryFile() if bound else None  # noqa: SIM115 - closed by `close`

    def close(self) -> None:
        """Let the file go."""
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
            joined: Their samples and answers, read once more, in dataset order.
            sheet: The scores of all samples.
            done: Gets each row, with all its scores.
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
        """Return the places of the rows in `_numbers`, in dataset order."""
        return iter(sorted(range(len(self._numbers)), key=self._numbers.__getitem__))

    def _row(self, place: int, joined: JoinedRow) -> Row:
        assert self._file is not None  # noqa: S101 - only then rows wait
        self._file.seek(self._offsets[place])
        scores = _adapter().validate_json(self._file.readline())
        scored = ScoredRow(repeat=joined.repeat, run=joined.run, scores=scores)
        return Row(number=self._numbers[place], sample=joined.sample, scored=scored)


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
