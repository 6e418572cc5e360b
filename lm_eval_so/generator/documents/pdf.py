"""PDF: text of its pages, without lines that recur, columns in reading order; the only room of pypdf."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from pypdf import PageObject, PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError

from lm_eval_so.core.text import width
from lm_eval_so.generator.documents.block import Contents, Note, NoteCode
from lm_eval_so.generator.documents.text import TextLine, blocks_of, with_starts
from lm_eval_so.generator.sources.base import BadFileError, Reason

MOST_PAGES: Final = 5000
_MOST_DRAWN: Final = 100_000_000
"""Most bytes of what its pages draw, and so of work; a page takes as long as what it draws is, even if others share it."""
_MOST_RATIO: Final = 200
_LEAST_REFUSED: Final = 2_000_000
"""Bytes that the pages of a small file may draw, whatever its size."""
_EDGE: Final = 4
"""Lines at either end of a page that may be a header or footer."""
_RECURS: Final = 0.6
_MOST_KEYS: Final = 4
_PAGE_NUMBER: Final = re.compile(
    r"[-–—\s]*(?:p(?:age)?\.?\s*)?[0-9]{1,4}(?:\s*(?:/|of)\s*[0-9]{1,4})?[-–—\s]*", re.IGNORECASE
)
_NUMBER: Final = re.compile("([0-9]{1,9})")
_GUTTER: Final = re.compile(" {3,}")
_COLUMN_LINES: Final = 0.5
_IN_LINE: Final = 0.8
_NEAR: Final = 0.02
_NARROWEST: Final = 20
"""Columns of a text column, by the median of its lines; narrower ones are those of a table."""


def read_pdf(path: Path, patterns: Sequence[re.Pattern[str]] = ()) -> Contents:
    """Return the blocks of a PDF, with their pages.

    Args:
        path: The file.
        patterns: Patterns of headings, as `blocks_of` takes them.

    Raises:
        BadFileError: If it is encrypted, has no text or too many pages, or is no PDF.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it says of a page helps nobody
    hint = "print it to a new PDF, or save it as DOCX"
    try:
        with path.open("rb") as data:
            reader = PdfReader(data)
            _refuse(reader, path.stat().st_size)
            pages, reordered = _pages(reader)
            title = _title(reader)
    except (BadFileError, OSError):
        raise
    except (FileNotDecryptedError, DependencyError):
        hint = "save it without a password"
        raise BadFileError(Reason.ENCRYPTED, "it is encrypted", hint) from None
    except LimitReachedError:
        what = "it unpacks to far more than its size"
        raise BadFileError(Reason.TOO_LARGE, what, hint) from None
    except Exception as error:  # noqa: BLE001 - pypdf fails in any way on a broken file
        what = f"it is no PDF that can be read ({type(error).__name__})"
        raise BadFileError(Reason.UNREADABLE, what, hint) from None
    return _read(pages, reordered, title, patterns)


def _refuse(reader: PdfReader, size: int) -> None:
    if reader.is_encrypted and not reader.decrypt(""):
        hint = "save it without a password"
        raise BadFileError(Reason.ENCRYPTED, "a password protects it", hint)
    if (count := len(reader.pages)) > MOST_PAGES:
        what = f"it has {count:,} pages, more than {MOST_PAGES:,}"
        raise BadFileError(Reason.TOO_LARGE, what, "split it")
    left = min(_MOST_DRAWN, max(_MOST_RATIO * size, _LEAST_REFUSED))
    for page in reader.pages:
        contents = page.get_contents()
        left -= 0 if contents is None else len(contents.get_data())
        if left < 0:
            raise BadFileError(Reason.TOO_LARGE, "it unpacks to far more than its size", "split it")


def _read(
    pages: list[list[str]], reordered: list[int], title: str, patterns: Sequence[re.Pattern[str]]
) -> Contents:
    empty = [number for number, lines in enumerate(pages, start=1) if not _has_letters(lines)]
    if len(empty) == len(pages):
        hint = "recognise its text (OCR), or save it as DOCX"
        raise BadFileError(Reason.NO_TEXT, "it has no text, only pictures", hint)
    kept, running = _without_running(pages)
    lines = [
        TextLine(text=line, at={"page": number})
        for number, page in enumerate(kept, start=1)
        for line in page
    ]
    notes = [Note(code="running_lines", count=running)] if running else []
    told: tuple[tuple[NoteCode, list[int]], ...]
    told = ("columns_reordered", reordered), ("empty_page", empty)
    for code, numbers in told:
        if numbers:
            notes.append(Note(code=code, count=len(numbers), names=tuple(map(str, numbers))))
    blocks = blocks_of(with_starts(lines), patterns)
    return Contents(blocks=blocks, title=title, pages=len(pages), notes=tuple(notes))


