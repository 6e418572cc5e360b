"""Answers that people and a judge have labelled, and how far they agree."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.calibration import Calibration, Disagreement
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.stats.agreement import cohen_kappa, krippendorff_alpha
from lm_eval_so.core.stats.diagnostic import Diagnosis
from lm_eval_so.core.stats.verification import sensitivity, specificity
from lm_eval_so.evaluator.calibration.drawn import Drawn, Unfit
from lm_eval_so.evaluator.calibration.label_file import HumanLabel
from lm_eval_so.evaluator.calibration.weighing import Labels, Weighed, diagnose, weigh
from lm_eval_so.evaluator.fold import full_definition
from lm_eval_so.evaluator.score import BoundMetric
from lm_eval_so.evaluator.votes import is_usable, was_asked

_MOST_SHOWN = 50
_LONGEST_REASON = 500
_FEWEST_ORDERED = 3
"""Labels from which on one lies between others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """One answer."""

    people: tuple[HumanLabel, ...]
    """What each said, at least one."""
    score: Score
    """What the judge said."""

    @property
    def human(self) -> str | None:
        """The label that most people gave it; None if they are divided."""
        (label, most), *others = Counter(each.label for each in self.people).most_common()
        return None if others and others[0][1] == most else label

    @property
    def judge(self) -> str | None:
        """The judge's label; None if it gave none."""
        return self.score.label if self.score.value is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One answer with a label by most people and one by the judge."""

    human: str
    judge: str
    rated: Rated

    @property
    def labels(self) -> tuple[str, str]:
        """Both labels."""
        return self.human, self.judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the labels of a metric come from."""

    bound: BoundMetric
    positive: tuple[str, ...]
    """Labels of a good answer."""
    skipped: Mapping[str, int]
    """What of the labels file does not count, by why."""
    drawn: Drawn | Unfit
    """The run that the answers were chosen from."""
    labels_file: str
    labels_digest: str
    calibrated_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """How well a judge tells good answers from bad ones."""

    se: float | None
    se_ci95: tuple[float, float] | None
    sp: float | None
    sp_ci95: tuple[float, float] | None
    j: float | None


def make_calibration(rated: Sequence[Rated], origin: Origin) -> Calibration:
    """Put the figures of a metric together."""
    metric = origin.bound.metric
    labels = dict(sorted(metric.labels.items(), key=lambda item: -item[1]))
    whole = [each for each in rated if each.human is not None]
    pairs = pairs_of(whole)
    found = diagnose((pair.labels for pair in pairs), origin.positive)
    weighed = _weighed(pairs, origin, labels)
    rates = _weighted(weighed) if weighed else _raw(found)
    counts = weighed.counts if weighed else Counter(pair.labels for pair in pairs)
    lost = Counter(each.score.code or "unscored" for each in whole if each.judge is None)
    divided = {"tie": len(rated) - len(whole)} if len(whole) < len(rated) else {}
    votes = [vote for each in whole for vote in each.score.judge if vote.calls and is_usable(vote)]
    return Calibration(
        metric=metric.id,
        fingerprint=digest(full_definition(origin.bound)),
        models=tuple(sorted({vote.model for vote in votes if vote.model})),
        labels=labels,
        positive=origin.positive,
        rows=len(whole),
        n=len(pairs),
        weighted=weighed is not None,
        run_labels=origin.drawn.labels if isinstance(origin.drawn, Drawn) else {},
        confusion=confusion(pairs, labels),
        agreement=agreement_of(counts),
        kappa=kappa_of(counts, labels),
        kappa_weights="quadratic" if are_ordered(labels) else "none",
        tp=found.tp,
        fn=found.fn,
        tn=found.tn,
        fp=found.fp,
        se=rates.se,
        se_ci95=rates.se_ci95,
        sp=rates.sp,
        sp_ci95=rates.sp_ci95,
        j=rates.j,
        alpha=alpha_of(rated, labels),
        annotators=max((len(each.people) for each in rated), default=0),
        unscored=lost.total(),
        unscored_rate=lost.total() / len(whole) if whole else 0.0,
        unscored_by=dict(sorted(lost.items())),
        skipped=dict(sorted({**origin.skipped, **divided}.items())),
        disagreements=disagreements(pairs, labels),
        labels_file=origin.labels_file,
        labels_digest=origin.labels_digest,
        calibrated_at=origin.calibrated_at,
    )


