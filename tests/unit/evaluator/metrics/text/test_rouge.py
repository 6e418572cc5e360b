"""ROUGE-L, held against the package rouge-score where that can read the texts."""

import random

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.evaluator.metrics.text.rouge import RougeL, lcs_f1

WORDS = ["the", "refund", "takes", "three", "days", "after", "we", "get", "parcel", "at", "store"]


def test_rouge_l__that_of_rouge_score_on_plain_words() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    chance, theirs = random.Random(7), RougeScorer(["rougeL"], use_stemmer=False)
    for _ in range(500):
        answer, reference = (
            " ".join(chance.choices(WORDS, k=chance.randint(1, 15))) for _ in range(2)
        )
        score = RougeL().score(a_sample(expected=reference), a_run(answer))
        found = theirs.score(reference, answer)["rougeL"].fmeasure
        assert score.value == pytest.approx(found, abs=1e-15)
        assert score.details == {"unit": "space"}


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("", "", 1),
        ("", "a", 0),
        ("a", "", 0),
        ("abcd", "acbd", 0.75),
        (["가", "나"], ["나", "가"], 0.5),
    ],
)
def test_lcs_f1__order_counts(answer: str, reference: str, value: float) -> None:
    assert lcs_f1(answer, reference) == value


@pytest.mark.parametrize(
    ("params", "value", "unit"),
    [
        ({}, 0.75, "char"),
        ({"unit": "space"}, 0.5, "space"),
        ({"unit": "morph"}, 2 * 6 / (8 + 8), "morph:mecab-ko"),
        ({"unit": "morph", "tokenizer": "kiwi"}, 2 * 7 / (9 + 9), "morph:kiwi"),
    ],
)
def test_rouge_l__unit(params: dict[str, str], value: float, unit: str) -> None:
    sample = a_sample(expected="환불은 7일 이내에 가능합니다")
    score = RougeL(params=params).score(sample, a_run("환불은 7일 내에 가능해요"))
    assert (score.value, score.details) == (pytest.approx(value), {"unit": unit})


def test_rouge_l__one_korean_reference_makes_all_units_characters() -> None:
    sample = a_sample(expected="three days", references=("3일",))
    score = RougeL().score(sample, a_run("three days"))
    assert (score.value, score.details) == (1, {"unit": "char"})


def test_rouge_l__definition_names_the_tokenizer_that_decides() -> None:
    assert "libraries" not in RougeL().definition()
    assert "mecab-ko" in RougeL(params={"unit": "morph"}).definition()["libraries"]
