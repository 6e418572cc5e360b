"""Pages of a PDF: columns, headers and footers, wrapped lines, and files that cannot be read."""

from pathlib import Path

import office_files as office
import pytest
from pypdf import PdfReader, PdfWriter

from lm_eval_so.generator.documents.block import Contents, Note
from lm_eval_so.generator.documents.pdf import read_pdf
from lm_eval_so.generator.sources.base import BadFileError, Reason

Line = tuple[float, float, str]


def drawn(lines: list[str], x: float = 50, top: float = 780) -> list[Line]:
    return [(x, top - 15 * i, line) for i, line in enumerate(lines)]


def read(path: Path, *pages: list[Line]) -> Contents:
    return read_pdf(office.write_pdf(path / "a.pdf", pages))


LEFT = [
    "Orders paid before two in the afternoon leave",
    "our warehouse on the same day. All others leave",
    "on the next business day.",
    "Parcels for islands take two or three days more",
    "than parcels for the mainland do in most cases.",
]
RIGHT = [
    "Refunds are made within three business days of",
    "the inspection. A fee of 6,000 won is kept back",
    "if the buyer changed their mind.",
    "Opened hygiene products cannot be returned at all",
    "unless they were broken when they had arrived.",
]


def test_two_columns__drawn_row_by_row_are_read_left_first(tmp_path: Path) -> None:
    pairs = zip(drawn(LEFT), drawn(RIGHT, x=320), strict=True)
    found = read(tmp_path, [line for pair in pairs for line in pair])
    text = " ".join(block.text for block in found.blocks)
    assert text == " ".join(LEFT + RIGHT)
    assert found.notes == (Note(code="columns_reordered", count=1, names=("1",)),)


def test_two_columns__a_line_over_both_parts_them(tmp_path: Path) -> None:
    wide = "A sentence that spans the whole width of the page, from its left margin to its right one, and ends."
    above = [line for pair in zip(drawn(LEFT), drawn(RIGHT, x=320), strict=True) for line in pair]
    below = [
        line
        for pair in zip(drawn(LEFT, top=680), drawn(RIGHT, x=320, top=680), strict=True)
        for line in pair
    ]
    found = read(tmp_path, [*above, (50, 695, wide), *below])
    text = " ".join(block.text for block in found.blocks)
    assert text == " ".join([*LEFT, *RIGHT, wide, *LEFT, *RIGHT])


def test_table_of_two_columns__stays_row_by_row(tmp_path: Path) -> None:
    names, fees = ["Region", "Japan", "Europe", "Asia"], ["Fee", "9,000", "19,500", "12,000"]
    pairs = zip(drawn(names), drawn(fees, x=320), strict=True)
    found = read(tmp_path, [line for pair in pairs for line in pair])
    assert [block.text for block in found.blocks] == [
        f"{n} {f}" for n, f in zip(names, fees, strict=True)
    ]
    assert found.notes == ()


def test_gaps_at_different_places__are_no_columns(tmp_path: Path) -> None:
    lines = [
        line
        for i, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True))
        for line in (
            (50, 780 - 15 * i, left[: 24 + 5 * i]),
            (240 + 27 * i, 780 - 15 * i, right[:30]),
        )
    ]
    assert read(tmp_path, lines).notes == ()


def test_running_lines__go_wherever_they_are_drawn(tmp_path: Path) -> None:
    pages = [
        [
            (50, 820, "Example Shop, edition 3"),
            (50, 20, f"- {n} / 3 -"),
            *drawn([f"Page number {word} says this."]),
        ]
        for n, word in enumerate(("one", "two", "three"), start=1)
    ]
    found = read(tmp_path, *pages)
    assert [block.text for block in found.blocks] == [
        f"Page number {w} says this." for w in ("one", "two", "three")
    ]
    assert found.notes == (Note(code="running_lines", count=6),)
    assert [block.at["page"] for block in found.blocks] == [1, 2, 3]


def test_running_lines__a_price_list_is_none(tmp_path: Path) -> None:
    pages = [
        drawn([f"Model {7 * i + k} costs {900 * i + k * k} won." for k in range(6)])
        for i in range(3)
    ]
    found = read(tmp_path, *pages)
    assert len(found.blocks) == 18
    assert found.notes == ()


def test_running_lines__less_than_three_pages_of_five_stay(tmp_path: Path) -> None:
    pages = [
        drawn([f"Unlike word{'abcde'[i]}.", "Same line here." if i < 2 else f"Other {'abcde'[i]}."])
        for i in range(5)
    ]
    assert sum("Same line" in block.text for block in read(tmp_path, *pages).blocks) == 2


def test_wrapped_lines__are_joined_over_pages(tmp_path: Path) -> None:
    found = read(
        tmp_path, drawn(LEFT[:2]), drawn(["on the next business day.", "Short label", *LEFT[3:]])
    )
    texts = [block.text for block in found.blocks]
    assert texts == [" ".join(LEFT[:3]), "Short label", " ".join(LEFT[3:])]


def test_page_without_text__is_told(tmp_path: Path) -> None:
    found = read(tmp_path, drawn(LEFT), [])
    assert found.notes == (Note(code="empty_page", count=1, names=("2",)),)
    assert found.pages == 2


def test_scan__says_ocr(tmp_path: Path) -> None:
    with pytest.raises(BadFileError) as caught:
        read(tmp_path, [], [(50, 20, "- 2 -")])
    assert caught.value.reason is Reason.NO_TEXT
    assert "OCR" in (caught.value.hint or "")


def test_password__is_told_and_an_empty_one_opens(tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=PdfReader(office.write_pdf(tmp_path / "a.pdf", [drawn(LEFT)])))
    for password, name in (("secret", "b.pdf"), ("", "c.pdf")):
        writer.encrypt(password, "owner", algorithm="RC4-128")
        writer.write(tmp_path / name)
    with pytest.raises(BadFileError) as caught:
        read_pdf(tmp_path / "b.pdf")
    assert caught.value.reason is Reason.ENCRYPTED
    assert read_pdf(tmp_path / "c.pdf").blocks


@pytest.mark.parametrize(("lines", "pages"), [(LEFT, 5001), (LEFT * 20, 500)])
def test_too_many_pages__or_too_much_on_them_is_refused(
    tmp_path: Path, lines: list[str], pages: int
) -> None:
    data = office.write_pdf(tmp_path / "a.pdf", [drawn(lines)]).read_bytes()
    kids = b"/Kids [%b] /Count %d" % (b"4 0 R " * pages, pages)
    (tmp_path / "b.pdf").write_bytes(data.replace(b"/Kids [4 0 R] /Count 1", kids))
    with pytest.raises(BadFileError) as caught:
        read_pdf(tmp_path / "b.pdf")
    assert caught.value.reason is Reason.TOO_LARGE
