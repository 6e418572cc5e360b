"""`lm-eval-so/report-row/1`: a row of a report whose rows stand in a file of their own."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Literal

from pydantic import JsonValue

from lm_eval_so.core.records.record import record


@record
class SourcePlace:
    """Place in a file that a sample is from."""

    file: str
    """Path relative to the config file, with forward slashes."""
    at: Mapping[str, JsonValue] = field(default_factory=dict)
    """Sheet, page, row, line or path in the file, as far as they are known; counted from 1."""
    quote: str | None = None
    """Start of the passage that its answer rests on, at most 300 characters; null if it has none."""


def without_quote(place: SourcePlace | None) -> SourcePlace | None:
    """Return a place without the passage that stands there."""
    return place and replace(place, quote=None)


def place_values(place: SourcePlace | None) -> dict[str, JsonValue] | None:
    """Return a place as JSON values, without what is not known."""
    if place is None:
        return None
    found = {"file": place.file, "at": dict(place.at), "quote": place.quote}
    return {key: value for key, value in found.items() if value}


def place_of(values: Mapping[str, Any] | None) -> SourcePlace | None:
    """Return the place of the values that `place_values` gave."""
    return None if values is None else SourcePlace(**values)


@record
class RowsFile:
    """File that has the rows of a report, a line each, in dataset order."""

    name: str
    """Name of the file, beside the report."""
    rows: int
    bytes: int
    sha256: str


@record
class ReportRow:
    """A line of `samples.jsonl`: one sample and repeat; what is not known is left out."""

    schema: Literal["lm-eval-so/report-row/1"] = "lm-eval-so/report-row/1"
    sample_id: str
    sample_hash: str
    rev: str
    repeat: int = 0
    group_id: str | None = None
    status: str
    scores: Mapping[str, float] = field(default_factory=dict)
    """Values by metric id; a metric without a value is left out."""
    not_applicable: tuple[str, ...] = ()
    """Metrics that do not apply to the row."""
    cached: bool = False
    """Whether the times of the row were not measured in this run."""
    failure: str | None = None
    """Cause of a row without an answer, as "HTTP 500"."""
    ref: str | None = None
    """The user's own id."""
    source: SourcePlace | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of further slices: length, and the metadata keys of `report.by`."""
    input: str = ""
    expected: str | None = None
    references: tuple[str, ...] = ()
    answer: str | None = None
    """Answer, or its SHA-256, depending on `report.answers`."""
