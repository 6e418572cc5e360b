"""The `map` of a source, from columns to fields of a sample: given by the config or chosen by name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.hashing import content_id, revision
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.core.records.enums import Behavior
from lm_eval_so.core.records.sample import Provenance, Review, SourceRef, TestSample
from lm_eval_so.errors import Problem, nearest
from lm_eval_so.generator.clean import clean_text, language_of
from lm_eval_so.generator.mapping import fields
from lm_eval_so.generator.mapping.fields import FieldError, is_blank
from lm_eval_so.generator.mapping.list_cells import LISTS, read_cell
from lm_eval_so.generator.sources.base import RawItem, Reason, Reject, excerpt, listed, place
from lm_eval_so.generator.sources.json_values import parse_path, walk

SPLIT = "test"
METADATA = "metadata."
SEVERAL = ("input", "expected", "references", "context", *LISTS)
"""Fields that may be made of several columns."""
SINGLE = ("messages", "behavior", "answerable", "language", "group", "ref", "weight")

_GUESSES: Mapping[str, Sequence[str]] = {
    "messages": ["messages"],
    "input": ["input", "question", "prompt", "query", "user input", "질문", "문의", "질의"],
    "expected": ["expected", "expected output", "answer", "ideal", "output", "답변", "정답", "답"],
    "references": ["references", "answers"],
    "answerable": ["answerable"],
    "behavior": ["behavior"],
    "language": ["language", "lang", "언어"],
    "tags": ["tags", "category", "태그", "분류", "카테고리"],
    "ref": ["ref", "qid", "id", "번호"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A map of columns, ready to use."""

    refs: Mapping[str, tuple[str, ...]]
    """Field to columns, dotted paths, or constants written "=text"."""
    split: bool = True
    """Whether a cell of `LISTS` may hold several texts."""

    def columns(self) -> Iterator[tuple[str, str]]:
        """Yield (field, column) of all columns that are no constants."""
        for field, refs in self.refs.items():
            yield from ((field, ref) for ref in refs if not ref.startswith("="))

    def cells(self, payload: Mapping[str, JsonValue]) -> Iterator[tuple[str, str, str]]:
        """Yield (field, column, text) of each cell of a record that may hold several texts."""
        for field, column in self.columns() if self.split else ():
            if field in LISTS and _is_cell(payload, column):
                values = _values(payload, [column])
                yield from ((field, column, text) for text in values if isinstance(text, str))


def bind(given: Mapping[str, str | list[str]]) -> Binding:
    """Make a binding of a map of the config."""
    refs = {key: [ref] if isinstance(ref, str) else ref for key, ref in given.items()}
    return Binding(refs={key: tuple(map(clean_text, names)) for key, names in refs.items()})


def guess(columns: Iterable[str]) -> Binding:
    """Choose columns by their names, for a source without a map; the binding may lack an input."""
    by_name = {_plain_name(column): column for column in columns}
    chosen: dict[str, tuple[str, ...]] = {}
    for field, names in _GUESSES.items():
        found = next((by_name[_plain_name(n)] for n in names if _plain_name(n) in by_name), None)
        if found is not None and not (field == "input" and "messages" in chosen):
            chosen[field] = (found,)
    return Binding(refs=chosen)


def map_problems(given: Mapping[str, str | list[str]]) -> Iterator[tuple[str, str, str | None]]:
    """Yield the problems of a map by itself, as (key, what, hint)."""
    known = (*SEVERAL, *SINGLE, f"{METADATA}NAME")
    for key, refs in given.items():
        if key not in known and not (key.startswith(METADATA) and key != METADATA):
            close = nearest(key, known)
            what = f'unknown key "{key}"' + (f' (did you mean "{close}"?)' if close else "")
            yield key, what, None if close else f"known here: {', '.join(known)}"
        elif isinstance(refs, list) and key not in SEVERAL and len(refs) != 1:
            yield key, f"{key} takes one column", None
        elif not refs or "" in (refs if isinstance(refs, list) else [refs]):
            yield key, f"{key} has no column", None
    for one, other in (("input", "messages"), ("behavior", "answerable")):
        if one in given and other in given:
            yield other, f"{one} and {other} cannot stand together", None
    if given and not {"input", "messages"} & set(given):
        yield "", "nothing is mapped to input", "map the question: input: COLUMN"


def has_column(payload: Mapping[str, JsonValue], column: str) -> bool:
    """Return whether a record has a column or a value at a dotted path, blank or not."""
    return column in payload or any(True for _ in _walk(payload, column))


def make_sample(item: RawItem, binding: Binding) -> TestSample | Reject:
    """Make a sample of a cleaned record, with id, `rev` and provenance."""
    try:
        return _sample(item, binding)
    except FieldError as error:
        return Reject(
            file=item.file,
            at=item.at,
            reason=error.reason,
            what=error.what,
            hint=error.hint,
            excerpt=excerpt(dump_line(item.payload)),
        )


