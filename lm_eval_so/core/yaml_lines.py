"""YAML with places: every key and value knows its line and column, and scalars are strict.

Only `true` and `false` are booleans (so `language: no` stays a text), dates stay texts, a key that
stands twice is an error, tags are refused.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lm_eval_so.core.files import read_text
from lm_eval_so.errors import ConfigError, Problem, Where

Path_ = tuple[str | int, ...]

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MOST_VALUES = 100_000
"""Values of a file, those that aliases repeat included: far above any config, far below a bomb."""
_REMEDIES = {
    "found character '\\t'": "indent with spaces, not with tabs",
    "cannot start any token": "put the text into quotes",
    "mapping values are not allowed here": (
        "put a text that holds a colon into quotes; keys of one level begin in one column"
    ),
    "expected <block end>": "keys of one level begin in one column",
}
"""What the parser finds of mistakes that are made by hand, and what to do."""
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)
"""What the parser itself says of a scalar without a tag; we read the scalar anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A text that names variables."""

    text: str
    """As it was written."""
    value: str = field(repr=False)
    """With the values of the variables."""
    variables: Mapping[str, str] = field(repr=False)
    """These values, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """The values of a YAML file, and where each stands."""

    values: Any
    places: Mapping[Path_, tuple[int, int]] = field(default_factory=dict)
    """Path of keys and positions to (line, column) of the key, or of the item of a list."""
    file: str = ""
    lines: tuple[str, ...] = ()
    overridden: frozenset[Path_] = frozenset()
    """Paths whose values were given on the command line."""
    written: Mapping[Path_, Written] = field(default_factory=dict)
    """Texts that name variables, by path; `values` has them filled in."""

    def where(self, path: Path_) -> Where:
        """Give the place of a path, or of the nearest part of it that stands in the file."""
        key = _dotted(path)
        if self.is_overridden(path):
            return Where(file="--set", key=key)
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                line, column = self.places[path[:end]]
                text = self.lines[line - 1] if line <= len(self.lines) else None
                return Where(file=self.file, line=line, column=column, key=key, text=text)
        return Where(file=self.file or None, key=key or None)

    def is_overridden(self, path: Path_) -> bool:
        """Whether a value was given on the command line."""
        return any(path[: len(given)] == given for given in self.overridden)

    def written_below(self, *path: str | int) -> dict[str, str]:
        """Return how the texts below a path were written, by what they come to."""
        return {
            each.value: each.text
            for at, each in self.written.items()
            if each.value and at[: len(path)] == path
        }


def read_yaml(path: Path, *, shown_as: str | None = None) -> Located:
    """Read a YAML file.

    Raises:
        InputError: If it cannot be read.
        ConfigError: If it is no YAML, has a key twice, a tag, or too many values.
    """
    return parse_yaml(read_text(path), file=shown_as or str(path))


def parse_yaml(text: str, *, file: str) -> Located:
    """Parse a YAML text; errors as in `read_yaml`."""
    lines = tuple(text.splitlines())
    reader = _Reader(file, lines)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = reader.value(node, ()) if node is not None else None
    except yaml.YAMLError as error:
        raise _not_yaml(error, file, lines) from None
    except RecursionError:
        what = "no YAML: nested too deeply, or an alias inside of what it stands for"
        raise ConfigError(what, where=Where(file=file)) from None
    if reader.problems:
        raise ConfigError.of(reader.problems)
    return Located(values=values, places=reader.places, file=file, lines=lines)


class _Reader:
    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.file, self.lines = file, lines
        self.places: dict[Path_, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._values = 0

    def value(self, node: yaml.Node, path: Path_) -> Any:
        self._values += 1
        if self._values > _MOST_VALUES:
            what = f"more than {_MOST_VALUES:,} values"
            raise ConfigError(what, where=Where(file=self.file))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            for position, item in enumerate(node.value):
                self.places[(*path, position)] = _place(item)
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                hint = 'quote the text: "{{ name }}"'
                self._problem(key_node, "a mapping or list stands where a key must", hint=hint)
                continue
            key = str(key_node.value)
            if key in values:
                self._problem(key_node, f'the key "{key}" stands twice')
            self.places[(*path, key)] = _place(key_node)
            values[key] = self.value(value_node, (*path, key))
        return values

    def _scalar(self, node: yaml.Node) -> Any:
        text = str(node.value)
        if node.tag not in _PLAIN_TAGS:
            self._problem(node, f"the tag {node.tag} is not known here")
            return text
        if getattr(node, "style", None) is not None:  # quoted or a block: a text
            return text
        value = plain_scalar(text)
        if isinstance(value, float) and not math.isfinite(value):
            self._problem(node, f"{text} is too large a number")
        return value

    def _problem(self, node: yaml.Node, what: str, *, hint: str | None = None) -> None:
        line, column = _place(node)
        where = Where(file=self.file, line=line, column=column, text=self.lines[line - 1])
        self.problems.append(Problem(what=what, where=where, hint=hint))


def plain_scalar(text: str) -> str | int | float | bool | None:
    """Give the value of an unquoted scalar."""
    if text in _NULLS:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _dotted(path: Path_) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _not_yaml(error: yaml.YAMLError, file: str, lines: tuple[str, ...]) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", "cannot be parsed")
    if mark is None:
        return ConfigError(f"no YAML: {what}", where=Where(file=file))
    text = lines[mark.line] if mark.line < len(lines) else None
    where = Where(file=file, line=mark.line + 1, column=mark.column + 1, text=text)
    hint = next((each for told, each in _REMEDIES.items() if told in str(what)), None)
    return ConfigError(f"no YAML: {what}", where=where, hint=hint)
