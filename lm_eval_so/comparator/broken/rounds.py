"""Rounds of further answers: the cases to ask next, and what the answers say of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lm_eval_so.comparator.broken.watch import Outcome, Pair, Watch
from lm_eval_so.comparator.gate.confirm import Answers
from lm_eval_so.comparator.reason_codes import Code

State = Literal["open", "must", "proven", "unproven", "slip", "passed"]

_UNPROVEN = 10
"""Wrong answers after which a case is named where no number of them would prove anything."""
_MOST_SILENT = 3
"""Answers in a row without a score after which a case is left: the first, and two more tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One further answer to a case, scored."""

    outcomes: Mapping[str, Outcome]
    """Outcome by metric."""
    text: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Reasons of its scores, by metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """All further answers so far."""

    answers: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    """Further answers by sample, in the order in which they were asked for."""
    given: Mapping[str, int] = field(default_factory=dict)
    """Number of the first of them that `gate.confirm` asked for, by sample."""
    ended: Code | None = None
    """Reason why nothing more can be asked; None if it can."""

    def to(self, sample_id: str) -> Sequence[Answer]:
        """Return the further answers to a sample."""
        return self.answers.get(sample_id, ())

    @property
    def asked(self) -> int:
        """Number of answers that were asked for, beyond those of `gate.confirm`."""
        return sum(map(len, self.answers.values())) - sum(self.given.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Further answers to samples of a run, asked after it."""

    changed: Mapping[str, Answers] | None = None
    """Scores of samples that changed, by metric, as `gate.confirm` wants them."""
    cases: Further = field(default_factory=Further)
    """Answers to suspects and required cases."""


