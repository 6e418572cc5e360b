"""Samples of the tests that were written, and what they tell to those to come."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import read_text
from lm_eval_so.core.hashing import content_id, digest, digest_text, revision, u64
from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.enums import Behavior, Language
from lm_eval_so.core.records.sample import (
    Passage,
    PromptRef,
    Provenance,
    Review,
    SourceRef,
    TestSample,
)
from lm_eval_so.generator.dataset.stored import LOOK_UP, WRITE
from lm_eval_so.generator.personal import is_personal
from lm_eval_so.generator.writing.likeness import key
from lm_eval_so.generator.writing.model.prompts import language_for, prompt_digest, renew_digest
from lm_eval_so.generator.writing.model.write_rounds import Written
from lm_eval_so.generator.writing.rules import Draft, Evidence, Known, doc_id

SPLIT = "test"
_EXAMPLES = 6
_FEWEST, _MOST = 5, 120
"""Characters of a question that serves as an example."""
TYPE = "type"
"""Key of the metadata with the type of a test."""


def sample_of(written: Written, licenses: Mapping[str, str | None]) -> TestSample:
    """Return the sample of a test that was written; licenses stand by the file of their document."""
    draft, said = written.draft, written.draft.said
    chunk = draft.slot.chunk
    document = chunk.document
    role = "gold" if draft.has_answer else "distractor"
    turns = [
        Message(role="user" if number % 2 == 0 else "assistant", content=text)
        for number, text in enumerate(text for turn in said.history for text in turn)
    ]
    at = draft.evidence[0].at if draft.evidence else chunk.units[0].at
    language = language_for(chunk.language)
    kind = "write" if said.scene is None else "scenario"
    prompt = PromptRef(name=f"{kind}.{language.value}", sha256=prompt_digest(language, kind))
    asked = (*turns, Message(role="user", content=said.question))
    sample = TestSample(
        id="",
        group_id=chunk.place,
        language=chunk.language,
        messages=asked if said.scene is None else (),
        scenario=said.scene,
        expected=said.answer if draft.has_answer and said.scene is None else None,
        behavior=Behavior.ANSWER if draft.has_answer else Behavior.ABSTAIN,
        context=(
            *(_passage(each, role) for each in draft.evidence),
            *(_passage(each, "distractor") for each in draft.outdated),
        ),
        metadata={TYPE: draft.slot.type},
        metrics=_metrics(draft),
        split=SPLIT,
        flags=draft.flags,
        review=Review(status="unreviewed"),
        provenance=Provenance(
            method=LOOK_UP if written.model is None else WRITE,
            source=SourceRef(file=document.file, sha256=document.sha256, at=at),
            license=licenses.get(document.file),
            slot=draft.slot.key,
            prompt=None if written.model is None else prompt,
            model=written.model,
        ),
    )
    return replace(sample, id=content_id(sample), rev=revision(sample))


def with_passages(
    sample: TestSample, passages: Sequence[Passage], origin: SourceRef, group: str
) -> TestSample:
    """Return a sample whose answer rests on other passages; its id stays.

    Args:
        sample: The sample.
        passages: Passages in the place of its gold ones.
        origin: Place of the first of them.
        group: File and heading of it.
    """
    others = [passage for passage in sample.context if passage.role != "gold"]
    provenance = sample.provenance and replace(sample.provenance, source=origin)
    new = replace(
        sample, context=(*passages, *others), group_id=group, provenance=provenance, rev=None
    )
    return replace(new, rev=revision(new))


def renewed_sample(sample: TestSample, draft: Draft, model: str | None) -> TestSample:
    """Return a sample whose answer still holds, with the quotes that prove it now.

    Args:
        sample: The sample.
        draft: Answer and quotes, judged by the rules.
        model: The model that gave a new answer; None: the answer is the old one.
    """
    first = draft.evidence[0]
    document = first.document
    origin = SourceRef(file=document.file, sha256=document.sha256, at=first.at)
    if model is not None:
        sample = _with_answer(sample, draft, model)
    passages = [_passage(each, "gold") for each in draft.evidence]
    return with_passages(sample, passages, origin, first.chunk.place)


def _with_answer(sample: TestSample, draft: Draft, model: str) -> TestSample:
    """Return a sample with another answer, which nobody has reviewed or held against other documents."""
    language = language_for(draft.slot.chunk.language)
    metrics = {name: each for name, each in sample.metrics.items() if name != "keyword_coverage"}
    origin = sample.provenance or Provenance(method=WRITE)
    prompt = PromptRef(name=f"renew.{language.value}", sha256=renew_digest(language))
    return replace(
        sample,
        expected=draft.said.answer,
        references=(),
        metrics={**metrics, **_metrics(draft)},
        flags=(*draft.flags, "unchecked"),
        review=Review(status="unreviewed"),
        provenance=replace(origin, method=WRITE, prompt=prompt, model=model),
    )


def _metrics(draft: Draft) -> dict[str, dict[str, JsonValue]]:
    return {"keyword_coverage": {"keywords": [*draft.must_say]}} if draft.must_say else {}


def _passage(evidence: Evidence, role: str) -> Passage:
    return Passage(
        role="gold" if role == "gold" else "distractor",
        text=evidence.text,
        doc_id=doc_id(evidence.document),
        span=(evidence.start, evidence.end),
        sha256=digest_text(evidence.text),
    )


def known_sample(sample: TestSample) -> Known:
    """Return the question of a sample as one that stands."""
    user = sample.scenario.simulated_user if sample.scenario else None
    opening = [user.opening] if user and user.opening else []
    asked = "\n".join([*opening, *(message.content for message in sample.messages)])
    places = [(p.doc_id, *p.span) for p in sample.context if p.doc_id is not None and p.span]
    return Known(asked=asked, places=tuple(places))


def type_of(sample: TestSample) -> str:
    """Return the type of a test that was written; "" if somebody took it out."""
    return str(sample.metadata.get(TYPE, ""))


def is_unanswered(sample: TestSample) -> bool:
    """Return whether a test that was written is about what no document answers."""
    return type_of(sample) == "unanswerable" and sample.expected is None


def told_by(config: Config) -> str:
    """Return the digest of what writes tests: the instructions, the model and its parameters."""
    section = config.generator and config.generator.writer
    wanted = config.generator and config.generator.synthesise
    names = ["write", *(["scenario"] if wanted and wanted.scenarios else [])]
    told = [prompt_digest(language, name) for name in names for language in Language]
    return digest([told, section and section.name, section and section.params])[:16]


def prompts_of(samples: Iterable[TestSample]) -> dict[str, str]:
    """Return the digests of the instructions that samples were written by, by their names."""
    origins = [sample.provenance for sample in samples if sample.provenance]
    found = {each.prompt.name: each.prompt.sha256 for each in origins if each.prompt}
    return dict(sorted(found.items()))


def not_imported(
    standing: Iterable[TestSample], imported: Iterable[TestSample]
) -> tuple[TestSample, ...]:
    """Return the written tests but for those whose question a source asks, too: the team's own counts."""
    own = {key(known_sample(sample).asked) for sample in imported}
    return tuple(each for each in standing if key(known_sample(each).asked) not in own)


