"""The value of a panel, and votes of several requests."""

import pytest
from evaluation import an_answer

from lm_eval_so.core.records.score import JudgeVote
from lm_eval_so.evaluator.metrics.judge.panel import is_blank
from lm_eval_so.evaluator.metrics.judge.panel.replies import Reply, decide_value, vote_of

HALF = JudgeVote(label=None, value=0.5, reason="r", evidence=("e",))
X = None
"""A vote without a value."""


def votes(*values: float | None) -> list[JudgeVote]:
    return [
        JudgeVote(label=None, value=value, code=None if value is not None else "judge_invalid")
        for value in values
    ]


@pytest.mark.parametrize(
    ("values", "quorum", "at", "code"),
    [
        ([0.5], None, 0, None),
        ([0.0], None, 0, None),
        ([1.0, 0.2, 0.6], None, 2, None),
        ([0.2, 1.0, 0.2], None, 2, None),
        ([1.0, 0.0, X], None, 1, None),  # of two in the middle the worse
        ([0.1, 0.2, 0.3, 0.4], None, 1, None),
        ([1.0, X, X], None, None, "judge_quorum"),
        ([1.0, X, X], 1, 0, None),
        ([1.0, 0.5, X], 3, None, "judge_quorum"),
        ([1.0, X], None, None, "judge_quorum"),
        ([X, X, X], 1, None, "judge_quorum"),
        ([X], None, 0, "judge_invalid"),
    ],
)
def test_decide_value(
    values: list[float | None], quorum: int | None, at: int | None, code: str | None
) -> None:
    decision = decide_value(votes(*values), quorum)
    assert (decision.at, decision.code) == (at, code)


def test_vote_of__adds_up_what_several_requests_took() -> None:
    said = an_answer("{}")
    first = Reply(found="a", answers=(said,), model="m")
    second = Reply(found="b", answers=(said, said), model="m")
    vote = vote_of([first, second], HALF)
    assert (vote.value, vote.calls, vote.repaired, vote.model) == (0.5, 3, True, "m")
    assert (vote.usage.input_tokens, vote.cost_usd) == (300, 0.003)
    assert (vote.reason, vote.evidence) == ("r", ("e",))


def test_vote_of__one_reply_without_output_takes_the_value() -> None:
    first = Reply(found="a", answers=(an_answer("{}"),), model="m")
    lost: Reply[str] = Reply(found=None, code="judge_error", why="down", model="m")
    vote = vote_of([first, lost], HALF)
    assert (vote.value, vote.code, vote.reason, vote.evidence) == (None, "judge_error", "down", ())
    assert (vote.calls, vote.cost_usd) == (1, 0.001)


@pytest.mark.parametrize(("text", "blank"), [("", True), (" \n\u200b\ufeff", True), ("네", False)])
def test_is_blank(text: str, blank: bool) -> None:
    assert is_blank(text) is blank
