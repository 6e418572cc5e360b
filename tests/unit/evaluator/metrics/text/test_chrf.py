"""chrF, held against sacrebleu's."""

import random
import unicodedata

import pytest
from evaluation import a_run, a_sample
from sacrebleu.metrics.chrf import CHRF

from lm_eval_so.evaluator.metrics.text.chrf import Chrf, chrf


def test_chrf__that_of_sacrebleu() -> None:
    chance, theirs = random.Random(7), CHRF()
    for alphabet in ("ab", "환불은7일이내에가능합니다", "refund 환불 3일!"):
        for _ in range(1000):
            answer, reference = (
                "".join(chance.choices(alphabet, k=chance.randint(1, 40))) + "가" for _ in range(2)
            )
            found = theirs.sentence_score(answer, [reference]).score / 100
            score = Chrf().score(a_sample(expected=reference), a_run(answer))
            assert abs(score.value - found) <= 1e-15


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [("", "", 1), ("", "가", 0), ("가", "", 0), ("가", "가", 1), ("가나", "다라", 0)],
)
def test_chrf__ends_of_the_range(answer: str, reference: str, value: float) -> None:
    assert chrf(answer, reference) == value


def test_chrf__best_reference() -> None:
    sample = a_sample(expected="부산", references=("환불은 3일",))
    assert Chrf().score(sample, a_run("환불은3일")).value == 1


def test_chrf__without_nfc_a_decomposed_answer_would_be_worth_nothing() -> None:
    text = "서울특별시 강남구"
    decomposed = unicodedata.normalize("NFD", text)
    assert CHRF().sentence_score(decomposed, [text]).score < 3
    assert Chrf().score(a_sample(expected=text), a_run(decomposed)).value == 1