def _pages(reader: PdfReader) -> tuple[list[list[str]], list[int]]:
    """Return the lines of each page, and the numbers of those whose columns were put in order."""
    pages: list[list[str]] = []
    reordered: list[int] = []
    for number, page in enumerate(reader.pages, start=1):
        columns = _columns(page)
        if columns is not None:
            reordered.append(number)
        lines = page.extract_text().splitlines() if columns is None else columns
        pages.append([" ".join(line.split()) for line in lines if line.strip()])
    return pages, reordered


def _columns(page: PageObject) -> list[str] | None:
    """Return the lines of a page with two columns, the left one first; None if it has one.

    It has two where half of the lines have two runs, four fifths of the second runs begin within 2 % of their
    median, and both are as wide as text is.
    """
    try:
        drawn = page.extract_text(extraction_mode="layout")
    except Exception:  # noqa: BLE001 - as above; the page may be read without its layout
        return None
    lines = [line.rstrip() for line in drawn.splitlines() if line.strip()]
    runs = [_GUTTER.split(line.strip()) for line in lines]
    starts = [
        width(line) - width(run[1]) for line, run in zip(lines, runs, strict=True) if len(run) == 2
    ]
    if len(starts) < 3 or len(starts) < _COLUMN_LINES * len(lines):
        return None
    middle, page_width = median(starts), max(map(width, lines))
    near = sum(abs(start - middle) <= max(_NEAR * page_width, 1) for start in starts)
    if near < _IN_LINE * len(starts):
        return None
    pairs = [run for run in runs if len(run) == 2]
    if min(median(width(run[side]) for run in pairs) for side in (0, 1)) < _NARROWEST:
        return None
    return list(_in_order(lines, runs, middle))


def _in_order(lines: Sequence[str], runs: Sequence[Sequence[str]], middle: float) -> list[str]:
    """Return the lines by column; a line over both columns parts what is above it from what is below."""
    ordered: list[str] = []
    left: list[str] = []
    right: list[str] = []
    for line, run in zip(lines, runs, strict=True):
        indent = width(line) - width(line.lstrip())
        if len(run) == 2:
            left.append(run[0])
            right.append(run[1])
        elif len(run) == 1 and indent >= middle - 2:
            right.append(run[0])
        elif len(run) == 1 and width(line) < middle:
            left.append(run[0])
        else:
            ordered += [*left, *right, " ".join(run)]
            left, right = [], []
    return [*ordered, *left, *right]


def _without_running(pages: list[list[str]]) -> tuple[list[list[str]], int]:
    """Return the pages without their headers and footers, and how many lines these were.

    Those are lines at an end of a page, one after another, that recur on 60 % of the pages: numbers in them are
    equal or count with the pages, so that the rows of a price list are none. So is a lone page number.
    """
    seen = Counter(
        key
        for number, page in enumerate(pages, start=1)
        for key in {key for line in page[:_EDGE] + page[-_EDGE:] for key in _keys(line, number)}
    )
    least = max(2, _RECURS * len(pages))

    def is_running(line: str, number: int) -> bool:
        recurs = any(seen[key] >= least for key in _keys(line, number))
        return recurs or _PAGE_NUMBER.fullmatch(line) is not None

    kept: list[list[str]] = []
    for number, page in enumerate(pages, start=1):
        top = [is_running(line, number) for line in page[:_EDGE]]
        bottom = [is_running(line, number) for line in reversed(page[-_EDGE:])]
        first = next((i for i, running in enumerate(top) if not running), len(top))
        last = next((i for i, running in enumerate(bottom) if not running), len(bottom))
        kept.append(page[first : max(len(page) - last, first)])
    return kept, sum(map(len, pages)) - sum(map(len, kept))


def _keys(line: str, page: int) -> list[str]:
    """Return what a line has in common with those of other pages: each number as it is, or less its page."""
    parts = _NUMBER.split(line)
    keys = [parts[0]]
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        forms = (number, f"<{int(number) - page}>") if len(keys) <= _MOST_KEYS else (number,)
        keys = [key + form + text for key in keys for form in forms]
    return keys


def _has_letters(lines: Sequence[str]) -> bool:
    return any(char.isalpha() for line in lines for char in line)


def _title(reader: PdfReader) -> str:
    title = reader.metadata.title if reader.metadata is not None else None
    return title.strip() if isinstance(title, str) else ""
