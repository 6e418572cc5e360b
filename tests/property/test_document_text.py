"""The text of a document: every block stands where it says, and the text gives the blocks again."""

import random
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.documents.block import (
    BODY,
    HEADER,
    LOOSE,
    Block,
    Document,
    cells,
    row_text,
)
from lm_eval_so.generator.documents.commonmark import read_markdown
from lm_eval_so.generator.documents.compose import compose, split_text, table_blocks
from lm_eval_so.generator.documents.read import read_document
from lm_eval_so.generator.sources.base import FileError

SHOP = Path(__file__).parents[1] / "data" / "shop"
TEXTS = st.text(alphabet="#-1.)|`~\\ \n\t*+가e\u0301\u200b", max_size=9)
ROWS = st.lists(TEXTS, min_size=1, max_size=4).map(row_text)
BLOCKS = st.lists(
    st.builds(Block, kind=st.just("heading"), text=TEXTS, level=st.integers(-1, 8))
    | st.builds(Block, kind=st.just("paragraph"), text=TEXTS)
    | st.builds(Block, kind=st.just("code"), text=TEXTS)
    | st.builds(
        Block,
        kind=st.just("item"),
        text=TEXTS,
        level=st.integers(0, 12),
        mark=st.sampled_from(["-", "2.", "3)", "*", ""]),
    )
    | st.builds(
        Block, kind=st.just("row"), text=ROWS, level=st.sampled_from([HEADER, BODY, LOOSE])
    ),
    max_size=8,
)


@given(BLOCKS)
def test_compose__slices_are_the_blocks_and_the_text_gives_them_again(blocks: list[Block]) -> None:
    composed = compose(blocks)
    assert [composed.text[a:b] for a, b in composed.spans] == [b.text for b in composed.blocks]
    assert [composed.text[u.start : u.end] for u in composed.units] == [
        u.text for u in composed.units
    ]
    again = compose(split_text(composed.text))
    assert again == composed
    assert composed.text == composed.text.rstrip()
    for unit in composed.units:
        assert unit.path == composed.sections[unit.section].path


@given(BLOCKS)
def test_compose__every_block_belongs_to_one_section(blocks: list[Block]) -> None:
    composed = compose(blocks)
    ends = [(section.start, section.end) for section in composed.sections]
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    if composed.text:
        assert (ends[0][0], ends[-1][1]) == (0, len(composed.text))
    assert sum(s.level > 0 for s in composed.sections) == sum(
        b.kind == "heading" for b in composed.blocks
    )


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_row__gives_its_cells_again(values: list[str]) -> None:
    known = [" ".join(value.split()) for value in values]
    assert cells(row_text(known)) == tuple(known)


@given(st.lists(st.lists(st.none() | TEXTS, max_size=4), max_size=5), st.booleans())
def test_table__loses_no_cell(rows: list[list[str | None]], has_header: bool) -> None:
    composed = compose(table_blocks(rows, has_header=has_header))
    words = {
        word
        for row in rows
        for cell in row
        if cell
        for word in compose([Block(kind="paragraph", text=cell)]).text.replace("\\", "").split()
    }
    said = composed.text.replace("\\", "")
    assert all(word in said for word in words)


@given(
    st.lists(
        st.sampled_from(
            [
                "# ",
                "- ",
                "1. ",
                "> ",
                "    ",
                "\n",
                "\n\n",
                "```",
                "**b**",
                "[l](u)",
                "<b>",
                "&amp;",
                "* ",
                "===",
                "가",
                "a",
                "|",
                "|---|",
                "\\",
            ]
        ),
        max_size=20,
    ).map("".join)
)
def test_markdown__its_text_gives_the_same_blocks(text: str) -> None:
    composed = compose(read_markdown(text).blocks)
    bare = tuple(replace(block, at={}) for block in composed.blocks)
    assert split_text(composed.text) == bare
    assert compose(bare).text == composed.text


def test_damaged_files__are_read_or_refused_with_a_reason() -> None:
    chance = random.Random(7)
    files = [path for path in sorted(SHOP.iterdir()) if path.suffix not in {".docx", ".md"}]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(40):
            whole = files[number % len(files)]
            data = bytearray(whole.read_bytes())
            for _ in range(4):
                start = chance.randrange(len(data))
                data[start : start + chance.choice([1, 200])] = chance.randbytes(
                    chance.choice([0, 1, 30])
                )
            path = Path(folder) / f"x{whole.suffix}"
            path.write_bytes(data)
            found = read_document(path.name, path, SourceSection(id="docs", path=path.name))
            assert isinstance(found, Document) or (isinstance(found, FileError) and found.what)
