"""Rounds of further answers: the cases to ask next, and what the answers say of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from lm_eval_so.comparator.broken.watch import OF_MAIN, Outcome, Pair, Watch
from lm_eval_so.comparator.gate.confirm import Answers
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.score import Score

State = Literal["open", "must", "proven", "unproven", "slip", "passed"]

_UNPROVEN = 10
"""Wrong answers after which a case is named where no number of them would prove anything."""
_MOST_SILENT = 3
"""Answers in a row without a score after which a case is left: the first, and two more tries."""
_WRONG_BEFORE_MAIN = 3
"""Wrong answers in a row from which on main's configuration is asked, too."""
MOST_OF_MAIN = 5
"""Answers of main's configuration, those without a score included, after which it is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One further answer to a case, scored."""

    outcomes: Mapping[str, Outcome]
    """Outcome by metric."""
    text: str | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    """Scores with a reason, by metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """All further answers so far."""

    answers: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    """Further answers by sample, in the order in which they were asked for."""
    given: Mapping[str, int] = field(default_factory=dict)
    """Number of the first of them that `gate.confirm` asked for, by sample."""
    ended: Code | None = None
    """Reason why nothing more can be asked; None if it can."""
    main: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    """Answers of main's configuration by sample, in their order."""
    main_run: str | None = None
    """Fingerprint of main's configuration, as it was asked; None if it was not."""
    main_ended: str | None = None
    """Problem for which main's configuration cannot be asked any more; None if it can."""

    def to(self, sample_id: str) -> Sequence[Answer]:
        """Return the further answers to a sample."""
        return self.answers.get(sample_id, ())

    def of_main(self, sample_id: str) -> Sequence[Answer]:
        """Return the answers of main's configuration to a sample."""
        return self.main.get(sample_id, ())

    @property
    def asked(self) -> int:
        """Number of answers that were asked for, beyond those of `gate.confirm`."""
        return sum(map(len, self.answers.values())) - sum(self.given.values())

    @property
    def asked_of_main(self) -> int:
        """Number of answers of main's configuration that were asked for."""
        return sum(map(len, self.main.values()))


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
    needed: int = 0
    """Wrong answers in a row that prove a change, after what main's configuration says; 0: none do."""
    main: tuple[int, int] | None = None
    """Answers of main's configuration: (right, all); None unless enough have a score."""
    main_to_go: int = 0
    """Further answers of main's configuration that are wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """Answers of main's configuration to a case, by one metric."""

    right: int = 0
    of: int = 0
    """Answers with a score."""
    is_open: bool = False
    """Whether more are wanted."""

    @property
    def counts(self) -> bool:
        """Whether enough of them were scored."""
        return self.of >= OF_MAIN

    @property
    def excuses(self) -> bool:
        """Whether main's configuration is wrong today as well, so that nothing is proven."""
        return self.counts and self.right < OF_MAIN - 1

    @property
    def told(self) -> tuple[int, int] | None:
        """Right and all answers, if enough were scored."""
        return (self.right, self.of) if self.counts else None

    def needed(self, pair: Pair) -> int:
        """Return the wrong answers in a row that prove a change; 0 if none do."""
        if self.excuses:
            return 0
        if pair.with_main is None or not (self.counts or self.is_open):
            return pair.needed
        two, three = pair.with_main
        if self.counts:
            return three if self.right == OF_MAIN else two
        return min(filter(None, (two, three)), default=0)

    def target(self, pair: Pair) -> int:
        """Return the wrong answers in a row after which a case is settled."""
        target = self.needed(pair) or _UNPROVEN
        return max(target, _WRONG_BEFORE_MAIN) if self.counts or self.is_open else target


_NO_WORD = _Word()


def next_round(watch: Watch, further: Further) -> tuple[str, ...]:
    """Return the cases to ask once more; none if all is settled, or no more may be asked.

    The first round asks all suspects and the required cases that are undecided. Then only those
    suspects are gone on with whose proofs fit in what is left of the cap, the shortest first, so
    that many broken cases never look better than few.
    """
    if further.ended is not None:
        return ()
    left = _left(watch, further)
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


def next_of_main(watch: Watch, further: Further) -> tuple[str, ...]:
    """Return the cases to ask main's configuration about once more, in the round of `next_round`.

    It is asked about suspects that were wrong three times in a row and are gone on with, and about
    required cases that failed. Its answers count into the cap.
    """
    if not watch.asks_main or further.ended is not None or further.main_ended is not None:
        return ()
    due: dict[str, bool] = {}
    for pair in watch.pairs:
        standing = _now(pair, watch, further)
        if standing.main_to_go:
            due[pair.sample_id] = due.get(pair.sample_id, False) or standing.state == "must"
    if not due:
        return ()
    undecided, suspects = _open(watch, further)
    if not all(map(further.to, [*undecided, *suspects])):  # who is gone on with is not known yet
        return ()
    left = _left(watch, further) - len(next_round(watch, further))
    chosen = _chosen(watch, further)
    names = [name for name, has_failed in due.items() if has_failed or name in chosen]
    silent = (p.sample_id for p in watch.pairs if p.is_lost and p.sample_id in names)
    is_silent = any(Outcome.LOST in _said_by(further.of_main(name)) for name in silent)
    if is_silent and watch.probe is not None and not further.of_main(watch.probe):
        names.append(watch.probe)  # is it this case, or is main down?
    return tuple(names[: max(0, left)])


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
        # where main's configuration could not be asked to the end, its answers count for nothing
        word = replace(_word(pair, watch, further), is_open=False)
        yield pair, _standing(pair, answers, watch, word, counts_silence=counts_silence)


