"""How many answers of the run each labelled one stands for."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lm_eval_so.core.stats.diagnostic import Diagnosis
from lm_eval_so.core.stats.verification import Stratum
from lm_eval_so.evaluator.calibration.drawn import Drawn
from lm_eval_so.evaluator.calibration.labels import GOOD

Labels = tuple[str, str]
"""What people say of an answer, and what the judge says of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The labelled answers as those that they stand for."""

    strata: tuple[Stratum, ...]
    counts: Mapping[Labels, Fraction]
    """How many answers of the run have these labels, as far as the labelled ones tell."""


def diagnose(labels: Iterable[Labels], positive: Sequence[str]) -> Diagnosis:
    """Count answers by whether people, and the judge, call them good."""
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
    """Weigh the labelled answers by what the judge said of the whole run.

    Args:
        labelled: The labels of each answer, and the value that it has in the run.
        drawn: What the judge said of the run.
        worth: What each label is worth.
        positive: Labels of a good answer.

    Returns:
        None if no answer of some kind is labelled, so that nothing stands for these.
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


def _cuts(worth: Mapping[str, float], positive: Sequence[str]) -> tuple[float, ...]:
    """Return the values at which answers part: by which they were chosen, and what is good."""
    usual = {label for label, value in worth.items() if value >= GOOD}
    return (GOOD,) if {*positive} == usual else (GOOD, min(worth[label] for label in positive))


def _kind(value: float, cuts: Sequence[float]) -> tuple[bool, ...]:
    return tuple(value >= cut for cut in cuts)


def _totals(
    drawn: Drawn, worth: Mapping[str, float], cuts: Sequence[float]
) -> Counter[tuple[bool, ...]]:
    """Count the answers of the run of each kind, those alone that the judge was asked about."""
    totals = Counter(_kind(value, cuts) for value in drawn.scores if value is not None)
    asked = sum(n for label, n in drawn.labels.items() if label in worth)
    # an empty answer has the lowest label without asking, and is never exported
    totals[_kind(min(worth.values()), cuts)] -= totals.total() - asked
    return totals
