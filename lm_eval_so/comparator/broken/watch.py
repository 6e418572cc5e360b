"""Suspects and required cases of two reports."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from pydantic import JsonValue

from lm_eval_so.comparator.gate.decide import Decision, decide
from lm_eval_so.comparator.pairing import Pairs, Side, applicable_rows, pair_reports, scope_of
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.sample_rows import Rows
from lm_eval_so.comparator.terms import Passes, Terms
from lm_eval_so.core.columns.column import Coded
from lm_eval_so.core.config.gate import MustSection
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import RunStatus, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.stats.broken import fails_by_itself, wrong_needed

_LEAST_CAP = 50
OF_MAIN = 3
"""Answers of main's configuration that are asked for, about a case that stays wrong."""
_FEW_LOST, _SHARE_LOST = 3, 0.05
"""Rows without a score from which on, and share of rows above which, a metric says nothing."""
_FAILED = frozenset(status.value for status in RunStatus if not status.is_answer)


class Outcome(StrEnum):
    """Outcome of one answer to a case, by one metric."""

    RIGHT = "right"
    WRONG = "wrong"
    UNSCORED = "unscored"
    """An answer without a score, or a row that was not asked."""
    LOST = "lost"
    """No answer came."""


_FAULTS = frozenset({Outcome.WRONG, Outcome.LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A case and a metric, under suspicion or required to be right."""

    sample_id: str
    metric: str
    right: int = 0
    """Right answers of the baseline."""
    of: int = 0
    """Scored answers of the baseline; 0 without one."""
    own: tuple[Outcome, ...]
    """Answers of the run itself."""
    is_suspect: bool
    """Whether it was mostly right in the baseline, and all answers of the run are wrong."""
    is_required: bool
    needed: int = 0
    """Wrong answers in a row that prove a change; 0 if no number of up to 20 does."""
    with_main: tuple[int, int] | None = None
    """The same if main's configuration is right 2 or 3 times of 3 today, and its answers count as the
    baseline's; None where the baseline's own decide."""

    @property
    def is_lost(self) -> bool:
        """Whether the run has no answer at all, so that further failures count as wrong."""
        return all(each is Outcome.LOST for each in self.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Cases that are looked at, and those among them that may have to be asked again."""

    alpha: float
    family: int
    """Pairs of case and metric that are looked at."""
    samples: int
    """Cases that are looked at."""
    cap: int
    """Most further answers in all."""
    must: MustSection | None
    pairs: tuple[Pair, ...]
    """Suspects and required cases, in dataset order."""
    probe: str | None
    """A case that was right and is no suspect, to ask whether the endpoint still answers."""
    asks_main: bool = False
    """Whether main's configuration can be asked, too."""
    warnings: tuple[Reason, ...] = ()
    """Required cases that fail by themselves now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One watched metric: what its rows say, and the cases among them."""

    said: Sequence[Outcome]
    """Outcome of each row of the candidate."""
    rows_by_id: Mapping[str, Rows]
    pairs: tuple[Pair, ...]
    family: int
    """Cases that the baseline scored."""
    samples: bytearray
    """1 for the first row of each of these cases."""


def watch_cases(
    candidate: EvaluationReport, baseline: EvaluationReport | None, terms: Terms
) -> Watch | None:
    """Return the suspects and required cases of a comparison; None if nothing is looked at.

    Args:
        candidate: Report under test.
        baseline: Report to compare with.
        terms: Gate, exceptions, day, and the metrics that say right or wrong.

    Raises:
        ConfigError: If the gate does not fit the reports; lists every problem.
    """
    if terms.gate.broken == "off":
        return None
    reports = pair_reports(candidate, baseline, alpha=terms.gate.alpha)
    return find_watch(decide(reports, terms), terms)


def find_watch(decision: Decision, terms: Terms) -> Watch | None:
    """Find the suspects and required cases of a comparison.

    Args:
        decision: Decided metrics, with the samples that count for each.
        terms: Gate, and the metrics that say right or wrong.

    Returns:
        None if nothing is looked at: by the gate, or since no metric says right or wrong.
    """
    gate = terms.gate
    if gate.broken == "off":
        return None
    columns = [
        column
        for key, metric in decision.judged.items()
        if metric.gating and metric.change is not Verdict.ERROR and key in terms.right_or_wrong
        if (column := _look(key, decision, terms)) is not None
    ]
    family, alpha = sum(column.family for column in columns), terms.alpha_of_worse
    found = [pair for column in columns for pair in column.pairs]
    if not family and not found:
        return None
    rows = next(iter(decision.compared.values())).candidate.samples
    needing = (_with_need(p, family, alpha, asks_main=terms.asks_main) for p in found)
    cases = next(iter(decision.compared.values())).side.rows_by_id
    pairs = sorted(needing, key=lambda p: cases.places.find(p.sample_id) or 0)
    return Watch(
        alpha=alpha,
        family=family,
        samples=_count_any([column.samples for column in columns]),
        cap=most_further(len(rows.ids)),
        must=gate.must,
        pairs=tuple(pairs),
        probe=_probe(cases.names, columns, pairs),
        asks_main=terms.asks_main,
        warnings=tuple(_unsteady(pairs, gate.must, rows.own_ids)),
    )


def most_further(rows: int) -> int:
    """Return the most further answers of a run with so many rows."""
    return max(rows, _LEAST_CAP)


def _look(key: str, decision: Decision, terms: Terms) -> _Column | None:
    """Look at the cases of one metric; None if its rows say nothing."""
    reports, passes = decision.compared[key], terms.right_or_wrong[key]
    side, scores = reports.side, reports.side.columns.scores.get(key)
    is_compared = decision.judged[key].change is not Verdict.INCOMPARABLE
    now = applicable_rows(side, key)
    if scores is None or (not is_compared and _says_nothing(scores, now)):
        return None
    said = _outcomes(scores, side.columns.statuses, passes)
    required = _required(side, terms.gate.must)
    before = _Before.none(len(said))
    if reports.pairs is not None and is_compared:
        before = _compared(key, reports.pairs, said, passes)
    suspects = before.suspects
    pairs = []
    for name in dict.fromkeys([*suspects, *(name for name in required if name in now)]):
        right, of = before.counts(name, now[name][0])
        pair = Pair(
            sample_id=name,
            metric=key,
            right=right,
            of=of,
            own=tuple(said[row] for row in now[name]),
            is_suspect=name in suspects,
            is_required=name in required,
        )
        pairs.append(pair)
    return _Column(
        said=said,
        rows_by_id=now,
        pairs=tuple(pairs),
        family=before.samples.count(1),
        samples=before.samples,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """Answers of the baseline to the cases that are compared."""

    rights: Sequence[bool | None]
    """Whether each row is right; None without a score."""
    rows_by_id: Mapping[str, Rows]
    samples: bytearray
    """Per row of the candidate, 1 for the first of each case that is compared, and has a score."""
    suspects: frozenset[str]
    """Cases that were mostly right, and have no right answer now."""

    @classmethod
    def none(cls, rows: int) -> Self:
        """Return that none of so many rows is compared."""
        return cls(rights=(), rows_by_id={}, samples=bytearray(rows), suspects=frozenset())

    def counts(self, name: str, first: int) -> tuple[int, int]:
        """Return the right and all scored answers to a case, given its first row in the candidate."""
        if not self.samples[first]:
            return 0, 0
        own = [self.rights[row] for row in self.rows_by_id[name]]
        return own.count(True), len(own) - own.count(None)


def _compared(key: str, pairs: Pairs, said: Sequence[Outcome], passes: Passes) -> _Before:
    """Find the suspects; there may be very many cases, most of them right."""
    scores = pairs.baseline.columns.scores[key]
    rights = Coded(None if score is None else bool(passes(score)) for score in scores)
    scope = scope_of(pairs, key, is_time=False)
    suspects, samples = [], bytearray(len(said))
    rows = zip(scope.baseline.rows, scope.candidate.rows, strict=True)
    for place, (old, new) in enumerate(rows):
        if len(old) == 1:
            right, of = int(rights[old[0]] is True), int(rights[old[0]] is not None)
        else:
            own = [rights[row] for row in old]
            right, of = own.count(True), len(own) - own.count(None)
        if not of:
            continue
        samples[new[0]] = 1
        if 2 * right > of and said[new[0]] in _FAULTS and all(said[r] in _FAULTS for r in new):
            suspects.append(scope.ids[place])
    return _Before(
        rights=rights,
        rows_by_id=applicable_rows(pairs.baseline, key),
        samples=samples,
        suspects=frozenset(suspects),
    )


def _count_any(flags: Sequence[bytearray]) -> int:
    """Return at how many places one of some flags is set."""
    found = 0
    for each in flags:
        found |= int.from_bytes(each, "little")
    return found.bit_count()


def _with_need(pair: Pair, family: int, alpha: float, *, asks_main: bool) -> Pair:
    if not pair.is_suspect:
        return pair
    needed = wrong_needed(pair.right, pair.of, family=family, alpha=alpha)
    if not asks_main or wrong_needed(pair.of, pair.of, family=family, alpha=alpha):
        return replace(pair, needed=needed)
    two, three = (
        wrong_needed(pair.right + right, pair.of + OF_MAIN, family=family, alpha=alpha)
        for right in (2, 3)
    )
    return replace(pair, needed=needed, with_main=(two, three))


def _probe(names: Iterable[str], columns: Sequence[_Column], pairs: Sequence[Pair]) -> str | None:
    """Return the first case that was right by some metric and is accused by none."""
    accused = {p.sample_id for p in pairs if p.is_suspect or Outcome.RIGHT not in p.own}
    for name in names:
        if name not in accused and any(
            column.said[row] is Outcome.RIGHT
            for column in columns
            for row in column.rows_by_id.get(name, ())
        ):
            return name
    return None


def _required(side: Side, must: MustSection | None) -> frozenset[str]:
    tags = side.columns.tags
    if must is None or tags is None:
        return frozenset()
    cases = side.rows_by_id
    places = (number for number in cases.rows.chosen if must.tag in tags[cases.rows.of(number)[0]])
    return frozenset(cases.names[number] for number in places)


def _outcomes(
    scores: Sequence[float | None], statuses: Sequence[str], passes: Passes
) -> Sequence[Outcome]:
    """Return what each row says."""
    right, wrong, lost, unscored = Outcome.RIGHT, Outcome.WRONG, Outcome.LOST, Outcome.UNSCORED
    return Coded(
        (right if passes(score) else wrong)
        if score is not None
        else lost
        if status in _FAILED
        else unscored
        for score, status in zip(scores, statuses, strict=True)
    )


def _says_nothing(scores: Sequence[float | None], now: Mapping[str, Rows]) -> bool:
    """Return whether too many rows lack a score to say anything, as where a baseline is compared."""
    own = [scores[row] for rows in now.values() for row in rows]
    missing = own.count(None)
    few = missing < min(_FEW_LOST, len(own))
    return not own or (not few and missing > _SHARE_LOST * len(own))


def _unsteady(
    pairs: Sequence[Pair], must: MustSection | None, refs: Mapping[str, str]
) -> Iterator[Reason]:
    """Warn of required cases that the baseline got right more often than not, but not always.

    Args:
        pairs: Cases and metrics that are looked at.
        must: Requirement; None if nothing is required.
        refs: The user's own ids by ours.
    """
    for pair in pairs:
        is_mostly_right = pair.of >= 2 and 2 * pair.right > pair.of > pair.right
        if must is not None and pair.is_required and is_mostly_right:
            chance = fails_by_itself(pair.right, pair.of, least=must.right, of=must.of)
            figures: dict[str, JsonValue] = {
                "id": refs.get(pair.sample_id, pair.sample_id),
                "s": pair.right,
                "k": pair.of,
                "p": chance,
            }
            yield Reason(code=Code.MUST_UNSTEADY, figures=figures)
