"""Retrieval: the figures of rankings."""

import math
import unicodedata

import pytest
from evaluation import a_run, a_sample

from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import Response
from lm_eval_so.core.records.sample import Passage
from lm_eval_so.evaluator.metrics.structure.retrieval import Retrieval


def score_of(gold, reported, **params):
    run = a_run(None, response=Response(text="답", context_ids=tuple(reported)))
    return Retrieval(params={"gold_ids": gold, **params}).score(a_sample(), run)


NDCG = (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))


@pytest.mark.parametrize(
    ("measure", "gold", "reported", "k", "value"),
    [
        ("recall", "ab", "xaxb", 10, 1),
        ("recall", "ab", "xayb", 3, 0.5),
        ("recall", "ab", "xy", 10, 0),
        ("recall", "aab", "a", 10, 0.5),
        ("precision", "ab", "xayb", 10, 0.5),
        ("precision", "ab", "xayb", 2, 0.5),
        ("precision", "a", "aaab", 10, 0.5),
        ("hit", "ab", "xyb", 3, 1),
        ("hit", "ab", "xyb", 2, 0),
        ("mrr", "ab", "xyb", 3, 1 / 3),
        ("mrr", "ab", "xyb", 2, 0),
        ("ndcg", "ab", "xayb", 10, NDCG),
        ("ndcg", "ab", "abxy", 10, 1),
        ("ndcg", "abc", "ab", 2, 1),
        ("ndcg", "ab", "xy", 10, 0),
    ],
)
def test_retrieval__value(measure, gold, reported, k, value):
    score = score_of(list(gold), reported, measure=measure, k=k)
    assert score.value == pytest.approx(value)


def test_retrieval__nothing_reported_is_no_zero():
    score = score_of(["a"], [])
    assert (score.status, score.code) == (ScoreStatus.UNSCORED, "not_reported")


def test_retrieval__gold_passages_of_the_sample():
    context = (
        Passage(role="gold", text="금", doc_id=unicodedata.normalize("NFD", "문서1")),
        Passage(role="distractor", text="은", doc_id="문서2"),
        Passage(role="gold", text="동"),
    )
    sample = a_sample(context=context)
    run = a_run(None, response=Response(text="답", context_ids=("문서1",)))
    assert Retrieval().score(sample, run).value == 1
    assert Retrieval(params={"gold_ids": ["문서2"]}).score(sample, run).value == 0
    assert not Retrieval().applies(a_sample(context=context[1:]))


def test_retrieval__names_what_is_missing():
    score = score_of(["a", "b"], ["a"], k=5)
    assert score.reason == "not among the first 5: b"
    assert score.details == {"missing": ["b"], "reported": 1}
