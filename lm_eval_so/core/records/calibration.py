"""`lm-eval-so/calibration/1`: what a judge said beside what people said of the same answers."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from lm_eval_so.core.records.record import record


@record
class Disagreement:
    """An answer of which people and judge say different things."""

    sample_id: str
    repeat: int = 0
    human: str
    """Label that most people gave it."""
    judge: str
    """Label of the judge."""
    human_reason: str | None = None
    """Notes of those who gave that label."""
    judge_reason: str | None = None


@record
class Calibration:
    """`calibration.json`: how far the judge of a metric can be trusted."""

    schema: Literal["lm-eval-so/calibration/1"] = "lm-eval-so/calibration/1"
    metric: str
    """Id of the metric."""
    fingerprint: str
    """Digest of the metric's definition, as in the report: with another one this says nothing."""
    models: tuple[str, ...] = ()
    """The models that judged."""
    labels: Mapping[str, float]
    """The labels, and what each is worth, best first."""
    positive: tuple[str, ...]
    """Labels of a good answer."""
    rows: int
    """Answers with a label by people that could be held against the judge."""
    n: int
    """Those among them with a label by the judge as well; all figures but `alpha` rest on these."""
    weighted: bool = False
    """Whether agreement, kappa, se, sp and j are those of all answers of the run, from which the
    labelled ones were chosen by what the judge said of them, instead of the labelled ones as they
    are. All counts are of the labelled ones."""
    run_labels: Mapping[str, int] = field(default_factory=dict)
    """Answers of that run by the judge's label; empty if it is not known."""
    confusion: Mapping[str, Mapping[str, int]]
    """Answers by label: people's outside, the judge's inside."""
    agreement: float | None
    """Share of the answers of which both say the same."""
    kappa: float | None
    """Cohen's κ; null if both gave one label throughout."""
    kappa_weights: Literal["none", "quadratic"]
    """quadratic where the labels have an order: a near miss counts less."""
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
    """Its two-sided 95 % interval: by Wilson, or if weighted by the delta method on the logit."""
    sp: float | None
    """Specificity: tn / (tn + fp), unless weighted."""
    sp_ci95: tuple[float, float] | None
    j: float | None
    """Youden's J = se + sp − 1."""
    alpha: float | None
    """Krippendorff's α among people, over the answers that several labelled; null without such."""
    annotators: int
    """Most labels that one answer has from people."""
    unscored: int
    """Labelled answers for which the judge gave no label."""
    unscored_rate: float
    unscored_by: Mapping[str, int] = field(default_factory=dict)
    """Those by reason code."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Lines of the labels file that do not count, by why: empty (no label), tie (answers on which
    people are divided), missing (not in the run, or the metric is not about them), changed (the run
    has another answer now)."""
    disagreements: tuple[Disagreement, ...] = ()
    """Some of them, those furthest apart first."""
    labels_file: str
    """Name of the labels file."""
    labels_digest: str
    """SHA-256 of the labels file."""
    calibrated_at: str
