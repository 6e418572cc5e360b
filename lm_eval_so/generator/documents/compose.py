r"""Blocks to one text and its units, and that text back to blocks.

The text is Markdown between its blocks and plain inside them. A paragraph that begins like a mark of Markdown has
a backslash before it, which belongs to no block; so `split_text(text)` gives the blocks again, whatever they say.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.documents.block import (
    BODY,
    HEADER,
    LOOSE,
    At,
    Block,
    Section,
    Unit,
    cells,
    row_text,
)
from lm_eval_so.generator.sources.base import BadFileError, Reason

_SPACES: Final = re.compile(r"\s+")
_HEADING: Final = re.compile(r"(#{1,6}) (.+)")
_ITEM: Final = re.compile(r"( *)(-|[0-9]{1,3}[.)]) (.+)")
_DELIMITER: Final = re.compile(r"\|(?:---\|)+")
_FENCE: Final = re.compile("`{3,}")
_LIKE_A_MARK: Final = re.compile(r"\\*(?:#{1,6} |(?:[-*+]|[0-9]{1,3}[.)]) |\||```|~~~)")
_DEEPEST_ITEM: Final = 9
_MOST_TABLE: Final = 50_000_000
"""Characters of a table at most; more is made by merged cells only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A text made of blocks, and where they stand in it; fields as in `Document`."""

    text: str
    blocks: tuple[Block, ...]
    spans: tuple[tuple[int, int], ...]
    sections: tuple[Section, ...]
    units: tuple[Unit, ...]


def compose(blocks: Iterable[Block]) -> Composed:
    """Return the text of blocks with its sections and units.

    Args:
        blocks: Blocks in the order of the document; their texts are cleaned here, and empty ones left out.
    """
    tidy = _tidy(blocks)
    pieces: list[str] = []
    spans: list[tuple[int, int]] = []
    sections: list[Section] = []
    units: list[Unit] = []
    above: list[Block] = []
    header, at = "", 0
    for before, block in zip([None, *tidy], tidy, strict=False):
        gap, (opening, closing) = _gap(before, block), _marks(block)
        pieces += (gap, opening, block.text, closing)
        outer = at + len(gap)
        start = outer + len(opening)
        end = start + len(block.text)
        at = end + len(closing)
        spans.append((start, end))
        is_heading, is_row = block.kind == "heading", block.kind == "row"
        if is_heading:
            above = [*(b for b in above if b.level < block.level), block]
        if is_heading or not sections:
            title, level = (block.text, block.level) if is_heading else ("", 0)
            path = tuple(b.text for b in above)
            sections.append(
                Section(title=title, level=level, path=path, start=outer, end=at, at=block.at)
            )
        sections[-1] = replace(sections[-1], end=end if is_row else at)
        if is_row and block.level != BODY:
            header = block.text if block.level == HEADER else ""
        if block.kind != "heading" and not (is_row and block.level == HEADER):
            units.append(
                Unit(
                    kind=block.kind,
                    text=block.text,
                    start=start,
                    end=end,
                    section=len(sections) - 1,
                    path=sections[-1].path,
                    header=header if is_row else "",
                    at=block.at,
                )
            )
    return Composed(
        text="".join(pieces),
        blocks=tuple(tidy),
        spans=tuple(spans),
        sections=tuple(sections),
        units=tuple(units),
    )


def split_text(text: str) -> tuple[Block, ...]:
    """Return the blocks of a text that `compose` wrote, without their places.

    So units and headings of a stored text are known without its file: `compose(split_text(text))`.
    """
    blocks: list[Block] = []
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        if _FENCE.fullmatch(line):
            end = lines.index(line, number + 1)
            code = "\n".join(lines[number + 1 : end])
            blocks.append(Block(kind="code", text=code))
            number = end
        elif line.startswith("|"):
            is_next = number > 0 and lines[number - 1].startswith("|")
            if not _DELIMITER.fullmatch(line) or (is_next and blocks[-1].level != HEADER):
                is_header = number + 1 < len(lines) and _is_delimiter_of(line, lines[number + 1])
                in_table = is_next and blocks[-1].level in {HEADER, BODY}
                level = BODY if in_table else HEADER if is_header else LOOSE
                blocks.append(Block(kind="row", text=line, level=level))
        elif line:
            blocks.append(_line_block(line))
        number += 1
    return tuple(blocks)


def table_blocks(
    rows: Sequence[Sequence[str | None]],
    *,
    ats: Sequence[At] = (),
    has_header: bool = True,
    has_titles: bool = True,
) -> list[Block]:
    """Return the blocks of a table; the one writer of rows for all formats.

    Rows at the top with a single cell are titles and become paragraphs; empty rows go; so do columns
    that are empty everywhere. A cell merged over some columns is repeated, one merged over all said once.

    Args:
        rows: Cells of each row; None where a cell at the left reaches over this column.
        ats: Place of each row; empty if the format has none.
        has_header: Whether the first row below the titles names the columns.
        has_titles: Whether rows with a single cell above the others are titles.

    Raises:
        BadFileError: If merged cells make it far larger than any table is.
    """
    different = {cell for row in rows for cell in row if cell is not None}
    said = {cell: _one_line(cell) for cell in different}
    tidy = [[None if cell is None else said[cell] for cell in row] for row in rows]
    width = max(map(len, tidy), default=0)
    used = [i for i in range(width) if any(i < len(row) and row[i] for row in tidy)]
    places = ats or [{}] * len(tidy)
    left = [
        ([row[i] if i < len(row) else "" for i in used], at)
        for row, at in zip(tidy, places, strict=True)
        if any(row)
    ]
    blocks: list[Block] = []
    while has_titles and len(used) > 1 and left and sum(map(bool, left[0][0])) == 1:
        row, at = left.pop(0)
        blocks.append(Block(kind="paragraph", text=next(filter(None, row)), at=at))
    level = HEADER if has_header and len(left) > 1 else LOOSE
    size = 0
    for row, at in left:
        text = row_text(_said(row))
        size += len(text)
        if size > _MOST_TABLE:
            what = f"a table exceeds {_MOST_TABLE:,} characters once merged cells are repeated"
            raise BadFileError(Reason.TOO_LARGE, what, "split it, or part its merged cells")
        blocks.append(Block(kind="row", text=text, level=level, at=at))
        level = BODY if level == HEADER else level
    return blocks


def _said(row: Sequence[str | None]) -> list[str]:
    """Return the cells of a row with merged ones repeated, but one that is merged over the whole row."""
    if row[0] is not None and all(cell is None for cell in row[1:]):
        return [row[0]]
    said: list[str] = []
    for cell in row:
        said.append(cell if cell is not None else said[-1] if said else "")
    return said


def _is_delimiter_of(row: str, line: str) -> bool:
    return bool(_DELIMITER.fullmatch(line)) and line.count("|") == len(cells(row)) + 1


def _line_block(line: str) -> Block:
    if heading := _HEADING.fullmatch(line):
        return Block(kind="heading", text=heading[2], level=len(heading[1]))
    if item := _ITEM.fullmatch(line):
        depth = len(item[1]) // 2 + 1
        return Block(kind="item", text=item[3], level=depth, mark=item[2])
    if line.startswith("\\") and _LIKE_A_MARK.match(line):
        line = line[1:]
    return Block(kind="paragraph", text=line)


def _tidy(blocks: Iterable[Block]) -> list[Block]:
    """Return blocks whose text can be written: cleaned, on one line, levels in their ranges."""
    tidy: list[Block] = []
    for block in blocks:
        if block.kind == "code":
            text = clean_text(f"|\n{block.text}\n|")[1:-1].strip(
                "\n"
            )  # its first indentation stays
            text = text if text.strip() else ""
        else:
            text = _one_line(block.text)
        if not text or (block.kind == "row" and not any(cells(text))):
            continue
        before = tidy[-1] if tidy else None
        if before is not None and _is_lone_header(before, block):
            tidy[-1] = before = replace(before, level=LOOSE)
        if block.kind == "paragraph" and (item := _ITEM.fullmatch(text)):  # typed as one
            tidy.append(replace(block, kind="item", text=item[3], level=1, mark=item[2]))
            continue
        mark = ""
        if block.kind == "item":
            mark = block.mark if _ITEM.fullmatch(f"{block.mark} x") else "-"
        tidy.append(replace(block, text=text, level=_level(block, before), mark=mark))
    if tidy and _is_lone_header(tidy[-1], None):
        tidy[-1] = replace(tidy[-1], level=LOOSE)
    return tidy


def _is_lone_header(block: Block, after: Block | None) -> bool:
    is_header = block.kind == "row" and block.level == HEADER
    return is_header and (after is None or after.kind != "row" or after.level != BODY)


def _level(block: Block, before: Block | None) -> int:
    if block.kind == "heading":
        return min(max(block.level, 1), 6)
    if block.kind == "item":
        return min(max(block.level, 1), _DEEPEST_ITEM)
    if block.kind == "row":
        is_below = before is not None and before.kind == "row" and before.level in {HEADER, BODY}
        return LOOSE if block.level == BODY and not is_below else block.level
    return 0


def _one_line(text: str) -> str:
    return _SPACES.sub(" ", clean_text(text)).strip()


def _gap(before: Block | None, block: Block) -> str:
    if before is None:
        return ""
    if before.kind != block.kind or block.kind not in {"item", "row"}:
        return "\n\n"
    is_apart = block.kind == "row" and block.level == HEADER
    is_apart |= block.kind == "row" and block.level == LOOSE and before.level != LOOSE
    return "\n\n" if is_apart else "\n"


def _marks(block: Block) -> tuple[str, str]:
    match block.kind:
        case "heading":
            return "#" * block.level + " ", ""
        case "item":
            return "  " * (block.level - 1) + block.mark + " ", ""
        case "row" if block.level == HEADER:
            return "", "\n|" + "---|" * len(cells(block.text))
        case "code":
            longest = max(map(len, _FENCE.findall(block.text)), default=2)
            fence = "`" * (longest + 1)
            return f"{fence}\n", f"\n{fence}"
        case "paragraph" if _LIKE_A_MARK.match(block.text):
            return "\\", ""
        case _:
            return "", ""
