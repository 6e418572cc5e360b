import codecs

import pytest

from lm_eval_so.generator.sources.encoding import HEAD_BYTES, detect_encoding, is_encoding

KOREAN = "질문,답변\n배송비는 얼마인가요?,3천 원입니다.\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"", "utf-8"),
        (b"question,answer\n", "utf-8"),
        (KOREAN.encode(), "utf-8"),
        (KOREAN.encode("utf-8-sig"), "utf-8-sig"),
        (KOREAN.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + KOREAN.encode("utf-16-be"), "utf-16"),
        (KOREAN.encode("utf-32"), "utf-32"),
        (KOREAN.encode("utf-16-le"), "utf-16-le"),
        (KOREAN.encode("utf-16-be"), "utf-16-be"),
        (KOREAN.encode("cp949"), "cp949"),
        ("배송".encode("cp949"), "cp949"),
        ("id,text\n1,hello\n2,world\n3,펩시 똠방각하\n".encode("cp949"), "cp949"),
        ("よくある質問,回答\n送料はいくらですか,三百円\n".encode("shift_jis"), None),
        ("décidé,réponse\nça coûte combien,très peu\n".encode("cp1252"), None),
        (bytes(range(128, 256)), None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_detect_encoding__by_content(data: bytes, encoding: str | None) -> None:
    assert detect_encoding(data) == encoding


def test_detect_encoding__a_few_bad_lines_do_not_turn_utf8_into_cp949() -> None:
    lines = [f"질문 {i}".encode() for i in range(5)] + ["배송".encode("cp949")]
    assert detect_encoding(b"\n".join(lines)) == "utf-8"


def test_detect_encoding__a_character_cut_at_the_end_of_the_head_does_not_count() -> None:
    first = "가나다\n".encode()
    head = (first + b"x" * HEAD_BYTES)[: HEAD_BYTES - 2] + "가".encode()[:2]
    assert len(head) == HEAD_BYTES
    assert detect_encoding(head) == "utf-8"


def test_is_encoding__knows_codecs_of_text_only() -> None:
    assert is_encoding("cp949")
    assert is_encoding("EUC-KR")
    assert not is_encoding("hex")
    assert not is_encoding("no-such-thing")
