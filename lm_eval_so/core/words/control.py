"""Us or the model, in words: what main's configuration today says of a change."""

from collections.abc import Sequence

from lm_eval_so.core.records.comparison import Control, Reason
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import reason_figures


def control_sentences(
    control: Control | None,
    reasons: Sequence[Reason],
    language: Language,
    *,
    day: str | None,
) -> tuple[str, str]:
    """Return the sentence before those of the verdict, on the models that answered, and the one after.

    Args:
        control: Main's configuration today.
        reasons: Reasons of the verdict.
        language: Language of the sentences.
        day: Day of the baseline; None if it is not known.

    Returns:
        Two sentences, each empty if there is nothing to say.
    """
    if control is None:
        return "", ""
    served, told, codes = "", "", {reason.code for reason in reasons}
    if control.served is not None:
        before, now = control.served
        served = say("control.served", language, {"before": before, "now": now})
    if control.state == "nothing_differs":
        told = say(f"control.nothing_differs{'_stale' if control.stale else ''}", language)
    elif control.state == "unchanged" and "provider_moved" in codes:
        told = say("control.moved", language, {"day": day or "–"})
    return served, told


def control_warning(control: Control | None, language: Language) -> str | None:
    """Return the sentence that main's configuration could not be asked; None if it could."""
    if control is None or control.state != "not_possible" or control.why is None:
        return None
    code, figures = control.why.code, control.why.figures
    key = f"{code}_depth" if code == "base_unknown" and "depth" in figures else code
    why = say(f"control.why_{key}", language, reason_figures(figures, language))
    return say("control.not_possible", language, {"why": why.rstrip(".")})
