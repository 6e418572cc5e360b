"""The parts of a dataset that stand: tests written from documents, their documents, and tries in vain."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from lm_eval_so.core.dataset import METADATA_FILE, SAMPLES_FILE, read_metadata
from lm_eval_so.core.files import read_lines
from lm_eval_so.core.hashing import content_id, revision
from lm_eval_so.core.records.codec import loads, to_json
from lm_eval_so.core.records.dataset import (
    DatasetInfo,
    DocumentInfo,
    ModelUse,
    PlanInfo,
    SectionInfo,
)
from lm_eval_so.core.records.sample import Review, TestSample
from lm_eval_so.errors import InputError, RecordError, Where
from lm_eval_so.generator.documents.block import Document, in_force
from lm_eval_so.generator.review.decisions import REVIEW, REVIEW_FILE
from lm_eval_so.generator.twins.make_twins import is_twin, kinds_of
from lm_eval_so.generator.writing.model.write_rounds import Try
from lm_eval_so.generator.writing.rules import doc_id

REJECTED_FILE = "rejected.jsonl"
SOURCES_FILE = "sources.jsonl"
METRICS_FILE = "metrics-from-openai-evals.yaml"
FILES = (SAMPLES_FILE, REJECTED_FILE, SOURCES_FILE, METRICS_FILE, METADATA_FILE)
"""Files in the order of writing: metadata.json, with the digests of the others, comes last."""
PUBLISHED = (REVIEW_FILE, *FILES)
"""All files that may be made anew."""
WRITE = "write"
"""Stage of a line of rejected.jsonl that is a try in vain, and method of a test that a model wrote."""
LOOK_UP = "look_up"
"""Method of a test that was written without a model."""
_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The parts of a dataset that `generate` keeps."""

    samples: tuple[TestSample, ...] = ()
    """Tests written from documents, edits by hand taken over."""
    twins: tuple[TestSample, ...] = ()
    """Twins of tests, edits by hand taken over."""
    documents: tuple[DocumentInfo, ...] = ()
    """Documents as they were when these tests were written."""
    tries: tuple[Mapping[str, Any], ...] = ()
    """Lines of rejected.jsonl about tries in vain, and about tests that people rejected."""
    info: DatasetInfo | None = None

    @property
    def held_documents(self) -> tuple[DocumentInfo, ...]:
        """The documents that tests without an answer were held against."""
        new = (self.info and self.info.new_documents) or ()
        return tuple(each for each in self.documents if each.doc_id not in new)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromDocuments:
    """The part of a dataset that comes from documents."""

    documents: Sequence[DocumentInfo] = ()
    new_documents: Sequence[str] = ()
    """Ids of those that tests without an answer were not held against."""
    samples: Sequence[TestSample] = ()
    twins: Sequence[TestSample] = ()
    """Twins of these samples, and of those from other sources."""
    tries: Sequence[Mapping[str, Any]] = ()
    """Lines of rejected.jsonl about proposals that were thrown away, and tests that people rejected."""
    plan: PlanInfo | None = None
    """None if no tests are to be written."""
    llm: ModelUse | None = None

    @property
    def kinds(self) -> dict[str, int]:
        """Number of twins by kind."""
        return kinds_of(self.twins)


NOTHING = FromDocuments()
"""The part of a dataset without documents."""


def is_written(sample: TestSample | None) -> bool:
    """Return whether a sample was written from documents or is a twin, and was not imported."""
    origin = sample.provenance if sample else None
    return origin is not None and (
        origin.method in {WRITE, LOOK_UP} or (sample is not None and is_twin(sample))
    )


def read_stored(folder: Path) -> Stored:
    """Read what stands in a dataset's folder; nothing where there is none.

    Raises:
        RecordError: If a file of it is damaged; names the line.
    """
    if not (folder / METADATA_FILE).exists():
        return Stored()
    found = (sample_in(line) for _, line in _lines(folder / SAMPLES_FILE))
    samples = [as_edited(each) for each in found if each is not None and is_written(each)]
    return Stored(
        samples=tuple(each for each in samples if not is_twin(each)),
        twins=tuple(each for each in samples if is_twin(each)),
        documents=read_documents(folder),
        tries=tuple(line for line in read_rejected(folder) if line.get("stage") in {WRITE, REVIEW}),
        info=read_metadata(folder),
    )


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    return read_lines(file) if file.exists() else iter(())


