"""The door of documents: a file of any format to its blocks, its text and its units."""

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Final

from lm_eval_so.core.config.sources import PiiSection, SourceSection
from lm_eval_so.generator.documents.block import HEADER, Contents, Document
from lm_eval_so.generator.documents.compose import Composed, compose
from lm_eval_so.generator.personal import Placeholders
from lm_eval_so.generator.sources.base import (
    BadFileError,
    FileError,
    Reason,
    Reject,
    SourceFile,
    unreadable,
)
from lm_eval_so.generator.sources.source_files import REMEDIES, Items, format_of, open_file

MOST_BYTES: Final = 200_000_000
"""Largest file."""
_CHARSET: Final = re.compile(
    rb"""<meta[^>]{0,200}charset=["']?\s*([A-Za-z0-9_-]{3,20})""", re.IGNORECASE
)
_KOREAN: Final = frozenset({"euc_kr", "ksc5601", "ks_c_5601_1987"})
"""Names under which CP949, which holds them all, is declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A file with its source."""

    file: SourceFile
    items: Items
    source: SourceSection


def read_document(
    name: str, path: Path, source: SourceSection, personal: PiiSection | None = None
) -> Document | FileError:
    """Return a file as a document; for a file that cannot be read the reason and what to do.

    A broken or hostile file never raises: archives that unpack to more than 1 GB or 200 times their size or hold
    more than a million tags and attributes, files of more than 200 MB or 5,000 pages, and files with a password are refused.

    Args:
        name: Path as the config has it, to be shown.
        path: Path to open.
        source: Section of its source, with wishes on the reading.
        personal: Handling of personal data; default: placeholders.

    Raises:
        re.error: If a pattern of headings is none.
    """
    patterns = tuple(map(re.compile, source.headings))
    kind = format_of(name, source)
    records = kind if kind in _RECORDS else None
    section = source.model_copy(update={"use": "documents", "format": records})
    file, items = open_file(name, path, section)
    if not file.sha256 and isinstance(error := next(items, None), FileError):
        return error
    try:
        _refuse(file, kind)
        found = FORMATS[kind or ""](_Opened(file=file, items=items, source=source), patterns)
        personal = personal or PiiSection()
        names = Placeholders(personal)
        composed, dropped = _without_personal_data(compose(found.blocks), file, personal, names)
        if not composed.units:
            hint = "recognise its text (OCR)" if kind == "pdf" else None
            raise BadFileError(Reason.NO_TEXT, "it has no text", hint)  # noqa: TRY301 - the same end
    except BadFileError as error:
        return error.of(file)
    except OSError as error:  # it was there a moment ago
        return unreadable(error).of(file)
    return Document(
        file=name,
        sha256=file.sha256,
        title=names.text(_title(found, name)),
        text=composed.text,
        blocks=composed.blocks,
        spans=composed.spans,
        sections=composed.sections,
        units=composed.units,
        metadata={key: names.value(value) for key, value in found.metadata.items()},
        pages=found.pages,
        notes=found.notes,
        rejected=(*found.rejected, *dropped),
        personal=names.found,
        supersedes=tuple(source.supersedes),
    )


def _without_personal_data(
    read: Composed, file: SourceFile, section: PiiSection, names: Placeholders
) -> tuple[Composed, list[Reject]]:
    """Return the text without personal data, and the blocks that are left out for it.

    Headings are never left out, of tables neither, since what stands below belongs to them.
    """
    blocks, dropped = [], []
    for block in read.blocks:
        before = names.found.total()
        clean = replace(block, text=names.text(block.text))
        is_head = block.kind == "heading" or (block.kind == "row" and block.level == HEADER)
        if names.found.total() == before or is_head or section.action == "placeholder":
            blocks.append(clean)
        else:
            error = BadFileError(Reason.PII_DROP, f"a {block.kind} holds personal data")
            dropped.append(error.reject(file, block.at, clean.text))
    return (compose(blocks) if names.found else read), dropped


