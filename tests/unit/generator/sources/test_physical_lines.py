from pathlib import Path

import pytest

from lm_eval_so.generator.sources.physical_lines import MOST_BYTES, read_lines


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
