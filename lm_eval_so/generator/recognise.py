"""The files of a source, each with what it holds: tests, conversations or a document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.errors import Problem
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.mapping.binding import asks, guess, has_conversation
from lm_eval_so.generator.sources.base import (
    Columns,
    Glance,
    Holds,
    Noted,
    ProposedMetrics,
    RawItem,
    Shaped,
    SourceFile,
)
from lm_eval_so.generator.sources.encoding import HEAD_BYTES
from lm_eval_so.generator.sources.kakaotalk_file import TABLE, is_kakaotalk
from lm_eval_so.generator.sources.otlp_file import is_otlp
from lm_eval_so.generator.sources.reader_table import READERS, SHEETS
from lm_eval_so.generator.sources.shapes import shape_of
from lm_eval_so.generator.sources.source_files import (
    format_of,
    licensed,
    locate,
    open_file,
)

_LOOKED_AT = 100
"""Records whose keys are the columns, where there is no header."""
_MOST_TEXT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file of a source, with what it holds."""

    name: str
    path: Path
    source: SourceSection
    """Section of its source, with the format by which it was recognised."""
    holds: Holds
    beside: tuple[Path, ...] = ()
    """Other files of its source."""


def find_files(config: Config, number: int) -> Iterator[Found | Problem]:
    """Yield each file of a source with what it holds, or the problem of a pattern.

    Without `as` a file tells it by a known format, or a column for questions. Anything else is a document; but
    a table is one only if tests are to be written from documents, since else nothing would come of it, and
    most likely a map is missing.

    Args:
        config: The config.
        number: Position of the source in it.
    """
    source = licensed(config, number)
    section = config.generator
    may_be_document = section is not None and section.synthesise is not None
    located = list(locate(config, number))
    paths = [each[1] for each in located if not isinstance(each, Problem)]
    for found in located:
        if isinstance(found, Problem):
            yield found
            continue
        name, path = found
        beside = tuple(each for each in paths if each != path)
        holds, format_ = recognise(
            name, path, source, may_be_document=may_be_document, beside=beside
        )
        known = source.model_copy(update={"format": format_})
        yield Found(name=name, path=path, source=known, holds=holds, beside=beside)


def recognise(
    name: str,
    path: Path,
    source: SourceSection,
    *,
    may_be_document: bool,
    beside: Sequence[Path] = (),
) -> tuple[Holds, str | None]:
    """Return what a file holds, and its format where its ending alone does not tell it.

    Args:
        name: Name of the file, for people.
        path: Path of the file.
        source: Source of the file.
        may_be_document: Whether a table that is nothing else is a document, else it holds tests.
        beside: Other files of its source.
    """
    if source.use == "documents":
        return "document", source.format
    if asks(source.map) or source.format in READERS.keys() - {*SHEETS}:
        return "tests", source.format
    seen = _glance(name, path, source, beside)
    is_chat = seen.columns == TABLE or (seen.format == "text" and is_kakaotalk(seen.text))
    known = "otlp" if is_otlp(seen.text) else "kakaotalk" if is_chat else None
    if known or has_conversation(seen.first):
        return "conversations", known
    is_table = format_of(name, source) in READERS
    if is_table and (_has_question(seen.columns) or shape_of(seen.columns)):
        return "tests", source.format
    is_sheet = format_of(name, source) in SHEETS
    is_samples = source.use == "samples" or (is_table and not is_sheet and not may_be_document)
    # no document is YAML, so that a configuration of promptfoo with a mistake in it is told as such
    is_samples = is_samples or bool(source.map) or format_of(name, source) == "yaml"
    return "tests" if is_samples else "document", source.format


def _has_question(columns: Sequence[str]) -> bool:
    """Return whether one column is for questions; 문의 alone is a telephone number as often."""
    refs = guess(columns).refs
    is_sure = refs.get("input") != ("문의",) or {"expected", "references"} & refs.keys()
    return "messages" in refs or ("input" in refs and bool(is_sure))


def _glance(name: str, path: Path, source: SourceSection, beside: Sequence[Path]) -> Glance:
    file, items = open_file(name, path, source, beside=beside)
    kind = format_of(name, source)
    columns: dict[str, None] = {}
    first: Mapping[str, JsonValue] = {}
    for item in islice(items, _LOOKED_AT) if kind in READERS else ():
        if isinstance(item, Columns):
            columns = dict.fromkeys(map(clean_text, item.names))
            break
        if isinstance(item, Shaped | ProposedMetrics | Noted):
            columns = {"input": None}
            break
        if isinstance(item, RawItem):
            first = first or item.payload
            columns |= dict.fromkeys(map(clean_text, item.payload))
    text = _text(file)
    return Glance(format=kind, text=text, columns=tuple(columns), first=first)


def _text(file: SourceFile) -> str:
    if not file.sha256 or file.encoding is None:
        return ""
    with file.path.open("rb") as data:
        text = data.read(HEAD_BYTES).decode(file.encoding, "replace")[:_MOST_TEXT]
    return "" if "\0" in text else text
