"""Files by their structure: records as they stand, or those of a tool that need a reader of its own."""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.sources import openai_evals, promptfoo, squad
from lm_eval_so.generator.sources.base import (
    Columns,
    Item,
    RawItem,
    Shaped,
    SourceFile,
)
from lm_eval_so.generator.sources.json_file import parse_json_file, records_of
from lm_eval_so.generator.sources.json_values import Tree
from lm_eval_so.generator.sources.yaml_file import parse_yaml_file

_LOOKED_AT: Final = 100
"""Most items before the first record, which are kept in memory."""


def read_json(file: SourceFile, options: SourceSection, /) -> Iterator[Item]:
    """Read a JSON file: a list of records at its top or at the path `records`, or what another tool wrote."""
    yield from _of_tree(file, parse_json_file(file), options)


def read_yaml(file: SourceFile, options: SourceSection, /) -> Iterator[Item]:
    """Read a YAML file in the same way as a JSON file."""
    yield from _of_tree(file, parse_yaml_file(file), options)


def _of_tree(file: SourceFile, tree: Tree, options: SourceSection) -> Iterator[Item]:
    value = tree.value
    if is_plain(options):
        yield from records_of(file, tree, options.records)
    elif squad.is_squad(value):
        yield from squad.read_squad(file, tree, options)
    elif promptfoo.is_config(value):
        yield from promptfoo.read_config(file, tree, options)
    elif openai_evals.is_eval(value):
        yield from openai_evals.read_eval(file, tree)
    else:
        yield from records_of(file, tree)


def is_plain(options: SourceSection) -> bool:
    """Return whether the config says what the records are, or wants them as a table."""
    return options.use == "documents" or bool(options.map or options.records)


def recognised(items: Iterator[Item], file: SourceFile, options: SourceSection) -> Iterator[Item]:
    """Yield the records of a file, those of tools that need it made ready for the mapping.

    Args:
        items: Records as they stand in the file.
        file: The file.
        options: Source of the file; nothing is recognised if it has a map.
    """
    if is_plain(options):
        yield from items
        return
    ahead: list[Item] = []
    first: Item | None = None
    while first is None and len(ahead) < _LOOKED_AT and (item := next(items, None)) is not None:
        ahead.append(item)
        is_blank = isinstance(item, RawItem) and not item.payload
        first = item if isinstance(item, Columns | RawItem | Shaped) and not is_blank else None
    whole = chain(ahead, items)
    if first is None:
        yield from whole
    elif promptfoo.is_test(first):
        yield from promptfoo.read_tests(whole, file, options)
    elif openai_evals.is_row(first):
        yield from openai_evals.read_rows(whole, file)
    elif squad.is_row(first):
        yield from squad.read_squad_rows(whole, options)
    else:
        yield from whole
