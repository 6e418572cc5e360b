"""YAML with places: line and column of every key and value, and strict scalars.

Only `true` and `false` are booleans (so `language: no` stays a text), dates stay texts, a duplicate
key is an error, tags are refused.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import JsonValue

from lm_eval_so.core.files import read_text
from lm_eval_so.errors import ConfigError, Problem, Where

Path_ = tuple[str | int, ...]
T = TypeVar("T")

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MOST_VALUES = 100_000
"""Limit of values in a file, repeated aliases included: far above any config, far below a bomb."""
_MOST_CHARACTERS = 2_000_000
"""Limit of characters in a file: parsing as many takes seconds."""
_SAID_OF_UNUSABLE = "NUL or half a surrogate pair, which no file and no path can hold"
_LONGEST_SHOWN = 40
_UNFOLDED = 1_000_000
"""Width of lines that are written, so that no text is broken over several."""
_DEEPEST = 100
"""Limit of nesting: far above any config, far below Python's recursion limit."""
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and halves of surrogate pairs, which escapes can spell and no path or file can hold."""
_REMEDIES = {
    "found character '\\t'": "indent with spaces, not with tabs",
    "cannot start any token": "put the text into quotes",
    "mapping values are not allowed here": (
        "put a text that holds a colon into quotes; keys of one level begin in one column"
    ),
    "but got '?'": "put a text that holds a question mark into quotes",  # within {…} and […]
    "expected <block end>": "keys of one level begin in one column",
}
"""Advice by message of the parser, for common mistakes."""
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)
"""Tags that the parser gives to untagged scalars, which are read anew here."""


class Place(NamedTuple):
    """Place of a value in the file."""

    line: int | None
    """Line of the key or list item; None outside a file."""
    column: int | None
    path: Path_
    """Keys and positions as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A text that names variables."""

    text: str
    """The text as written."""
    value: str = field(repr=False)
    """The text with variables filled in."""
    variables: Mapping[str, str] = field(repr=False)
    """Values of the variables, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Values of a YAML file, with the place of each."""

    values: Any
    places: Mapping[Path_, Place] = field(default_factory=dict)
    """Places by path of keys and positions."""
    file: str = ""
    lines: tuple[str, ...] = ()
    overridden: frozenset[Path_] = frozenset()
    """Paths of values given on the command line."""
    written: Mapping[Path_, Written] = field(default_factory=dict)
    """Texts that name variables, by path; `values` has them filled in."""

    def where(self, path: Path_) -> Where:
        """Return the place of a path, or of its nearest parent in the file."""
        is_given = self.is_overridden(path)
        for end in range(len(path), 0, -1):
            if path[:end] not in self.places:
                continue
            line, column, written = self.places[path[:end]]
            key = _dotted((*written, *path[end:]))
            if line is None or is_given:
                break
            text = _line(self.lines, line)
            return Where(file=self.file, line=line, column=column, key=key, text=text)
        else:
            key = _dotted(path)
        return Where(file="--set" if is_given else self.file or None, key=key or None)

    def moved(self, values: Any, to: Callable[[Path_], Path_ | None]) -> "Located":
        """Return other values, with places derived from the places of these.

        Args:
            values: The other values.
            to: Function from an old path to its new path; None if the value is gone.
        """

        def kept(known: Mapping[Path_, T]) -> dict[Path_, T]:
            found = ((to(path), value) for path, value in known.items())
            return {path: value for path, value in found if path is not None}

        given = frozenset(kept(dict.fromkeys(self.overridden)))
        places, written = kept(self.places), kept(self.written)
        return replace(self, values=values, places=places, overridden=given, written=written)

    def is_overridden(self, path: Path_) -> bool:
        """Return whether a value was given on the command line."""
        return any(path[: len(given)] == given for given in self.overridden)

    def written_below(self, *path: str | int) -> dict[str, str]:
        """Return the texts below a path as written, by their filled-in value."""
        return {
            each.value: each.text
            for at, each in self.written.items()
            if each.value and at[: len(path)] == path
        }


def read_yaml(path: Path, *, shown_as: str | None = None) -> Located:
    """Read a YAML file.

    Raises:
        InputError: If it cannot be read.
        ConfigError: If it is not YAML, or has duplicate keys, a tag or too many values.
    """
    return parse_yaml(read_text(path), file=shown_as or str(path))


def parse_yaml(text: str, *, file: str) -> Located:
    """Parse a YAML text; errors as in `read_yaml`."""
    located, problems = parse_parts(text, file=file)
    if problems:
        raise ConfigError.of(problems)
    return located


def parse_parts(
    text: str, *, file: str, keep_digits: bool = False
) -> tuple[Located, list[Problem]]:
    """Parse the usable parts of a YAML text, and find the problems of the rest.

    Args:
        text: The text.
        file: Name of the file, for people.
        keep_digits: Whether a number that would be written otherwise (1.10, 1e3) stays a text.

    Raises:
        ConfigError: If the text is not YAML, or far larger than a config.
    """
    lines = tuple(text.splitlines())
    if len(text) > _MOST_CHARACTERS:
        what = f"{len(text):,} characters are too many for a file of settings"
        raise ConfigError(
            what, where=Where(file=file), hint="texts may stand in files of their own"
        )
    reader = _Reader(file, lines, keep_digits=keep_digits)
    try:
        node = _Loader(text).get_single_node()
        values = reader.value(node, ()) if node is not None else None
    except yaml.YAMLError as error:
        raise _not_yaml(error, file, text) from None
    except RecursionError:
        what = "no YAML: nested too deeply, or an alias inside of what it stands for"
        raise ConfigError(what, where=Where(file=file)) from None
    located = Located(values=values, places=reader.places, file=file, lines=lines)
    return located, reader.problems


class _Loader(yaml.SafeLoader):
    """Stops at the limit of nesting: the scanner takes quadratic time for what lies deeper."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _DEEPEST + 1:
            raise RecursionError
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reader:
    def __init__(self, file: str, lines: tuple[str, ...], *, keep_digits: bool) -> None:
        self.file, self.lines, self._keep_digits = file, lines, keep_digits
        self.places: dict[Path_, Place] = {}
        self.problems: list[Problem] = []
        self._values = 0

    def value(self, node: yaml.Node, path: Path_) -> Any:
        self._values += 1
        if self._values > _MOST_VALUES:
            what = f"more than {_MOST_VALUES:,} values"
            raise ConfigError(what, where=Where(file=self.file))
        if len(path) > _DEEPEST:
            what = (
                f"nested more than {_DEEPEST} levels deep, or an alias inside of what it stands for"
            )
            raise ConfigError(what, where=Where(file=self.file, line=_place(node)[0]))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            for position, item in enumerate(node.value):
                self._set_place((*path, position), item)
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                hint = 'quote the text: "{{ name }}"'
                self._problem(key_node, "a mapping or list stands where a key must", hint=hint)
                continue
            key = str(key_node.value)
            if _UNUSABLE.search(key):
                self._problem(key_node, _SAID_OF_UNUSABLE)
                continue
            if key in values:
                self._problem(key_node, f'the key "{key}" stands twice')
            self._set_place((*path, key), key_node)
            values[key] = self.value(value_node, (*path, key))
        return values

    def _scalar(self, node: yaml.Node, path: Path_) -> Any:
        text = str(node.value)
        if node.tag not in _PLAIN_TAGS:
            self._problem(node, f"the tag {node.tag} is not known here", path)
            return text
        if getattr(node, "style", None) is not None:  # quoted or a block: a text
            if _UNUSABLE.search(text):
                self._problem(node, _SAID_OF_UNUSABLE, path)
            return _UNUSABLE.sub("\N{REPLACEMENT CHARACTER}", text)
        try:
            value = plain_scalar(text)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return text if self._keep_digits and is_number and str(value) != text else value
        except ValueError:
            if self._keep_digits:
                return text
            self._problem(node, f"{_short(text)} is too large a number", path)
            return text

    def _set_place(self, path: Path_, node: yaml.Node) -> None:
        self.places[path] = Place(*_place(node), path)

    def _problem(
        self, node: yaml.Node, what: str, path: Path_ = (), *, hint: str | None = None
    ) -> None:
        (line, column), key = _place(node), _dotted(path) or None
        text = _line(self.lines, line)
        where = Where(file=self.file, line=line, column=column, key=key, text=text)
        self.problems.append(Problem(what=what, where=where, hint=hint))