def in_order(samples: Iterable[TestSample], types: Sequence[str]) -> tuple[TestSample, ...]:
    """Return written tests in an order that does not tell when each was written: by type and id."""
    place = {type_: number for number, type_ in enumerate(types)}
    return tuple(sorted(samples, key=lambda each: (place.get(type_of(each), len(place)), each.id)))


def style_for(
    config: Config, imported: Sequence[TestSample], languages: Iterable[str]
) -> dict[str, Sequence[str]]:
    """Return questions by language that show how the team's users write: its own, else those of the config.

    Args:
        config: The config, with tests to write.
        imported: Imported tests.
        languages: Languages of the documents.

    Raises:
        InputError: If the file of examples cannot be read.
    """
    section = config.generator
    assert section is not None and section.synthesise is not None  # noqa: S101, PT018 - tests are wanted
    given = section.synthesise.style
    if isinstance(given, Path):
        lines = read_text(config.resolve(given)).splitlines()
        given = [line.strip() for line in lines if line.strip()]
    found = {each: style_examples(imported, each, section.seed) for each in sorted(languages)}
    given = [line for line in given if not is_personal(line)]
    return {language: own or given for language, own in found.items()}


def style_examples(samples: Iterable[TestSample], language: str, seed: int) -> tuple[str, ...]:
    """Return questions of the team's own that show how its users write, one of each tag in turn."""
    by_tag: dict[str, list[TestSample]] = {}
    for sample in samples:
        text = sample.question
        fits = _FEWEST <= len(text) <= _MOST and "\n" not in text and not is_personal(text)
        if fits and sample.language == language:
            by_tag.setdefault(sample.tags[0] if sample.tags else "", []).append(sample)
    for found in by_tag.values():
        found.sort(key=lambda sample: (u64(seed, "style", sample.id), sample.id), reverse=True)
    chosen: list[str] = []
    while len(chosen) < _EXAMPLES and any(by_tag.values()):
        for tag in sorted(by_tag):
            if by_tag[tag] and len(chosen) < _EXAMPLES:
                chosen.append(by_tag[tag].pop().question)
    return tuple(chosen)
