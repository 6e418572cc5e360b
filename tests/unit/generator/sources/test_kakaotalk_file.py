import time
from typing import Any

import pytest

from lm_eval_so.generator.sources.base import RawItem, Reject
from lm_eval_so.generator.sources.kakaotalk_file import is_kakaotalk, read_kakaotalk

STAFF = ["김미소 (예시상점)"]
PC = """\
홍길동 님과 카카오톡 대화
저장한 날짜 : 2024-03-05 10:00:00

--------------- 2024년 3월 4일 월요일 ---------------
홍길동님이 들어왔습니다.
[홍길동] [오후 12:05] 안녕하세요
[홍길동] [오후 12:05] 주문 번호가
2024년 3월 9일 토요일
맞나요?
[홍길동] [오후 12:06] 이모티콘
[김미소 (예시상점)] [오후 12:10] 네, 길동님. 김미소입니다.
맞습니다.

--------------- 2024년 3월 5일 화요일 ---------------
[홍길동] [오전 9:00] 미소님께 물어볼게요: 교환은?
홍길동님이 나갔습니다.
"""
FORMS = {
    "PC, English": [
        ("홍길동 님과 카카오톡 대화", "홍길동 with KakaoTalk Chats"),
        ("저장한 날짜 : 2024-03-05 10:00:00", "Date Saved : 2024-03-05 10:00:00"),
        ("2024년 3월 4일 월요일", "Monday, March 4, 2024"),
        ("2024년 3월 5일 화요일", "Tuesday, March 5, 2024"),
        ("[오후 12:05]", "[12:05 PM]"),
        ("[오후 12:06]", "[12:06 PM]"),
        ("[오후 12:10]", "[12:10 PM]"),
        ("[오전 9:00]", "[9:00 AM]"),
        ("홍길동님이 들어왔습니다.", "홍길동 joined this chatroom."),
        ("홍길동님이 나갔습니다.", "홍길동 left."),
        ("이모티콘", "Emoticons"),
    ],
    "Android": "2024년 {m}월 {d}일 {half} {h}:{min}, ",
    "Android, English": "March {d}, 2024, {h}:{min} {HALF}, ",
    "Android, English, old": "{h}:{min}{half_low}, March {d}, 2024, ",
    "iOS": "2024. {m}. {d}. {half} {h}:{min}, ",
    "iOS, 24 hours": "2024. {m}. {d}. {h24}:{min}, ",
    "iOS, English": "Mar {d}, 2024 at {h}:{min}\u202f{HALF}, ",
}


def on_a_phone(stamp: str) -> str:
    """Return the same chat as a phone exports it."""

    def at(day: int, hour: int, minute: str) -> str:
        half = "오전" if hour < 12 else "오후"
        english = "AM" if hour < 12 else "PM"
        return stamp.format(
            m=3,
            d=day,
            half=half,
            HALF=english,
            half_low=english.lower(),
            h=(hour - 1) % 12 + 1,
            h24=hour,
            min=minute,
        )

    noon = at(4, 12, "05")
    return f"""\
홍길동 님과 카카오톡 대화
저장한 날짜 : 2024년 3월 5일 오전 10:00


{noon.removesuffix(", ")}
{noon}홍길동님이 들어왔습니다.
{noon}홍길동 : 안녕하세요
{noon}홍길동 : 주문 번호가
2024년 3월 9일 토요일
맞나요?
{at(4, 12, "06")}홍길동 : 이모티콘
{at(4, 12, "10")}김미소 (예시상점) : 네, 길동님. 김미소입니다.
맞습니다.

2024년 3월 5일 화요일
{at(5, 9, "00")}홍길동 : 미소님께 물어볼게요: 교환은?
{at(5, 9, "01")}홍길동님이 나갔습니다.
"""


def read(shop: Any, text: str, encoding: str = "utf-8", **options: Any) -> list[Any]:
    shop.write("chat.txt", text, encoding)
    return shop.read(read_kakaotalk, "chat.txt", **{"staff": STAFF, **options})


def chat(form: str) -> str:
    replaced = FORMS[form]
    if isinstance(replaced, str):
        return on_a_phone(replaced)
    text = PC
    for old, new in replaced:
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("form", ["PC", *FORMS])
def test_read_kakaotalk__each_form_gives_the_same_conversations(shop: Any, form: str) -> None:
    text = PC if form == "PC" else chat(form)
    assert is_kakaotalk(text)
    items = read(shop, text)
    assert [item.payload["messages"] for item in items if item.payload] == [
        [
            {"role": "user", "content": "안녕하세요\n주문 번호가\n2024년 3월 9일 토요일\n맞나요?"},
            {"role": "assistant", "content": "네, [USER]님. [STAFF]입니다.\n맞습니다."},
        ],
        [{"role": "user", "content": "[STAFF]님께 물어볼게요: 교환은?"}],
    ]
    assert sum(not item.payload for item in items) == 3  # who came and went, and a sticker
    assert [item.at["record"] for item in items] == [1, 2, 3, 4, 5]


