"""DOCX and HWPX, which are zip archives of XML: sizes checked, then blocks; the only room of mammoth."""

import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Xml

import mammoth

from lm_eval_so.generator.documents.block import Block
from lm_eval_so.generator.documents.compose import table_blocks
from lm_eval_so.generator.documents.html import read_html
from lm_eval_so.generator.documents.text import with_marks
from lm_eval_so.generator.sources.archive import open_archive
from lm_eval_so.generator.sources.base import BadFileError, Reason

_STYLES: Final = """
p[style-name='Title'] => h1.title:fresh
p[style-name='제목'] => h1.title:fresh
p[style-name='개요 1'] => h1:fresh
p[style-name='개요 2'] => h2:fresh
p[style-name='개요 3'] => h3:fresh
p[style-name^='toc '] => !
"""
_TITLE: Final = '<h1 class="title">'
_PLAIN_HEADING: Final = re.compile(r"<(/?)h([1-5])>")
_TITLE_OR_HEADING: Final = re.compile(r'<h1 class="title">.*?</h1>|<(/?)h([1-5])>', re.DOTALL)
_NOTE_BACK: Final = re.compile(r'<a href="#(?:foot|end)note-ref-[^"]*">[^<]*</a>')

_SECTION: Final = re.compile(r"Contents/section([0-9]{1,6})\.xml")
_SPACES: Final = {"tab": " ", "lineBreak": " ", "nbSpace": " ", "fwSpace": " ", "hyphen": "-"}
_NOT_TEXT: Final = frozenset(
    {"header", "footer", "hiddenComment", "pic", "ole", "equation", "video"}
)
_LONGEST_HEADING: Final = 100
_MOST_CELLS: Final = 1_000_000
_DEEPEST: Final = 30
_MOST_MARKS: Final = 1_000_000
"""Most tags and attributes of an archive's XML; a tree takes some 500 bytes for each, whatever the archive's size."""
_PIECE: Final = 1_000_000


