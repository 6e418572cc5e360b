"""What people look at: the samples that got worse or better."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import chain, compress, repeat

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.effect.interval import gains_of
from lm_eval_so.comparator.effect.measure import Reports
from lm_eval_so.comparator.pairing.pair import Pairs
from lm_eval_so.comparator.pairing.samples import Rows
from lm_eval_so.comparator.slices.estimate import Part
from lm_eval_so.core.records.comparison import ChangedCase, FlakyCase
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.core.records.report import Columns, EvaluationReport
from lm_eval_so.core.stats.bounded import largest_of

_MOST_CASES = 2_000
"""Of those that got worse, and of those that got better."""
_Move = tuple[float, int, int]
"""Its size, the smallest first; number of the metric; place among the complete pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moves:
    """Samples of a metric that moved one way; columns, since there may be very many."""

    order: int
    """Number of the metric."""
    places: Sequence[int] = ()
    """Among the complete pairs."""
    sizes: Sequence[float] = ()

    def each(self) -> Iterator[_Move]:
        """Return them one by one."""
        return zip(self.sizes, repeat(self.order), self.places)

    def without(self, names: frozenset[str], finding: Finding) -> "_Moves":
        """Leave some samples out."""
        complete = finding.complete
        if complete is None or not names:
            return self
        name_at = [finding.ids[complete.positions[place]] for place in self.places]
        stay = [name not in names for name in name_at]
        return replace(
            self,
            places=list(compress(self.places, stay)),
            sizes=list(compress(self.sizes, stay)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """What a report tells of its rows."""

    columns: Columns
    answers: Sequence[str | None] | None
    """None if the report does not keep them, or only their digests."""
    reasons: Mapping[tuple[str, int, str], str]
    """Why a row has its score, by sample, repeat and metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The samples whose score changed."""

    cases: tuple[ChangedCase, ...] = ()
    """Per metric, at most 2,000 that got worse and as many that got better."""
    samples: tuple[int, int] = (0, 0)
    """How many samples got worse, and how many better, by any metric."""


def changed_cases(
    findings: Mapping[str, Finding], reports: Reports, proven: Sequence[Part]
) -> Changed:
    """Return the samples whose score changed, per metric.

    First those behind slices that are proven worse, in the order of the slices, and within each the
    largest drop; then other drops, the largest first; then the gains. Costs and times are left out,
    since they differ on every sample.

    Args:
        findings: The metrics.
        reports: Both reports.
        proven: The slices that are proven worse, the best evidence first.
    """
    if reports.baseline is None or reports.pairs is None:
        return Changed()
    closed = {k: f for k, f in findings.items() if f.shape.kind is not MetricKind.RATIO}
    losses, gains = {}, {}
    for order, (key, finding) in enumerate(closed.items()):
        losses[key], gains[key] = _moves(order, finding)
    worse = _worst_first(losses, proven)
    better = chain.from_iterable(moves.each() for moves in gains.values())
    numbered = list(closed.items())
    before, now = _texts(reports.baseline), _texts(reports.candidate)
    return Changed(
        cases=tuple(
            _case(*numbered[order], place, reports.pairs, before, now)
            for _, order, place in (*worse, *nsmallest(_MOST_CASES, better))
        ),
        samples=(_count_samples(losses, closed), _count_samples(gains, closed)),
    )


def flaky_cases(findings: Mapping[str, Finding]) -> Iterator[FlakyCase]:
    """Yield every sample that got worse but, asked again, mostly did not, per metric."""
    for key, finding in findings.items():
        complete, again = finding.complete, finding.again
        if complete is None or again is None:
            continue
        flaky = again.flaky
        rows = zip(complete.positions, complete.baseline, complete.candidate, strict=True)
        for position, old, new in rows:
            name = finding.ids[position]
            if name in flaky:
                yield FlakyCase(
                    sample_id=name,
                    metric=key,
                    baseline=old,
                    candidate=new,
                    again=(again.worse[name], again.times),
                )


def _moves(order: int, finding: Finding) -> tuple[_Moves, _Moves]:
    """Return the samples of a metric that got worse, and those that got better."""
    complete = finding.complete
    if complete is None or not complete.positions:
        return _Moves(order=order), _Moves(order=order)
    gains = finding.changes.complete if finding.changes else gains_of(complete, finding.shape)
    width = finding.shape.width or largest_of(gains)
    worse = _columns_of(order, gains, finding.moved.worse, width)
    better = _columns_of(order, gains, finding.moved.better, -width)
    again = finding.again
    if again is None:
        return worse, better
    # what did not change again counts as unchanged
    return worse.without(again.flaky, finding), better.without(again.lucky, finding)


def _columns_of(order: int, gains: Sequence[float], places: Sequence[int], width: float) -> _Moves:
    return _Moves(order=order, places=places, sizes=[gains[place] / width for place in places])


def _worst_first(moves: Mapping[str, _Moves], proven: Sequence[Part]) -> list[_Move]:
    found: list[_Move] = []
    told: dict[str, set[int]] = {key: set() for key in moves}
    for part in proven:
        if part.metric in moves:
            places = set(part.places) - told[part.metric]
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
        complete, ids = findings[key].complete, findings[key].ids
        if complete is None:
            continue
        same = next((positions for known, positions in found if known is ids), None)
        if same is None:
            same = set()
            found.append((ids, same))
        same.update(map(complete.positions.__getitem__, of_metric.places))
    if len(found) == 1:  # most metrics have the same samples
        return len(found[0][1])
    return len({ids[position] for ids, positions in found for position in positions})


def _case(
    key: str, finding: Finding, place: int, pairs: Pairs, before: _Texts, now: _Texts
) -> ChangedCase:
    complete, again = finding.complete, finding.again
    if complete is None:
        raise ValueError(f"{key} was not measured")
    old, new = complete.baseline[place], complete.candidate[place]
    name = finding.ids[complete.positions[place]]
    is_higher = finding.shape.direction is Direction.HIGHER
    is_worse = (new < old) == is_higher
    old_row = _telling_row(before.columns, key, pairs.baseline.rows_by_id[name], new < old)
    new_row = _telling_row(now.columns, key, pairs.candidate.rows_by_id[name], new > old)
    return ChangedCase(
        sample_id=name,
        metric=key,
        change="worse" if is_worse else "better",
        baseline=old,
        candidate=new,
        input=_at(now.columns.inputs, new_row) or _at(before.columns.inputs, old_row),
        expected=_at(now.columns.expected, new_row) or _at(before.columns.expected, old_row),
        baseline_answer=_at(before.answers, old_row),
        candidate_answer=_at(now.answers, new_row),
        reason=now.reasons.get((name, now.columns.repeats[new_row], key)),
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


def _texts(report: EvaluationReport) -> _Texts:
    kept = report.experiment.evaluator_config.get("report")
    are_digests = isinstance(kept, Mapping) and kept.get("answers") == "hash"
    return _Texts(
        columns=report.samples,
        answers=None if are_digests else report.samples.answers,
        reasons={
            (case.sample_id, case.repeat, score.metric): score.reason
            for case in report.errors
            for score in case.scores
            if score.reason
        },
    )