def test_read_kakaotalk__a_table_of_a_mac(shop: Any) -> None:
    rows = [
        ("2024-03-04 12:05:01", "홍길동", "홍길동님이 들어왔습니다."),
        ("2024-03-04 12:05:26", "홍길동", "안녕하세요\n주문, 맞나요?"),
        ("2024-03-04 12:06:00", "홍길동", "사진"),
        ("2024-03-04 12:10:59", STAFF[0], "네, 길동님"),
        ("2024-03-05 09:00:00", "홍길동", "교환은?"),
    ]
    text = "Date,User,Message\n" + "".join(f'{at},"{n}","{said}"\n' for at, n, said in rows)
    shop.write("chat.csv", text + '2024-03-05 09:01:00,"홍길동"\n')
    items = shop.read(read_kakaotalk, "chat.csv", staff=STAFF)
    assert [
        item.payload["messages"] for item in items if isinstance(item, RawItem) and item.payload
    ] == [
        [
            {"role": "user", "content": "안녕하세요\n주문, 맞나요?"},
            {"role": "assistant", "content": "네, [USER]님"},
        ],
        [{"role": "user", "content": "교환은?"}],
    ]
    assert sum(isinstance(item, RawItem) and not item.payload for item in items) == 2
    (bad,) = (item for item in items if isinstance(item, Reject))
    assert (bad.reason, bad.excerpt) == ("row_width", "")


def test_read_kakaotalk__a_gap_begins_a_conversation(shop: Any) -> None:
    talk = [item for item in read(shop, PC, gap_minutes=60 * 24) if item.payload]
    assert [len(item.payload["messages"]) for item in talk] == [3]
    talk = [item for item in read(shop, PC, gap_minutes=3) if item.payload]
    assert [(item.at["line"], len(item.payload["messages"])) for item in talk] == [
        (6, 1),
        (11, 1),
        (15, 1),
    ]


@pytest.mark.parametrize(
    ("text", "is_media"),
    [
        ("사진", True),
        ("사진 3장", True),
        ("<사진 읽지 않음>", True),
        ("파일: 영수증.pdf", True),
        ("보이스톡 해요", True),
        ("보이스톡 3:21", True),
        ("삭제된 메시지입니다.", True),
        ("Voice Call 01:02:03", True),
        ("0123456789abcdef0123.jpg", True),
        ("보이스톡 되나요?", False),
        ("사진이 안 와요", False),
        ("사진\n보냈어요", False),
        ("http://example.com/a.jpg", False),
    ],
)
def test_read_kakaotalk__media_are_left_out(shop: Any, text: str, is_media: bool) -> None:
    (said, *_) = read(shop, f"[홍길동] [오후 3:21] {text}\n[{STAFF[0]}] [오후 3:22] 네\n")
    assert (said.payload == {}) is is_media


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("저는 홍길동이고 길동 씨라 불러요", "저는 [USER]이고 [USER] 씨라 불러요"),
        ("신길동역에서 만나요", "신길동역에서 만나요"),
        ("김미소 (예시상점) 상담이 좋아요", "[STAFF] 상담이 좋아요"),
        ("상담원 연결해 주세요, Kim", "상담원 연결해 주세요, [USER]"),
        ("Kimchi 있나요? 하나만요, 하나님", "Kimchi 있나요? 하나만요, [USER]님"),
    ],
)
def test_read_kakaotalk__names_give_way_to_roles(shop: Any, said: str, shown: str) -> None:
    others = "[Kim] [오후 3:22] a\n[상담원] [오후 3:22] b\n[김하나] [오후 3:22] c\n"
    text = f"[홍길동] [오후 3:21] {said}\n{others}[{STAFF[0]}] [오후 3:23] 네\n"
    first = read(shop, text)[0].payload["messages"][0]
    assert first["content"] == shown


def test_read_kakaotalk__thousands_of_names_are_not_tried_one_by_one(shop: Any) -> None:
    lines = (f"[손님 {number}] [오후 1:00] 네" for number in range(3_000))
    said = "\n".join(["아" * 300_000] * 8 + ["손님 2999님"])
    began = time.process_time()
    (*_, chat) = read(shop, "\n".join([*lines, f"[상담] [오후 1:00] {said}"]), staff=["상담"])
    assert chat.payload["messages"][-1]["content"].endswith("아\n[USER]님")
    assert time.process_time() - began < 10  # it would take ages, were each tried everywhere


def test_read_kakaotalk__a_line_that_cannot_be_read_shows_no_name(shop: Any) -> None:
    data = PC.encode() + "[홍길동] [오전 9:02] ".encode() + b"\xff\n"
    shop.write("chat.txt", data)
    items = shop.read(read_kakaotalk, "chat.txt", staff=STAFF)
    (bad,) = (item for item in items if isinstance(item, Reject))
    assert (bad.reason, bad.at["line"], bad.excerpt) == ("bad_encoding", 17, "")


def test_read_kakaotalk__korean_windows_and_other_texts(shop: Any) -> None:
    assert len([i for i in read(shop, PC, "cp949") if isinstance(i, RawItem) and i.payload]) == 2
    hostile = f"----- {'2024. 1. 1. ' * 40_000}"  # a pattern that tries all splits would take hours
    assert len(read(shop, PC + hostile)) == 5
    (error,) = read(shop, "환불 안내\n\n환불은 3일 걸립니다.\n")
    assert error.what == "no line is that of a chat which KakaoTalk exported"
    assert not is_kakaotalk("[1] [오후 3:21] 각주 하나가 있는 문서\n")
