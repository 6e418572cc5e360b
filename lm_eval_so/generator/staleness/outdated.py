"""Tests whose documents changed, made ready: with spans of today, or with all that a model needs to renew them."""

from collections.abc import Sequence

from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.sample import Passage, SourceRef, TestSample
from lm_eval_so.generator.dataset.make_samples import type_of, with_passages
from lm_eval_so.generator.documents.block import Document, Unit
from lm_eval_so.generator.review.decisions import phrases_of
from lm_eval_so.generator.staleness.against_documents import HeldPassage, Sources
from lm_eval_so.generator.writing.candidate import Candidate
from lm_eval_so.generator.writing.likeness import key, keyed
from lm_eval_so.generator.writing.model.prompts import OldTest
from lm_eval_so.generator.writing.rules import doc_id

_SENTENCE_MARKS = ".!?。"


def moved(sample: TestSample, passages: Sequence[HeldPassage], sources: Sources) -> TestSample:
    """Return a test whose quotes all stand, with their places in the documents of today.

    It is the very sample if no document of it changed, or if a quote stands over the ends of units.
    """
    new: list[Passage] = []
    origin = sample.provenance.source if sample.provenance else None
    group = sample.group_id or ""
    for held in passages:
        if sources.is_current(held.passage):
            new.append(held.passage)
            continue
        document, unit = sources.document(held.held.file), held.held.unit
        span = _span(held.passage.text, unit) if held.is_whole and unit else None
        if document is None or unit is None or span is None:
            return sample
        if not new:
            origin = SourceRef(file=document.file, sha256=document.sha256, at=unit.at)
            group = " › ".join((document.file, *unit.path[-1:]))
        new.append(_passage(document, span))
    is_same = tuple(new) == tuple(held.passage for held in passages)
    return sample if is_same or origin is None else with_passages(sample, new, origin, group)


def _span(quote: str, unit: Unit) -> tuple[int, int] | None:
    """Return the place of a quote in the text of its unit's document."""
    if unit.kind == "row":
        return unit.start, unit.end
    start = unit.text.find(quote)
    if start >= 0:
        return unit.start + start, unit.start + start + len(quote)
    span = keyed(unit.text).span(key(quote))
    if span is None:
        return None
    start, end = span
    while end < len(unit.text) and unit.text[end] in _SENTENCE_MARKS:
        end += 1
    return unit.start + start, unit.start + end


def _passage(document: Document, span: tuple[int, int]) -> Passage:
    text = document.text[slice(*span)]
    return Passage(text=text, doc_id=doc_id(document), span=span, sha256=digest_text(text))


def outdated(sample: TestSample, passages: Sequence[HeldPassage], sources: Sources) -> OldTest:
    """Return all that a model needs to say what still holds of a test."""
    told = [message.content for message in sample.messages[:-1]]
    history = tuple(zip(told[::2], told[1::2], strict=False))
    quotes = tuple(held.passage.text for held in passages)
    places = [
        (document, held.held.unit.start)
        for held in passages
        if held.held.unit and (document := sources.document(held.held.file))
    ]
    return OldTest(
        id=sample.id,
        type=type_of(sample),
        said=Candidate(
            question=sample.question,
            answer=sample.expected or "",
            quotes=quotes,
            must_say=phrases_of(sample),
            history=history,
        ),
        quoted="\n".join([*(held.header for held in passages), *quotes]),
        places=tuple(places),
    )
