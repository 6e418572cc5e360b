"""Digests are the same on every machine."""

import unicodedata

import pytest

from lm_eval_so.core.hashing import canon, content_id, digest, revision, row_seed, sample_hash, u64
from lm_eval_so.core.records.chat import Message, ToolCall
from lm_eval_so.core.records.sample import Passage, Relation, Scenario, TestSample, UserTurn


def test_canon__sorts_and_keeps_hangul() -> None:
    assert canon({"b": 1.0, "a": "환불"}) == '{"a":"환불","b":1.0}'.encode()
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="JSON"):
        canon(float("nan"))


def test_u64__known_vector() -> None:
    assert u64(7, "axis", 0, "language", "ko") == 12564609814164186338


def test_row_seed__known_vectors() -> None:
    assert row_seed(7, "refund-001", 0) == 1749225947
    assert row_seed(7, "refund-001", 1) == 270050084


QUESTION = "주문하면 언제 받을 수 있나요?"


def sample(**fields: object) -> TestSample:
    values = {"id": "a", "messages": (Message(role="user", content=QUESTION),), **fields}
    return TestSample(**values)


def test_content_id__known_vector() -> None:
    assert content_id(sample()) == "s75e3794e0e2f4f70"
    assert revision(sample(expected="2일", language="ko")) == "c6a98acaef534fca"


def test_hashes__a_reference_changes_rev_alone() -> None:
    before, after = sample(expected="2일"), sample(expected="3일")
    assert sample_hash(before) == sample_hash(after)
    assert revision(before) != revision(after)


def test_hashes__source_and_tags_change_neither() -> None:
    before, after = sample(expected="2일"), sample(expected="2일", tags=("x",), ref="7")
    assert revision(before) == revision(after)


def test_hashes__given_context_counts_and_gold_does_not() -> None:
    given = sample(context=(Passage(role="given", text="x"),))
    gold = sample(context=(Passage(role="gold", text="x"),))
    assert sample_hash(given) != sample_hash(sample()) == sample_hash(gold)
    assert revision(gold) != revision(sample())


def test_hashes__composed_and_decomposed_hangul_are_one() -> None:
    decomposed = unicodedata.normalize("NFD", QUESTION)
    assert decomposed != QUESTION
    message = Message(role="user", content=decomposed)
    assert sample_hash(sample(messages=(message,))) == sample_hash(sample())


def test_hashes__conversations_with_tools_and_scenarios_are_what_they_were() -> None:
    call = ToolCall(id="c1", name="조회", arguments="{}")
    asked = sample(
        system="친절히",
        messages=(
            Message(role="user", content=QUESTION),
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content="3", tool_call_id="c1"),
        ),
        tools=({"name": "조회", "strict": False, "empty": {}, "none": None},),
        metrics={"keyword_coverage": {"keywords": ["3일"], "none": None}},
        relation=Relation(base="q0", type="typo", expect="same"),
    )
    assert (sample_hash(asked)[:16], revision(asked)) == ("e082970b17cd9959", "af145657566f3156")
    turns = (UserTurn(user="취소", when="네", expect=({"name": "contains"},)),)
    played = sample(messages=(), scenario=Scenario(turns=turns))
    assert (sample_hash(played)[:16], revision(played)) == ("6871736b93f2f837", "721ad526ba718e2d")
