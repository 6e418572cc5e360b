"""The tables of formats: the reader of each, and what the ending of a file tells."""

from collections.abc import Iterator, Mapping
from typing import Final

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.sources.base import Item, Source, SourceFile
from lm_eval_so.generator.sources.csv_file import read_csv, read_tsv
from lm_eval_so.generator.sources.json_file import read_jsonl
from lm_eval_so.generator.sources.kakaotalk_file import read_kakaotalk
from lm_eval_so.generator.sources.otlp_file import read_otlp
from lm_eval_so.generator.sources.structure import read_json, read_yaml

SHEETS: Final = ("xlsx", "xls", "ods")
"""Formats of workbooks, which are documents if nothing says that they hold tests."""


def _sheet_rows(file: SourceFile, options: SourceSection, /) -> Iterator[Item]:
    from lm_eval_so.generator.sources.sheet_file import read_sheet_rows  # noqa: PLC0415 - calamine takes time to load

    return read_sheet_rows(file, options)


READERS: Mapping[str, Source] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "jsonl": read_jsonl,
    "json": read_json,
    "yaml": read_yaml,
    **dict.fromkeys(SHEETS, _sheet_rows),
    "kakaotalk": read_kakaotalk,
    "otlp": read_otlp,
}
"""Reader of each format."""
ENDINGS: Final[Mapping[str, str]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".docx": "docx",
    ".hwpx": "hwpx",
    ".pdf": "pdf",
    ".txt": "text",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xls",
    ".ods": "ods",
}
"""Format that the ending of a file tells; those of `READERS` hold records, the others are documents."""
