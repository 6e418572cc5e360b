"""`lm-eval-so/calibration/1`: labels by a judge beside labels by people, for the same answers."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from lm_eval_so.core.records.record import record, short_text, shown_number


@record
class Disagreement:
    """An answer that people and judge label differently."""

    sample_id: str
    repeat: int = 0
    human: str
    """Label given by most people."""
    judge: str
    """Label of the judge."""
    human_reason: str | None = None
    """Notes of the people who gave that label."""
    judge_reason: str | None = None


@record
class OfferedExample:
    """An answer that people and judge label differently, as an entry of the judge's `params.examples`."""

    input: str
    """The question, after the turns before it."""
    answer: str
    label: str
    """Label given by most people."""
    reason: str
    """Notes of the people who gave that label; a sentence in their place if they left none."""


@record
class PairFigures:
    """Choices between two answers, by people and by the judge."""

    decided: int
    """Pairs of which both people and the judge prefer one answer."""
    same: int
    """Pairs of `decided` of which both prefer the same answer."""
    flips: int
    """Pairs whose winner changed with the order in which the judge saw them; these are ties."""
    chosen: int
    """Choices of one answer by people who did not know which is which."""
    chosen_first: int
    """Choices of `chosen` that fell on the answer shown first: about half if its place sways nobody."""


@record
class Calibration:
    """`calibration.json`: how far the judge of a metric can be trusted."""

    schema: Literal["lm-eval-so/calibration/1"] = "lm-eval-so/calibration/1"
    metric: str
    """Id of the metric."""
    fingerprint: str
    """Digest of the metric's definition, as in the report. A calibration counts only for this digest."""
    models: tuple[str, ...] = ()
    """The models that judged."""
    labels: Mapping[str, float]
    """Value of each label, best first."""
    positive: tuple[str, ...]
    """Labels of a good answer."""
    rows: int
    """Answers with a label by people that could be compared with the judge."""
    n: int
    """Answers with labels by people and by the judge; all figures but `alpha` are about these."""
    weighted: bool = False
    """Whether agreement, kappa, se, sp and j estimate all answers of the run (answers to label were
    chosen by the judge's label) or describe the labelled answers alone. All counts are of the
    labelled answers."""
    run_labels: Mapping[str, int] = field(default_factory=dict)
    """Answers of that run by the judge's label; empty if not known."""
    confusion: Mapping[str, Mapping[str, int]]
    """Answers by label: outer key by people, inner key by the judge."""
    agreement: float | None
    """Share of the answers with the same label by both."""
    kappa: float | None
    """Cohen's κ; null if both gave one label throughout."""
    kappa_weights: Literal["none", "quadratic"]
    """quadratic for ordered labels, so that a near miss counts less."""
    tp: int
    """Good by people and by the judge."""
    fn: int
    """Good by people, bad by the judge."""
    tn: int
    """Bad by both."""
    fp: int
    """Bad by people, good by the judge."""
    se: float | None
    """Sensitivity: tp / (tp + fn), unless weighted."""
    se_ci95: tuple[float, float] | None
    """Two-sided 95 % interval of `se`: by Wilson, or if weighted by the delta method on the logit."""
    sp: float | None
    """Specificity: tn / (tn + fp), unless weighted."""
    sp_ci95: tuple[float, float] | None
    j: float | None
    """Youden's J = se + sp − 1."""
    alpha: float | None
    """Krippendorff's α among people, over the answers that several labelled; null if there are none."""
    annotators: int
    """Largest number of people who labelled one answer."""
    unscored: int
    """Labelled answers for which the judge gave no label."""
    unscored_rate: float
    unscored_by: Mapping[str, int] = field(default_factory=dict)
    """Unscored answers by reason code."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Lines of the labels file that do not count, by reason: empty (no label), tie (people are evenly
    divided), missing (not in the run, or the metric does not apply), changed (the run has another
    answer now), example (an example tells the judge about this question or answer), order (a
    choice between A and B without both answers in the file)."""
    pairs: PairFigures | None = None
    """Figures of a metric that compares two answers; null for others."""
    disagreements: tuple[Disagreement, ...] = ()
    """Some of the disagreements, the largest first."""
    examples: tuple[OfferedExample, ...] = ()
    """Disagreements from which the judge could learn: up to two to which it is too kind, and two to which
    it is too strict. Empty if the metric takes no examples, or if reports keep no answers."""
    labels_file: str
    """Name of the labels file."""
    labels_digest: str
    """SHA-256 of the labels file."""
    calibrated_at: str

    def __repr__(self) -> str:
        figures = {
            "agreement": self.agreement,
            "κ": self.kappa,
            "Se": self.se,
            "Sp": self.sp,
            "J": self.j,
        }
        shown = [f"{name} {shown_number(value)}" for name, value in figures.items()]
        return short_text("Calibration", [f"{self.metric}: {self.n} answers"], shown)

    @property
    def corrected_rate(self) -> float | None:
        """Share of good answers in the run, the judge's errors taken out; None unless weighted.

        None, too, if the judge does not tell good from bad.

        Source: Rogan and Gladen (1978), Am. J. Epidemiol. 107(1), 71–76.
        """
        told, j = {label: self.run_labels.get(label, 0) for label in self.labels}, self.j or 0.0
        if not self.weighted or not any(told.values()) or self.sp is None or j <= 0:
            return None
        rate = sum(told[label] for label in self.positive) / sum(told.values())
        return min(1.0, max(0.0, (rate + self.sp - 1) / j))
