"""A trial of the gate: known answers as two reports, decided as any others."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import TypeVar

from lm_eval_so.comparator.effect.finding import Shape, shape_of
from lm_eval_so.comparator.exemptions.files import Entry, Exceptions, with_our_ids
from lm_eval_so.comparator.gate.decide import decide
from lm_eval_so.comparator.pairing import pair_reports
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.records.enums import Direction, MetricKind, Verdict
from lm_eval_so.core.records.report import Columns, EvaluationReport
from lm_eval_so.core.stats.trials import Outcome, Rows, Trial

T = TypeVar("T")
_OUTCOMES = {
    Verdict.PASS: Outcome.PASS,
    Verdict.IMPROVED: Outcome.PASS,
    Verdict.REGRESSION: Outcome.FAIL,
}
_MOST_COPIES = 12
"""Copies of a redrawn sample that its exceptions follow; more of them are one in 10 billion."""
_MOST_KNOWN = 20_000
_Score = float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leading:
    """A deciding metric by which answers can break."""

    metric: str
    margin: float
    """Margin, in score units; of a judged metric that of the truth."""
    width: float
    """Highest minus lowest possible score."""
    is_share: bool
    """Whether it says right or wrong."""
    shown: float = 1.0
    """Share of a true drop that the metric shows: Youden's J of a calibrated judge, else 1."""

    @property
    def step(self) -> float:
        """Fall of the score if an answer breaks, in score units."""
        return self.width if self.is_share else self.width / 2


@dataclass(frozen=True, kw_only=True)
class TrialGate:
    """The gate as a function of a trial.

    Two reports are made of the answers of a trial, and `decide` judges them as in `compare`.
    """

    report: EvaluationReport
    """All known answers in the columns, and the deciding metrics alone."""
    terms: Terms
    _known: dict[Hashable, Outcome] = field(default_factory=dict, repr=False)

    def __call__(self, trial: Trial) -> Outcome:
        """Return the outcome of a trial."""
        key = self._key(trial)
        if key is None:
            return self._decide(trial)
        if key not in self._known:
            outcome = self._decide(trial)
            if len(self._known) >= _MOST_KNOWN:
                return outcome
            self._known[key] = outcome
        return self._known[key]

    def leading(self) -> "list[Leading]":
        """Return the deciding metrics with a margin and a closed range; answers break by the first."""
        reports = pair_reports(self.report, self.report, alpha=self.terms.gate.alpha)
        judged, found = decide(reports, self.terms).judged, []
        for key, summary in self.report.metrics.items():
            limits, shape = judged[key].finding.limits, shape_of(summary)
            margin = limits.margin if limits.true_margin is None else limits.true_margin
            if judged[key].gating and margin is not None and shape.width is not None:
                each = Leading(
                    metric=key,
                    margin=margin,
                    width=shape.width,
                    is_share=shape.kind is MetricKind.BINARY,
                    shown=limits.shrunk_by or 1.0,
                )
                found.append(each)
        return found

    def losses(self, leading: "Leading") -> list[float | None]:
        """Return the fall of each answer's leading score if it breaks, as a share of the range.

        None where the metric does not apply; an answer without a score falls by nothing.
        """
        column, size = self._scores[leading.metric], self._size
        out = self._not_applicable.get(leading.metric, frozenset())
        return [
            None if row in out else _distance(column[row], column[row + size]) / leading.width
            for row in range(size)
        ]

    def _decide(self, trial: Trial) -> Outcome:
        names, copies = self._names(trial)
        candidate, baseline = (
            replace(self.report, samples=self._columns(rows, trial, names))
            for rows in (trial.candidate, trial.baseline)
        )
        exceptions = with_our_ids(self.terms.exceptions, self.report.samples)
        terms = replace(self.terms, exceptions=_for_copies(exceptions, copies))
        reports = pair_reports(candidate, baseline, alpha=terms.gate.alpha)
        return _OUTCOMES.get(decide(reports, terms).verdict, Outcome.UNCLEAR)

    def _key(self, trial: Trial) -> Hashable | None:
        """Return all that the outcome depends on; None if it depends on which sample is which."""
        exceptions = self.terms.exceptions
        if self._has_groups or exceptions.quarantine or exceptions.accept:
            return None
        said = self._said.__getitem__
        pairs = zip(map(said, trial.baseline), map(said, trial.candidate), strict=True)
        return frozenset(Counter(pairs).items())

    def _columns(self, rows: Sequence[Rows], trial: Trial, names: Sequence[str]) -> Columns:
        flat, size, each = list(chain.from_iterable(rows)), self._size, len(rows[0])
        groups = [str(unit) for unit in trial.units] if self._has_groups else [None] * len(rows)
        ids = _repeated(names, each)
        return Columns(
            ids=ids,
            sample_hashes=(),
            revs=ids,
            groups=_repeated(groups, each),
            repeats=tuple(range(each)) * len(rows),
            statuses=(),
            scores={
                key: tuple(map(column.__getitem__, flat)) for key, column in self._scores.items()
            },
            not_applicable={
                key: tuple(at for at, row in enumerate(flat) if row % size in out)
                for key, out in self._not_applicable.items()
            },
        )

    def _names(self, trial: Trial) -> tuple[list[str], int]:
        """Return an id for each sample of a trial, and the most copies of one of them."""
        known, size = self.report.samples.ids, self._size
        names = [known[rows[0] % size] for rows in trial.baseline]
        if len(set(names)) == len(names):
            return names, 1
        seen = Counter[str]()
        for at, name in enumerate(names):
            seen[name] += 1
            if seen[name] > 1:
                names[at] = _copy(name, seen[name])
        return names, max(seen.values())

    @cached_property
    def _size(self) -> int:
        return len(self.report.samples.ids)

    @cached_property
    def _has_groups(self) -> bool:
        return any(label is not None for label in self.report.samples.groups)

    @cached_property
    def _scores(self) -> Mapping[str, Sequence[_Score]]:
        """Scores by metric of all answers, then of the same answers if they break."""
        columns = self.report.samples.scores
        return {
            key: (*columns[key], *(broken(value, shape_of(summary)) for value in columns[key]))
            for key, summary in self.report.metrics.items()
        }

    @cached_property
    def _not_applicable(self) -> Mapping[str, frozenset[int]]:
        given = self.report.samples.not_applicable
        return {key: frozenset(given[key]) for key in self.report.metrics if given.get(key)}

    @cached_property
    def _said(self) -> "_Said":
        """Scores of some answers as a number, the same for all that a gate cannot tell apart."""
        out, size = self._not_applicable, self._size
        numbers: dict[Hashable, int] = {}
        kinds = []
        for row in range(2 * size):
            scores = tuple(
                "none" if row % size in out.get(key, ()) else column[row]
                for key, column in self._scores.items()
            )
            kinds.append(numbers.setdefault(scores, len(numbers)))
        return _Said(kinds)