def _refuse(file: SourceFile, kind: str | None) -> None:
    if kind not in FORMATS:
        ending = file.path.suffix.lower()
        what = f'the ending "{ending}" tells no format that can be read'
        hint = f"name it by format: one of {', '.join(FORMATS)}"
        if ending in REMEDIES:
            *others, last = REMEDIES[ending]
            hint = f"save it as {' or '.join(filter(None, (', '.join(others), last)))}"
        raise BadFileError(Reason.UNKNOWN_FORMAT, what, hint)
    if file.size > MOST_BYTES:
        what = f"the file is larger than {MOST_BYTES:,} bytes"
        raise BadFileError(Reason.TOO_LARGE, what, "split it")
    if not file.size:
        raise BadFileError(Reason.EMPTY_FILE, "the file is empty")


def _title(found: Contents, name: str) -> str:
    declared = found.metadata.get("title")
    if isinstance(declared, str) and declared.strip():
        return declared.strip()
    heading = next((b.text for b in found.blocks if b.kind == "heading" and b.level == 1), "")
    return " ".join(heading.split()) or found.title or PurePath(name).stem


def _text(opened: _Opened, *, encoding: str | None = None) -> str:
    """Return the decoded text of a file."""
    encoding = encoding or opened.file.encoding
    if encoding is None:
        hint = "name it by encoding: or save the file as UTF-8"
        raise BadFileError(Reason.UNREADABLE, "the encoding cannot be told", hint)
    try:
        return opened.file.path.read_bytes().decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        what = f"no {encoding} at byte {error.start}"
        raise BadFileError(Reason.BAD_ENCODING, what, "save the file in one encoding") from None


def _declared(opened: _Opened) -> str | None:
    """Return the encoding that a page declares, if it is in this encoding."""
    with opened.file.path.open("rb") as data:
        match = _CHARSET.search(data.read(4096))
    if match is None or opened.source.encoding is not None:
        return None
    try:
        name = codecs.lookup(match[1].decode()).name
        name = "cp949" if name in _KOREAN else name
        opened.file.path.read_bytes().decode(name)
    except (LookupError, UnicodeDecodeError):
        return None
    return name if not name.startswith("utf-16") else None  # a page that says so could not be read


_Patterns = tuple[re.Pattern[str], ...]
_Reader = Callable[[_Opened, _Patterns], Contents]

# each library takes time to load, and a run reads few formats: so its reader is imported here, when needed


def _markdown(opened: _Opened, _: _Patterns) -> Contents:
    from lm_eval_so.generator.documents.commonmark import read_markdown  # noqa: PLC0415

    return read_markdown(_text(opened))


def _html(opened: _Opened, _: _Patterns) -> Contents:
    from lm_eval_so.generator.documents.html import read_html  # noqa: PLC0415

    text = _text(opened, encoding=_declared(opened))
    return read_html(text, selector=opened.source.selector)


def _docx(opened: _Opened, patterns: _Patterns) -> Contents:
    from lm_eval_so.generator.documents.office import read_docx  # noqa: PLC0415

    return Contents(blocks=read_docx(opened.file.path, patterns))


def _hwpx(opened: _Opened, patterns: _Patterns) -> Contents:
    from lm_eval_so.generator.documents.office import read_hwpx  # noqa: PLC0415

    return Contents(blocks=read_hwpx(opened.file.path, patterns))


def _pdf(opened: _Opened, patterns: _Patterns) -> Contents:
    from lm_eval_so.generator.documents.pdf import read_pdf  # noqa: PLC0415

    return read_pdf(opened.file.path, patterns)


def _plain(opened: _Opened, patterns: _Patterns) -> Contents:
    from lm_eval_so.generator.documents.text import read_text  # noqa: PLC0415

    return Contents(blocks=read_text(_text(opened), patterns))


def _sheets(opened: _Opened, _: _Patterns) -> Contents:
    from lm_eval_so.generator.documents.rows import read_sheets  # noqa: PLC0415

    source = opened.source
    return read_sheets(opened.file.path, sheets=source.sheets, header_row=source.header_row)


def _records(opened: _Opened, _: _Patterns) -> Contents:
    from lm_eval_so.generator.documents.rows import read_records  # noqa: PLC0415

    return read_records(opened.items)


_RECORDS: Final = ("csv", "tsv", "json", "jsonl")
FORMATS: Final[Mapping[str, _Reader]] = {
    "markdown": _markdown,
    "html": _html,
    "docx": _docx,
    "hwpx": _hwpx,
    "pdf": _pdf,
    "text": _plain,
    "xlsx": _sheets,
    "xls": _sheets,
    "ods": _sheets,
    **dict.fromkeys(_RECORDS, _records),
}
"""Reader of each format."""
