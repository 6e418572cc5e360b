"""The `map` of a source, from columns to fields of a sample: given by the config, the shape of a tool, or common names."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.sources import Turns
from lm_eval_so.errors import Problem, nearest
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.mapping.fields import is_blank
from lm_eval_so.generator.mapping.list_cells import LISTS
from lm_eval_so.generator.sources.base import (
    Item,
    RawItem,
    Reason,
    listed,
    place,
)
from lm_eval_so.generator.sources.json_values import parse_path, walk
from lm_eval_so.generator.sources.shapes import Shape, shape_of

METADATA = "metadata."
METRICS = "metrics."
_METRIC_KEY = re.compile(r"metrics\.[^.]+\.[^.]+")
SEVERAL = ("input", "expected", "references", "context", *LISTS)
"""Fields that may be made of several columns."""
SINGLE = (
    "messages",
    "goal",
    "persona",
    "success",
    "behavior",
    "answerable",
    "language",
    "group",
    "ref",
    "weight",
)
_GUESSES: Mapping[str, Sequence[str]] = {
    "messages": ["messages"],
    "input": ["input", "question", "prompt", "query", "user input", "질문", "문의", "질의"],
    "expected": ["expected", "expected output", "answer", "ideal", "output", "답변", "정답", "답"],
    "references": ["references", "answers"],
    "keywords": ["must say", "필수 표현", "필수 문구", "필수 키워드"],
    "forbidden": ["must not say", "금지 표현", "금지 문구", "금지어"],
    "answerable": ["answerable"],
    "behavior": ["behavior"],
    "language": ["language", "lang", "언어"],
    "tags": ["tags", "category", "태그", "분류", "카테고리"],
    "ref": ["ref", "qid", "id", "번호"],
}
_BESIDE_SHAPES = ("answerable", "behavior", "language", "tags", "ref")
"""Fields that records of a known shape may have besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A map of columns, ready to use."""

    refs: Mapping[str, tuple[str, ...]]
    """Field to columns, dotted paths, or constants written "=text"."""
    split: bool = True
    """Whether a cell of `LISTS` may hold several texts."""
    turns: Turns = "last"
    shape: str | None = None
    """Tool whose records they are; their questions and answers may be objects and conversations."""
    json: tuple[str, ...] = ()
    """Columns of a table whose cells hold JSON."""
    skip: tuple[str, str] | None = None
    """Column and value of records that are left out."""

    def columns(self) -> Iterator[tuple[str, str]]:
        """Yield (field, column) of all columns that are no constants."""
        for field, refs in self.refs.items():
            yield from ((field, ref) for ref in refs if not ref.startswith("="))

    @property
    def is_plain(self) -> bool:
        """Whether every column is named as its field, as a reader of a tool's files makes them."""
        return all(refs == (field.partition(".")[0],) for field, refs in self.refs.items())

    def puts_away(self, item: Item) -> bool:
        """Return whether a record is one that its tool has put away."""
        if self.skip is None or not isinstance(item, RawItem):
            return False
        return item.payload.get(self.skip[0]) == self.skip[1]

    def leaves_out(self, record: RawItem) -> bool:
        """Return whether a cleaned record is no test: blank, or put away."""
        return all(map(is_blank, record.payload.values())) or self.puts_away(record)

    def cells(self, payload: Mapping[str, JsonValue]) -> Iterator[tuple[str, str, str]]:
        """Yield (field, column, text) of each cell of a record that may hold several texts."""
        for field, column in self.columns() if self.split else ():
            if field in LISTS and is_cell(payload, column):
                values = values_of(payload, [column])
                yield from ((field, column, text) for text in values if isinstance(text, str))


def bind(given: Mapping[str, str | list[str]]) -> Binding:
    """Make a binding of a map of the config."""
    refs = {key: [ref] if isinstance(ref, str) else ref for key, ref in given.items()}
    return Binding(refs={key: tuple(map(clean_text, names)) for key, names in refs.items()})


def _bind_shape(shape: Shape, columns: Sequence[str], *, is_table: bool) -> Binding:
    """Make a binding of a known shape, with what common names tell of its other columns."""
    kept = {f: tuple(c for c in named if c in columns) for f, named in shape.map.items()}
    refs = {field: named for field, named in kept.items() if named}
    taken = {column for named in refs.values() for column in named}
    for field, named in guess(columns).refs.items():
        if field in _BESIDE_SHAPES and field not in refs and not taken & {*named}:
            refs[field] = named
    cells = tuple(shape.json.split()) if is_table else ()
    return Binding(refs=refs, shape=shape.name, json=cells, skip=shape.skip)


def guess(columns: Iterable[str]) -> Binding:
    """Choose columns by their names, for a source without a map; the binding may lack an input."""
    by_name = {_plain_name(column): column for column in columns}
    chosen: dict[str, tuple[str, ...]] = {}
    for field, names in _GUESSES.items():
        found = next((by_name[_plain_name(n)] for n in names if _plain_name(n) in by_name), None)
        if found is not None and not (field == "input" and "messages" in chosen):
            chosen[field] = (found,)
    of_sharegpt = [by_name[name] for name in ("conversations", "conversation") if name in by_name]
    if of_sharegpt and not asks(chosen):
        chosen["messages"] = (of_sharegpt[0],)
    return Binding(refs=chosen)


def has_conversation(payload: Mapping[str, JsonValue]) -> bool:
    """Return whether a record holds a conversation in a column of a usual name."""
    column = guess(payload).refs.get("messages")
    return column is not None and isinstance(payload[column[0]], list)


