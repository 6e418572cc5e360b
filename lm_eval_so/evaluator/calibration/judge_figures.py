"""Figures of a calibration: agreement of a judge with people, and the events about it."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from lm_eval_so.core.events import Ended, Event, Listener, Noticed, Warned
from lm_eval_so.core.records.calibration import Calibration, Disagreement, PairFigures
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.stats.agreement import cohen_kappa, krippendorff_alpha
from lm_eval_so.core.stats.diagnostic import (
    LEAST_LABELS,
    WEAK_J,
    Diagnosis,
    sensitivity,
    specificity,
)
from lm_eval_so.errors import CannotMeasure
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.calibration.labelled import STAGE, Labelled, Rated
from lm_eval_so.evaluator.calibration.pairs import are_swayed, compares, pair_figures
from lm_eval_so.evaluator.calibration.weighing import (
    Drawn,
    Labels,
    Unfit,
    Weighed,
    diagnose,
    drawn_from,
    weigh,
)
from lm_eval_so.evaluator.judging.health import diagnosis_of
from lm_eval_so.evaluator.judging.vote_tallies import is_usable, was_asked

_MOST_SHOWN = 50
_LONGEST_REASON = 500
_FEWEST_ORDERED = 3
"""Fewest labels of which one lies between others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """An answer with a label by most people and one by the judge."""

    human: str
    judge: str
    rated: Rated

    @property
    def labels(self) -> tuple[str, str]:
        """Labels by people and by the judge."""
        return self.human, self.judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Origin of the labels of a metric."""

    bound: BoundMetric
    positive: tuple[str, ...]
    """Labels of a good answer."""
    skipped: Mapping[str, int]
    """Count of the lines that do not count, by reason."""
    drawn: Drawn | Unfit
    """The run that the answers were chosen from."""
    labels_file: str
    labels_digest: str
    calibrated_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """Sensitivity, specificity and J of a judge."""

    se: float | None
    se_ci95: tuple[float, float] | None
    sp: float | None
    sp_ci95: tuple[float, float] | None
    j: float | None


def make_calibrations(
    bound: Sequence[BoundMetric],
    work: Labelled,
    good: Mapping[str, tuple[str, ...]],
    report: EvaluationReport | None,
    tell: Listener,
) -> dict[str, Calibration]:
    """Return the calibrations by metric id, without metrics that have no answer for one.

    Args:
        bound: The metrics.
        work: The labelled answers, judged.
        good: Labels of a good answer by metric id.
        report: Report of the runs, for weights; None if none exists.
        tell: Listener of what a reader of the calibrations should know first.

    Raises:
        CannotMeasure: If no answer has a label by people and by the judge.
    """
    found: dict[str, Calibration] = {}
    for each in bound:
        origin = Origin(
            bound=each,
            positive=good[each.id],
            skipped=work.skipped.get(each.id, {}),
            drawn=drawn_from(report, each, work.asked_of(each)),
            labels_file=work.file.name,
            labels_digest=work.file.digest,
            calibrated_at=work.judged_at,
        )
        made = make_calibration(work.rated_of(each), origin)
        for event in _events(made, origin.drawn, work.first_skipped.get(each.id)):
            tell(event)
        if made.n:
            found[each.id] = made
    if not found:
        what = "no answer has a label by people and by the judge"
        hint = "label answers of this run: lm-eval-so evaluate --export-labels 100"
        raise CannotMeasure(what, hint=hint)
    return found


def make_calibration(rated: Sequence[Rated], origin: Origin) -> Calibration:
    """Return the calibration of a metric."""
    metric = origin.bound.metric
    labels = dict(sorted(metric.labels.items(), key=lambda item: -item[1]))
    whole = [each for each in rated if each.human is not None]
    pairs = _pairs_of(whole)
    found = diagnose((pair.labels for pair in pairs), origin.positive)
    weighed = _weighed(pairs, origin, labels)
    rates = _weighted(weighed) if weighed else _raw(found)
    counts = weighed.counts if weighed else Counter(pair.labels for pair in pairs)
    lost = Counter(each.score.code or "unscored" for each in whole if each.judge is None)
    divided = {"tie": len(rated) - len(whole)} if len(whole) < len(rated) else {}
    votes = [vote for each in whole for vote in each.score.judge if vote.calls and is_usable(vote)]
    return Calibration(
        metric=metric.id,
        fingerprint=origin.bound.verdict_fingerprint,
        models=tuple(sorted({vote.model for vote in votes if vote.model})),
        labels=labels,
        positive=origin.positive,
        rows=len(whole),
        n=len(pairs),
        weighted=weighed is not None,
        run_labels=origin.drawn.labels if isinstance(origin.drawn, Drawn) else {},
        confusion=_confusion(pairs, labels),
        agreement=_agreement_of(counts),
        kappa=_kappa_of(counts, labels),
        kappa_weights="quadratic" if _are_ordered(labels) else "none",
        tp=found.tp,
        fn=found.fn,
        tn=found.tn,
        fp=found.fp,
        se=rates.se,
        se_ci95=rates.se_ci95,
        sp=rates.sp,
        sp_ci95=rates.sp_ci95,
        j=rates.j,
        alpha=_alpha_of(rated, labels),
        annotators=max((len(each.people) for each in rated), default=0),
        unscored=lost.total(),
        unscored_rate=lost.total() / len(whole) if whole else 0.0,
        unscored_by=dict(sorted(lost.items())),
        skipped=dict(sorted({**origin.skipped, **divided}.items())),
        pairs=_pair_figures(pairs) if compares(metric) else None,
        disagreements=_disagreements(pairs, labels),
        labels_file=origin.labels_file,
        labels_digest=origin.labels_digest,
        calibrated_at=origin.calibrated_at,
    )


def _weighed(pairs: Sequence[_Pair], origin: Origin, labels: Mapping[str, float]) -> Weighed | None:
    """Weigh the answers that have a value in the run; None if the run is not known."""
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


def _pairs_of(rated: Sequence[Rated]) -> list[_Pair]:
    """Return the answers with a label by people and by the judge."""
    return [
        _Pair(human=human, judge=judge, rated=each)
        for each in rated
        if (human := each.human) is not None and (judge := each.judge) is not None
    ]


def _pair_figures(pairs: Sequence[_Pair]) -> PairFigures:
    choices = (said.choice for pair in pairs for said in pair.rated.people)
    labels = [pair.labels for pair in pairs]
    return pair_figures(labels, choices, (pair.rated.score for pair in pairs))


def _confusion(pairs: Sequence[_Pair], labels: Mapping[str, float]) -> dict[str, dict[str, int]]:
    """Count answers by people's label, then by the judge's, for every label."""
    counts = Counter((pair.human, pair.judge) for pair in pairs)
    return {a: {b: counts[a, b] for b in labels} for a in labels}


def _are_ordered(labels: Mapping[str, float]) -> bool:
    """Return whether the labels have an order, so that a near miss counts less."""
    return len(labels) >= _FEWEST_ORDERED and len({*labels.values()}) == len(labels)


def _agreement_of(counts: Mapping[Labels, Fraction | int]) -> float | None:
    """Return the share of the answers with the same label by people and by the judge."""
    same = sum((n for (human, judge), n in counts.items() if human == judge), Fraction())
    return float(same / sum(counts.values())) if counts else None


def _kappa_of(counts: Mapping[Labels, Fraction | int], labels: Mapping[str, float]) -> float | None:
    """Return Cohen's κ, with quadratic weights if the labels have an order."""
    order = sorted(labels, key=lambda label: labels[label]) if _are_ordered(labels) else None
    return cohen_kappa(counts, order=order)


