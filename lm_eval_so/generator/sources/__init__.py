"""Readers of source formats, one module each."""

from collections.abc import Mapping
from pathlib import PurePath

from lm_eval_so.core.config.model import SourceSection
from lm_eval_so.generator.sources.base import Source
from lm_eval_so.generator.sources.csv_file import read_csv, read_tsv
from lm_eval_so.generator.sources.json_file import read_json
from lm_eval_so.generator.sources.jsonl_file import read_jsonl

READERS: Mapping[str, Source] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "jsonl": read_jsonl,
    "json": read_json,
}
"""Reader of each format."""

_ENDINGS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json"}


def format_of(name: str, options: SourceSection) -> str | None:
    """Return the format that the config names, else the one that the file's ending tells."""
    return options.format or _ENDINGS.get(PurePath(name).suffix.lower())