def asks(given: Collection[str]) -> bool:
    """Return whether one of some fields is the question."""
    return not {"input", "messages", "goal"}.isdisjoint(given)


def map_problems(given: Mapping[str, str | list[str]]) -> Iterator[tuple[str, str, str | None]]:
    """Yield the problems of a map by itself, as (key, what, hint)."""
    known = (*SEVERAL, *SINGLE, f"{METADATA}NAME", f"{METRICS}NAME.PARAMETER")
    for key, refs in given.items():
        is_named = (key.startswith(METADATA) and key != METADATA) or _METRIC_KEY.fullmatch(key)
        if key not in known and not is_named:
            close = nearest(key, known)
            what = f'unknown key "{key}"' + (f' (did you mean "{close}"?)' if close else "")
            yield key, what, None if close else f"known here: {', '.join(known)}"
        elif isinstance(refs, list) and key not in SEVERAL and len(refs) != 1:
            yield key, f"{key} takes one column", None
        elif not refs or "" in (refs if isinstance(refs, list) else [refs]):
            yield key, f"{key} has no column", None
    for one, other in (
        ("input", "messages"),
        ("input", "goal"),
        ("messages", "goal"),
        ("behavior", "answerable"),
    ):
        if one in given and other in given:
            yield other, f"{one} and {other} cannot stand together", None


def has_column(payload: Mapping[str, JsonValue], column: str) -> bool:
    """Return whether a record has a column or a value at a dotted path, blank or not."""
    return column in payload or any(True for _ in _walk(payload, column))


def values_of(payload: Mapping[str, JsonValue], refs: Sequence[str]) -> Iterator[JsonValue]:
    """Yield the values of a field's columns, without blanks."""
    for ref in refs:
        if ref.startswith("="):
            found: list[JsonValue] = [ref[1:]]
        elif ref in payload:
            found = [payload[ref]]
        else:
            found = [value for _, value in _walk(payload, ref)]
        yield from (value for value in found if not is_blank(value))


def is_cell(payload: Mapping[str, JsonValue], ref: str) -> bool:
    """Return whether a text of a column is a cell: neither a constant nor one item of a list."""
    return not ref.startswith("=") and (ref in payload or "[" not in ref)


def _walk(payload: Mapping[str, JsonValue], column: str) -> Iterator[tuple[str, JsonValue]]:
    steps = parse_path(column)
    return walk(dict(payload), steps) if steps else iter(())


def _plain_name(column: str) -> str:
    return column.casefold().replace("_", "").replace(" ", "").replace("-", "")


def bind_columns(
    config: Config, number: int, name: str, columns: Sequence[str], *, line: int | None = None
) -> tuple[Binding, tuple[Problem, ...]]:
    """Choose the columns of a file by the map of the config, else by their names.

    Args:
        config: The config.
        number: Position of the source in it.
        name: The file.
        columns: Columns of the header, or keys of the first records.
        line: Line of the header. Without one the map is not checked: keys may still come.

    Returns:
        The binding, and the problems that make it unusable.
    """
    columns = tuple(dict.fromkeys(map(clean_text, columns)))
    source = config.sources[number]
    given, split, turns = source.map, source.split, source.turns
    at = place(name, {} if line is None else {"line": line})
    chosen = guess(columns)
    if asks(given):
        binding = replace(bind(given), split=split, turns=turns)
        return binding, tuple(
            Problem(
                what=f"{at} {Reason.MISSING_FIELD}: '{column}' not in header",
                where=config.where("generator", "sources", number, "map", field),
                hint=_hint(column, columns),
            )
            for field, column in binding.columns()
            if column not in columns and line is not None
        )
    if not given and (shape := shape_of(columns)) is not None:
        return replace(_bind_shape(shape, columns, is_table=line is not None), turns=turns), ()
    if given:
        of_chat = {f: named for f, named in chosen.refs.items() if f == "messages"}
        chosen = Binding(refs={**bind(given).refs, **of_chat})
    elif turns != "last":  # an answer beside a conversation is that to its end
        answers = ("expected", "references")
        chosen = Binding(refs={f: named for f, named in chosen.refs.items() if f not in answers})
    binding = replace(chosen, split=split, turns=turns)
    if asks(binding.refs):
        return binding, ()
    return binding, (
        Problem(
            what=f"{at} {Reason.MISSING_FIELD}: no column looks like a question",
            where=config.where("generator", "sources", number, *(["map"] if given else [])),
            hint=f"name it by map: {{input: COLUMN}}; columns: {listed(columns)}",
        ),
    )


def never_seen(config: Config, number: int, column: str, keys: Sequence[str]) -> Problem:
    """Return the problem of a mapped column that no record of a source has."""
    source = config.sources[number]
    field = next(f for f, c in bind(source.map).columns() if c == column)
    what = f"{Reason.MISSING_FIELD}: no record of {source.id} has '{column}'"
    where = config.where("generator", "sources", number, "map", field)
    return Problem(what=what, where=where, hint=_hint(column, keys))


def _hint(column: str, columns: Sequence[str]) -> str:
    # Korean column names are short: a name that begins with another is near, whatever its length
    inside = [c for c in columns if c and (column.startswith(c) or c.startswith(column))]
    close = nearest(column, columns) or max(inside, key=len, default=None)
    meant = f"did you mean '{close}'? " if close else ""
    return f"{meant}columns: {listed(columns)}"