def _alpha_of(rated: Sequence[Rated], labels: Mapping[str, float]) -> float | None:
    """Return Krippendorff's α among people, over the answers that several labelled."""
    level: Literal["nominal", "ordinal"] = "ordinal" if _are_ordered(labels) else "nominal"
    units: list[list[Any]] = [
        [labels[said.label] if level == "ordinal" else said.label for said in each.people]
        for each in rated
    ]
    return krippendorff_alpha(units, level=level)


def _disagreements(pairs: Sequence[_Pair], labels: Mapping[str, float]) -> tuple[Disagreement, ...]:
    """Return the answers with different labels, those furthest apart first."""

    def urgency(pair: _Pair) -> tuple[float, str, int]:
        distance = abs(labels[pair.human] - labels[pair.judge])
        return -distance, pair.rated.score.sample_id, pair.rated.score.repeat

    differing = sorted((pair for pair in pairs if pair.human != pair.judge), key=urgency)
    return tuple(_shown(pair) for pair in differing[:_MOST_SHOWN])


def _shown(pair: _Pair) -> Disagreement:
    score = pair.rated.score
    votes = (vote.reason for vote in score.judge if vote.reason)
    return Disagreement(
        sample_id=score.sample_id,
        repeat=score.repeat,
        human=pair.human,
        judge=pair.judge,
        human_reason=_short("; ".join(pair.rated.notes)),
        judge_reason=_short(score.reason or "; ".join(dict.fromkeys(votes))),
    )


