"""Conversations become tests, whatever wrote them down."""

import json
from pathlib import Path
from typing import Any

import pytest

from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import DatasetError
from lm_eval_so.generator.scan import scan, show
from lm_eval_so.generator.sources.base import Reason

DATA = Path(__file__).parents[2] / "data"
KAKAO = """\
홍길동 님과 카카오톡 대화
저장한 날짜 : 2024-03-05 10:00:00

--------------- 2024년 3월 4일 월요일 ---------------
[홍길동] [오후 3:21] 환불은 며칠 걸리나요?
[홍길동] [오후 3:21] 사진
[김미소 상담원] [오후 3:25] 길동님, 영업일 기준 3일입니다.
"""


@pytest.mark.parametrize(
    ("turns", "kept", "duplicates"), [("last", 12, 0), ("first", 11, 1), ("every", 15, 1)]
)
def test_generate__the_turns_of_a_chat_log(
    shop: Any, turns: str, kept: int, duplicates: int
) -> None:
    shop.write("chatlog.jsonl", (DATA / "chatlog.jsonl").read_bytes())
    made = shop.generate(
        {"path": "chatlog.jsonl", "turns": turns, "map": {"tags": "tags", "ref": "id"}}
    )
    (source,) = made.info.sources
    assert (source.kept, source.rejected, source.duplicates) == (kept, 0, duplicates)
    samples = shop.samples()
    assert {(*s["flags"], s["review"]["status"]) for s in samples} == {
        ("answer_from_log", "unreviewed")
    }
    (system,) = (s for s in samples if s["ref"] == "c007")
    assert [m["role"] for m in system["messages"]] == ["system", "user"]
    for name in ("test.jsonl", "rejected.jsonl", "metadata.json"):
        assert "4111 1111" not in (shop.folder / "made" / name).read_text("utf-8")
    assert "4111 1111" not in str(shop.events)
    # the conversation of which one question is a duplicate has no other
    assert len({s["group_id"] for s in samples}) == 12 - duplicates


def test_generate__a_chat_log_needs_no_map(shop: Any) -> None:
    shop.write("chatlog.jsonl", (DATA / "chatlog.jsonl").read_bytes())
    shop.generate({"path": "chatlog.jsonl"})
    assert "messages: conversations" in "\n".join(shop.notices())
    assert shop.samples()[0]["expected"] == "확인했습니다. 오늘 오후에 도착할 예정입니다."


def test_generate__scenarios_differ_by_what_the_user_says(shop: Any) -> None:
    shop.write("chatlog.jsonl", (DATA / "chatlog.jsonl").read_bytes())
    shop.generate({"path": "chatlog.jsonl", "turns": "scenario"})
    samples = shop.samples()
    assert len(samples) == 12
    first = samples[0]
    assert [t["user"] for t in first["scenario"]["turns"]] == [
        "주문한 지 사흘 됐는데 아직 안 왔어요.",
        "2024-0001-7788 이고 제 번호는 [PHONE_1]예요.",
    ]
    assert not {"expected", "flags"} & set(first)


