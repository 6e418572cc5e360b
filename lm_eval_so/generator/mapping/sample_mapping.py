"""Records made into samples, by the columns that a binding tells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from lm_eval_so.core.hashing import content_id, revision
from lm_eval_so.core.records.codec import dump_line
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
from lm_eval_so.generator.mapping.exchanges import Asked, asked_of, one_question
from lm_eval_so.generator.mapping.fields import FieldError
from lm_eval_so.generator.mapping.list_cells import read_cell, read_phrases
from lm_eval_so.generator.mapping.opened import opened, with_json
from lm_eval_so.generator.outcomes import Kept, Skipped
from lm_eval_so.generator.sources.base import (
    RawItem,
    Reason,
    Reject,
    excerpt,
    listed,
)

SPLIT = "test"
ANSWER_FROM_LOG = "answer_from_log"
"""Flag of a test whose answer is what was said in a log, right or wrong."""


EVERY_KEY = "*"
"""Stands for the names of all keys of an object: `metadata.*`, `metrics.*`."""


def make_samples(item: RawItem, binding: Binding) -> Sequence[Kept | Reject | Skipped]:
    """Make the samples of a cleaned record, with id, `rev` and provenance: one, or several of a conversation."""
    if binding.leaves_out(item):
        return [Skipped(file=item.file)]
    try:
        record = replace(item, payload=with_json(item.payload, binding.json))
        values = {f: list(values_of(record.payload, refs)) for f, refs in binding.refs.items()}
        if binding.shape:
            values |= opened(values)
        asked = _asked(record.payload, values, binding)
    except FieldError as error:
        return [_reject(item, error)]
    made: list[Kept | Reject] = []
    for each in asked:
        place = replace(record, at={**item.at, **each.at})
        try:
            sample = _sample(place, binding, values, each)
            made.append(Kept(file=item.file, at=place.at, sample=sample))
        except FieldError as error:
            made.append(_reject(place, error))
    return _grouped(made)


def _grouped(made: Sequence[Kept | Reject]) -> list[Kept | Reject]:
    """Return the samples of one record with a common group, unless it names one."""
    kept = [each.sample for each in made if isinstance(each, Kept)]
    # the last question comes after all others, so its id stands for the whole conversation
    return [
        replace(
            each, sample=replace(each.sample, group_id=each.sample.group_id or f"g{kept[-1].id}")
        )
        if isinstance(each, Kept)
        else each
        for each in made
    ]


def _reject(item: RawItem, error: FieldError) -> Reject:
    return Reject(
        file=item.file,
        at=item.at,
        reason=error.reason,
        what=error.what,
        hint=error.hint,
        excerpt=excerpt(dump_line(item.payload)),
    )


def _sample(
    item: RawItem, binding: Binding, values: Mapping[str, list[JsonValue]], asked: Asked
) -> TestSample:
    one = {field: found[0] for field, found in values.items() if found}
    answers = fields.texts_of(
        [*values.get("expected", []), *values.get("references", [])], "expected"
    )
    scenario = fields.scenario_of(one) if "goal" in one else asked.scenario
    metrics = _metrics(item.payload, one, binding)
    origin = SourceRef(file=item.file.name, sha256=item.file.sha256, at=item.at)
    has_checks = bool(
        answers
        or (scenario and scenario.success)
        or (binding.shape and metrics)
        or ("keyword_coverage" in metrics and asked.answer is None)
        or one.keys() & {"behavior", "answerable"}
    )
    sample = TestSample(
        id="",
        group_id=fields.text_of(one["group"], "group") if "group" in one else None,
        messages=asked.messages,
        scenario=scenario,
        system=asked.system,
        expected=answers[0] if answers else asked.answer,
        references=answers[1:],
        behavior=fields.behavior_from(one),
        context=fields.passages_of(values.get("context", [])),
        tags=tuple(sorted(_listed(item.payload, "tags", binding))),
        metadata=_named(one, METADATA),
        metrics=metrics,
        weight=fields.weight_of(one["weight"]) if "weight" in one else 1.0,
        split=SPLIT,
        ref=fields.text_of(one["ref"], "ref") if "ref" in one else None,
        flags=(ANSWER_FROM_LOG,) if asked.answer is not None and not answers else (),
        review=Review(status="imported" if has_checks else "unreviewed"),
        provenance=Provenance(method="import", source=origin, license=item.file.license),
    )
    if sample.user_texts[-1:] == ("",):
        raise FieldError(Reason.EMPTY, "the last question is empty")
    sample = replace(sample, language=_language(one, sample))
    return replace(sample, id=content_id(sample), rev=revision(sample))


def _metrics(
    payload: Mapping[str, JsonValue], one: Mapping[str, JsonValue], binding: Binding
) -> dict[str, dict[str, JsonValue]]:
    """Return the parameters of metrics for this sample, by metric and parameter."""
    phrases: dict[str, list[JsonValue]] = {
        "keywords": _keywords(payload, binding),
        "forbidden": [*_listed(payload, "forbidden", binding)],
    }
    own: dict[str, JsonValue] = {field: found for field, found in phrases.items() if found}
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


def _asked(
    payload: Mapping[str, JsonValue], values: Mapping[str, list[JsonValue]], binding: Binding
) -> list[Asked]:
    field = next(f for f in ("goal", "messages", "input") if f in binding.refs)
    if not values[field]:
        missing = [c for f, c in binding.columns() if f == field and not has_column(payload, c)]
        if missing:
            close = nearest(missing[0], payload)
            hint = f'did you mean "{close}"?' if close else f"there are: {listed(list(payload))}"
            raise FieldError(Reason.MISSING_FIELD, f'there is no "{missing[0]}"', hint=hint)
        raise FieldError(Reason.EMPTY, "the question is empty")
    if field == "goal":
        return [Asked()]
    if field == "messages" or (binding.shape and isinstance(values[field][0], list)):
        return asked_of(fields.messages_of(values[field][0]), binding.turns)
    return [one_question("\n\n".join(fields.text_of(value, field) for value in values[field]))]


def _language(one: Mapping[str, JsonValue], sample: TestSample) -> str:
    if "language" in one:
        return fields.language_of_field(one["language"])
    texts = sample.user_texts or (fields.text_of(one["goal"], "goal"),)
    return language_of("\n".join(texts))


def _keywords(payload: Mapping[str, JsonValue], binding: Binding) -> list[JsonValue]:
    """Return the phrases that must be said, each a text, or alternatives as `{any_of: […]}`."""
    found: list[JsonValue] = []
    for ref in binding.refs.get("keywords", ()):
        may_cut = binding.split and is_cell(payload, ref)
        for value in values_of(payload, [ref]):
            read = read_phrases(value) if may_cut and isinstance(value, str) else [value]
            found += [one for many in read for one in (many if isinstance(many, list) else [many])]
    made: list[JsonValue] = []
    for each in found:
        more = [each] if _is_choice(each) else [*fields.texts_of([each], "keywords")]
        made += [one for one in more if one not in made]
    return made


def _is_choice(phrase: JsonValue) -> bool:
    forms = phrase["any_of"] if isinstance(phrase, dict) and [*phrase] == ["any_of"] else None
    return isinstance(forms, list) and all(isinstance(form, str) and form.strip() for form in forms)


def _listed(payload: Mapping[str, JsonValue], field: str, binding: Binding) -> tuple[str, ...]:
    """Return the texts of a field of `LISTS`."""
    texts: list[JsonValue] = []
    for ref in binding.refs.get(field, ()):
        may_cut = binding.split and is_cell(payload, ref)
        for value in values_of(payload, [ref]):
            texts += read_cell(value, field) if may_cut and isinstance(value, str) else [value]
    return fields.texts_of(texts, field)
