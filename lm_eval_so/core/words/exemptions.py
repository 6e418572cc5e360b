"""What people should know of an entry of the quarantine or accept file."""

from lm_eval_so.core.records.comparison import Exemption
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import say
from lm_eval_so.core.words.numbers import score


def exemption_warning(exemption: Exemption, language: Language) -> str | None:
    """Say why an entry does not do what it was written for; None if it does.

    A sample or metric counts again after the entry's day, or once it fell further than accepted.
    """
    state, is_accepted = exemption.state, exemption.max_drop is not None
    if state in {"applied", "unused"}:
        return None
    key = f"{state}_{'accept' if is_accepted else 'quarantine'}" if state == "expired" else state
    is_of_metric = state == "unknown_metric" or exemption.sample_id is None
    if exemption.meant is not None:
        key += "_near"
    told = {
        "where": exemption.where,
        "what": exemption.metric if is_of_metric else exemption.sample_id,
        "near": exemption.meant,
        "until": exemption.until,
        "drop": score(exemption.drop or 0.0),
        "max_drop": f"{exemption.max_drop or 0.0:g}",
    }
    return say(f"comparison.exempt_{key}", language, told)
