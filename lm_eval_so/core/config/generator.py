"""The sections `dataset` and `generator`: which dataset is asked, and how it is made."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from lm_eval_so.core.config.section import Section


class DatasetSection(Section):
    """Which dataset is asked, and what `generate` calls it."""

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


Column = str
"""A column, a dotted path, or a constant written "=text"."""


class SourceSection(Section):
    """One source of samples."""

    id: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    """Names the source in metadata.json and rejected.jsonl: letters, digits and . _ -"""
    path: str | list[str]
    """File or glob, or several; relative to the config file."""
    use: Literal["samples"] = Field(default="samples", alias="as")
    """What rows become: samples."""
    format: Literal["csv", "tsv", "jsonl", "json"] | None = None
    """Default: by the file's ending."""
    encoding: str | None = None
    """Default: found out per file (UTF-8, UTF-16 by BOM, CP949)."""
    records: str | None = None
    """Where the records of a JSON file are, as `$.data` or `$.groups[*].items`."""
    map: dict[str, Column | list[Column]] = Field(default_factory=dict)
    """Field of the sample to column; default: common names are tried and the choice is told."""
    license: str | None = None
    """License of the source, written into its samples."""


class GeneratorSection(Section):
    """How `generate` makes the dataset."""

    seed: int = 7
    """Written into metadata.json."""
    sources: list[SourceSection] = Field(min_length=1)
    """Where the samples come from, in this order."""