def _short(text: str) -> str | None:
    return textwrap.shorten(text, _LONGEST_REASON, placeholder=" …") or None


def _events(
    calibration: Calibration, drawn: Drawn | Unfit, first_skipped: str | None
) -> Iterator[Event]:
    """Yield the events that a reader of a calibration should know first."""
    metric, found = calibration.metric, diagnosis_of(calibration)
    skipped = calibration.skipped
    lost = {why: n for why, n in skipped.items() if why not in {"empty", "example"}}
    if lost:
        text = f"{metric}: {sum(lost.values())} labelled answers do not count: "
        hint = f"first: {first_skipped}" if first_skipped else None
        if hint and "missing" in lost:
            hint += "; if ci has put the labelled run aside since, name it by --run"
        told = ", ".join(f"{n} {why}" for why, n in lost.items())
        yield Warned(stage=STAGE, text=text + told, hint=hint)
    if "example" in skipped:
        told = f"{skipped['example']} of the labelled answers left out"
        why = "examples tell the judge about these questions or answers"
        yield Noticed(stage=STAGE, text=f"{metric}: {told}: {why}")
    if calibration.pairs is not None and calibration.n:
        yield from _pair_events(metric, calibration.pairs)
    if found.is_small:
        text = f"{metric}: {found.positives} good and {found.negatives} bad answers are too few"
        yield Warned(stage=STAGE, text=text, hint=f"label {LEAST_LABELS} of each at least")
    elif calibration.j is not None and calibration.j <= WEAK_J:
        text = f"{metric}: the judge hardly tells right from wrong (J {calibration.j:.2f})"
        yield Warned(stage=STAGE, text=text, hint="improve rubric or judge before gating on it")
    if calibration.n and not calibration.weighted:
        yield Noticed(stage=STAGE, text=f"{metric}: {_why_raw(drawn)}")
    figures = {
        "agreement": calibration.agreement,
        "κ": calibration.kappa,
        "Se": calibration.se,
        "Sp": calibration.sp,
        "J": calibration.j,
        "α among people": calibration.alpha,
    }
    shown = [f"{name} {value:.2f}" for name, value in figures.items() if value is not None]
    text = f"{metric}: the judge labelled {calibration.n} of {calibration.rows} answers"
    how = f"weighted by its labels of the run ({_counts(calibration)})"
    parts = [text, *([how] if calibration.weighted else []), *shown]
    yield Ended(stage=STAGE, text="; ".join(parts))


def _pair_events(metric: str, pairs: PairFigures) -> Iterator[Event]:
    """Yield how the judge did where both decide, and whether the place of an answer swayed people."""
    text = f"{metric}: where both prefer one answer, {pairs.same} of {pairs.decided} times the same"
    yield Noticed(
        stage=STAGE, text=f"{text}; the judge's winner changed with the order {pairs.flips} times"
    )
    if are_swayed(pairs):
        share = f"{pairs.chosen_first} of {pairs.chosen}"
        text = f"{metric}: people chose the answer shown first {share} times"
        yield Warned(stage=STAGE, text=text, hint="read both answers before choosing")


def _why_raw(drawn: Drawn | Unfit) -> str:
    """Explain why nothing was weighted, when that is right, and the way out if it is not."""
    if isinstance(drawn, Unfit):
        why, hint = drawn.why, "--report names the report.json of evaluate --export-labels"
    else:
        why = "people labelled none of those that the judge called good, or none of the bad ones"
        hint = "label some of either"
    return (
        f"{why}, so Se, Sp, κ and agreement are of the labelled answers as they are; that is right "
        f"if these were chosen at random, not by what the judge said; {hint}"
    )


def _counts(calibration: Calibration) -> str:
    found = calibration.run_labels
    names = [*(name for name in calibration.labels if name in found), *found]
    return ", ".join(f"{name} {found[name]}" for name in dict.fromkeys(names))
