"""Text: Unicode forms, normalisation profiles, Korean particles, the keyword rule, width."""

from lm_eval_so.core.text.forms import nfc, width
from lm_eval_so.core.text.korean import final_consonant, is_syllable, josa

__all__ = ["final_consonant", "is_syllable", "josa", "nfc", "width"]
