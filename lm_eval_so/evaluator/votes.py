"""What the votes of judges tell of a row."""

from lm_eval_so.core.records.score import JudgeVote, Score


def was_asked(score: Score) -> bool:
    """Return whether it took a call to judge a row: an empty answer is judged without asking."""
    return any(vote.calls for vote in score.judge)


def is_usable(vote: JudgeVote) -> bool:
    """Return whether a vote says something.

    One that failed may name the model that was asked alone.
    """
    return vote.label is not None or vote.value is not None
