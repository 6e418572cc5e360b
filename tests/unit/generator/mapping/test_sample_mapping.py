from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.generator.mapping.binding import bind, guess, map_problems
from lm_eval_so.generator.mapping.sample_mapping import make_samples
from lm_eval_so.generator.outcomes import Kept
from lm_eval_so.generator.sources.base import RawItem, Reject, SourceFile

FILE = SourceFile(source="s", name="f.jsonl", path=Path("f.jsonl"), sha256="ab" * 32, size=1)


def item(payload: dict[str, Any]) -> RawItem:
    return RawItem(file=FILE, at={"line": 3, "record": 2}, payload=payload)


def sample(payload: dict[str, Any], **mapped: Any) -> TestSample:
    (made,) = make_samples(item(payload), bind(mapped))
    assert isinstance(made, Kept), made
    return made.sample


def reject(payload: dict[str, Any], **mapped: Any) -> Reject:
    (made,) = make_samples(item(payload), bind(mapped))
    assert isinstance(made, Reject), made
    return made


def test_make_samples__id_and_rev_of_the_published_vector() -> None:
    made = sample({"q": "주문하면 언제 받을 수 있나요?", "a": "2일"}, input="q", expected="a")
    assert made.id == "s75e3794e0e2f4f70"
    assert made.rev == "c6a98acaef534fca"
    assert made.group_id == "gs75e3794e0e2f4f70"
    assert made.language == "ko"
    assert made.split == "test"
    assert made.review is not None
    assert made.review.status == "imported"
    assert made.provenance is not None
    assert made.provenance.method == "import"
    assert made.provenance.source is not None
    assert made.provenance.source.file == "f.jsonl"
    assert made.provenance.source.sha256 == "ab" * 32
    assert made.provenance.source.at == {"line": 3, "record": 2}


def test_make_samples__every_field() -> None:
    payload = {
        "q": "환불은 며칠?",
        "a": ["3일", "영업일 3일"],
        "more": ["3일", "사흘"],
        "c": "환불은 영업일 기준 3일…",
        "k": ["3일"],
        "l": "KO",
        "t": "b",
        "u": ["a", "b"],
        "g": 7,
        "id": 12,
        "w": 2,
        "m": {"level": "easy", "n": [1, True]},
    }
    made = sample(
        payload,
        input="q",
        expected="a",
        references="more",
        context="c",
        keywords=["k", "=영업일"],
        behavior="=clarify",
        language="l",
        tags=["t", "u", "=faq"],
        group="g",
        ref="id",
        weight="w",
        **{"metadata.level": "m.level", "metadata.all": "m", "metadata.none": "x"},
    )
    assert made.expected == "3일"
    assert made.references == ("영업일 3일", "사흘")
    assert [(p.role, p.text) for p in made.context] == [("gold", "환불은 영업일 기준 3일…")]
    assert made.metrics == {"keyword_coverage": {"keywords": ["3일", "영업일"]}}
    assert made.behavior == "clarify"
    assert made.language == "ko"
    assert made.tags == ("a", "b", "faq")
    assert (made.group_id, made.ref, made.weight) == ("7", "12", 2.0)
    assert made.metadata == {"level": "easy", "all": {"level": "easy", "n": [1, True]}}


@pytest.mark.parametrize(
    ("payload", "mapped", "answers"),
    [
        ({"q": "x", "a": ["1", "2", "3"]}, {"references": "a"}, ("1", "2", "3")),
        ({"q": "x", "a": "", "b": ["2"]}, {"expected": "a", "references": "b"}, ("2",)),
        ({"q": "x", "a": "1", "b": "2"}, {"expected": ["a", "b"]}, ("1", "2")),
        ({"q": "x", "a": [], "b": None}, {"expected": "a", "references": "b"}, ()),
        ({"q": "x", "a": 3}, {"expected": "a"}, ("3",)),
        ({"q": "x", "a": [{"text": "1"}, {"text": "2"}]}, {"references": "a[*].text"}, ("1", "2")),
        ({"q": "x", "a": {"text": ["1"]}}, {"references": "a.text"}, ("1",)),
        ({"q": "x", "a.b": "1", "a": {"b": "2"}}, {"expected": "a.b"}, ("1",)),
    ],
)
def test_make_samples__answers(
    payload: dict[str, Any], mapped: dict[str, Any], answers: tuple[str, ...]
) -> None:
    made = sample(payload, input="q", **mapped)
    assert made.answers == answers
    assert made.review is not None
    assert made.review.status == ("imported" if answers else "unreviewed")


