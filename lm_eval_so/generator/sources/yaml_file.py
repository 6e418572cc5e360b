"""YAML files of data: plain texts as they stand (`no`, `010`, `2024-01-02`, `1.10`), and where each value is."""

from typing import Final

from lm_eval_so.core.config.yaml_lines import parse_parts
from lm_eval_so.errors import ConfigError, Problem
from lm_eval_so.generator.sources.base import BadFileError, Reason, SourceFile, listed
from lm_eval_so.generator.sources.json_file import whole_text
from lm_eval_so.generator.sources.json_values import Tree

_LARGEST: Final = 2_000_000
"""Largest file in bytes, since parsing it takes seconds."""


def parse_yaml_file(file: SourceFile) -> Tree:
    """Return the value of a YAML file with the line of each part.

    Tags, repeated keys, and aliases that multiply the values are refused.

    Raises:
        BadFileError: With every problem of the file.
    """
    located, problems = None, list[Problem]()
    try:
        located, problems = parse_parts(
            whole_text(file, _LARGEST), file=file.name, keep_digits=True
        )
    except ConfigError as error:
        problems = [*error.problems]
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