def plain_scalar(text: str) -> str | int | float | bool | None:
    """Return the value of an unquoted scalar.

    Raises:
        ValueError: If the number is too large for a float.
    """
    if text in _NULLS:
        return None
    if text in {"true", "false"}:
        return text == "true"
    is_whole = _INT.match(text)
    if not is_whole and not _FLOAT.match(text):
        return text
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{_short(text)} is too large a number")
    return int(text) if is_whole else number


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _line(lines: tuple[str, ...], number: int) -> str | None:
    return lines[number - 1] if number <= len(lines) else None


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _dotted(path: Path_) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _not_yaml(error: yaml.YAMLError, file: str, text: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", "cannot be parsed")
    if mark is None:  # a character that YAML does not take
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else None
        return ConfigError(f"no YAML: {what}", where=Where(file=file, line=line))
    told = _line(tuple(text.splitlines()), mark.line + 1)
    where = Where(file=file, line=mark.line + 1, column=mark.column + 1, text=told)
    hint = next((each for told, each in _REMEDIES.items() if told in str(what)), None)
    return ConfigError(f"no YAML: {what}", where=where, hint=hint)


def dump_yaml(values: JsonValue) -> str:
    """Return JSON values as YAML for people: keys in their order, texts as they are written."""
    text: str = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=_UNFOLDED)
    return text
