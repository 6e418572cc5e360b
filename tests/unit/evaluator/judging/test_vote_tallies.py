"""What the votes of judges tell of a row."""

import pytest

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.evaluator.judging.vote_tallies import is_usable, was_asked


@pytest.mark.parametrize(
    ("calls", "expected"), [((), False), ((0,), False), ((0, 2), True), ((1,), True)]
)
def test_was_asked__if_any_judge_was(calls: tuple[int, ...], expected: bool) -> None:
    votes = tuple(JudgeVote(label=None, calls=n) for n in calls)
    score = Score(metric="m", sample_id="q", status=ScoreStatus.SCORED, judge=votes)
    assert was_asked(score) is expected


@pytest.mark.parametrize(
    ("vote", "expected"),
    [
        (JudgeVote(label="좋음"), True),
        (JudgeVote(label=None, value=0.0), True),
        (JudgeVote(label=None, code="judge_invalid", model="m", calls=1), False),
    ],
)
def test_is_usable__a_label_or_a_value(vote: JudgeVote, expected: bool) -> None:
    assert is_usable(vote) is expected