def _now(pair: Pair, watch: Watch, further: Further) -> Standing:
    """Return how a case stands while more can be asked."""
    answers = _outcomes(pair, further.to(pair.sample_id))
    return _standing(pair, answers, watch, _word(pair, watch, further))


def _standing(
    pair: Pair,
    further: Sequence[Outcome],
    watch: Watch,
    word: _Word,
    *,
    counts_silence: bool = True,
) -> Standing:
    required = _required(pair, further, watch, counts_silence=counts_silence)
    if required is not None and required.state == "must":
        to_go = OF_MAIN - word.of if word.is_open else 0
        return replace(required, main=word.told, main_to_go=to_go)
    if not pair.is_suspect:
        return required or Standing(state="passed", wrong=0, of=0)
    return _suspected(pair, further, word, counts_silence=counts_silence)


def _word(pair: Pair, watch: Watch, further: Further) -> _Word:
    """Return what main's configuration says of a case.

    No answer says nothing, unless the run has none, either, and main answers another case.
    """
    if not watch.asks_main:
        return _NO_WORD
    said = _outcomes(pair, further.of_main(pair.sample_id))
    right = said.count(Outcome.RIGHT)
    of = right + said.count(Outcome.WRONG)
    if pair.is_lost and _said_by(further.of_main(watch.probe or "")) - {Outcome.LOST}:
        of += said.count(Outcome.LOST)
    is_over = of >= OF_MAIN or len(said) >= MOST_OF_MAIN or further.main_ended is not None
    return _Word(right=right, of=of, is_open=not is_over)


def _suspected(
    pair: Pair, further: Sequence[Outcome], word: _Word, *, counts_silence: bool
) -> Standing:
    needed, target = word.needed(pair), word.target(pair)
    wrong = silent = 0
    for number, outcome in enumerate([*pair.own, *further]):
        if outcome is Outcome.RIGHT:
            return Standing(state="slip", wrong=wrong, of=wrong + 1)
        is_own = number < len(pair.own)
        if _is_wrong(outcome, pair, counts_silence=counts_silence or is_own):
            wrong, silent = wrong + 1, 0
        else:
            silent += 1
        is_left = is_own and number + 1 < len(pair.own)
        if wrong >= target and not is_left:
            break
        if silent >= _MOST_SILENT:
            return Standing(state="unproven", wrong=wrong, of=wrong, needed=needed, main=word.told)
    is_settled = word.excuses or (wrong >= target and not word.is_open)
    state: State = "proven" if needed else "unproven"
    is_asked = word.is_open and wrong >= _WRONG_BEFORE_MAIN
    return Standing(
        state=state if is_settled else "open",
        wrong=wrong,
        of=wrong,
        to_go=0 if is_settled else max(0, target - wrong),
        needed=needed,
        main=word.told,
        main_to_go=OF_MAIN - word.of if is_asked else 0,
    )


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
        if pair.is_suspect and _is_asked(_now(pair, watch, further)):
            suspects.append(pair.sample_id)
    return undecided, suspects


def _is_asked(standing: Standing) -> bool:
    """Return whether a suspect is asked on; main's configuration alone may be."""
    return standing.state == "open" and standing.to_go > 0


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
            word = _Word(is_open=watch.asks_main and further.main_ended is None)
            standing = _standing(pair, answers, watch, word)
            # a required case fails or is right before a proof is whole
            is_left = pair.is_suspect and not pair.is_required and standing.state == "open"
            if is_left:
                most = max(most, standing.to_go + (OF_MAIN if word.is_open else 0))
                is_provable = is_provable or standing.needed > 0
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


def _left(watch: Watch, further: Further) -> int:
    """Return how many answers may still be asked for."""
    return max(0, watch.cap - further.asked - further.asked_of_main)


def _has_lost(watch: Watch, further: Further) -> bool:
    return any(
        Outcome.LOST in answer.outcomes.values()
        for pair in watch.pairs
        for answer in further.to(pair.sample_id)
    )


def _said_by(answers: Sequence[Answer]) -> set[Outcome]:
    return {outcome for answer in answers for outcome in answer.outcomes.values()}


def _outcomes(pair: Pair, answers: Sequence[Answer]) -> list[Outcome]:
    return [answer.outcomes.get(pair.metric, Outcome.UNSCORED) for answer in answers]


def _by_sample(watch: Watch) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {}
    for pair in watch.pairs:
        found.setdefault(pair.sample_id, []).append(pair)
    return found
