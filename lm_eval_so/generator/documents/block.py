"""The records of a document: its blocks, the sections and units of its text, and what was left out of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import JsonValue

from lm_eval_so.generator.sources.base import Reject

BlockKind = Literal["heading", "paragraph", "item", "row", "code"]
UnitKind = Literal["paragraph", "item", "row", "code"]
NoteCode = Literal["running_lines", "columns_reordered", "empty_page", "hidden_sheet"]
At = Mapping[str, JsonValue]
"""Place in the file, as far as the format has one: line, page, sheet, row; counted from 1."""

HEADER: Final = 1
"""Level of a header row."""
BODY: Final = 2
"""Level of a row below the header row before it."""
LOOSE: Final = 0
"""Level of a row without a header."""
_BAR: Final = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One heading, paragraph, list item, table row or code block, in the order of the document."""

    kind: BlockKind
    text: str
    """Text as a reader sees it, without inline markup, never empty: one line, but for code. A row is its cells
    between bars, as `row_text` writes them."""
    level: int = 0
    """Heading: 1 to 6. Item: its depth, from 1. Row: `HEADER`, `BODY` or `LOOSE`. Else 0."""
    mark: str = ""
    """Mark of an item without its space: `-`, or its number, as `2.`"""
    at: At = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with what stands below it, up to the next heading of any level."""

    title: str
    """Empty for what stands before the first heading."""
    level: int
    """1 to 6; 0 before the first heading."""
    path: tuple[str, ...]
    """Titles of the headings above it, and its own."""
    start: int
    """First character in the document's text, its heading's mark included."""
    end: int
    """End of its last block; exclusive."""
    at: At = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A piece in which evidence lies: a paragraph, a list item, a code block, or a row with its header."""

    kind: UnitKind
    text: str
    """`document.text[start:end]`: without the mark of a list item, the fences of code, the header of a row."""
    start: int
    """First code point in the document's text, from 0."""
    end: int
    """Exclusive."""
    section: int
    """Position of its section in the document."""
    path: tuple[str, ...]
    """Heading path: the path of its section; empty before the first heading."""
    header: str = ""
    """Text of the header row of a row; empty if the table has none, and for other kinds."""
    at: At = field(default_factory=dict)

    def named_cells(self) -> tuple[tuple[str, str], ...]:
        """Return (column, cell) of a row; a column is empty where there is no header."""
        names, values = cells(self.header), cells(self.text)
        return tuple((names[i] if i < len(names) else "", cell) for i, cell in enumerate(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that the reader of a document left out or changed, to be told."""

    code: NoteCode
    count: int
    """Lines, pages or sheets."""
    names: tuple[str, ...] = ()
    """Names of sheets, numbers of pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Contents of a file as the reader of its format finds them; fields as in `Document`."""

    blocks: list[Block]
    title: str = ""
    """As the file declares it."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    pages: int | None = None
    notes: tuple[Note, ...] = ()
    rejected: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file that was read: its blocks, the text made of them, and where everything stands in it."""

    file: str
    """Path as the config has it."""
    sha256: str
    """Digest of the file's bytes."""
    title: str
    """Title of the front matter, else the first heading of level 1, else as the file declares it, else its name."""
    text: str
    """Markdown of the blocks; inside a block it is plain text."""
    blocks: tuple[Block, ...]
    spans: tuple[tuple[int, int], ...]
    """(start, end) of each block: `text[start:end] == block.text`."""
    sections: tuple[Section, ...]
    units: tuple[Unit, ...]
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    """Front matter of Markdown; `lang` of HTML."""
    pages: int | None = None
    """Pages of a PDF."""
    notes: tuple[Note, ...] = ()
    rejected: tuple[Reject, ...] = ()
    """Rows that could not be read, and what is left out for its personal data."""
    personal: Mapping[str, int] = field(default_factory=dict)
    """Items of personal data by kind: replaced by placeholders, or left out."""
    supersedes: tuple[str, ...] = ()
    """Files of documents that no longer hold."""

    def replaces(self, other: "Document") -> bool:
        """Return whether it supersedes another document."""
        return other.file in self.supersedes and other.file != self.file


def in_force(documents: Sequence[Document]) -> list[Document]:
    """Return the documents that no other supersedes."""
    return [each for each in documents if not any(other.replaces(each) for other in documents)]


def row_text(values: Sequence[str]) -> str:
    r"""Return a table row as Markdown; a bar inside a cell is written `\|`."""
    return "| " + " | ".join(value.replace("|", r"\|") for value in values) + " |"


def cells(row: str) -> tuple[str, ...]:
    """Return the cells of a row that `row_text` wrote; none of an empty text."""
    if not row:
        return ()
    return tuple(cell.strip().replace(r"\|", "|") for cell in _BAR.split(row)[1:-1])
