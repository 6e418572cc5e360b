"""Text: Unicode forms, normalisation profiles, Korean particles, the keyword rule, columns."""

from lm_eval_so.core.text.forms import cut_to_columns, in_columns, nfc, width, wrap
from lm_eval_so.core.text.korean import final_consonant, is_syllable, josa

__all__ = [
    "cut_to_columns",
    "final_consonant",
    "in_columns",
    "is_syllable",
    "josa",
    "nfc",
    "width",
    "wrap",
]