def _weighed(pairs: Sequence[Pair], origin: Origin, labels: Mapping[str, float]) -> Weighed | None:
    """Weigh the answers that have a value in the run; None if that is not known."""
    drawn = origin.drawn
    if isinstance(drawn, Unfit):
        return None
    places = [(pair, pair.rated.score) for pair in pairs if was_asked(pair.rated.score)]
    values = [(pair, drawn.value(score.sample_id, score.repeat)) for pair, score in places]
    labelled = [(pair.labels, value) for pair, value in values if value is not None]
    return weigh(labelled, drawn, labels, origin.positive)


def _raw(found: Diagnosis) -> _Rates:
    return _Rates(
        se=found.sensitivity,
        se_ci95=found.sensitivity_interval,
        sp=found.specificity,
        sp_ci95=found.specificity_interval,
        j=found.youden,
    )


def _weighted(weighed: Weighed) -> _Rates:
    se, sp = sensitivity(weighed.strata), specificity(weighed.strata)
    return _Rates(
        se=se.value if se else None,
        se_ci95=se.interval if se else None,
        sp=sp.value if sp else None,
        sp_ci95=sp.interval if sp else None,
        j=se.value + sp.value - 1 if se and sp else None,
    )


def pairs_of(rated: Sequence[Rated]) -> list[Pair]:
    """Return the answers of which there is a label on both sides."""
    return [
        Pair(human=human, judge=judge, rated=each)
        for each in rated
        if (human := each.human) is not None and (judge := each.judge) is not None
    ]


def confusion(pairs: Sequence[Pair], labels: Mapping[str, float]) -> dict[str, dict[str, int]]:
    """Count answers by people's label, then by the judge's; every label stands there."""
    counts = Counter((pair.human, pair.judge) for pair in pairs)
    return {a: {b: counts[a, b] for b in labels} for a in labels}


def are_ordered(labels: Mapping[str, float]) -> bool:
    """Return whether a label can lie between two others, so that a near miss is less of one."""
    return len(labels) >= _FEWEST_ORDERED and len({*labels.values()}) == len(labels)


def agreement_of(counts: Mapping[Labels, Fraction | int]) -> float | None:
    """Return the share of the answers of which both say the same."""
    same = sum((n for (human, judge), n in counts.items() if human == judge), Fraction())
    return float(same / sum(counts.values())) if counts else None


def kappa_of(counts: Mapping[Labels, Fraction | int], labels: Mapping[str, float]) -> float | None:
    """Return Cohen's κ, with quadratic weights where the labels have an order."""
    order = sorted(labels, key=lambda label: labels[label]) if are_ordered(labels) else None
    return cohen_kappa(counts, order=order)


def alpha_of(rated: Sequence[Rated], labels: Mapping[str, float]) -> float | None:
    """Return Krippendorff's α among people, over the answers that several labelled."""
    level: Literal["nominal", "ordinal"] = "ordinal" if are_ordered(labels) else "nominal"
    units: list[list[Any]] = [
        [labels[said.label] if level == "ordinal" else said.label for said in each.people]
        for each in rated
    ]
    return krippendorff_alpha(units, level=level)


def disagreements(pairs: Sequence[Pair], labels: Mapping[str, float]) -> tuple[Disagreement, ...]:
    """Return the answers of which both say different things, those furthest apart first."""

    def urgency(pair: Pair) -> tuple[float, str, int]:
        distance = abs(labels[pair.human] - labels[pair.judge])
        return -distance, pair.rated.score.sample_id, pair.rated.score.repeat

    differing = sorted((pair for pair in pairs if pair.human != pair.judge), key=urgency)
    return tuple(_shown(pair) for pair in differing[:_MOST_SHOWN])


def _shown(pair: Pair) -> Disagreement:
    score = pair.rated.score
    return Disagreement(
        sample_id=score.sample_id,
        repeat=score.repeat,
        human=pair.human,
        judge=pair.judge,
        human_reason=_short("; ".join(dict.fromkeys(_notes(pair)))),
        judge_reason=_short(score.reason or ""),
    )


def _notes(pair: Pair) -> Iterator[str]:
    for said in pair.rated.people:
        if said.label == pair.human and said.note:
            yield said.note


def _short(text: str) -> str | None:
    return textwrap.shorten(text, _LONGEST_REASON, placeholder=" …") or None
