"""Parts of a judge's health in reports: its agreement with people, and each judge of a panel."""

from typing import Literal

from lm_eval_so.core.records.record import record


@record
class JudgeCalibration:
    """Agreement of a judge with people, from its calibration.json."""

    state: Literal["ok", "none", "stale", "small"] = "none"
    """none: not measured; stale: measured for another judge or rubric; small: fewer than 30 answers
    that people call good, or that they call bad. Only an ok calibration is used."""
    n: int | None = None
    """Answers labelled by people and by the judge; all figures are null unless ok or small."""
    positives: int | None = None
    """Labelled answers that people call good."""
    negatives: int | None = None
    kappa: float | None = None
    """Cohen's κ of people and judge."""
    se: float | None = None
    """Sensitivity: share of the good answers that the judge calls good."""
    sp: float | None = None
    """Specificity: share of the bad answers that the judge calls bad."""
    j: float | None = None
    """Youden's J = se + sp − 1: how much of a true difference the judge shows."""
    j_error: float | None = None
    """Standard error of j; null in reports of old releases, whose j counts as exact."""
    date: str | None = None
    """Date of the calibration."""
    drift: float | None = None
    """Total variation distance between the judge's labels in this run and in the run of the
    calibration: half the sum of the differences in share, 0 … 1; null if not known."""


@record
class PanelMember:
    """One judge of a panel."""

    model: str | None
    votes: int
    """Usable votes."""
    differs: float | None
    """Share of the votes that differ from the panel's decision; null without decisions."""