class _Said(dict[Rows, int]):
    """Number by answers to one sample, in any order; made when it is first asked for.

    Args:
        kinds: A number for each answer; answers with the same scores share it.
    """

    def __init__(self, kinds: Sequence[int]) -> None:
        super().__init__()
        self._kinds = kinds
        self._numbers: dict[tuple[int, ...], int] = {}

    def __missing__(self, rows: Rows) -> int:
        kinds = tuple(sorted(map(self._kinds.__getitem__, rows)))
        self[rows] = found = self._numbers.setdefault(kinds, len(self._numbers))
        return found


def broken(score: _Score, shape: Shape) -> _Score:
    """Return the score of an answer that breaks.

    Right becomes wrong; a score falls by half of its range, not below the worst. A score without a
    range, as a cost, stays as it is.
    """
    if score is None or shape.support is None or shape.width is None:
        return score
    low, high = shape.support
    step = shape.width if shape.kind is MetricKind.BINARY else shape.width / 2
    if shape.direction is Direction.HIGHER:
        return max(low, score - step)
    return min(high, score + step)


def _distance(one: _Score, other: _Score) -> float:
    return 0.0 if one is None or other is None else abs(one - other)


def _repeated(values: Sequence[T], times: int) -> tuple[T, ...]:
    return tuple(values if times == 1 else [v for v in values for _ in range(times)])


def _for_copies(exceptions: Exceptions, copies: int) -> Exceptions:
    if copies == 1 or not (exceptions.quarantine or exceptions.accept):
        return exceptions
    return replace(
        exceptions,
        quarantine=tuple(_copied(exceptions.quarantine, copies)),
        accept=tuple(_copied(exceptions.accept, copies)),
    )


def _copied(entries: Sequence[Entry], copies: int) -> list[Entry]:
    more = [
        replace(entry, sample_id=_copy(entry.sample_id, copy))
        for entry in entries
        if entry.sample_id is not None
        for copy in range(2, min(copies, _MOST_COPIES) + 1)
    ]
    return [*entries, *more]


def _copy(name: str, number: int) -> str:
    return f"{name} ({number})"