NOTHING_ASKED = Asked()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A case and a metric after all answers so far."""

    state: State
    wrong: int
    of: int
    """Answers that count: right or wrong ones."""
    to_go: int = 0
    """Further wrong answers that would settle it, while it is open."""


def next_round(watch: Watch, further: Further) -> tuple[str, ...]:
    """Return the cases to ask once more; none if all is settled, or no more may be asked.

    The first round asks all suspects and the required cases that are undecided. Then only those
    suspects are gone on with whose proofs fit in what is left of the cap, the shortest first, so
    that many broken cases never look better than few.
    """
    if further.ended is not None:
        return ()
    left = max(0, watch.cap - further.asked)
    undecided, suspects = _open(watch, further)
    wanted = dict.fromkeys([*undecided, *suspects])
    if first := [name for name in wanted if not further.to(name)]:
        return tuple(first[:left])
    chosen = _chosen(watch, further)
    if again := [name for name in wanted if name in undecided or name in chosen][:left]:
        return tuple(again)
    is_probed = watch.probe is None or bool(further.to(watch.probe))
    if watch.probe is not None and not is_probed and _has_lost(watch, further):
        return (watch.probe,)
    return ()


def is_down(watch: Watch, further: Further) -> bool:
    """Return whether the endpoint stopped answering, so that nothing is proven by silence."""
    if further.ended is Code.ENDPOINT_DOWN:
        return True
    probed = further.to(watch.probe) if watch.probe is not None else ()
    return any(Outcome.LOST in answer.outcomes.values() for answer in probed)


def standings(watch: Watch, further: Further) -> Iterator[tuple[Pair, Standing]]:
    """Yield every suspect and required case with its final standing; see `is_down`, too."""
    is_proven_up = watch.probe is not None and bool(further.to(watch.probe))
    counts_silence = is_proven_up and not is_down(watch, further)
    for pair in watch.pairs:
        answers = _outcomes(pair, further.to(pair.sample_id))
        yield pair, _standing(pair, answers, watch, counts_silence=counts_silence)


def _standing(
    pair: Pair, further: Sequence[Outcome], watch: Watch, *, counts_silence: bool = True
) -> Standing:
    required = _required(pair, further, watch, counts_silence=counts_silence)
    if required is not None and required.state == "must":
        return required
    if not pair.is_suspect:
        return required or Standing(state="passed", wrong=0, of=0)
    return _suspected(pair, further, counts_silence=counts_silence)


def _suspected(pair: Pair, further: Sequence[Outcome], *, counts_silence: bool) -> Standing:
    target = pair.needed or _UNPROVEN
    wrong = silent = 0
    for number, outcome in enumerate([*pair.own, *further]):
        if outcome is Outcome.RIGHT:
            return Standing(state="slip", wrong=wrong, of=wrong + 1)
        is_own = number < len(pair.own)
        if _is_wrong(outcome, pair, counts_silence=counts_silence or is_own):
            wrong, silent = wrong + 1, 0
        else:
            silent += 1
        if wrong >= target and not (is_own and number + 1 < len(pair.own)):
            return Standing(state="proven" if pair.needed else "unproven", wrong=wrong, of=wrong)
        if silent >= _MOST_SILENT:
            return Standing(state="unproven", wrong=wrong, of=wrong)
    return Standing(state="open", wrong=wrong, of=wrong, to_go=target - wrong)


def _required(
    pair: Pair, further: Sequence[Outcome], watch: Watch, *, counts_silence: bool
) -> Standing | None:
    """Return how a required case stands; None if it is not required."""
    must = watch.must
    if must is None or not pair.is_required:
        return None
    right = wrong = silent = 0
    for number, outcome in enumerate([*pair.own, *further]):
        is_counted = counts_silence or number < len(pair.own)
        if outcome is Outcome.RIGHT:
            right, silent = right + 1, 0
        elif _is_wrong(outcome, pair, counts_silence=is_counted):
            wrong, silent = wrong + 1, 0
        else:
            silent += 1
        if right >= must.right or silent >= _MOST_SILENT:
            return Standing(state="passed", wrong=wrong, of=right + wrong)
        if wrong > must.of - must.right:
            return Standing(state="must", wrong=wrong, of=right + wrong)
    return Standing(state="open", wrong=wrong, of=right + wrong, to_go=must.of - right - wrong)


def _is_wrong(outcome: Outcome, pair: Pair, *, counts_silence: bool) -> bool:
    if outcome is Outcome.LOST:  # proves nothing, unless the case had no answer from the first
        return pair.is_lost and counts_silence
    return outcome is Outcome.WRONG


def _open(watch: Watch, further: Further) -> tuple[list[str], list[str]]:
    """Return the required cases that are undecided, and the suspects that are not settled."""
    undecided, suspects = [], []
    for pair in watch.pairs:
        answers = _outcomes(pair, further.to(pair.sample_id))
        required = _required(pair, answers, watch, counts_silence=True)
        if required is not None and required.state == "open":
            undecided.append(pair.sample_id)
        if pair.is_suspect and _standing(pair, answers, watch).state == "open":
            suspects.append(pair.sample_id)
    return undecided, suspects


def _chosen(watch: Watch, further: Further) -> set[str]:
    """Return the suspects that are gone on with after the first round.

    Whatever was asked since is left out of account, so that the choice stays the same.
    """
    left = watch.cap
    to_go: dict[str, tuple[int, bool]] = {}
    for name, pairs in _by_sample(watch).items():
        given = further.given.get(name, 0)
        first = further.to(name)[: max(1, given)]
        left -= len(first) - given
        reserved, most, is_provable = 0, 0, False
        for pair in pairs:
            answers = _outcomes(pair, first)
            required = _required(pair, answers, watch, counts_silence=True)
            reserved = max(reserved, required.to_go if required else 0)
            standing = _standing(pair, answers, watch)
            # a required case fails or is right before a proof is whole
            is_left = pair.is_suspect and not pair.is_required and standing.state == "open"
            if is_left:
                most = max(most, standing.to_go)
                is_provable = is_provable or pair.needed > 0
        left -= reserved
        if most:
            to_go[name] = (max(0, most - reserved), is_provable)
    chosen = set()
    # sorting keeps the dataset's order among equals
    for name, (more, _) in sorted(to_go.items(), key=lambda item: (not item[1][1], item[1][0])):
        if more <= left:
            chosen.add(name)
            left -= more
    return chosen


def _has_lost(watch: Watch, further: Further) -> bool:
    return any(
        Outcome.LOST in answer.outcomes.values()
        for pair in watch.pairs
        for answer in further.to(pair.sample_id)
    )


def _outcomes(pair: Pair, answers: Sequence[Answer]) -> list[Outcome]:
    return [answer.outcomes.get(pair.metric, Outcome.UNSCORED) for answer in answers]


def _by_sample(watch: Watch) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {}
    for pair in watch.pairs:
        found.setdefault(pair.sample_id, []).append(pair)
    return found
