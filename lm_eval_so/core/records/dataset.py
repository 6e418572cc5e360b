"""`lm-eval-so/dataset/1`: `metadata.json`, description and origin of a generated dataset; its documents."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.record import record


@record
class GeneratorInfo:
    """The program and settings that made the dataset."""

    version: str
    """Version of lm-eval-so."""
    config_sha256: str
    """Digest of the `dataset` and `generator` sections."""
    seed: int


@record
class FileInfo:
    """One file of the dataset."""

    rows: int
    bytes: int
    sha256: str


@record
class SourceInfo:
    """One source file with the outcomes of its records: the last four add up to `records`."""

    id: str
    file: str
    sha256: str
    bytes: int
    encoding: str | None
    """Python codec name; null if not detected."""
    records: int
    kept: int
    rejected: int
    skipped: int
    duplicates: int
    pii: Mapping[str, int] | None = None
    """Items of personal data that were replaced or left out, by kind; absent if there are none."""


@record
class PlanInfo:
    """Tests to write from documents, and what became of them; each map is by type but the last."""

    wanted: Mapping[str, int]
    written: Mapping[str, int]
    """Tests that stand, those of earlier runs included."""
    unfilled: Mapping[str, int] = field(default_factory=dict)
    """Tests that do not stand, by reason: that of the last try, no_model, no_chunk or not_asked."""


@record
class ModelUse:
    """Use of models that wrote and checked tests, over all runs; answers of the cache count."""

    models: tuple[str, ...] = ()
    """Models by the names that they give themselves."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Digest of all instructions, by their language."""
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@record
class DatasetInfo:
    """`metadata.json` of a dataset. It has no clock, host or absolute path: same input, same bytes."""

    schema: Literal["lm-eval-so/dataset/1"] = "lm-eval-so/dataset/1"
    name: str
    version: str | None = None
    description: str | None = None
    license: str | None = None
    generator: GeneratorInfo
    files: Mapping[str, FileInfo]
    dataset_sha256: str
    """Digest over the sorted `files`."""
    sources: tuple[SourceInfo, ...]
    rejected: Mapping[str, int]
    """Lines of rejected.jsonl by reason: rejected records, and files without records."""
    review: Mapping[str, int]
    """Samples by review state."""
    splits: Mapping[str, int]
    """Samples by split."""
    languages: Mapping[str, int] = field(default_factory=dict)
    frozen: bool = False
    imported_sha256: str | None = None
    """Digest of the lines of test.jsonl that come from sources, where tests are written from documents."""
    plan: PlanInfo | None = None
    """Absent unless tests are written from documents."""
    tries: Mapping[str, int] | None = None
    """Proposals of models that were thrown away, by reason; each is a line of rejected.jsonl. Absent, as are flags, unless
    there are tests from documents."""
    flags: Mapping[str, int] | None = None
    """Samples by flag."""
    llm: ModelUse | None = None
    """Absent if no model was asked."""
    twins: Mapping[str, int] | None = None
    """Twins of tests by kind; absent if there are none."""
    new_documents: tuple[str, ...] | None = None
    """Documents, by `doc_id`, that came after tests that no document answered, and may answer them; absent if there are none."""


@record
class SectionInfo:
    """One section of a document."""

    title: str
    """Text of its heading; empty before the first one."""
    level: int
    """1 to 6; 0 before the first heading."""
    start: int
    """First code point in the document's text, from 0."""
    end: int
    """Exclusive."""
    at: Mapping[str, JsonValue] = field(default_factory=dict)
    """Place in the file: line, page, sheet, row; counted from 1."""


@record
class DocumentInfo:
    """One line of `sources.jsonl`: the text of a document, which quotes are held against."""

    schema: Literal["lm-eval-so/document/1"] = "lm-eval-so/document/1"
    doc_id: str
    """Id of this text of this file, as the passages of samples name it."""
    file: str
    """Path relative to the config file, with forward slashes."""
    sha256: str
    """Digest of the file's bytes."""
    text: str
    """Markdown of headings, paragraphs, lists and tables, cleaned."""
    sections: tuple[SectionInfo, ...] = ()
