"""How far the judges of a panel agree."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from lm_eval_so.core.records.report import PanelMember
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.stats.agreement import Level, krippendorff_alpha


class PanelTally:
    """Counts how the votes of a panel go together, whatever the order of rows.

    Args:
        models: The models as configured, one a judge.
        level: What the difference of two votes means.
    """

    def __init__(self, models: Sequence[str | None], level: Level) -> None:
        self._models = tuple(models) or (None,)
        self._answered: tuple[set[str], ...] = tuple(set() for _ in self._models)
        """What each was called by its answers."""
        self._level: Level = level
        self._units: Counter[tuple[Any, ...]] = Counter()
        self._votes: Counter[int] = Counter()
        self._beside: Counter[int] = Counter()
        self._differs: Counter[int] = Counter()

    def add(self, score: Score) -> None:
        """Count a row; of several questions about one row each is a unit of its own."""
        size = len(self._models)
        if size == 1:  # it agrees with itself
            return
        for start in range(0, len(score.judge), size):
            self._add_unit(score, score.judge[start : start + size])

    def alpha(self) -> float | None:
        """Return Krippendorff's α; None of one judge, or if all votes are the same."""
        return krippendorff_alpha(self._units.elements(), level=self._level)

    def members(self) -> tuple[PanelMember, ...]:
        """Return how each judge of a panel did beside it; none if there is one judge."""
        return tuple(
            PanelMember(
                model=model or ", ".join(sorted(self._answered[at])) or None,
                votes=self._votes[at],
                differs=self._differs[at] / self._beside[at] if self._beside[at] else None,
            )
            for at, model in enumerate(self._models if len(self._models) > 1 else ())
        )

    def _add_unit(self, score: Score, votes: Sequence[JudgeVote]) -> None:
        said = [_said(vote, self._level) for vote in votes]
        self._units[tuple(said)] += 1
        decided = _decided(score, votes)
        for at, vote in enumerate(votes):
            mine = next(_verdicts(vote), None)
            self._votes[at] += mine is not None
            self._answered[at].update([vote.model] if vote.model and vote.calls else [])
            if mine is not None and decided is not None:
                self._beside[at] += 1
                self._differs[at] += decided not in _verdicts(vote)


def _decided(score: Score, votes: Sequence[JudgeVote]) -> Hashable:
    """Return what the panel said; of questions whose word is not the score's, that of most."""
    if score.label is not None:
        return score.label
    said = Counter(vote.label for vote in votes if vote.code is None and vote.label is not None)
    if not said:
        return score.value
    word, most = said.most_common(1)[0]
    return word if 2 * most > said.total() else None


def _verdicts(vote: JudgeVote) -> Iterator[Hashable]:
    if vote.code is None:
        yield from (each for each in (vote.label, vote.value) if each is not None)


def _said(vote: JudgeVote, level: Level) -> Any:
    """Return a vote as a value of its level; None if it says nothing."""
    if vote.code is not None:
        return None
    if level == "nominal":
        return vote.label if vote.label is not None else vote.value
    if level == "interval" and vote.label is not None and vote.label.isdigit():
        return int(vote.label)  # the step that was said, not what token probabilities make of it
    return vote.value
