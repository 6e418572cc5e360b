"""Records made into samples, by the columns that a binding tells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from lm_eval_so.core.hashing import content_id, revision
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.core.records.enums import Behavior
from lm_eval_so.core.records.sample import Provenance, Review, SourceRef, TestSample
from lm_eval_so.errors import nearest
from lm_eval_so.generator.clean import language_of
from lm_eval_so.generator.mapping import fields
from lm_eval_so.generator.mapping.binding import (
    METADATA,
    METRICS,
    Binding,
    has_column,
    is_cell,
    values_of,
)
from lm_eval_so.generator.mapping.fields import FieldError
from lm_eval_so.generator.mapping.list_cells import read_cell
from lm_eval_so.generator.mapping.opened import opened, with_json
from lm_eval_so.generator.sources.base import (
    RawItem,
    Reason,
    Reject,
    excerpt,
    listed,
)

SPLIT = "test"


EVERY_KEY = "*"
"""Stands for the names of all keys of an object: `metadata.*`, `metrics.*`."""


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
    payload = with_json(item.payload, binding.json) if binding.json else item.payload
    values = {field: list(values_of(payload, refs)) for field, refs in binding.refs.items()}
    if binding.shape:
        values |= opened(values)
    one = {field: found[0] for field, found in values.items() if found}
    messages = _messages(payload, values, binding)
    answers = fields.texts_of(
        [*values.get("expected", []), *values.get("references", [])], "expected"
    )
    scenario = fields.scenario_of(one) if "goal" in one else None
    metrics = _metrics(payload, one, binding)
    group = fields.text_of(one["group"], "group") if "group" in one else None
    origin = SourceRef(file=item.file.name, sha256=item.file.sha256, at=item.at)
    has_checks = bool(
        answers
        or (scenario and scenario.success)
        or (binding.shape and metrics)
        or one.keys() & {"behavior", "answerable"}
    )
    sample = TestSample(
        id="",
        language=_language(one, messages),
        messages=messages,
        scenario=scenario,
        expected=answers[0] if answers else None,
        references=answers[1:],
        behavior=_behavior(one),
        context=fields.passages_of(values.get("context", [])),
        tags=tuple(sorted(_listed(payload, "tags", binding))),
        metadata=_named(one, METADATA),
        metrics=metrics,
        weight=fields.weight_of(one["weight"]) if "weight" in one else 1.0,
        split=SPLIT,
        ref=fields.text_of(one["ref"], "ref") if "ref" in one else None,
        review=Review(status="imported" if has_checks else "unreviewed"),
        provenance=Provenance(method="import", source=origin, license=item.file.license),
    )
    made = content_id(sample)
    return replace(sample, id=made, group_id=group or f"g{made}", rev=revision(sample))


def _metrics(
    payload: Mapping[str, JsonValue], one: Mapping[str, JsonValue], binding: Binding
) -> dict[str, dict[str, JsonValue]]:
    """Return the parameters of metrics for this sample, by metric and parameter."""
    phrases = {f: _listed(payload, f, binding) for f in ("keywords", "forbidden")}
    own: dict[str, JsonValue] = {field: [*found] for field, found in phrases.items() if found}
    made = {"keyword_coverage": own} if own else {}
    for key, value in _named(one, METRICS).items():
        name, _, parameter = key.partition(".")
        given = {parameter: value} if parameter else value
        if isinstance(given, dict):
            made[name] = {**made.get(name, {}), **given}
    return made


def _named(one: Mapping[str, JsonValue], prefix: str) -> dict[str, JsonValue]:
    """Return the values below a prefix by their names; of an object mapped to `*` the keys are the names."""
    found: dict[str, JsonValue] = {}
    for field in sorted(field for field in one if field.startswith(prefix)):
        name, value = field.removeprefix(prefix), one[field]
        if name == EVERY_KEY and isinstance(value, dict):
            found |= value
        else:
            found[name if name != EVERY_KEY else prefix.rstrip(".")] = value
    return dict(sorted(found.items()))


def _messages(
    payload: Mapping[str, JsonValue], values: Mapping[str, list[JsonValue]], binding: Binding
) -> tuple[Message, ...]:
    field = next(f for f in ("goal", "messages", "input") if f in binding.refs)
    if not values[field]:
        missing = [c for f, c in binding.columns() if f == field and not has_column(payload, c)]
        if missing:
            close = nearest(missing[0], payload)
            hint = f'did you mean "{close}"?' if close else f"there are: {listed(list(payload))}"
            raise FieldError(Reason.MISSING_FIELD, f'there is no "{missing[0]}"', hint=hint)
        raise FieldError(Reason.EMPTY, "the question is empty")
    if field == "goal":
        return ()
    if field == "messages" or (binding.shape and isinstance(values[field][0], list)):
        return fields.messages_of(values[field][0])
    texts = [fields.text_of(value, field) for value in values[field]]
    return (Message(role="user", content="\n\n".join(texts)),)


def _language(one: Mapping[str, JsonValue], messages: Sequence[Message]) -> str:
    if "language" in one:
        return fields.language_of_field(one["language"])
    asked = [m.content for m in messages if m.role == "user"]
    return language_of("\n".join(asked) if asked else fields.text_of(one["goal"], "goal"))


def _behavior(one: Mapping[str, JsonValue]) -> Behavior:
    if "behavior" in one:
        return fields.behavior_of(one["behavior"])
    if "answerable" in one:
        return fields.behavior_if_answerable(one["answerable"])
    return Behavior.ANSWER


def _listed(payload: Mapping[str, JsonValue], field: str, binding: Binding) -> tuple[str, ...]:
    """Return the texts of a field of `LISTS`."""
    texts: list[JsonValue] = []
    for ref in binding.refs.get(field, ()):
        may_cut = binding.split and is_cell(payload, ref)
        for value in values_of(payload, [ref]):
            texts += read_cell(value, field) if may_cut and isinstance(value, str) else [value]
    return fields.texts_of(texts, field)
