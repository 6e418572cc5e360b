"""`dataset show`: counts, and one test as a person reads it."""

import json
from pathlib import Path

import pytest
from servers.commands import lm_eval_so

from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import InputError
from lm_eval_so.generator.dataset_tools.show import show_test, summarise, summary_text

TEXT = "# 반품\n\n반품은 7일 안에 됩니다."
QUOTE = "반품은 7일 안에 됩니다."
TESTS = [
    {
        "id": "q1",
        "ref": "F-1",
        "language": "ko",
        "messages": [
            {"role": "user", "content": "환불돼요?"},
            {"role": "assistant", "content": "네"},
            {"role": "user", "content": "며칠\n안에\x1b[31m?"},
        ],
        "expected": "7일",
        "references": ["이레"],
        "metrics": {"keyword_coverage": {"keywords": ["7일", "반품"]}},
        "context": [{"text": QUOTE, "doc_id": "d1", "span": [6, 20], "sha256": digest_text(QUOTE)}],
        "metadata": {"type": "follow_up"},
        "tags": ["반품"],
        "flags": ["conflict:docs/b.md › 반품", "own_flag"],
        "review": {"status": "unreviewed"},
        "provenance": {"method": "write", "source": {"file": "a.md", "at": {"page": 2}}},
    },
    {"id": "q2", "input": "Who?", "language": "en", "behavior": "abstain"},
    {
        "id": "q3",
        "input": "몇 일?",
        "language": "ko",
        "expected": "칠 일",
        "relation": {"base": "q2", "type": "typo", "expect": "same"},
    },
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [json.dumps(each, ensure_ascii=False) + "\n" for each in TESTS]
    (tmp_path / "test.jsonl").write_text("".join(lines), "utf-8")
    source = {"doc_id": "d1", "file": "a.md", "sha256": "0", "text": TEXT}
    (tmp_path / "sources.jsonl").write_text(json.dumps(source) + "\n", "utf-8")
    return tmp_path


def test_summary__counts_the_most_frequent_first(folder: Path) -> None:
    summary, spoken = summarise(folder)
    assert spoken is Language.KO
    assert summary_text(summary, Language.KO) == (
        "테스트     3\n"
        "유형       follow_up 1, imported 1, twin 1\n"
        "변형       typo 1\n"
        "언어       ko 2, en 1\n"
        "출처       a.md 1\n"
        "확인할 것  conflict 1, own_flag 1\n"
        "검토       none 2, unreviewed 1\n"
        "질문 길이  4~11자, 절반은 4자 이하\n"
        "답변 길이  2~3자, 절반은 2자 이하\n"
    )
    assert "4 to 11 characters, half of them 4 at most" in summary_text(summary, Language.EN)


def test_show__a_test_as_people_read_it_without_what_a_terminal_obeys(folder: Path) -> None:
    wanted = (
        "q1 · F-1 · follow_up · ko\n"
        "사용자      환불돼요?\n"
        "챗봇        네\n"
        "질문        며칠 안에?\n"
        "답변        7일\n"
        "또는        이레\n"
        "필수 표현   7일, 반품\n"
        "근거        ▌반품은 7일 안에 됩니다. (a.md › 반품 › 2쪽)\n"
        "태그        반품\n"
    )
    test, text = show_test(folder, "F-1", None)
    assert test.id == "q1"
    assert text.replace(" ", "").startswith(wanted.replace(" ", ""))
    assert "docs/b.md › 반품" in text
    assert "own_flag: own_flag" in text
    _, english = show_test(folder, "q2", Language.EN)
    assert "It says that it does not know." in english
    with pytest.raises(InputError, match='no test "q9"') as error:
        show_test(folder, "q9", None)
    assert error.value.problems[0].hint is not None


def test_show__a_conversation_to_play(tmp_path: Path) -> None:
    scenario = {
        "simulated_user": {"goal": "환불받기", "opening": "환불돼요?", "facts": {"산 것": "칫솔"}},
        "success": [{"type": "contains", "text": "3일"}],
        "must_not": [{"type": "judge", "text": "화를 낸다"}],
    }
    test = {"id": "s1", "language": "ko", "scenario": scenario}
    (tmp_path / "test.jsonl").write_text(json.dumps(test) + "\n", "utf-8")
    _, text = show_test(tmp_path, "s1", None)
    assert text == (
        "s1 · scenario · ko\n"
        "목표       환불받기\n"
        "질문       환불돼요?\n"
        "아는 것    산 것: 칫솔\n"
        "성공 조건  3일\n"
        "금지       화를 낸다\n"
        "검토       none\n"
    )


def test_show__is_a_command(folder: Path) -> None:
    done = lm_eval_so("dataset", "show", ".", "--json", cwd=folder)
    counted = json.loads(done.stdout)
    assert (counted["tests"], counted["language"]) == (3, {"ko": 2, "en": 1})
    assert counted["lengths"]["answer"] == {"shortest": 2, "median": 2, "longest": 3}
    one = lm_eval_so("dataset", "show", ".", "q1", "--json", cwd=folder)
    assert json.loads(one.stdout)["context"][0]["doc_id"] == "d1"
    assert lm_eval_so("dataset", "show", ".", "q0", cwd=folder).returncode == 2
    shown = lm_eval_so("dataset", "show", ".", "q3", "--language", "en", cwd=folder)
    assert "twin      typo (q2)" in shown.stdout