def sample_in(line: bytes) -> TestSample | None:
    """Return the sample of a line; None if it has none, which is told as an edit by hand, with its line."""
    try:
        return loads(line, TestSample)
    except InputError:
        return None


def as_edited(sample: TestSample) -> TestSample:
    """Return a sample; one that somebody edited since it was written says so, with its new id and `rev`."""
    made, rev = content_id(sample), revision(sample)
    if (sample.id, sample.rev) == (made, rev):
        return sample
    before = sample.review
    note = before.note if before else None
    origin = sample.id if sample.id != made else before.edited_from if before else None
    review = Review(status="edited", note=note, edited_from=origin)
    return replace(sample, id=made, rev=rev, review=review)


def read_documents(folder: Path) -> tuple[DocumentInfo, ...]:
    """Read the documents of a dataset; none where there is no file of them.

    Raises:
        RecordError: If a line is damaged.
    """
    return tuple(_records(folder / SOURCES_FILE, DocumentInfo))


def read_samples(folder: Path) -> list[TestSample]:
    """Read every test of a dataset, edits by hand of written ones taken over.

    Raises:
        RecordError: If a line is damaged.
    """
    found = _records(folder / SAMPLES_FILE, TestSample)
    return [as_edited(each) if is_written(each) else each for each in found]


def _records(file: Path, record: type[_Record]) -> Iterator[_Record]:
    for number, line in _lines(file):
        yield loads(line, record, where=Where(file=str(file), line=number))


def read_rejected(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of rejected.jsonl.

    Raises:
        RecordError: If a line is damaged.
    """
    file = folder / REJECTED_FILE
    for number, line in _lines(file):
        try:
            values = json.loads(line)
        except ValueError:
            where = Where(file=str(file), line=number)
            raise RecordError("no JSON", where=where, hint="restore the file from git") from None
        if isinstance(values, dict):
            yield values


def still_counting(lines: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the tries in vain since the last test of their slot was rejected by people."""
    kept: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        slot = str(line.get("slot", ""))
        kept[slot] = [] if line.get("stage") == REVIEW else [*kept.get(slot, ()), line]
    return chain.from_iterable(kept.values())


def try_of(line: Mapping[str, Any], by: str) -> Try | None:
    """Return a try in vain; None if other instructions or another model made it, so that it does not count.

    Args:
        line: Line of rejected.jsonl.
        by: Digest of the instructions and the model that are used now.
    """
    if line.get("by") != by:
        return None
    names = ("slot", "type", "place", "reason", "what", "question")
    avoid, attempt = line.get("avoid"), line.get("attempt")
    return Try(
        **{name: str(line.get(name, "")) for name in names},
        attempt=attempt if isinstance(attempt, int) else 0,
        avoid=tuple(map(str, avoid)) if isinstance(avoid, list) else (),
    )


def line_of(found: Try, by: str) -> dict[str, Any]:
    """Return the line of rejected.jsonl of a try in vain."""
    line = {"stage": WRITE, "reason": found.reason, **to_json(found), "by": by}
    return {key: value for key, value in line.items() if value not in ("", [])}


def new_documents(documents: Sequence[Document], stored: Stored) -> list[str]:
    """Return the ids of the documents in force that tests without an answer were not held against."""
    known = {each.doc_id for each in stored.held_documents}
    return [name for each in in_force(documents) if (name := doc_id(each)) not in known]


def document_lines(
    documents: Sequence[Document],
    stored: Stored,
    samples: Sequence[TestSample],
    new: Collection[str],
) -> tuple[DocumentInfo, ...]:
    """Return the lines of sources.jsonl: documents as they are, and earlier texts that still count."""
    now = {doc_id(document): _info(document) for document in documents}
    wanted = {passage.doc_id for sample in samples for passage in sample.context}
    files = {now[each].file for each in new}
    wanted |= {each.doc_id for each in stored.held_documents if each.file in files}
    before = [d for d in stored.documents if d.doc_id in wanted and d.doc_id not in now]
    return (*now.values(), *before)


def _info(document: Document) -> DocumentInfo:
    return DocumentInfo(
        doc_id=doc_id(document),
        file=document.file,
        sha256=document.sha256,
        text=document.text,
        sections=tuple(
            SectionInfo(title=s.title, level=s.level, start=s.start, end=s.end, at=s.at)
            for s in document.sections
        ),
    )
