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
from lm_eval_so.generator.mapping.binding import METADATA, Binding, has_column, is_cell, values_of
from lm_eval_so.generator.mapping.exchanges import Asked, asked_of, one_question
from lm_eval_so.generator.mapping.fields import FieldError, is_blank
from lm_eval_so.generator.mapping.list_cells import read_cell
from lm_eval_so.generator.outcomes import Kept, Skipped
from lm_eval_so.generator.sources.base import RawItem, Reason, Reject, excerpt, listed

SPLIT = "test"
ANSWER_FROM_LOG = "answer_from_log"
"""Flag of a test whose answer is what was said in a log, right or wrong."""


def make_samples(item: RawItem, binding: Binding) -> Sequence[Kept | Reject | Skipped]:
    """Make the samples of a cleaned record, with id, `rev` and provenance: one, or several of a conversation."""
    if all(map(is_blank, item.payload.values())):
        return [Skipped(file=item.file)]
    try:
        values = {
            field: list(values_of(item.payload, refs)) for field, refs in binding.refs.items()
        }
        asked = _asked(item.payload, values, binding)
    except FieldError as error:
        return [_reject(item, error)]
    made: list[Kept | Reject] = []
    for each in asked:
        place = replace(item, at={**item.at, **each.at})
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
    is_logged = not answers and asked.answer is not None
    phrases = {f: _listed(item.payload, f, binding) for f in ("keywords", "forbidden")}
    own: dict[str, JsonValue] = {field: [*found] for field, found in phrases.items() if found}
    origin = SourceRef(file=item.file.name, sha256=item.file.sha256, at=item.at)
    sample = TestSample(
        id="",
        group_id=fields.text_of(one["group"], "group") if "group" in one else None,
        messages=asked.messages,
        scenario=asked.scenario,
        system=asked.system,
        expected=answers[0] if answers else asked.answer,
        references=answers[1:],
        behavior=fields.behavior_from(one),
        context=fields.passages_of(values.get("context", [])),
        tags=tuple(sorted(_listed(item.payload, "tags", binding))),
        metadata={k.removeprefix(METADATA): one[k] for k in sorted(one) if k.startswith(METADATA)},
        metrics={"keyword_coverage": own} if own else {},
        weight=fields.weight_of(one["weight"]) if "weight" in one else 1.0,
        split=SPLIT,
        ref=fields.text_of(one["ref"], "ref") if "ref" in one else None,
        flags=(ANSWER_FROM_LOG,) if is_logged else (),
        review=Review(status="imported" if answers else "unreviewed"),
        provenance=Provenance(method="import", source=origin, license=item.file.license),
    )
    if sample.user_texts[-1] == "":
        raise FieldError(Reason.EMPTY, "the last question is empty")
    sample = replace(sample, language=_language(one, sample))
    return replace(sample, id=content_id(sample), rev=revision(sample))


def _asked(
    payload: Mapping[str, JsonValue], values: Mapping[str, list[JsonValue]], binding: Binding
) -> list[Asked]:
    field = "messages" if "messages" in binding.refs else "input"
    if not values[field]:
        missing = [c for f, c in binding.columns() if f == field and not has_column(payload, c)]
        if missing:
            close = nearest(missing[0], payload)
            hint = f'did you mean "{close}"?' if close else f"there are: {listed(list(payload))}"
            raise FieldError(Reason.MISSING_FIELD, f'there is no "{missing[0]}"', hint=hint)
        raise FieldError(Reason.EMPTY, "the question is empty")
    if field == "messages":
        return asked_of(fields.messages_of(values[field][0]), binding.turns)
    texts = [fields.text_of(value, field) for value in values[field]]
    return [one_question("\n\n".join(texts))]


def _language(one: Mapping[str, JsonValue], sample: TestSample) -> str:
    if "language" in one:
        return fields.language_of_field(one["language"])
    return language_of("\n".join(sample.user_texts))


def _listed(payload: Mapping[str, JsonValue], field: str, binding: Binding) -> tuple[str, ...]:
    """Return the texts of a field of `LISTS`."""
    texts: list[JsonValue] = []
    for ref in binding.refs.get(field, ()):
        may_cut = binding.split and is_cell(payload, ref)
        for value in values_of(payload, [ref]):
            texts += read_cell(value, field) if may_cut and isinstance(value, str) else [value]
    return fields.texts_of(texts, field)
