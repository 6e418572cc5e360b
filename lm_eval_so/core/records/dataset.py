"""`lm-eval-so/dataset/1`: `metadata.json`, description and origin of a generated dataset."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

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
