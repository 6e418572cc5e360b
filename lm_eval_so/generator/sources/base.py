"""Records and protocol of the readers of source formats."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, Protocol

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.text.personal_data import USUAL_KINDS, Kind, mask_personal_data

KINDS: Final[tuple[Kind, ...]] = (*USUAL_KINDS, "landline")
"""Personal data that sources may hold."""
_EXCERPT = 200
_LISTED = 20


Holds = Literal["document", "tests", "conversations"]
"""Content of a file."""


class Reason(StrEnum):
    """Reason for a record or a file without a sample."""

    ROW_WIDTH = "row_width"
    BAD_QUOTE = "bad_quote"
    BAD_JSON = "bad_json"
    BAD_YAML = "bad_yaml"
    NOT_OBJECT = "not_object"
    BAD_ENCODING = "bad_encoding"
    MISSING_FIELD = "missing_field"
    BAD_TYPE = "bad_type"
    EMPTY = "empty"
    NO_USER_TURN = "no_user_turn"
    NO_STAFF = "no_staff"
    UNSUPPORTED_CONTENT = "unsupported_content"
    TOO_LARGE = "too_large"
    DUP_EXACT = "dup_exact"
    ANSWER_CONFLICT = "answer_conflict"
    REVIEW_REJECT = "review_reject"
    EMPTY_FILE = "empty_file"
    NO_TEXT = "no_text"
    NO_ROWS = "no_rows"
    ENCRYPTED = "encrypted"
    PII_DROP = "pii_drop"
    UNREADABLE = "unreadable"
    UNKNOWN_FORMAT = "unknown_format"


class Step(StrEnum):
    """Step that rejected a record."""

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
    """Path to open."""
    sha256: str
    size: int
    """Bytes."""
    encoding: str | None = None
    """Python codec name; None if not detected."""
    license: str | None = None
    beside: tuple[Path, ...] = ()
    """Other files of its source, which may tell what this one means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The header of a table, before its first record."""

    names: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaped:
    """Meaning of a file's records, where its format says so; comes before the first."""

    shape: str
    """Name of the tool or format, for people."""
    map: Mapping[str, str | list[str]]
    """Fields to columns, as in the config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A finding about a whole file that costs no record."""

    code: str
    """Key of its text in the words about sources."""
    figures: Mapping[str, object] = field(default_factory=dict)
    """Slots of the text, but for the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedMetrics:
    """Metrics that another tool's file asks for; they belong into the config, not into samples."""

    file: SourceFile
    yaml: str
    """The key `metrics` with its list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawItem:
    """One record, as in the source."""

    file: SourceFile
    at: Mapping[str, JsonValue]
    """Place in the file: line, record, path; counted from 1."""
    payload: Mapping[str, JsonValue]
    """Columns to values; empty if the record is blank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One rejected record, with the reason."""

    file: SourceFile
    at: Mapping[str, JsonValue]
    """Place in the file: line, column, record, path counted from 1; byte of the line from 0."""
    reason: Reason
    what: str
    """The reason in a few words, for people."""
    hint: str | None = None
    excerpt: str = ""
    """Beginning of the record, ≤ 200 characters."""
    step: Step = Step.COLLECT


@dataclass(frozen=True, slots=True, kw_only=True)
class FileError:
    """A file without any records, with the reason."""

    file: SourceFile
    reason: Reason
    what: str
    hint: str | None = None
    at: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The beginning of a file, by which its format is recognised."""

    format: str | None
    """Format by its ending."""
    text: str
    """First 65,536 characters; empty if the file is no text."""
    columns: tuple[str, ...]
    """Header of a table, else the keys of the first 100 records; none if the file is not read as records."""
    first: Mapping[str, JsonValue]
    """First record of a file without a header; empty if there is none."""


Item = Columns | Shaped | Noted | ProposedMetrics | RawItem | Reject | FileError
"""Yield of a reader: a record, or a finding about its file."""


class BadFileError(ValueError):
    """Error of a file that cannot be read at all, or of a record.

    Args:
        reason: Reason, as in rejected.jsonl.
        what: Text for people.
        hint: Remedy.
        at: Place in the file.
    """

    def __init__(
        self,
        reason: Reason,
        what: str,
        hint: str | None = None,
        *,
        at: Mapping[str, JsonValue] = MappingProxyType({}),
    ) -> None:
        super().__init__(what)
        self.reason, self.what, self.hint, self.at = reason, what, hint, at

    def of(self, file: SourceFile) -> FileError:
        """Return the error as that of a file."""
        return FileError(file=file, reason=self.reason, what=self.what, hint=self.hint, at=self.at)

    def reject(self, file: SourceFile, at: Mapping[str, JsonValue], text: str = "") -> Reject:
        """Return the error as that of a record with a place and a text."""
        reason, what, hint = self.reason, self.what, self.hint
        return Reject(file=file, at=at, reason=reason, what=what, hint=hint, excerpt=excerpt(text))


def unreadable(error: OSError) -> BadFileError:
    """Return the error of a file that the system does not let us read."""
    return BadFileError(Reason.UNREADABLE, (error.strerror or "it cannot be read").lower())


class Source(Protocol):
    """Reader of one format: streams if the format allows it, and never raises for a bad record."""

    def __call__(self, file: SourceFile, options: SourceSection, /) -> Iterator[Item]:
        """Return the records of a file in order.

        Raises:
            BadFileError: If there is none, while the first is asked for.
        """
        ...


def numbered(items: Iterable[RawItem | Reject]) -> Iterator[RawItem | Reject]:
    """Yield records with their numbers in their places, from 1."""
    for number, item in enumerate(items, start=1):
        yield replace(item, at={**item.at, "record": number})


def listed(names: Sequence[str]) -> str:
    """Return the first names of a list, for people, with personal data masked."""
    shown = mask_personal_data(", ".join(names[:_LISTED]), KINDS)
    return shown if len(names) <= _LISTED else f"{shown}, … ({len(names)} in all)"


def place(name: str, at: Mapping[str, JsonValue]) -> str:
    """Return a place for people: `faq.csv:16:1`, or `qa.json $.data[3]`."""
    if "path" in at:
        return f"{name} {at['path']}"
    parts = [name, *(str(at[key]) for key in ("line", "column") if key in at)]
    return ":".join(parts)


def excerpt(text: str) -> str:
    """Return the beginning of a record, without secrets and with personal data masked."""
    # whatever lies beyond cannot be shown, so a long record is not searched to its end
    text = Redactor().redact(text[: 10 * _EXCERPT]).strip()
    text = mask_personal_data(text, KINDS)
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"
