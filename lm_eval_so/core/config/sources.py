"""Sections of the sources of a dataset, and of the tests to write from them."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lm_eval_so.core.config.section import Section

QuestionType = Literal[
    "fact", "follow_up", "unanswerable", "false_premise", "multi_hop", "superseded"
]
"""Type of a test that is written from documents."""
Turns = Literal["last", "first", "every", "scenario"]
"""Part of a conversation that becomes a test."""
_RECORDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".yaml", ".yml")
"""Endings of files that hold samples where no test is written from documents."""


def _usual_mix() -> dict[QuestionType, int]:
    return {"fact": 15, "follow_up": 5, "unanswerable": 5, "false_premise": 3, "multi_hop": 2}


class PiiSection(Section):
    """Personal data in sources: email addresses, numbers of phones, cards and people, secret keys."""

    action: Literal["placeholder", "drop", "off"] = "placeholder"
    """placeholder replaces it by `[PHONE_1]` before anything is stored or asked, drop leaves out the record or the
    paragraph, off keeps it in files and requests."""
    allow: list[str] = Field(default_factory=list)
    """Numbers and addresses that are not personal data, such as those of your own help desk."""


class CleanSection(Section):
    """Cleaning of sources."""

    pii: PiiSection = Field(default_factory=PiiSection)
    """Handling of personal data."""


class SynthesiseSection(Section):
    """Tests that are written from documents."""

    questions: int = Field(default=30, ge=0, le=5000)
    """Number of tests."""
    twins: int = Field(default=10, ge=0, le=5000)
    """Number of twins: tests of the dataset asked once more as another user types them."""
    scenarios: int = Field(default=0, ge=0, le=1000)
    """Number of conversations that a simulated user plays; a model writes them, the metric `goal` scores them."""
    mix: dict[QuestionType, Annotated[int, Field(ge=0)]] = Field(default_factory=_usual_mix)
    """Shares of the types; only `fact` needs no model."""
    style: list[str] | Path = Field(default_factory=list)
    """Questions as your users write them, or a text file with one a line; default: chosen from the
    tests of the sources."""
    attempts: int = Field(default=3, ge=1, le=10)
    """Tries for each test."""
    per_chunk: int = Field(default=2, ge=1, le=20)
    """Most tests of one type from one passage."""
    check: bool = True
    """Whether `check_backend` checks every question against all documents."""
    window: int = Field(default=24_000, ge=2_000)
    """Most characters of the documents in one request of the check; less for models of short context."""

    @model_validator(mode="after")
    def _has_a_share(self) -> Self:
        if not any(self.mix.values()):
            raise ValueError("mix has no share above 0")
        return self


class SourceSection(Section):
    """One source of samples."""

    id: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    """Id of the source in metadata.json and rejected.jsonl: letters, digits and . _ -"""
    path: str | list[str]
    """File, folder with all below it, or glob; or several. Relative to the config file."""
    use: Literal["samples", "documents"] | None = Field(default=None, alias="as")
    """Use of the files: their rows are samples, or they are documents to write tests from. Default: each
    file's content decides."""
    format: (
        Literal[
            "csv", "tsv", "jsonl", "json", "yaml", "kakaotalk", "otlp",
            "markdown", "html", "docx", "hwpx", "pdf", "text", "xlsx", "xls", "ods",
        ]
        | None
    ) = None  # fmt: skip
    """Format; default: by the file's ending. Samples are read from csv, tsv, jsonl, json, yaml, xlsx, xls and ods;
    from kakaotalk, a chat that KakaoTalk exported, and otlp, traces as OTLP JSON lines."""
    encoding: str | None = None
    """Encoding; default: detected per file (UTF-8, UTF-16 by BOM, CP949)."""
    records: str | None = None
    """Path of the records in a JSON file, as `$.data` or `$.groups[*].items`; default: the only list of
    objects at its top."""
    map: dict[str, str | list[str]] = Field(default_factory=dict)
    """Field of the sample to column: a name, a dotted path, or a constant written "=text". Default:
    chosen by common names, and the choice is reported."""
    split: bool = True
    """Whether a cell of `keywords`, `forbidden` or `tags` holds several, with ; or a line break between
    them (tags: or a comma)."""
    turns: Turns = "last"
    """Part of a conversation that becomes a test: its last or first question, each question, or all of the
    user's turns as a scripted scenario."""
    staff: list[str] = Field(default_factory=list)
    """Names of the people who answer, as a KakaoTalk export spells them; everyone else is a user. No name gets
    into a dataset, so list other spellings, too."""
    gap_minutes: int = Field(default=60, ge=1)
    """Minutes without a line after which a KakaoTalk export begins a new conversation."""
    sample: int | None = Field(default=None, ge=1)
    """Most tests to take, half of them the questions asked most often; default: all."""
    license: str | None = None
    """License of the source, written into its samples."""
    selector: str | None = None
    """CSS selector of the parts of an HTML document to read."""
    headings: list[str] = Field(default_factory=list)
    """Regular expressions of headings in TXT, PDF, DOCX and HWPX documents, the highest first."""
    sheets: list[str] = Field(default_factory=list)
    """Sheets of a workbook to read, even hidden ones; default: all visible ones; for samples, those with the
    columns of the first."""
    header_row: int | None = Field(default=None, ge=1)
    """Row of a workbook's sheets that names the columns; default: found."""
    input_var: str | None = None
    """Variable of promptfoo's tests that holds the question; default: found."""
    context: Literal["given", "gold"] | None = None
    """Use of the passages of SQuAD and promptfoo: given to the chatbot, or evidence alone; default: given."""
    supersedes: list[str] = Field(default_factory=list)
    """Files of older documents among the sources that these replace: the only tests written from them are
    `superseded` ones, about what has changed."""

    @property
    def may_hold_documents(self) -> bool:
        """Whether some of its files may be documents, as far as this section tells."""
        paths = [self.path] if isinstance(self.path, str) else self.path
        is_found = self.use is None and not self.map
        return self.use == "documents" or (
            is_found and not all(path.lower().endswith(_RECORDS) for path in paths)
        )