def test_generate__an_answer_of_a_column_counts_more_than_that_of_the_log(shop: Any) -> None:
    talk = [{"role": "user", "content": "환불은?"}, {"role": "assistant", "content": "몰라요"}]
    rows = [
        {"messages": talk, "answer": "3일"},
        {"messages": [{"role": "user", "content": "교환?"}]},
    ]
    shop.write("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    shop.generate({"path": "a.jsonl"})
    first, second = shop.samples()
    assert (first["expected"], first["review"]["status"]) == ("3일", "imported")
    assert "flags" not in first
    assert "expected" not in second


def test_generate__nobody_has_to_choose_between_two_answers_of_a_log(shop: Any) -> None:
    rows = [
        [{"from": "human", "value": "환불은?"}, {"from": "gpt", "value": f"{days}일"}]
        for days in (3, 7)
    ]
    shop.write("a.jsonl", "".join(json.dumps({"conversations": row}) + "\n" for row in rows))
    shop.generate({"path": "a.jsonl"})
    (reject,) = shop.rejects()
    assert (reject["reason"], reject["what"]) == ("dup_exact", "same question as a.jsonl:1")


def test_generate__parts_of_text_are_text_and_pictures_are_not(shop: Any) -> None:
    text, picture = (
        {"type": "text", "text": "이건"},
        {"type": "image_url", "image_url": {"url": "x"}},
    )
    rows = [[text, {"type": "text", "text": "뭔가요?"}], [text, picture]]
    lines = [json.dumps({"messages": [{"role": "user", "content": row}]}) for row in rows]
    shop.write("a.jsonl", "\n".join(lines))
    shop.generate({"path": "a.jsonl"})
    assert [s["messages"][0]["content"] for s in shop.samples()] == ["이건\n뭔가요?"]
    assert [r["reason"] for r in shop.rejects()] == ["unsupported_content"]


def test_generate__a_kakaotalk_export_is_recognised_and_names_nobody(shop: Any) -> None:
    shop.write("chat.txt", KAKAO)
    made = shop.generate({"path": "chat.txt", "staff": ["김미소 상담원"]})
    (source,) = made.info.sources
    assert (source.records, source.kept, source.skipped) == (2, 1, 1)
    (sample,) = shop.samples()
    assert sample["messages"] == [{"role": "user", "content": "환불은 며칠 걸리나요?"}]
    assert sample["expected"] == "[USER]님, 영업일 기준 3일입니다."
    assert "chat.txt: read as KakaoTalk" in shop.notices()
    written = "".join(path.read_text("utf-8") for path in made.files)
    for name in ("김미소", "미소", "홍길동", "길동"):
        assert name not in written


def test_generate__a_kakaotalk_table_is_recognised(shop: Any) -> None:
    rows = "2024-03-04 12:05:26,홍길동,환불은?\n2024-03-04 12:10:59,김미소,3일요\n"
    shop.write("chat.csv", f"Date,User,Message\n{rows}")
    shop.generate({"path": "chat.csv", "staff": ["김미소"]})
    assert [s["expected"] for s in shop.samples()] == ["3일요"]


@pytest.mark.parametrize(
    ("name", "text", "source", "key", "what"),
    [
        (
            "a.csv",
            "질문,답변\n가나?,나\n",
            {"turns": "first"},
            "turns",
            "turns is for conversations",
        ),
        ("a.csv", "질문,답변\n가나?,나\n", {"staff": ["가"]}, "staff", "staff is for KakaoTalk"),
        (
            "a.csv",
            "질문,답변\n가나?,나\n",
            {"gap_minutes": 60},
            "gap_minutes",
            "gap_minutes is for",
        ),
        (
            "a.md",
            "# 가\n\n나다.\n",
            {"as": "documents", "sample": 3},
            "sample",
            "sample is for tests",
        ),
        (
            "a.jsonl",
            '{"a": 1}\n',
            {"map": {"tags": "a"}},
            "map",
            "a.jsonl missing_field: no column",
        ),
        ("chat.txt", KAKAO, {}, None, "chat.txt no_staff: none of the 2 who speak"),
        ("chat.txt", KAKAO, {"staff": ["김미소"]}, None, "chat.txt no_staff: none of the 2"),
    ],
)
def test_generate__settings_that_do_not_fit(
    shop: Any, name: str, text: str, source: dict[str, Any], key: str | None, what: str
) -> None:
    shop.write(name, text)
    with pytest.raises(DatasetError) as error:
        shop.generate({"path": name, **source})
    (problem,) = error.value.problems
    assert problem.what.startswith(what)
    assert problem.hint
    if key is not None:
        assert problem.where.key == f"generator.sources[0].{key}"


def test_scan__a_chat_without_staff_says_what_to_write(shop: Any) -> None:
    shop.write("chat.txt", KAKAO)
    lines = "\n".join(show(scan(["chat.txt"], folder=shop.folder), Language.EN))
    assert "a KakaoTalk chat (no_staff): give it a source of its own with staff: [NAME]" in lines
    assert "홍길동" not in lines


def test_generate__turns_of_a_folder_hold_for_its_conversations(shop: Any) -> None:
    shop.write("in/chatlog.jsonl", (DATA / "chatlog.jsonl").read_bytes())
    shop.write("in/faq.csv", "질문,답변\n배송비는 얼마인가요?,3000원\n")
    made = shop.generate({"path": "in", "turns": "every"})
    assert [source.kept for source in made.info.sources] == [15, 1]


def test_generate__traces_of_real_sdks(shop: Any) -> None:
    for name in ("openinference", "genai_2024"):
        shop.write(f"{name}.json", (DATA / "traces" / f"{name}.jsonl").read_bytes())
    made = shop.generate({"path": "openinference.json"}, {"path": "genai_2024.json"})
    assert [(s.records, s.kept, s.rejected, s.skipped) for s in made.info.sources] == [
        (6, 2, 1, 3),  # a session of three traces with a failed call in each
        (2, 1, 1, 0),
    ]
    session, alone, tool = shop.samples()
    assert [m["content"] for m in session["messages"]] == [
        "환불은 며칠 걸리나요?",
        "영업일 기준 3일입니다.",
        "제 번호는 [PHONE_1]예요. 전화 주세요.",
        "네, 전화드리겠습니다.",
        "그럼 교환은요?",
    ]
    assert (session["expected"], session["ref"]) == ("7일 안에 됩니다.", "session-1")
    assert alone["messages"][-1]["content"] == "영업시간이 어떻게 되나요?"
    assert [m["role"] for m in tool["messages"]] == ["system", "user", "assistant", "tool"]
    assert tool["messages"][2]["tool_calls"][0]["name"] == "find_order"
    health, _ = shop.rejects()
    assert (health["reason"], health["hint"]) == (
        Reason.NO_USER_TURN,
        "attributes: http.request.method",
    )
    for path in made.files:
        assert "010-0000-1234" not in path.read_text("utf-8")


def test_generate__a_part_of_a_log_has_what_is_asked_most_and_others(shop: Any) -> None:
    shop.write("genai.jsonl", (DATA / "traces" / "genai.jsonl").read_bytes())
    made = shop.generate({"path": "genai.jsonl", "sample": 4})
    (source,) = made.info.sources
    assert (source.records, source.kept, source.skipped) == (16, 4, 12)
    assert len(shop.notices()) == 1  # though the source is read twice
    asked = {s["messages"][-1]["content"]: s["metadata"]["seen"] for s in shop.samples()}
    assert asked.pop("환불은 며칠 걸리나요?") == 7
    assert list(asked.values()) == [1, 1, 1]
    assert shop.generate({"path": "genai.jsonl", "sample": 40}).info.sources[0].kept == 10
