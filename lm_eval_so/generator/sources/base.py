"""What every reader of a source format takes and gives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from lm_eval_so.core.config.model import SourceSection
from lm_eval_so.core.secrets import Redactor

_EXCERPT = 200
_LISTED = 20


class Reason(StrEnum):
    """Why a record or a file gives no sample."""

    ROW_WIDTH = "row_width"
    BAD_QUOTE = "bad_quote"
    BAD_JSON = "bad_json"
    NOT_OBJECT = "not_object"
    BAD_ENCODING = "bad_encoding"
    MISSING_FIELD = "missing_field"
    BAD_TYPE = "bad_type"
    EMPTY = "empty"
    NO_USER_TURN = "no_user_turn"
    UNSUPPORTED_CONTENT = "unsupported_content"
    TOO_LARGE = "too_large"
    DUP_EXACT = "dup_exact"
    ANSWER_CONFLICT = "answer_conflict"
    EMPTY_FILE = "empty_file"
    UNREADABLE = "unreadable"
    UNKNOWN_FORMAT = "unknown_format"


class Step(StrEnum):
    """The part of the work that left a record out."""

    COLLECT = "collect"
    DEDUP = "dedup"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of a source."""

    source: str
    """Id of the source in the config."""
    name: str
    """Path as the config has it, with forward slashes; shown and written."""
    path: Path
    """Where it can be opened."""
    sha256: str
    size: int
    """Bytes."""
    encoding: str | None = None
    """Python codec name; None if it could not be told."""
    license: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The header of a table; a reader gives it before the first record."""

    names: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RawItem:
    """One record as the source has it."""

    file: SourceFile
    at: Mapping[str, JsonValue]
    """Place in the file: line, record, path; counted from 1."""
    payload: Mapping[str, JsonValue]
    """Columns to values; empty if the record is blank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One record that is left out, and why."""

    file: SourceFile
    at: Mapping[str, JsonValue]
    """Place in the file: line, column, record, path counted from 1; byte of the line from 0."""
    reason: Reason
    what: str
    """The reason in a few words, for people."""
    hint: str | None = None
    excerpt: str = ""
    """How the record begins, ≤ 200 characters."""
    step: Step = Step.COLLECT


@dataclass(frozen=True, slots=True, kw_only=True)
class FileError:
    """A file that gives no records at all, and why."""

    file: SourceFile
    reason: Reason
    what: str
    hint: str | None = None
    at: Mapping[str, JsonValue] = field(default_factory=dict)


class Source(Protocol):
    """Reads one format: streams where the format allows it, and never raises for a bad record."""

    def __call__(
        self, file: SourceFile, options: SourceSection, /
    ) -> Iterator[Columns | RawItem | Reject | FileError]:
        """Return the records of a file in their order."""
        ...


def listed(names: Sequence[str]) -> str:
    """Return the first names of a list, as many as people read."""
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown}, … ({len(names)} in all)"


def place(name: str, at: Mapping[str, JsonValue]) -> str:
    """Return a place as people read it: `faq.csv:16:1`, or `qa.json $.data[3]`."""
    if "path" in at:
        return f"{name} {at['path']}"
    parts = [name, *(str(at[key]) for key in ("line", "column") if key in at)]
    return ":".join(parts)


def excerpt(text: str) -> str:
    """Return the beginning of a record as it may be written down: keys taken out, one cut."""
    # whatever lies beyond cannot be shown, so a long record is not searched to its end
    text = Redactor().redact(text[: 10 * _EXCERPT]).strip()
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"
