"""The run that labelled answers were drawn from, and how many of its answers each stands for."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, get_args

from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.stats.diagnostic import Diagnosis, Stratum
from lm_eval_so.core.text.personal_data import Kind, mask_personal_data
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.scoring.draws import GOOD

Labels = tuple[str, str]
"""Labels of an answer by people and by the judge."""

_KINDS: Final = frozenset[Kind](get_args(Kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Labels and values that the judge of a metric gave to the whole run."""

    labels: Mapping[str, int]
    """Count of the rows that the judge was asked about, by label."""
    scores: Sequence[float | None]
    """Values of all rows."""
    places: Mapping[tuple[str, int], int]
    """Index of a sample and repeat among the scores."""

    def value(self, sample_id: str, repeat: int) -> float | None:
        """Return the judge's value of an answer; None if the run or the answer has none."""
        place = self.places.get((sample_id, repeat))
        return None if place is None else self.scores[place]


@dataclass(frozen=True, slots=True)
class Unfit:
    """Reason why no report tells what the run was like."""

    why: str


def drawn_from(
    report: EvaluationReport | None, bound: BoundMetric, answers: Iterable[RunResult]
) -> Drawn | Unfit:
    """Return the judge's labels of the run, if a report is of this judge and of these answers.

    Args:
        report: The report; None if none exists.
        bound: The metric.
        answers: The labelled answers that the judge was asked about.
    """
    if report is None:
        return Unfit("there is no report of the run")
    summary, health = report.metrics.get(bound.id), report.judges.get(bound.id)
    if summary is None or health is None or not health.labels:
        return Unfit(f"the report has no labels of {bound.id}")
    if summary.fingerprint != bound.fingerprint:
        return Unfit("the report is of another judge or rubric")
    rows = report.samples
    places = {place: i for i, place in enumerate(zip(rows.ids, rows.repeats, strict=True))}
    for answer in answers:
        place = places.get((answer.sample_id, answer.repeat))
        if place is None:
            return Unfit(f"the report lacks {answer.sample_id}, which is labelled")
        kept = rows.answers[place] if rows.answers else None
        is_same_question = rows.sample_hashes[place] == answer.sample_hash
        if not is_same_question or (kept is not None and not _is_same(kept, answer.text)):
            return Unfit(f"the report has another answer to {answer.sample_id}")
    return Drawn(labels=dict(health.labels), scores=rows.scores[bound.id], places=places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The labelled answers, each with the weight of the answers that it stands for."""

    strata: tuple[Stratum, ...]
    counts: Mapping[Labels, Fraction]
    """Estimated answers of the run by their labels."""


def diagnose(labels: Iterable[Labels], positive: Sequence[str]) -> Diagnosis:
    """Count answers by whether people and the judge call them good."""
    counts = Counter((human in positive, judge in positive) for human, judge in labels)
    return Diagnosis(
        tp=counts[True, True],
        fn=counts[True, False],
        tn=counts[False, False],
        fp=counts[False, True],
    )


def weigh(
    labelled: Iterable[tuple[Labels, float]],
    drawn: Drawn,
    worth: Mapping[str, float],
    positive: Sequence[str],
) -> Weighed | None:
    """Weigh the labelled answers by the judge's labels of the whole run.

    Args:
        labelled: The labels of each answer, and its value in the run.
        drawn: The judge's labels and values of the run.
        worth: Value of each label.
        positive: Labels of a good answer.

    Returns:
        None if some kind of answers has no labelled one.
    """
    cuts = _cuts(worth, positive)
    kinds: dict[tuple[bool, ...], list[Labels]] = {}
    for labels, value in labelled:
        kinds.setdefault(_kind(value, cuts), []).append(labels)
    totals = _totals(drawn, worth, cuts)
    if not kinds or any(kind not in kinds for kind, n in totals.items() if n > 0):
        return None
    strata: list[Stratum] = []
    counts: defaultdict[Labels, Fraction] = defaultdict(Fraction)
    for kind, found in sorted(kinds.items()):
        stratum = Stratum(
            total=totals[kind], is_positive=kind[-1], labelled=diagnose(found, positive)
        )
        strata.append(stratum)
        for labels in found:
            counts[labels] += stratum.weight
    return Weighed(strata=tuple(strata), counts=counts)


def _is_same(kept: str, answer: str) -> bool:
    """Return whether a report kept this answer, or its digest, or what masking left of it."""
    if kept in {answer, digest_text(answer)}:
        return True
    return mask_personal_data(kept, _KINDS) == mask_personal_data(answer, _KINDS)


def _cuts(worth: Mapping[str, float], positive: Sequence[str]) -> tuple[float, ...]:
    """Return the values that divide answers: the one of the choice, and the least good one."""
    usual = {label for label, value in worth.items() if value >= GOOD}
    return (GOOD,) if {*positive} == usual else (GOOD, min(worth[label] for label in positive))


def _kind(value: float, cuts: Sequence[float]) -> tuple[bool, ...]:
    return tuple(value >= cut for cut in cuts)


def _totals(
    drawn: Drawn, worth: Mapping[str, float], cuts: Sequence[float]
) -> Counter[tuple[bool, ...]]:
    """Count the answers of the run of each kind, without those that no judge was asked about."""
    asked = {label: n for label, n in drawn.labels.items() if label in worth}
    values = [value for value in drawn.scores if value is not None]
    totals: Counter[tuple[bool, ...]] = Counter()
    if {*values} <= {*worth.values()}:
        for label, n in asked.items():
            totals[_kind(worth[label], cuts)] += n
        return totals
    # a step weighted by probabilities lies between two labels
    totals.update(_kind(value, cuts) for value in values)
    # an empty answer has the lowest label without asking, and is never exported
    totals[_kind(min(worth.values()), cuts)] -= totals.total() - sum(asked.values())
    return totals
