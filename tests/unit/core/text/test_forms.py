"""Unicode forms and width."""

import unicodedata

from lm_eval_so.core.text import nfc, width


def test_nfc__composes() -> None:
    assert nfc(unicodedata.normalize("NFD", "한국어")) == "한국어"
    assert nfc("ab") == "ab"


def test_width__hangul_takes_two_columns() -> None:
    assert width("한국 ab") == 7
    assert width("e\u0301") == 1
