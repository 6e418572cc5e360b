"""Votes of judges: whether they count, how far a panel agrees, how a judge of pairs leans."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.judge_health import PanelMember
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.stats.agreement import Level, krippendorff_alpha


def was_asked(score: Score) -> bool:
    """Return whether a judge was called about a row: an empty answer is judged without a call."""
    return any(vote.calls for vote in score.judge)


def is_usable(vote: JudgeVote) -> bool:
    """Return whether a vote has a verdict; a failed one may name only the model."""
    return vote.label is not None or vote.value is not None


def is_judged(score: Score) -> bool:
    """Return whether a judge had a say: the answer exists and the metric applies to it."""
    is_row_lost = (score.code or "").startswith("run_")
    return score.status is not ScoreStatus.NOT_APPLICABLE and not is_row_lost


class ClaimTally:
    """Tally of the claims that a judge listed and held against a context."""

    def __init__(self) -> None:
        self._supported = self._unquoted = 0
        self._rows = self._claimless = 0

    def add(self, score: Score) -> None:
        """Count a row; one without claims in its details does not count."""
        details = score.details
        if score.status is not ScoreStatus.SCORED or "claims" not in details:
            return
        self._rows += 1
        self._claimless += details.get("claimless") is True
        supported, unquoted = details.get("supported"), details.get("support_not_quoted")
        if isinstance(supported, int) and isinstance(unquoted, int):
            self._supported += supported
            self._unquoted += unquoted

    @property
    def unquoted(self) -> float | None:
        """Share of the supported claims whose evidence is not in the context; None without any."""
        return self._unquoted / self._supported if self._supported else None

    @property
    def claimless(self) -> float | None:
        """Share of the rows without a claim though the answer says something; None without rows."""
        return self._claimless / self._rows if self._rows else None


class PanelTally:
    """Tally of the votes of a panel and how far they agree, whatever the order of rows.

    Args:
        models: The models as configured, one for each judge.
        level: Level of measurement of a vote.
    """

    def __init__(self, models: Sequence[str | None], level: Level) -> None:
        self._models = tuple(models) or (None,)
        self._answered: tuple[set[str], ...] = tuple(set() for _ in self._models)
        """Names of each judge in its answers."""
        self._level: Level = level
        self._units: Counter[tuple[Any, ...]] = Counter()
        self._votes: Counter[int] = Counter()
        self._beside: Counter[int] = Counter()
        self._differs: Counter[int] = Counter()

    def add(self, score: Score) -> None:
        """Count a row; each of several questions about one row is a unit of its own."""
        size = len(self._models)
        if size == 1:  # it agrees with itself
            return
        for start in range(0, len(score.judge), size):
            self._add_unit(score, score.judge[start : start + size])

    def alpha(self) -> float | None:
        """Return Krippendorff's α; None for one judge, or if all votes are the same."""
        return krippendorff_alpha(self._units.elements(), level=self._level)

    def members(self) -> tuple[PanelMember, ...]:
        """Return the figures of each judge beside its panel; none for a single judge."""
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


class PairTally:
    """Tally of verdicts on pairs, from the `orders` and `lengths` in the details of scores."""

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
        """Count a row, unless its score is of no pair."""
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


def _decided(score: Score, votes: Sequence[JudgeVote]) -> Hashable:
    """Return the panel's verdict; if questions have labels of their own, that of most judges."""
    said = Counter(vote.label for vote in votes if vote.code is None and vote.label is not None)
    if score.label in said:
        return score.label
    if not said:
        return score.value
    word, most = said.most_common(1)[0]
    return word if 2 * most > said.total() else None


def _verdicts(vote: JudgeVote) -> Iterator[Hashable]:
    if vote.code is None:
        yield from (each for each in (vote.label, vote.value) if each is not None)


def _said(vote: JudgeVote, level: Level) -> Any:
    """Return a vote as a value of its level; None if it has no verdict."""
    if vote.code is not None:
        return None
    if level == "nominal":
        return vote.label if vote.label is not None else vote.value
    if level == "interval" and vote.label is not None and vote.label.isdigit():
        return int(vote.label)  # the step that was said, not what token probabilities make of it
    return vote.value
