"""What holds of claims, facts and passages, whatever judges say of them."""

import asyncio
import unicodedata

from evaluation import a_run, a_sample
from hypothesis import given
from hypothesis import strategies as st
from rag_judges import CONTEXT, a_rag_run, claims, label, make, verdicts

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.score import JudgeVote
from lm_eval_so.evaluator.metrics.judge.answer_relevancy import Questions, read_questions
from lm_eval_so.evaluator.metrics.judge.context_precision import ContextPrecision, average_precision
from lm_eval_so.evaluator.metrics.judge.fact_coverage import FactCoverage
from lm_eval_so.evaluator.metrics.judge.faithfulness import Faithfulness
from lm_eval_so.evaluator.metrics.judge.panel.replies import decide_value
from lm_eval_so.evaluator.metrics.judge.panel.statements import (
    Claims,
    quote_finder,
    read_checks,
    read_claims,
)

GROUNDED = st.lists(
    st.sampled_from(["supported", "absent", "contradicted", "UNKNOWN"]), min_size=1, max_size=30
)
STATED = st.lists(
    st.sampled_from(["stated", "absent", "contradicted", "UNKNOWN"]), min_size=1, max_size=30
)
RELEVANT = st.lists(st.booleans(), max_size=12)
VOTES = st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=7)


@given(GROUNDED)
def test_faithfulness__value_or_reason(said: list[str]) -> None:
    metric, _ = make(Faithfulness, [claims(*["하나"] * len(said)), verdicts(*said)])
    score = asyncio.run(metric.score(a_sample(context=CONTEXT), a_run("하나")))
    unknown = said.count("UNKNOWN")
    if 5 * unknown > len(said):
        assert (score.status, score.code) == (ScoreStatus.UNSCORED, "judge_unknown")
    else:
        assert score.value == said.count("supported") / (len(said) - unknown)
        assert 0 <= score.value <= 1


@given(STATED)
def test_fact_coverage__value_or_reason(said: list[str]) -> None:
    metric, _ = make(FactCoverage, [verdicts(*said)], facts=[f"사실 {n}" for n in range(len(said))])
    score = asyncio.run(metric.score(a_sample(), a_run("답")))
    if "UNKNOWN" in said:
        assert (score.value, score.code) == (None, "judge_unknown")
    else:
        assert score.value == said.count("stated") / len(said)


@given(RELEVANT)
def test_average_precision__bounds(relevant: list[bool]) -> None:
    value = average_precision(relevant)
    assert 0 <= value <= 1
    assert (value == 0) is (not any(relevant))
    assert average_precision(sorted(relevant, reverse=True)) == float(any(relevant))
    assert average_precision([*relevant, False]) == value  # what comes last is no matter


@given(RELEVANT.filter(bool))
def test_context_precision__is_that_of_the_labels(relevant: list[bool]) -> None:
    said = [label("relevant" if each else "irrelevant") for each in relevant]
    metric, _ = make(ContextPrecision, said)
    run = a_rag_run("답", *(f"글 {n}" for n in range(len(relevant))))
    score = asyncio.run(metric.score(a_sample(), run))
    assert score.value == average_precision(relevant)


@given(VOTES, st.none() | st.integers(1, 7))
def test_decide_value__between_the_least_and_the_most(
    values: list[float | None], quorum: int | None
) -> None:
    votes = [JudgeVote(label=None, value=value) for value in values]
    quorum = None if quorum is None else min(quorum, len(values))
    usable = sorted(value for value in values if value is not None)
    decision = decide_value(votes, quorum)
    if len(usable) < (quorum or len(values) // 2 + 1):
        assert decision.code is not None
        return
    assert decision.at is not None
    chosen = values[decision.at]
    assert chosen is not None
    assert sum(value < chosen for value in usable) * 2 <= len(usable)
    assert sum(value > chosen for value in usable) * 2 <= len(usable)


@given(st.text(), st.text())
def test_readers__never_raise(output: str, text: str) -> None:
    assert isinstance(read_claims(output, text), Claims | Unusable)
    assert isinstance(read_checks(output, 2, ("a", "b")), tuple | Unusable)
    assert isinstance(read_questions(output), Questions | Unusable)


@given(st.text(), st.text(), st.text())
def test_quote_finder__finds_what_was_copied(before: str, quote: str, after: str) -> None:
    stands = quote_finder(f"{before} {quote} {after}")
    copied = unicodedata.normalize("NFD", quote)
    assert stands(quote) is stands(copied)
    if quote.strip(" ").isalnum():
        assert stands(quote)
