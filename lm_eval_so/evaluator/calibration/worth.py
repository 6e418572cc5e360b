"""What a calibration is worth for the judge at hand."""

from collections.abc import Collection, Iterator, Mapping

from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.report import JudgeCalibration
from lm_eval_so.core.stats.diagnostic import LOW_J, WEAK_J, Diagnosis
from lm_eval_so.core.stats.shift import has_shifted, total_variation


def calibration_state(
    calibration: Calibration | None,
    fingerprint: str,
    labels: Mapping[str, int] | None = None,
) -> JudgeCalibration:
    """Say what a calibration is worth for the judge at hand.

    Args:
        calibration: It; None if there is none.
        fingerprint: Digest of the metric's definition.
        labels: Rows of this run by the judge's label.
    """
    if calibration is None:
        return JudgeCalibration()
    if calibration.fingerprint != fingerprint:
        return JudgeCalibration(state="stale", date=calibration.calibrated_at)
    found = diagnosis_of(calibration)
    se, sp, j = found.sensitivity, found.specificity, found.youden
    if calibration.weighted:
        se, sp = calibration.se, calibration.sp
        j = se + sp - 1 if se is not None and sp is not None else None
    return JudgeCalibration(
        state="small" if found.is_small or j is None else "ok",
        n=calibration.n,
        positives=found.positives,
        negatives=found.negatives,
        kappa=calibration.kappa,
        se=se,
        sp=sp,
        j=j,
        date=calibration.calibrated_at,
        drift=total_variation(calibration.run_labels, labels or {}),
    )


def calibration_why(calibration: JudgeCalibration) -> tuple[str, ...]:
    """Say what of it makes a judge's health worse than ok, as codes; only "j_weak" is bad."""
    if calibration.state != "ok" or calibration.j is None:
        return (f"calibration_{calibration.state}",)
    if calibration.j <= WEAK_J:
        return ("j_weak",)
    return ("j_low",) if calibration.j < LOW_J else ()


def drift_why(
    calibration: Calibration | None,
    state: JudgeCalibration,
    *,
    models: Collection[str],
    labels: Mapping[str, int],
) -> Iterator[str]:
    """Say whether this run is so unlike that of the calibration that its figures may not hold.

    Args:
        calibration: It; None if there is none.
        state: What it is worth; only one that is used can be out of date.
        models: The models that answered as judges in this run.
        labels: Rows of this run by the judge's label.
    """
    if calibration is None or state.state != "ok":
        return
    if calibration.models and not {*models} <= {*calibration.models}:
        yield "judge_model_changed"
    if has_shifted(calibration.run_labels, labels):
        yield "labels_shifted"


def diagnosis_of(calibration: Calibration) -> Diagnosis:
    """Return the four counts of a calibration."""
    found: Mapping[str, int] = {k: getattr(calibration, k) for k in ("tp", "fn", "tn", "fp")}
    return Diagnosis(**found)