def read_docx(path: Path, patterns: Sequence[re.Pattern[str]] = ()) -> list[Block]:
    """Return the blocks of a DOCX file; headings by their styles, a title above them, else by their wording.

    Raises:
        BadFileError: If it cannot be read, is encrypted or too large.
    """
    try:
        with open_archive(path, "DOCX") as archive:
            _refuse_marks(archive)
        with path.open("rb") as data:
            html = mammoth.convert_to_html(
                data, style_map=_STYLES, convert_image=mammoth.images.img_element(lambda _: {})
            ).value
    except (BadFileError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - mammoth fails in any way on a broken file
        raise _broken("DOCX", error) from None
    html = _NOTE_BACK.sub("", html)
    if _TITLE in html:  # all other headings stand below it
        html = _TITLE_OR_HEADING.sub(
            lambda m: m[0] if m[2] is None else f"<{m[1]}h{int(m[2]) + 1}>", html
        )
    return with_marks(read_html(html, is_page=False).blocks, patterns)


def read_hwpx(path: Path, patterns: Sequence[re.Pattern[str]] = ()) -> list[Block]:
    """Return the blocks of an HWPX file (OWPML, KS X 6101): its sections in the order of their numbers.

    Outlines are headings, numbered and bulleted paragraphs items; headers, footers and hidden comments go.

    Raises:
        BadFileError: If it cannot be read, is encrypted or too large.
    """
    manifest = "META-INF/manifest.xml"
    blocks: list[Block] = []
    with open_archive(path, "HWPX") as archive:
        try:
            _refuse_marks(archive)
            names = archive.namelist()
            if manifest in names and b"encryption-data" in archive.read(manifest):
                hint = "save it without a password"
                raise BadFileError(Reason.ENCRYPTED, "a password protects it", hint)  # noqa: TRY301
            found = sorted((int(m[1]), m[0]) for m in map(_SECTION.fullmatch, names) if m)
            styles = _paragraph_styles(archive) if "Contents/header.xml" in names else {}
            for _, name in found:
                blocks += _Section(styles).read(_parse(archive.read(name)))
        except (BadFileError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - each way to pack has an error of its own
            raise _broken("HWPX", error) from None
    return with_marks(blocks, patterns)


def _refuse_marks(archive: zipfile.ZipFile) -> None:
    """Refuse an archive whose XML would fill the memory, before a parser sees it.

    Raises:
        BadFileError: If its XML has more than a million tags and attributes.
    """
    left = _MOST_MARKS
    for entry in archive.infolist():
        if entry.filename.lower().endswith((".xml", ".rels")):
            with archive.open(entry) as data:
                while left >= 0 and (piece := data.read(_PIECE)):
                    left -= piece.count(b"<") + piece.count(b"=")
    if left < 0:
        what = f"its XML has more than {_MOST_MARKS:,} tags and attributes"
        raise BadFileError(Reason.TOO_LARGE, what, "split it")


def _broken(kind: str, error: Exception) -> BadFileError:
    what = f"it is no {kind} that can be read ({type(error).__name__})"
    return BadFileError(Reason.UNREADABLE, what, f"open it and save it anew as {kind}")


class _NoDoctype(Xml.TreeBuilder):
    """Builder of a tree that refuses entities, which only an attack declares in an office file."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002
        """Refuse the document type."""
        raise ValueError("a document type")


def _parse(data: bytes) -> Xml.Element:
    return Xml.fromstring(data, parser=Xml.XMLParser(target=_NoDoctype()))  # noqa: S314 - as `_NoDoctype` says


def _local(element: Xml.Element) -> str:
    return element.tag.rpartition("}")[2]


def _paragraph_styles(archive: zipfile.ZipFile) -> Mapping[str, tuple[str, int]]:
    """Return (OUTLINE, NUMBER or BULLET, level from 1) of each paragraph shape that has one."""
    styles = {}
    for shape in _parse(archive.read("Contents/header.xml")).iter():
        if _local(shape) != "paraPr":
            continue
        for child in shape:
            kind, level = child.get("type", ""), child.get("level", "0")
            if _local(child) == "heading" and kind in {"OUTLINE", "NUMBER", "BULLET"}:
                styles[shape.get("id", "")] = kind, (int(level) if level.isdecimal() else 0) + 1
    return styles


@dataclass(slots=True)
class _Section:
    """One section of an HWPX file."""

    styles: Mapping[str, tuple[str, int]]
    _numbers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Items so far, by kind and level, of the list that is open."""

    def read(self, root: Xml.Element, depth: int = 0) -> list[Block]:
        """Return the blocks of the paragraphs of a section, a cell or a box."""
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        return [b for p in root if _local(p) == "p" for b in self._paragraph(p, depth)]

    def _paragraph(self, paragraph: Xml.Element, depth: int) -> Iterator[Block]:
        """Yield the text of a paragraph, then tables and boxes anchored in it; a table parts the text."""
        text: list[str] = []
        later: list[Block] = []
        for run in paragraph:
            for child in run if _local(run) == "run" else ():
                name = _local(child)
                if name == "t":
                    text += _inline(child)
                elif name == "tbl":
                    yield from self._own(paragraph, text)
                    text = []
                    yield from self._table(child, depth)
                elif name not in _NOT_TEXT:
                    later += self._inside(child, depth)
        yield from self._own(paragraph, text)
        yield from later

    def _inside(self, element: Xml.Element, depth: int) -> Iterator[Block]:
        """Yield the blocks of boxes and notes inside of an element."""
        stack = list(reversed(element))
        while stack:
            child = stack.pop()
            name = _local(child)
            if name == "subList":
                yield from self.read(child, depth + 1)
            elif name not in _NOT_TEXT:
                stack += reversed(child)

    def _own(self, paragraph: Xml.Element, pieces: Sequence[str]) -> Iterator[Block]:
        text = "".join(pieces).strip()
        if not text:
            return
        kind, level = self.styles.get(paragraph.get("paraPrIDRef", ""), ("", 0))
        if kind == "OUTLINE" and len(text) <= _LONGEST_HEADING:
            yield Block(kind="heading", text=text, level=level)
        elif kind in {"NUMBER", "BULLET"}:
            self._numbers[kind, level] += 1
            mark = f"{self._numbers[kind, level]}." if kind == "NUMBER" else "-"
            self._numbers = Counter({k: n for k, n in self._numbers.items() if k[1] <= level})
            yield Block(kind="item", text=text, level=level, mark=mark)
            return
        else:
            yield Block(kind="paragraph", text=text)
        self._numbers.clear()

    def _table(self, table: Xml.Element, depth: int) -> list[Block]:
        cells = [tc for tr in table if _local(tr) == "tr" for tc in tr if _local(tc) == "tc"]
        if len(cells) == 1 or any(_local(e) == "tbl" for tc in cells for e in tc.iter()):
            return [b for tc in cells for b in self._inside(tc, depth)]  # it lays out other blocks
        placed: dict[tuple[int, int], str | None] = {}
        for tc in cells:
            text = " ".join(block.text for block in self._inside(tc, depth))
            parts = {_local(child): child for child in tc}
            row, column = (_number(parts, "cellAddr", name) for name in ("rowAddr", "colAddr"))
            down, across = (
                max(_number(parts, "cellSpan", name), 1) for name in ("rowSpan", "colSpan")
            )
            if down * across + len(placed) > _MOST_CELLS:
                raise ValueError("too many cells")
            for i in range(row, row + down):
                for j in range(column, column + across):
                    placed[i, j] = text if j == column else None
        rows = sorted({i for i, _ in placed})
        columns = sorted({j for _, j in placed})
        if len(rows) * len(columns) > _MOST_CELLS:
            raise ValueError("too many cells")
        return table_blocks([[placed.get((i, j), "") for j in columns] for i in rows])


def _number(parts: Mapping[str, Xml.Element], name: str, attribute: str) -> int:
    value = parts[name].get(attribute, "0") if name in parts else "0"
    return int(value) if value.isdecimal() and len(value) < 9 else 0


def _inline(element: Xml.Element) -> Iterator[str]:
    """Yield the pieces of a text element, without what a tracked change deleted."""
    yield element.text or ""
    is_deleted = False
    for child in element:
        name = _local(child)
        if name in {"deleteBegin", "deleteEnd"}:
            is_deleted = name == "deleteBegin"
        yield _SPACES.get(name, "")
        yield "" if is_deleted else child.tail or ""
