"""`dataset convert`: what reaches the other format, what comes back, and what is told to be left out."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import yaml
from servers.commands import lm_eval_so

from lm_eval_so.core.records.enums import Language
from lm_eval_so.generator.dataset_tools.convert import convert, notes

WORDS = {"keywords": ["3일; 영업일", "네, 됩니다"], "forbidden": ["무료", "불가"]}
TESTS: list[dict[str, Any]] = [
    {
        "id": "q1", "ref": "F-1", "input": "환불은\n며칠?", "expected": "3일", "language": "ko",
        "references": ["사흘", "세 날"], "tags": ["가, 나", "환불"], "metrics": {"keyword_coverage": WORDS},
        "context": [{"text": "3일 안에", "doc_id": "d1"}],
    },
    {"id": "q2", "input": '=HYPERLINK("x")', "behavior": "abstain", "language": "ko"},
    {"id": "q3", "input": "며칠?", "expected": "칠 일", "language": "ko", "metadata": {"twin": "typo"}},
]  # fmt: skip
CHAT = {
    "id": "q4",
    "messages": [
        {"role": "user", "content": "반품돼요?"},
        {"role": "assistant", "content": "네"},
        {"role": "user", "content": "며칠 안에?"},
    ],
    "expected": "7일",
}
PLAYED = {"id": "q5", "scenario": {"turns": [{"user": "안녕"}]}}


def written(folder: Path, *tests: dict[str, Any]) -> Path:
    file = folder / "own.jsonl"
    file.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in tests), "utf-8")
    return file


def read_back(shop: Any, name: str, **source: Any) -> list[dict[str, Any]]:
    shop.generate({"path": name, **source})
    rows: list[dict[str, Any]] = shop.samples()
    return rows


def test_csv__comes_back_with_questions_answers_and_keywords(shop: Any) -> None:
    made = convert(written(shop.folder, *TESTS, PLAYED), "csv")
    assert made.text.startswith("\ufeffid,question,expected,references 1,references 2,keywords,")
    shop.write("t.csv", made.text)
    first, formula, third = read_back(shop, "t.csv", map=dict(made.map or {}))
    assert first["messages"][0]["content"] == "환불은\n며칠?"
    assert (first["expected"], first["references"]) == ("3일", ["사흘", "세 날"])
    assert first["metrics"]["keyword_coverage"] == WORDS
    assert (first["tags"], first["ref"], first["language"]) == (["가, 나", "환불"], "F-1", "ko")
    assert formula["messages"][0]["content"] == '\'=HYPERLINK("x")'
    assert formula["behavior"] == "abstain"
    assert third["expected"] == "칠 일"
    assert made.left_out == {"scenarios": 1, "passages": 1, "guarded": 1}
    told = list(notes(made, Language.EN))
    assert "1 row has a cell that begins like a formula, and got a ' before it" in told
    assert told[-1].startswith("to read it back as a source: map: {input: question, expected: exp")


def test_csv__a_conversation_comes_back_whole(shop: Any) -> None:
    made = convert(written(shop.folder, TESTS[2], CHAT), "csv")
    rows = list(csv.DictReader(io.StringIO(made.text.removeprefix("\ufeff"))))
    assert [row["question"] for row in rows] == ["며칠?", "며칠 안에?"]
    shop.write("t.csv", made.text)
    _, chat = read_back(shop, "t.csv", map=dict(made.map or {}))
    assert chat["messages"] == CHAT["messages"]


def test_promptfoo__asserts_what_a_test_is_judged_by(tmp_path: Path) -> None:
    rich = {
        "id": "q6",
        "input": "언제?",
        "expected": "내일",
        "metrics": {
            "keyword_coverage": {"keywords": [{"any_of": ["내일", "익일"], "weight": 2}]},
            "llm_judge": {"rubric": "친절하다"},
            "json_schema": {"schema": {"type": "object"}},
        },
        "context": [{"role": "given", "text": "[지문]"}],
    }
    hostile = [
        {"id": "h1", "input": "{{ env.OPENAI_API_KEY }}"},
        {"id": "h2", "input": "?", "expected": "file:///etc/passwd"},
    ]
    made = convert(written(tmp_path, *TESTS, rich, *hostile, PLAYED), "promptfoo")
    values = yaml.safe_load(made.text)
    assert values["prompts"] == ["{{context}}\n\n{{question}}"]
    first, second, third, fourth = values["tests"]
    assert first == {
        "description": "F-1",
        "vars": {"question": "환불은\n며칠?"},
        "assert": [
            {"type": "icontains-all", "value": WORDS["keywords"]},
            {"type": "not-icontains-any", "value": WORDS["forbidden"]},
        ],
        "metadata": {
            "expected": "3일",
            "references": ["사흘", "세 날"],
            "language": "ko",
            "tags": ["가, 나", "환불"],
        },
    }
    assert second["assert"] == [{"type": "llm-rubric", "value": "모른다고 답해야 합니다."}]
    assert third["assert"] == [{"type": "factuality", "value": "칠 일"}]
    assert third["metadata"]["twin"] == "typo"
    assert fourth["vars"] == {"question": "언제?", "context": '["[지문]"]'}
    assert fourth["assert"] == [
        {"type": "icontains-any", "value": ["내일", "익일"], "weight": 2},
        {"type": "llm-rubric", "value": "친절하다"},
        {"type": "is-json", "value": {"type": "object"}},
    ]
    assert made.left_out == {"scenarios": 1, "evidence": 1, "templates": 2}


def test_promptfoo__a_system_prompt_is_the_first_message(tmp_path: Path) -> None:
    test = {"id": "q7", "system": "짧게 답한다", "input": "안녕하세요?"}
    [case] = yaml.safe_load(convert(written(tmp_path, test), "promptfoo").text)["tests"]
    roles = [message["role"] for message in json.loads(case["vars"]["messages"])]
    assert roles == ["system", "user"]


def test_convert__is_a_command(tmp_path: Path) -> None:
    written(tmp_path, CHAT)
    done = lm_eval_so("dataset", "convert", "own.jsonl", "--to", "promptfoo", cwd=tmp_path)
    assert yaml.safe_load(done.stdout)["prompts"] == ["{{messages}}"]
    saved = lm_eval_so(
        "dataset", "convert", "own.jsonl", "--to", "csv", "-o", "t.csv", cwd=tmp_path
    )
    assert saved.stdout == "t.csv\n"
    assert "map: {messages: messages, expected: expected}" in saved.stderr
    written(tmp_path, PLAYED)
    assert (
        lm_eval_so("dataset", "convert", "own.jsonl", "--to", "csv", cwd=tmp_path).returncode == 3
    )
    assert (
        lm_eval_so("dataset", "convert", "own.jsonl", "--to", "xml", cwd=tmp_path).returncode == 2
    )