def _sample(item: RawItem, binding: Binding) -> TestSample:
    values = {field: list(_values(item.payload, refs)) for field, refs in binding.refs.items()}
    one = {field: found[0] for field, found in values.items() if found}
    messages = _messages(item.payload, values, binding)
    answers = fields.texts_of(
        [*values.get("expected", []), *values.get("references", [])], "expected"
    )
    phrases = {f: _listed(item.payload, f, binding) for f in ("keywords", "forbidden")}
    own: dict[str, JsonValue] = {field: [*found] for field, found in phrases.items() if found}
    group = fields.text_of(one["group"], "group") if "group" in one else None
    origin = SourceRef(file=item.file.name, sha256=item.file.sha256, at=item.at)
    says_right = bool(answers) or not one.keys().isdisjoint({"behavior", "answerable"})
    sample = TestSample(
        id="",
        language=_language(one, messages),
        messages=messages,
        expected=answers[0] if answers else None,
        references=answers[1:],
        behavior=_behavior(one),
        context=fields.passages_of(values.get("context", [])),
        tags=tuple(sorted(_listed(item.payload, "tags", binding))),
        metadata={k.removeprefix(METADATA): one[k] for k in sorted(one) if k.startswith(METADATA)},
        metrics={"keyword_coverage": own} if own else {},
        weight=fields.weight_of(one["weight"]) if "weight" in one else 1.0,
        split=SPLIT,
        ref=fields.text_of(one["ref"], "ref") if "ref" in one else None,
        review=Review(status="imported" if says_right else "unreviewed"),
        provenance=Provenance(method="import", source=origin, license=item.file.license),
    )
    made = content_id(sample)
    return replace(sample, id=made, group_id=group or f"g{made}", rev=revision(sample))


def _messages(
    payload: Mapping[str, JsonValue], values: Mapping[str, list[JsonValue]], binding: Binding
) -> tuple[Message, ...]:
    field = "messages" if "messages" in binding.refs else "input"
    if not values[field]:
        missing = [c for f, c in binding.columns() if f == field and not has_column(payload, c)]
        if missing:
            close = nearest(missing[0], payload)
            hint = f'did you mean "{close}"?' if close else f"there are: {listed(list(payload))}"
            raise FieldError(Reason.MISSING_FIELD, f'there is no "{missing[0]}"', hint=hint)
        raise FieldError(Reason.EMPTY, "the question is empty")
    if field == "messages":
        return fields.messages_of(values[field][0])
    texts = [fields.text_of(value, field) for value in values[field]]
    return (Message(role="user", content="\n\n".join(texts)),)


def _language(one: Mapping[str, JsonValue], messages: Sequence[Message]) -> str:
    if "language" in one:
        return fields.language_of_field(one["language"])
    return language_of("\n".join(m.content for m in messages if m.role == "user"))


def _behavior(one: Mapping[str, JsonValue]) -> Behavior:
    if "behavior" in one:
        return fields.behavior_of(one["behavior"])
    if "answerable" in one:
        return fields.behavior_if_answerable(one["answerable"])
    return Behavior.ANSWER


def _values(payload: Mapping[str, JsonValue], refs: Sequence[str]) -> Iterator[JsonValue]:
    """Yield the values of a field's columns, without blanks."""
    for ref in refs:
        if ref.startswith("="):
            found: list[JsonValue] = [ref[1:]]
        elif ref in payload:
            found = [payload[ref]]
        else:
            found = [value for _, value in _walk(payload, ref)]
        yield from (value for value in found if not is_blank(value))


def _listed(payload: Mapping[str, JsonValue], field: str, binding: Binding) -> tuple[str, ...]:
    """Return the texts of a field of `LISTS`."""
    texts: list[JsonValue] = []
    for ref in binding.refs.get(field, ()):
        may_cut = binding.split and _is_cell(payload, ref)
        for value in _values(payload, [ref]):
            texts += read_cell(value, field) if may_cut and isinstance(value, str) else [value]
    return fields.texts_of(texts, field)


def _is_cell(payload: Mapping[str, JsonValue], ref: str) -> bool:
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
    given, split = config.sources[number].map, config.sources[number].split
    at = place(name, {} if line is None else {"line": line})
    if given:
        binding = replace(bind(given), split=split)
        missing = _missing(config, number, at, columns, binding) if line is not None else ()
        return binding, tuple(missing)
    binding = replace(guess(columns), split=split)
    if {"input", "messages"} & set(binding.refs):
        return binding, ()
    return binding, (
        Problem(
            what=f"{at} {Reason.MISSING_FIELD}: no column looks like a question",
            where=config.where("generator", "sources", number),
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


def _missing(
    config: Config, number: int, at: str, columns: Sequence[str], binding: Binding
) -> Iterator[Problem]:
    for field, column in binding.columns():
        if column not in columns:
            what = f"{at} {Reason.MISSING_FIELD}: '{column}' not in header"
            where = config.where("generator", "sources", number, "map", field)
            yield Problem(what=what, where=where, hint=_hint(column, columns))


def _hint(column: str, columns: Sequence[str]) -> str:
    close = _nearest(column, columns)
    meant = f"did you mean '{close}'? " if close else ""
    return f"{meant}columns: {listed(columns)}"


def _nearest(column: str, columns: Sequence[str]) -> str | None:
    # Korean column names are short: a name that begins with another is near, whatever its length
    inside = [c for c in columns if c and (column.startswith(c) or c.startswith(column))]
    return nearest(column, columns) or (max(inside, key=len) if inside else None)