@pytest.mark.parametrize(("phrases", "status"), [("3일", "imported"), ("", "unreviewed")])
def test_make_samples__phrases_are_checks(phrases: str, status: str) -> None:
    made = sample({"q": "환불은 며칠?", "k": phrases}, input="q", keywords="k")
    assert made.review is not None
    assert made.review.status == status


def test_make_samples__several_input_columns_are_joined() -> None:
    made = sample({"a": "번역하라.", "b": "안녕", "c": ""}, input=["a", "b", "c"])
    assert made.question == "번역하라.\n\n안녕"


def test_make_samples__messages() -> None:
    turns = [{"role": "user", "content": "Hello"}]
    assert sample({"m": turns}, messages="m").id == sample({"q": "Hello"}, input="q").id


def test_make_samples__the_language_is_that_of_the_user() -> None:
    turns = [
        {"role": "system", "content": "Answer briefly in English, always."},
        {"role": "user", "content": "배송비는?"},
    ]
    assert sample({"m": turns}, messages="m").language == "ko"


@pytest.mark.parametrize(
    ("payload", "reason", "what"),
    [
        ({"question": "x"}, "missing_field", 'there is no "questions"'),
        ({"questions": None}, "empty", "the question is empty"),
        ({"questions": ""}, "empty", "the question is empty"),
        ({"questions": ["x"]}, "bad_type", "input: expected a text, found an array"),
    ],
)
def test_make_samples__nothing_to_ask(payload: dict[str, Any], reason: str, what: str) -> None:
    made = reject({**payload, "a": "b"}, input="questions", expected="a")
    assert (made.reason.value, made.what) == (reason, what)
    assert made.at == {"line": 3, "record": 2}


def test_make_samples__a_missing_field_names_the_nearest() -> None:
    assert reject({"question": "x"}, input="questions").hint == 'did you mean "question"?'
    assert reject({"물음": "x"}, input="질문").hint == "there are: 물음"


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (["질문", "답변"], {"input": "질문", "expected": "답변"}),
        (["Question", "Expected Output"], {"input": "Question", "expected": "Expected Output"}),
        (["id", "prompt", "ideal"], {"ref": "id", "input": "prompt", "expected": "ideal"}),
        (
            ["번호", "분류", "질문", "답변"],
            {"ref": "번호", "tags": "분류", "input": "질문", "expected": "답변"},
        ),
        (
            ["질문", "필수 표현", "금지표현", "키워드"],  # 키워드 may be what a FAQ is searched by
            {"input": "질문", "keywords": "필수 표현", "forbidden": "금지표현"},
        ),
        (
            ["question", "must_say", "Must not say", "keywords"],
            {"input": "question", "keywords": "must_say", "forbidden": "Must not say"},
        ),
        (["user_input", "response", "actual_output"], {"input": "user_input"}),
        (["messages", "question"], {"messages": "messages"}),
        (["name", "price"], {}),
    ],
)
def test_guess__common_names(header: list[str], chosen: dict[str, str]) -> None:
    assert guess(header).refs == {field: (column,) for field, column in chosen.items()}


@pytest.mark.parametrize(
    ("given", "key", "what"),
    [
        (
            {"input": "q", "expcted": "a"},
            "expcted",
            'unknown key "expcted" (did you mean "expected"?)',
        ),
        ({"input": "q", "options": "o"}, "options", 'unknown key "options"'),
        ({"input": "q", "metadata.": "m"}, "metadata.", 'unknown key "metadata."'),
        ({"input": "q", "messages": "m"}, "messages", "input and messages cannot stand together"),
        (
            {"input": "q", "behavior": "b", "answerable": "c"},
            "answerable",
            "behavior and answerable cannot stand together",
        ),
        ({"input": "q", "ref": ["a", "b"]}, "ref", "ref takes one column"),
        ({"input": ""}, "input", "input has no column"),
        ({"input": []}, "input", "input has no column"),
    ],
)
def test_map_problems__names_the_key(given: dict[str, Any], key: str, what: str) -> None:
    found_key, found, _ = next(map_problems(given))
    assert found_key == key
    assert found.startswith(what)


def test_map_problems__a_good_map_has_none() -> None:
    good = {"input": ["a", "b"], "metadata.type": "t", "tags": ["=x"], "ref": ["id"]}
    assert list(map_problems(good)) == []
    assert list(map_problems({})) == []
