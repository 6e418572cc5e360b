"""YAML files of data: plain texts as they stand (`no`, `010`, `2024-01-02`, `1.10`), and where each value is."""

from typing import Final

from lm_eval_so.core.config.yaml_lines import parse_parts
from lm_eval_so.errors import ConfigError
from lm_eval_so.generator.sources.base import BadFileError, Reason, SourceFile, listed
from lm_eval_so.generator.sources.json_values import Tree

_LARGEST: Final = 2_000_000
"""Largest file in bytes, since parsing it takes seconds."""


def parse_yaml_file(file: SourceFile) -> Tree:
    """Return the value of a YAML file with the line of each part.

    Tags, repeated keys, and aliases that multiply the values are refused.

    Raises:
        BadFileError: With every problem of the file.
    """
    if file.size > _LARGEST:
        what = f"the file is larger than {_LARGEST:,} bytes"
        hint = "save it as JSON lines (.jsonl), which may have any size"
        raise BadFileError(Reason.TOO_LARGE, what, hint)
    encoding = file.encoding or "utf-8"
    try:
        text = file.path.read_bytes().decode(encoding).removeprefix("\ufeff")
        located, problems = parse_parts(text, file=file.name, keep_digits=True)
    except UnicodeDecodeError as error:
        what = f"no {encoding} at byte {error.start}"
        raise BadFileError(Reason.BAD_ENCODING, what, "save the file in one encoding") from None
    except ConfigError as error:
        problems = list(error.problems)
        located = None
    if problems or located is None:
        told = [
            f"{p.what} (line {p.where.line})" if p.where and p.where.line else p.what
            for p in problems
        ]
        raise BadFileError(Reason.BAD_YAML, listed(told), problems[0].hint)
    if located.values is None:
        raise BadFileError(Reason.EMPTY_FILE, "the file is empty")
    lines = {path: place.line for path, place in located.places.items() if place.line}
    return Tree(value=located.values, lines=lines)
