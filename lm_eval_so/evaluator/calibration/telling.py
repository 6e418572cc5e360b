"""What is told of a calibration that was just made."""

from collections.abc import Iterator

from lm_eval_so.core.events import Ended, Event, Noticed, Warned
from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.stats.diagnostic import LEAST_LABELS, WEAK_J
from lm_eval_so.evaluator.calibration.drawn import Drawn, Unfit
from lm_eval_so.evaluator.calibration.worth import diagnosis_of

STAGE = "calibrate"


def tell_calibration(
    calibration: Calibration, drawn: Drawn | Unfit, first_skipped: str | None
) -> Iterator[Event]:
    """Tell what a reader of a calibration should know first.

    Args:
        calibration: It.
        drawn: The run that the labelled answers were chosen from.
        first_skipped: One of the answers that do not count, and why.
    """
    metric, found = calibration.metric, diagnosis_of(calibration)
    lost = {why: n for why, n in calibration.skipped.items() if why != "empty"}
    if lost:
        text = f"{metric}: {sum(lost.values())} labelled answers do not count: "
        hint = f"first: {first_skipped}" if first_skipped else None
        told = ", ".join(f"{n} {why}" for why, n in lost.items())
        yield Warned(stage=STAGE, text=text + told, hint=hint)
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


def _why_raw(drawn: Drawn | Unfit) -> str:
    """Say why nothing was weighted, when that is right, and what to do where it is not."""
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
