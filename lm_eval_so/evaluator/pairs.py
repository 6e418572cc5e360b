"""How a judge of pairs leans: by the order in which two answers are shown, and by their length."""

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.score import Score


class PairTally:
    """Counts what was said of pairs, from the `orders` and `lengths` in the details of scores."""

    def __init__(self) -> None:
        self._pairs = self._flips = 0
        self._named = self._first = 0
        self._decided = self._longer = 0

    @property
    def flip_rate(self) -> float | None:
        """Share of pairs whose winner changed with the order."""
        return self._flips / self._pairs if self._pairs else None

    @property
    def first_share(self) -> float | None:
        """Share of named winners that were shown first."""
        return self._first / self._named if self._named else None

    @property
    def longer_share(self) -> float | None:
        """Share of decided pairs of unlike length that the longer answer won."""
        return self._longer / self._decided if self._decided else None

    def add(self, score: Score) -> None:
        """Count a row; a score that is of no pair counts for nothing."""
        orders = score.details.get("orders")
        for said in orders if isinstance(orders, list) else ():
            if not isinstance(said, list):
                continue
            named = [word for word in said if word in {"A", "B"}]
            self._named += len(named)
            self._first += named.count("A")
            if None not in said and "UNKNOWN" not in said:
                self._pairs += 1
                self._flips += len(named) > 1 and len({*named}) == 1
        lengths = score.details.get("lengths")
        if score.status is not ScoreStatus.SCORED or not isinstance(lengths, list):
            return
        ours, theirs = (length if isinstance(length, int) else 0 for length in lengths)
        if score.value in {0.0, 1.0} and ours != theirs:
            self._decided += 1
            self._longer += (ours > theirs) == (score.value == 1)
