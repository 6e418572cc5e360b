"""Suspects and required cases of two reports."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pydantic import JsonValue

from lm_eval_so.comparator.gate.decide import Decision
from lm_eval_so.comparator.pairing import Reports, Rows, Side, applicable_rows
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.terms import Passes, Terms
from lm_eval_so.core.config.gate import MustSection
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import RunStatus, Verdict
from lm_eval_so.core.stats.broken import fails_by_itself, wrong_needed

_LEAST_CAP = 50
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
    warnings: tuple[Reason, ...] = ()
    """Required cases that fail by themselves now and then."""


@dataclass(slots=True)
class _Seen:
    """Notes on the way through the metrics."""

    pairs: list[Pair] = field(default_factory=list)
    samples: set[str] = field(default_factory=set)
    right: dict[str, None] = field(default_factory=dict)
    """Cases that were right by some metric, in dataset order."""
    family: int = 0


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
    seen, rows = _Seen(), 0
    for key, metric in decision.judged.items():
        passes = terms.right_or_wrong.get(key)
        if passes is None or not metric.gating or metric.change is Verdict.ERROR:
            continue
        reports = decision.compared[key]
        rows = len(reports.candidate.samples.ids)
        is_compared = metric.change is not Verdict.INCOMPARABLE
        _look(key, reports, passes, seen, must=gate.must, is_compared=is_compared)
    if not seen.family and not seen.pairs:
        return None
    alpha = gate.alpha
    pairs = [
        replace(p, needed=wrong_needed(p.right, p.of, family=seen.family, alpha=alpha))
        if p.is_suspect
        else p
        for p in seen.pairs
    ]
    order = {name: place for place, name in enumerate(_ids(decision))}
    pairs.sort(key=lambda pair: order[pair.sample_id])
    accused = {p.sample_id for p in pairs if p.is_suspect or Outcome.RIGHT not in p.own}
    return Watch(
        alpha=alpha,
        family=seen.family,
        samples=len(seen.samples),
        cap=most_further(rows),
        must=gate.must,
        pairs=tuple(pairs),
        probe=next((name for name in seen.right if name not in accused), None),
        warnings=tuple(_unsteady(pairs, gate.must)),
    )


def most_further(rows: int) -> int:
    """Return the most further answers of a run with so many rows."""
    return max(rows, _LEAST_CAP)


def _look(
    key: str,
    reports: Reports,
    passes: Passes,
    seen: _Seen,
    *,
    must: MustSection | None,
    is_compared: bool,
) -> None:
    side = reports.side
    required = _required(side, must)
    scores, statuses = side.columns.scores.get(key), side.columns.statuses
    if scores is None:
        return
    before = _baseline(key, reports, passes) if is_compared else {}
    now = applicable_rows(side, key)
    if not is_compared and _says_nothing([scores[row] for own in now.values() for row in own]):
        return
    seen.family += len(before)
    seen.samples.update(before)
    for name, own_rows in now.items():
        right, of = before.get(name, (0, 0))
        if not of and name not in required:
            continue
        own = tuple(_outcome(scores[row], statuses[row], passes) for row in own_rows)
        was_right = 2 * right > of
        is_wrong = all(each in {Outcome.WRONG, Outcome.LOST} for each in own)
        if Outcome.RIGHT in own:
            seen.right[name] = None
        if name in required or (was_right and is_wrong):
            pair = Pair(
                sample_id=name,
                metric=key,
                right=right,
                of=of,
                own=own,
                is_suspect=was_right and is_wrong,
                is_required=name in required,
            )
            seen.pairs.append(pair)


def _baseline(key: str, reports: Reports, passes: Passes) -> Mapping[str, tuple[int, int]]:
    """Return the right and all scored answers of each paired sample that the baseline scored."""
    pairs = reports.pairs
    if pairs is None:
        return {}
    scores, found = pairs.baseline.columns.scores[key], {}
    rows_by_id = applicable_rows(pairs.baseline, key)
    now = applicable_rows(pairs.candidate, key)
    for name in pairs.ids:
        if name in now and name in rows_by_id:
            values = [value for row in rows_by_id[name] if (value := scores[row]) is not None]
            if values:
                found[name] = (sum(map(passes, values)), len(values))
    return found


def _required(side: Side, must: MustSection | None) -> frozenset[str]:
    tags = side.columns.tags
    if must is None or tags is None:
        return frozenset()
    first: Mapping[str, Rows] = side.rows_by_id
    return frozenset(name for name, rows in first.items() if must.tag in tags[rows[0]])


def _outcome(score: float | None, status: str, passes: Passes) -> Outcome:
    if score is not None:
        return Outcome.RIGHT if passes(score) else Outcome.WRONG
    return Outcome.LOST if status in _FAILED else Outcome.UNSCORED


def _says_nothing(scores: Sequence[float | None]) -> bool:
    """Return whether too many rows lack a score to say anything, as where a baseline is compared."""
    missing = scores.count(None)
    few = missing < min(_FEW_LOST, len(scores))
    return not scores or (not few and missing > _SHARE_LOST * len(scores))


def _ids(decision: Decision) -> Sequence[str]:
    reports = next(iter(decision.compared.values()))
    return tuple(dict.fromkeys(reports.candidate.samples.ids))


def _unsteady(pairs: Sequence[Pair], must: MustSection | None) -> Iterator[Reason]:
    """Warn of required cases that the baseline got right more often than not, but not always."""
    for pair in pairs:
        is_mostly_right = pair.of >= 2 and 2 * pair.right > pair.of > pair.right
        if must is not None and pair.is_required and is_mostly_right:
            chance = fails_by_itself(pair.right, pair.of, least=must.right, of=must.of)
            figures: dict[str, JsonValue] = {
                "id": pair.sample_id,
                "s": pair.right,
                "k": pair.of,
                "p": chance,
            }
            yield Reason(code=Code.MUST_UNSTEADY, figures=figures)
