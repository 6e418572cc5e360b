"""Texts filled in: the noun that fits a number in English, the particle in Korean."""

import pytest

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words import counted, say


@pytest.mark.parametrize(
    ("n", "text"),
    [("1", "only 1 sample;"), ("0", "only 0 samples;"), ("1,200", "only 1,200 samples;")],
)
def test_say__the_noun_fits_the_number(n: str, text: str) -> None:
    assert text in say("comparison.ratio_few_samples", Language.EN, {"metric": "chrf", "n": n})


def test_say__a_verb_goes_with_the_noun() -> None:
    figures = {"metric": "m", "k": "1", "pb": "1%", "pc": "1%"}
    assert "only 1 sample is the same" in say("comparison.overlap", Language.EN, figures)


def test_say__korean_has_no_plural() -> None:
    one, many = (say("comment.paired", Language.KO, {"n": n}) for n in ("1", "2"))
    assert one == many.replace("2", "1")


@pytest.mark.parametrize(("n", "text"), [(0, "0 rows"), (1, "1 row"), (1200, "1,200 rows")])
def test_counted__adds_an_s_unless_it_is_one(n: int, text: str) -> None:
    assert counted(n, "row") == text
