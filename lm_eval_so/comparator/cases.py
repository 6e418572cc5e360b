"""Cases that people look at: changed, flaky, and lost ones."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import chain, compress, repeat

from lm_eval_so.comparator.effect.finding import Finding, Paired
from lm_eval_so.comparator.pairing import Pairs, Reports, Side
from lm_eval_so.comparator.sample_rows import Rows
from lm_eval_so.comparator.slices.compare import Slices
from lm_eval_so.core.records.changes import (
    ChangedCase,
    Exemption,
    FlakyCase,
    Lost,
    LostCase,
    RewordedCase,
)
from lm_eval_so.core.records.enums import Direction, MetricKind, RunStatus
from lm_eval_so.core.records.report import Columns, EvaluationReport
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.stats.bounded import largest_of

_MOST_CASES = 2_000
"""Most cases that got worse, and most that got better."""
_MOST_LOST = 100
_ANSWERED = frozenset(status.value for status in RunStatus if status.is_answer)
_Move = tuple[float, int, int]
"""Size (the smallest first), number of the metric, place among the complete pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moves:
    """Samples of a metric that moved one way; in columns, since there may be very many."""

    order: int
    """Number of the metric."""
    places: Sequence[int] = ()
    """Places among the complete pairs."""
    sizes: Sequence[float] = ()

    def each(self) -> Iterator[_Move]:
        """Return the moves one by one."""
        return zip(self.sizes, repeat(self.order), self.places)

    def without(self, names: frozenset[str], paired: Paired) -> "_Moves":
        """Leave some samples out."""
        if not names:
            return self
        name_at = [paired.ids[paired.complete.positions[place]] for place in self.places]
        stay = [name not in names for name in name_at]
        return replace(
            self,
            places=list(compress(self.places, stay)),
            sizes=list(compress(self.sizes, stay)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Texts of a report's rows."""

    columns: Columns
    answers: Sequence[str | None] | None
    """None if the report does not keep them, or only their digests."""
    scores: Mapping[tuple[str, int, str], Score]
    """Scores with a reason, by sample, repeat and metric."""

    def answer(self, row: int) -> str | None:
        """Return the answer of a row; None if there is none, or it is not kept."""
        return self.answers[row] if self.answers is not None else None

    def reason(self, row: int, metric: str) -> tuple[str | None, Mapping[str, str]]:
        """Return the reason of a row's score, and the same in other languages."""
        return reason_of(
            self.scores.get((self.columns.ids[row], self.columns.repeats[row], metric))
        )


def reason_of(score: Score | None) -> tuple[str | None, Mapping[str, str]]:
    """Return the reason of a score, and the same in other languages."""
    return (score.reason, score.reason_in) if score else (None, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Samples whose score changed."""

    cases: tuple[ChangedCase, ...] = ()
    """Cases per metric, at most 2,000 that got worse and as many that got better."""
    samples: tuple[int, int] = (0, 0)
    """Number of samples that got worse, and that got better, by any metric."""


def changed_cases(findings: Mapping[str, Finding], reports: Reports, slices: Slices) -> Changed:
    """Return the samples whose score changed, per metric.

    Cases of slices that are proven worse come first, in the order of the slices, and within each
    the largest drop; then other drops, the largest first; then the gains. Costs and times are left
    out, since they differ on every sample.

    Args:
        findings: Metrics to show changes of.
        reports: Candidate and baseline, paired.
        slices: Slices of the comparison.
    """
    if reports.baseline is None or reports.pairs is None:
        return Changed()
    closed = {k: f for k, f in findings.items() if f.shape.kind is not MetricKind.RATIO}
    losses, gains = {}, {}
    for order, (key, finding) in enumerate(closed.items()):
        losses[key], gains[key] = _moves(order, finding)
    worse = _worst_first(losses, slices)
    better = chain.from_iterable(moves.each() for moves in gains.values())
    numbered = list(closed.items())
    show = _Showing(
        pairs=reports.pairs, before=texts_of(reports.baseline), now=texts_of(reports.candidate)
    )
    return Changed(
        cases=tuple(
            show.case(*numbered[order], place)
            for _, order, place in (*worse, *nsmallest(_MOST_CASES, better))
        ),
        samples=(_count_samples(losses, closed), _count_samples(gains, closed)),
    )


def reworded_cases(changed: Collection[ChangedCase], reports: Reports) -> Iterator[RewordedCase]:
    """Yield the samples that did not change, but for an answer that the baseline did not give.

    Args:
        changed: Cases that changed.
        reports: Candidate and baseline, paired.
    """
    pairs, known = reports.pairs, {case.sample_id for case in changed}
    if reports.baseline is None or pairs is None:
        return
    before, now = texts_of(reports.baseline), texts_of(reports.candidate)
    found = 0
    if before.answers is None or now.answers is None:
        return
    rows = zip(pairs.baseline_samples.rows, pairs.candidate_samples.rows, strict=True)
    for place, (were, are) in enumerate(rows):
        if found == _MOST_CASES:
            return
        old, new = [before.answer(row) for row in were], now.answer(are[0])
        if new is not None and new not in old and old[0] is not None:
            name = pairs.ids[place]
            if name not in known:
                found += 1
                yield RewordedCase(sample_id=name, baseline_answer=old[0])


def flaky_cases(findings: Mapping[str, Finding], now: Side) -> Iterator[FlakyCase]:
    """Yield the samples that got worse but, asked again, mostly did not, per metric.

    Args:
        findings: Metrics to look at.
        now: Candidate, which knows the user's own ids.
    """
    for key, finding in findings.items():
        paired, again = finding.paired, finding.again
        if paired is None or again is None:
            continue
        complete, flaky = paired.complete, again.flaky
        if not flaky:
            continue
        rows = zip(complete.positions, complete.baseline, complete.candidate, strict=True)
        for position, old, new in rows:
            name = paired.ids[position]
            if name in flaky:
                yield FlakyCase(
                    sample_id=name,
                    ref=_at(now.columns.refs, now.rows_by_id[name][0]),
                    metric=key,
                    baseline=old,
                    candidate=new,
                    again=(again.worse[name], again.times),
                )


def _moves(order: int, finding: Finding) -> tuple[_Moves, _Moves]:
    """Return the samples of a metric that got worse, and those that got better."""
    paired = finding.paired
    if paired is None or paired.changes is None or not paired.complete.positions:
        return _Moves(order=order), _Moves(order=order)
    gains = paired.changes.complete
    width = finding.shape.width or largest_of(gains)
    worse = _columns_of(order, gains, paired.moved.worse, width)
    better = _columns_of(order, gains, paired.moved.better, -width)
    again = finding.again
    if again is None:
        return worse, better
    # unconfirmed changes count as unchanged
    return worse.without(again.flaky, paired), better.without(again.lucky, paired)


def _columns_of(order: int, gains: Sequence[float], places: Sequence[int], width: float) -> _Moves:
    return _Moves(order=order, places=places, sizes=[gains[place] / width for place in places])


def _worst_first(moves: Mapping[str, _Moves], slices: Slices) -> list[_Move]:
    found: list[_Move] = []
    told: dict[str, set[int]] = {key: set() for key in moves}
    for part in slices.proven_worse:
        if part.metric in moves:
            # of the slice only what moved: it may have very many samples
            moved = set(moves[part.metric].places)
            places = moved.intersection(part.places) - told[part.metric]
            found += sorted(each for each in moves[part.metric].each() if each[-1] in places)
            told[part.metric] |= places
        if len(found) >= _MOST_CASES:
            return found[:_MOST_CASES]
    others = (
        (each for each in moves[key].each() if each[-1] not in places)
        if places
        else moves[key].each()
        for key, places in told.items()
    )
    return found + nsmallest(_MOST_CASES - len(found), chain.from_iterable(others))


def _count_samples(moves: Mapping[str, _Moves], findings: Mapping[str, Finding]) -> int:
    found: list[tuple[Sequence[str], set[int]]] = []
    for key, of_metric in moves.items():
        paired = findings[key].paired
        if paired is None:
            continue
        same = next((positions for known, positions in found if known is paired.ids), None)
        if same is None:
            same = set()
            found.append((paired.ids, same))
        same.update(map(paired.complete.positions.__getitem__, of_metric.places))
    if len(found) == 1:  # most metrics have the same samples
        return len(found[0][1])
    return len({ids[position] for ids, positions in found for position in positions})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Showing:
    """Texts of both reports, to show changed samples with."""

    pairs: Pairs
    before: Texts
    now: Texts

    def case(self, key: str, finding: Finding, place: int) -> ChangedCase:
        """Return a changed sample; the place is among the metric's complete pairs."""
        paired, again, before, now = finding.paired, finding.again, self.before, self.now
        if paired is None:
            raise ValueError(f"{key} was not measured")
        complete = paired.complete
        old, new = complete.baseline[place], complete.candidate[place]
        name = paired.ids[complete.positions[place]]
        is_higher = finding.shape.direction is Direction.HIGHER
        is_worse = (new < old) == is_higher
        rows = self.pairs.baseline.rows_by_id[name], self.pairs.candidate.rows_by_id[name]
        old_row = _telling_row(before.columns, key, rows[0], new < old)
        new_row = _telling_row(now.columns, key, rows[1], new > old)
        reason, others = now.reason(new_row, key)
        return ChangedCase(
            sample_id=name,
            metric=key,
            change="worse" if is_worse else "better",
            baseline=old,
            candidate=new,
            input=_at(now.columns.inputs, new_row) or _at(before.columns.inputs, old_row),
            expected=_at(now.columns.expected, new_row) or _at(before.columns.expected, old_row),
            baseline_answer=before.answer(old_row),
            candidate_answer=now.answer(new_row),
            reason=reason,
            reason_in=others,
            ref=_at(now.columns.refs, new_row),
            again=(again.worse[name], again.times) if again and is_worse else None,
        )


def _telling_row(columns: Columns, key: str, rows: Rows, wants_high: bool) -> int:
    """Return the repeat that shows the change best: the highest or the lowest."""
    if len(rows) == 1:
        return rows[0]
    column = columns.scores[key]
    present = [(value, row) for row in rows if (value := column[row]) is not None]
    chosen = max(present, key=lambda item: item[0]) if wants_high else min(present)
    return chosen[1]


def _at(column: Sequence[str | None] | None, row: int) -> str | None:
    return column[row] if column is not None else None


def texts_of(report: EvaluationReport) -> Texts:
    """Return the texts of a report's rows."""
    return Texts(
        columns=report.samples,
        answers=report.answer_texts,
        scores={
            (case.sample_id, case.repeat, score.metric): score
            for case in report.errors
            for score in case.scores
            if score.reason
        },
    )


def lost_cases(reports: Reports, quarantine: Sequence[Exemption]) -> Lost | None:
    """Return the cases that were asked the same on both sides and lost every answer.

    Args:
        reports: Candidate and baseline, paired.
        quarantine: Entries of the quarantine file; samples that are known flaky by all metrics do
            not count.

    Returns:
        None if there are none.
    """
    now, pairs = reports.side, reports.pairs
    if pairs is None or _ANSWERED.issuperset(now.columns.statuses):
        return None
    before, without = pairs.baseline, _quarantined(quarantine)
    has_answer = bytearray(status in _ANSWERED for status in now.columns.statuses)
    names = now.rows_by_id.names
    lost = [
        sample_id
        for number, rows in zip(now.rows_by_id.rows.chosen, now.rows_by_id.rows, strict=True)
        if not any(has_answer[row] for row in rows)
        and (sample_id := names[number]) not in without
        and sample_id in before.rows_by_id
        and _has_answer(before, sample_id)
        and _asked(before, sample_id) == _asked(now, sample_id)
    ]
    if not lost:
        return None
    failures = now.columns.failures.items()
    why_of = {row: why for why, rows in failures for row in rows}
    whys = {name: _why(now, name, why_of) for name in lost}
    return Lost(
        n=len(lost),
        by=dict(Counter(whys.values()).most_common()),
        cases=tuple(_lost_case(name, whys[name], before, now) for name in lost[:_MOST_LOST]),
    )


def _quarantined(entries: Sequence[Exemption]) -> Collection[str]:
    held = (each for each in entries if each.state == "applied" and each.metric is None)
    return frozenset(each.sample_id for each in held if each.sample_id is not None)


def _has_answer(side: Side, sample_id: str) -> bool:
    return any(side.columns.statuses[row] in _ANSWERED for row in side.rows_by_id[sample_id])


def _asked(side: Side, sample_id: str) -> str:
    return side.columns.sample_hashes[side.rows_by_id[sample_id][0]]


def _why(side: Side, sample_id: str, why_of: dict[int, str]) -> str:
    row = side.rows_by_id[sample_id][0]
    return why_of.get(row, side.columns.statuses[row])  # an older report knows its status alone


def _lost_case(sample_id: str, why: str, before: Side, now: Side) -> LostCase:
    row, old = now.rows_by_id[sample_id][0], before.rows_by_id[sample_id][0]
    refs, inputs = now.columns.refs, now.columns.inputs or before.columns.inputs
    return LostCase(
        sample_id=sample_id,
        ref=refs[row] if refs else None,
        input=inputs[row if now.columns.inputs else old] if inputs else None,
        why=why,
    )
