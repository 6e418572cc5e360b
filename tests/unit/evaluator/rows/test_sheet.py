"""The sheet: what scores add up to."""

from collections.abc import Sequence

import pytest
from pydantic import JsonValue

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.rows.sheet import Column


@pytest.mark.parametrize(
    ("counts", "sums"),
    [
        ([[1, 2], [3, 4]], [4, 6]),
        ([[1], [1, 2, 3]], [2, 2, 3]),
        ([[1, 2], None, "12", {"a": 1}, 5], [1, 2]),
        ([[1, "2", None]], [1]),
        ([], []),
    ],
)
def test_column__sums_whole_numbers_and_nothing_else(
    counts: Sequence[JsonValue], sums: list[int]
) -> None:
    column = Column(values=[None] * len(counts))
    for row, found in enumerate(counts):
        details = {"corpus_counts": found, "unit": "char"}
        scored = ScoreStatus.SCORED
        column.put(row, Score(metric="m", sample_id="s", status=scored, value=1, details=details))
    assert column.corpus_counts == sums
    assert column.units.total() == len(counts)
