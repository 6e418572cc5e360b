"""Configurations and tests of promptfoo: what is understood, what is kept and told, what is never opened."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.generator.dataset_tools.convert import convert
from lm_eval_so.generator.sources.promptfoo_checks import assertion_of

PEERS = Path(__file__).parents[3] / "data" / "peers"
NAME = "promptfoo/promptfooconfig.yaml"


@pytest.fixture
def suite(shop: Any) -> Any:
    shutil.copytree(PEERS / "promptfoo", shop.folder / "promptfoo")
    shop.write("outside.yaml", "- vars: {question: 밖}\n")
    return shop


def metrics(**coverage: Any) -> dict[str, Any]:
    return {"keyword_coverage": coverage}


def test_config__tests_of_all_files_with_what_the_default_adds(suite: Any) -> None:
    suite.generate({"path": NAME})
    samples = {sample["messages"][-1]["content"]: sample for sample in suite.samples()}
    found = {q: (s.get("expected"), s.get("metrics", {})) for q, s in samples.items()}
    shipping = {"any_of": ["배송비", "운임"]}
    never = ["모르겠"]
    assert found.pop("주문을 JSON으로 보여 줘")[1]["json_schema"]["schema"]["required"] == ["order"]
    assert found == {
        "배송비는 얼마인가요?": (None, metrics(keywords=["3,000원", shipping], forbidden=never)),
        "숲속마켓 배송비 알려줘": (None, metrics(keywords=["3,000원", shipping], forbidden=never)),
        "환불 규정을 설명해 줘": (
            None,
            metrics(keywords=[{"text": "7일", "weight": 2}], forbidden=never)
            | {"llm_judge": {"rubric": "존댓말로 답하고 기간을 말합니다."}},
        ),
        "영업 시간은?": ("9시부터 6시까지", metrics(forbidden=never)),
        "Who are you?": (None, metrics(forbidden=never)),
        "쿠폰을 겹쳐 쓸 수 있나요?": (
            "아니요",
            metrics(keywords=["쿠폰", "하나"], forbidden=never),
        ),
        "Can I return it?": (None, metrics(keywords=["7 days"], forbidden=never)),
        "What is 2:1?": ("2:1 is a ratio", metrics(forbidden=[*never, "sorry"])),
    }
    given = samples["환불 규정을 설명해 줘"]["context"]
    assert given == [{"role": "given", "text": "환불은 영업일 기준 3일 걸립니다."}]
    assert samples["쿠폰을 겹쳐 쓸 수 있나요?"]["metadata"] == {
        "description": "쿠폰",
        "shop": "숲속마켓",
        "tags[]": "a,b",
        "team": "cs",
        "topic": "coupon",
    }
    at = [sample["provenance"]["source"]["at"] for sample in suite.samples()]
    assert at[1] == {"line": 15, "record": 1, "case": 2}
    assert at[-1] == {"path": "cases.csv:4", "record": 8}


def test_config__what_is_not_run_is_kept_and_told(suite: Any) -> None:
    suite.generate({"path": NAME})
    kept = [s["metadata"].get("foreign_checks") for s in suite.samples()]
    assert [len(checks) for checks in kept if checks] == [1, 1, 1, 1, 3, 1]
    assert kept[0] == [{"type": "javascript", "value": "process.exit(1)"}]
    inner = {"type": "icontains-all", "value": ["환불", "3일"], "weight": 2}
    assert kept[3] == [
        {"type": "assert-set", "assert": [inner, {"type": "regex", "value": r"\d+일"}]}
    ]
    told = [text.removeprefix(NAME) for text in suite.notices() if "not run" in text]
    assert told == [
        ":15: javascript: 2 tests, not run here; write a metric plugin",
        ":23: latency: 1 test, not run here; there is the metric latency_ms",
        ":28: assert-set: 1 test, not run here",
        " more/extra.yaml:4: similar: 2 tests, not run here; there is the metric embedding_similarity",
        " more/extra.yaml:4: threshold: 1 test, not run here",
    ]
    refused = [(line["at"]["line"], line["reason"], line["what"]) for line in suite.rejects()]
    assert refused == [
        (38, "unreadable", "../outside.yaml is outside of the configuration's folder"),
        (39, "unsupported_content", "make_tests.py:create is code, which is not run"),
        (
            40,
            "unreadable",
            "https://example.com/tests.csv is not on this machine; nothing is fetched",
        ),
    ]
    files = [path for path in (suite.folder / "made").iterdir() if path.is_file()]
    assert all("sk-not-to-be-kept" not in path.read_text("utf-8") for path in files)


@pytest.mark.parametrize(
    ("config", "source", "outcome"),
    [
        ("tests:\n- vars: {a: 하나, b: 둘}\n", {}, "no variable is known to be the question"),
        ("tests:\n- vars: {a: 하나, b: 둘}\n", {"input_var": "b"}, "둘"),
        ("tests:\n- vars: {a: 하나, b: 둘}\n", {"input_var": "c"}, 'there is no variable "c"'),
        ("prompts: ['{{a}}: {{context}}']\ntests:\n- vars: {a: 하나, b: 둘, context: 셋}\n", {}, "하나"),
        ("tests:\n- vars: {a: 하나, 질문: 둘}\n", {}, "둘"),
        ("tests:\n- vars: {q: file://long.txt}\n", {}, "긴 질문"),
        ("tests:\n- vars: {q: file:///etc/hostname}\n", {}, "/etc/hostname is outside"),
        ("tests:\n- vars: {q: file://link.txt}\n", {}, "link.txt is outside"),
        ("tests:\n- vars: {q: file://photo.png}\n", {}, "photo.png is no text"),
        ("tests:\n- vars: {q: file://none.txt}\n", {}, "there is no file none.txt"),
        ("tests: file://sheet.xlsx\n", {}, "sheet.xlsx: no format of tests that is read"),
        ("tests: file://more.json\n", {}, "제이슨"),
        ("tests: file://more.jsonl\n", {}, "줄"),
        ("tests: file://loop.yaml\n", {}, "found a text, not an object"),
        ("tests:\n- vars: {q: 'file://mo*.*'}\n", {}, "file://mo*.* names several files"),
        ("defaultTest: {vars: {q: 하나}}\ntests:\n- assert: [{type: equals, value: 둘}]\n", {}, "하나"),
        ("tests:\n- vars: {q: [a1, a2], r: [b1, b2]}\n", {"input_var": "r"}, ["b1", "b2"]),
        ("tests:\n- vars: {q: [a1, a2]}\n  options: {disableVarExpansion: true}\n", {}, "expected objects"),
        ("tests:\n- vars: {q: 하나}\n  options: {prefix: '앞 ', suffix: ' 뒤'}\n", {}, "하나"),
        (f"tests:\n- vars: {{q: {['x'] * 1001}}}\n", {}, "more than 1,000 tests"),
        ("tests:\n- vars: {messages: '[{\"role\": \"user\", \"content\": \"대화\"}]'}\n", {}, "대화"),
        (f"tests:\n- vars: {{a: {'x' * 9999}, q: '{'{{a}}' * 200}'}}\n", {"input_var": "q"}, "longer than 1,048,576"),
        ("defaultTest: {vars: {q: 하나, r: 둘}}\ntests:\n- vars: {r: 셋}\n", {"input_var": "r"}, "셋"),
        ("tests:\n- vars: {q: file://../none.txt}\n", {}, "there is no file ../none.txt"),
        ("tests: file://../*.csv\nprompts: [a]\n", {}, "../*.csv is outside"),
        ("scenarios: [{}]\ntests:\n- vars: {q: 하나}\n", {}, "하나"),
        ("- vars: {q: 하나}\n  assert: [{type: equals, value: 둘}]\n", {}, "하나"),
    ],
)  # fmt: skip
def test_config__question_of_each_form(
    shop: Any, config: str, source: dict[str, Any], outcome: str | list[str]
) -> None:
    shop.write("in/suite.yaml", config)
    shop.write("in/long.txt", "긴 질문\n")
    shop.write("in/more.json", '[{"vars": {"q": "제이슨"}}]')
    shop.write("in/more.jsonl", '{"vars": {"q": "줄"}}\n')
    shop.write("in/loop.yaml", "- file://loop.yaml\n")
    shop.write("in/photo.png", b"\x89PNG\x00")
    shop.write("secret.txt", "비밀")
    (shop.folder / "in" / "link.txt").symlink_to(shop.folder / "secret.txt")
    shop.write("in/sheet.xlsx", b"PK")
    shop.write("good.csv", "질문,답변\n가나?,다\n")
    shop.generate({"path": ["in/suite.yaml"], **source}, {"path": "good.csv"})
    questions = list(dict.fromkeys(s["messages"][-1]["content"] for s in shop.samples()))[:-1]
    said = [line["what"] for line in shop.rejects() if line["reason"] != "dup_exact"]
    if questions:
        assert (questions, said) == ([outcome] if isinstance(outcome, str) else outcome, [])
    else:
        assert len(said) == 1
        assert str(outcome) in said[0]
    assert any("scenarios" in text for text in shop.notices()) == ("scenarios" in config)


def test_config__that_was_made_of_a_dataset_comes_back_with_the_same_ids(shop: Any) -> None:
    rows = [
        {
            "q": "환불은 며칠?",
            "a": "3일",
            "more": ["사흘"],
            "tags": ["환불", "가, 나"],
            "k": ["3일"],
        },
        {"q": "[공지] 몇 시?", "a": "9시", "c": {"role": "given", "text": "[1] 9시에 엽니다."}},
        {"q": "내 카드 번호는?", "b": "refuse", "l": "ko-KR"},
    ]
    names = {"input": "q", "expected": "a", "references": "more", "tags": "tags", "keywords": "k"}
    names |= {"context": "c", "behavior": "b", "language": "l"}
    for number, chat in enumerate(([], [{"m": [{"role": "user", "content": "네?"}] * 2}])):
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        shop.write("own.jsonl", lines)
        shop.write("chat.json", json.dumps(chat))
        also = [{"path": "chat.json", "map": {"messages": "m"}}] if chat else []
        shop.generate({"path": "own.jsonl", "map": names}, *also)
        before = shop.samples()
        shop.write(f"again{number}.yaml", convert(shop.folder / "made", "promptfoo").text)
        shop.generate({"path": f"again{number}.yaml"})
        kept = (
            "id",
            "expected",
            "references",
            "tags",
            "language",
            "behavior",
            "messages",
            "context",
        )
        for old, new in zip(before, shop.samples(), strict=True):
            assert {key: new.get(key) for key in kept} == {key: old.get(key) for key in kept}
        (phrases,) = [
            s["metrics"]["keyword_coverage"] for s in shop.samples() if "3일" in s.values()
        ]
        assert phrases == {"keywords": ["3일"]}


@pytest.mark.parametrize(
    ("assertion", "keywords", "kept"),
    [
        ({"type": "contains", "value": "가"}, ["가"], []),
        ({"type": "contains", "value": 7}, ["7"], []),
        ({"type": "contains", "value": "가", "weight": 0}, [], ["contains"]),
        ({"type": "contains", "value": " "}, [], ["contains"]),
        ({"type": "contains", "value": "{{ 가 | upper }}"}, [], ["contains"]),
        ({"type": "contains", "value": "가", "transform": "output"}, [], ["contains"]),
        ({"type": "not-contains-all", "value": ["가"]}, [], ["not-contains-all"]),
        ({"type": "not-equals", "value": "가"}, [], ["not-equals"]),
        ({"type": "assert-set", "assert": [{"type": "contains", "value": "가"}]}, [], ["assert-set"]),
        ({"type": "regex", "value": "file://../gone"}, [], ["regex"]),
    ],
)  # fmt: skip
def test_assertion__is_understood_whole_or_kept_as_it_stands(
    shop: Any, assertion: dict[str, Any], keywords: list[str], kept: list[str]
) -> None:
    shop.write("t.json", json.dumps([{"vars": {"q": "가?"}, "assert": [assertion]}]))
    shop.generate({"path": "t.json"})
    (sample,) = shop.samples()
    found = sample.get("metrics", {}).get("keyword_coverage", {}).get("keywords", [])
    foreign = sample.get("metadata", {}).get("foreign_checks", [])
    assert (found, [each["type"] for each in foreign]) == (keywords, kept)


@pytest.mark.parametrize(
    ("cell", "type_", "value"),
    [
        ("Paris", "equals", "Paris"),
        ("equals: 30", "equals", "30"),
        ("2:1 is a ratio", "equals", "2:1 is a ratio"),
        ("note: keep it", "equals", "note: keep it"),
        ("contains-any: <b>,</span>", "contains-any", ["<b>", "</span>"]),
        ("not-contains: sorry", "not-contains", "sorry"),
        ("grade: is it polite?", "llm-rubric", "is it polite?"),
        ("fn:output.length < 9", "javascript", "output.length < 9"),
        ("file://check.py", "python", "file://check.py"),
        ("is-json", "is-json", None),
    ],
)
def test_cell__is_an_assertion_or_an_answer(cell: str, type_: str, value: Any) -> None:
    assert assertion_of(cell) == {"type": type_, "value": value}


def test_cell__has_a_threshold() -> None:
    assert assertion_of("similar(0.8): Hello")["threshold"] == 0.8
