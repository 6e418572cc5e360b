import codecs
from pathlib import Path

import pytest

from lm_eval_so.generator.sources.encoding import (
    HEAD_BYTES,
    MOST_BYTES,
    detect_encoding,
    is_encoding,
    read_lines,
)

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


def texts(path: Path, encoding: str) -> list[tuple[int, str, int | None]]:
    return [(line.number, line.text, line.bad_byte) for line in read_lines(path, encoding)]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_read_lines__keeps_every_line_end(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f"
    path.write_bytes("가\r\n나\n다\r\r라".encode(encoding))
    assert texts(path, encoding) == [
        (1, "가\r\n", None),
        (2, "나\n", None),
        (3, "다\r", None),
        (4, "\r", None),
        (5, "라", None),
    ]


def test_read_lines__tells_the_first_bad_byte_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("가\n나".encode() + b"\xff!\n" + "다\n".encode())
    assert texts(path, "utf-8") == [(1, "가\n", None), (2, "나\ufffd!\n", 3), (3, "다\n", None)]


def test_read_lines__half_a_utf16_pair_spoils_its_line_only(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("가\n나".encode("utf-16-le") + b"\x00\xd8" + "!\n다".encode("utf-16-le"))
    assert texts(path, "utf-16-le") == [(1, "가\n", None), (2, "나\ufffd!\n", 2), (3, "다", None)]


def test_read_lines__leaves_a_bom_out(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("\ufeff가\n\ufeff나".encode())
    assert [text for _, text, _ in texts(path, "utf-8")] == ["가\n", "\ufeff나"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_read_lines__a_line_across_blocks_is_whole(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "f"
    rows = [b"x" * size for size in (65535, 65536, 65537, 10, 131071, 3)]
    path.write_bytes(end.join(rows))
    found = [line.text.rstrip("\r\n").encode() for line in read_lines(path, "utf-8")]
    assert found == rows


def test_read_lines__a_line_that_is_too_long_is_cut_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * (3 * MOST_BYTES) + b"\n" + b"y" * MOST_BYTES + b"\nz")
    lines = list(read_lines(path, "utf-8"))
    assert [line.number for line in lines] == [1, 2, 3]
    assert MOST_BYTES < lines[0].size < 2 * MOST_BYTES
    assert lines[1].text == "y" * MOST_BYTES + "\n"
    assert lines[2].text == "z"
