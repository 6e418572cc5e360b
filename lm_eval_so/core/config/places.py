"""Sections of what lies beside a config: dataset, baseline and reports; and how its files are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from lm_eval_so.core.config.section import Section
from lm_eval_so.core.files import read_bytes
from lm_eval_so.core.records.enums import ReportCases, ReportFormat

ReadFile = Callable[[Path], bytes | None]
"""Reader of a file, as in another commit; None if it is not there."""


def read_if_there(file: Path) -> bytes | None:
    """Return the content of a file; None if there is none.

    Raises:
        InputError: If it cannot be read.
    """
    return read_bytes(file) if file.exists() else None


class DatasetSection(Section):
    """The dataset to ask, and the metadata that `generate` writes."""

    path: Path
    """Folder with test.jsonl and metadata.json, or a .jsonl file; relative to the config file."""
    name: str | None = None
    """Name in metadata.json; default: the folder's name."""
    version: str | None = None
    """Version in metadata.json."""
    license: str | None = None
    """License in metadata.json."""
    description: str | None = None
    """Description in metadata.json."""


class BaselineSection(Section):
    """Location of the baseline."""

    path: Path | None = None
    """Path of a report.json in the repository."""
    ref: str = ""
    """Git revision to read the report from. "" is the base commit of a pull request, else the file
    itself. On a pull request the base must have it, too."""
    artifact: str = Field(default="", max_length=200, pattern=r"^[^\"<>|:*?/\\\r\n]*$")
    """Name of the artifact in which workflow runs of the base branch store their reports; "" is
    lm-eval-so-<suite>. Only the Action reads it."""
    repeats: int | None = Field(default=None, ge=1, le=1000)
    """Answers per sample when a baseline is made; default: run.repeats."""
    anchor: str | None = None
    """Path of a second report.json, as of the last release, that no run may fall behind either; read from
    the place of the baseline."""

    def artifact_name(self, suite: str) -> str:
        """Return the name of the artifact that holds reports of a suite."""
        return self.artifact or f"lm-eval-so-{suite}"


_MOST_INLINE = 100_000
"""Most rows that a report has in itself by default."""


class ReportSection(Section):
    """Settings of the report."""

    out: Path = Path("reports")
    """Folder of reports."""
    formats: tuple[ReportFormat, ...] = (ReportFormat.JSON, ReportFormat.MD, ReportFormat.HTML)
    """File formats; json is always written. junit is junit.xml, for the test views of CI systems; csv is
    scores.csv, a row for each answer."""
    examples: int = Field(default=20, ge=0)
    """Number of cases shown in full."""
    cases: ReportCases = ReportCases.CHANGED
    """Cases in report.html: all that changed, failed or have no score and a sample of the rest, so that the
    file stays under 5 MB; or all."""
    by: list[str] = Field(default_factory=list)
    """Metadata keys for slices."""
    answers: Literal["full", "hash", "none"] = "full"
    """Answers in the report: full text, SHA-256 or none. none leaves questions, expected texts and reasons
    out, too, so that reports and comparisons hold ids and figures alone."""
    samples: Literal["inline", "file"] | None = None
    """Place of the rows: report.json itself, or samples.jsonl beside it, line by line, which takes little
    memory. Default: inline, and above 100,000 rows file."""

    def has_rows_apart(self, rows: int) -> bool:
        """Return whether a report of so many rows has them in a file of their own."""
        return self.samples == "file" or (self.samples is None and rows > _MOST_INLINE)

    @property
    def keeps_texts(self) -> bool:
        """Whether questions, expected texts and reasons may stand in reports and comparisons."""
        return self.answers != "none"
