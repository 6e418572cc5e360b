"""Record of the rounds in which given questions were asked."""

from typing import Literal

from lm_eval_so.core.records.record import record


@record
class Rounds:
    """Rounds in which the whole dataset was asked until the verdict was clear (`gate.stop`)."""

    asked: int
    """Rounds that count, and so answers to each sample."""
    of: int
    """Most rounds: `run.repeats`."""
    ended: Literal["passed", "failed", "all", "budget"]
    """passed: a pass was proven early; failed: a regression was; all: every round was asked; budget:
    it was spent in the next round."""
    pass_alpha: float
    """One-sided error of the look that decided, and so of the lower ends of the intervals."""
