"""`dataset validate`: a dataset held against itself, so that nobody measures with a damaged one."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.core.dataset import (
    METADATA_FILE,
    SAMPLES_FILE,
    load_dataset,
    read_metadata,
    read_sample,
)
from lm_eval_so.core.files import read_lines
from lm_eval_so.core.hashing import content_id, digest, digest_text, revision
from lm_eval_so.core.records.codec import loads, parse_json, to_json
from lm_eval_so.core.records.dataset import DocumentInfo, FileInfo
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.sample import Passage, TestSample
from lm_eval_so.core.words import counted
from lm_eval_so.errors import DatasetError, InputError, Problem, Where
from lm_eval_so.generator.dataset.hand_edits import samples_digest
from lm_eval_so.generator.dataset.stored import SOURCES_FILE

_MOST = 1000
_EDITED = "run generate, which takes edits of written tests over and says what to do about others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """Counts of a dataset without problems."""

    samples: int
    quotes: int
    """Passages that stand in a document of the dataset."""
    documents: int
    language: Language
    """Language of most tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One readable sample, its place, and the `rev` that stands in the file."""

    where: Where
    sample: TestSample
    rev: object


def validate(path: Path) -> Validated:
    """Hold every line, id, `rev`, quote, relation and digest of a dataset against what it is made of.

    Args:
        path: Folder of the dataset, or a file of samples.

    Raises:
        DatasetError: With every problem, in the order of files and lines; at most 1,000.
        InputError: If there is no dataset, or a file cannot be read.
    """
    file = path / SAMPLES_FILE if path.is_dir() else path
    if not file.is_file():
        load_dataset(path)  # says so
    problems: list[Problem] = []
    try:
        load_dataset(file)
    except InputError as error:
        problems += error.problems
    lines = [*_readable(file)]
    documents: dict[str, DocumentInfo] = {}
    sources = path / SOURCES_FILE
    for number, data in read_lines(sources) if path.is_dir() and sources.is_file() else ():
        try:
            made = loads(data, DocumentInfo, where=Where(file=str(sources), line=number))
            documents[made.doc_id] = made
        except InputError as error:
            problems += error.problems
    ids = {line.sample.id for line in lines}
    for line in lines:
        problems += _problems(line, documents, ids)
    problems.sort(key=_place)
    problems += _metadata_problems(path)
    if problems:
        raise DatasetError.of(problems[:_MOST])
    quotes = sum(passage.doc_id in documents for x in lines for passage in x.sample.context)
    return Validated(
        samples=len(lines),
        quotes=quotes,
        documents=len(documents),
        language=main_language(line.sample for line in lines),
    )


def main_language(samples: Iterable[TestSample]) -> Language:
    """Return the language of most tests, of those that texts for people have."""
    is_korean = [(sample.language or "").startswith("ko") for sample in samples]
    return Language.KO if sum(is_korean) * 2 > len(is_korean) else Language.EN


def _place(problem: Problem) -> tuple[str, int]:
    where = problem.where or Where()
    return where.file or "", where.line or 0


def _readable(file: Path) -> Iterator[_Line]:
    for number, data in read_lines(file):
        try:
            sample = read_sample(data)
        except InputError:  # told with the problems of lines
            continue
        rev = parse_json(data).get("rev")
        yield _Line(where=Where(file=str(file), line=number), sample=sample, rev=rev)


def _problems(
    line: _Line, documents: Mapping[str, DocumentInfo], ids: Container[str]
) -> Iterator[Problem]:
    sample = line.sample
    made_by_us = sample.provenance is not None
    if made_by_us and sample.id != (made := content_id(sample)):
        what = f"the id {sample.id} is not that of the question, {made}"
        yield Problem(what=what, where=line.where, hint=_EDITED)
    if line.rev is not None and line.rev != (rev := revision(sample)):
        what = f"{sample.id}: the rev {line.rev} is not that of question and expectations, {rev}"
        yield Problem(what=what, where=line.where, hint=_EDITED)
    for passage in sample.context:
        if (wrong := _wrong_passage(passage, documents)) is not None:
            hint = "restore the line or sources.jsonl from git, or run generate"
            yield Problem(what=f"{sample.id}: {wrong}", where=line.where, hint=hint)
    relation = sample.relation
    if relation is not None and (relation.base not in ids or relation.base == sample.id):
        what = f"{sample.id}: its relation names the base {relation.base}, "
        what += "which is itself" if relation.base == sample.id else "which is no test here"
        hint = "remove the test, or name a test of this dataset by relation.base"
        yield Problem(what=what, where=line.where, hint=hint)


def _wrong_passage(passage: Passage, documents: Mapping[str, DocumentInfo]) -> str | None:
    """Return what is wrong with a passage; None if nothing is, or if it names no document."""
    if passage.sha256 is not None and passage.sha256 != digest_text(passage.text):
        return "the text of a passage is not that of its sha256"
    if passage.span is None or passage.doc_id is None:
        return None
    document = documents.get(passage.doc_id)
    if document is None:
        return f"a passage quotes {passage.doc_id}, which is not in {SOURCES_FILE}"
    start, end = passage.span
    if 0 <= start <= end and document.text[start:end] == passage.text:
        return None
    return f"characters {start} to {end} of {document.file} are not the text of its passage"


def _metadata_problems(path: Path) -> Iterator[Problem]:
    """Yield the problems of metadata.json, and of files that are not those which it records."""
    try:
        info = read_metadata(path)
    except InputError as error:
        yield from error.problems
        return
    if info is None:
        return
    where = Where(file=str(path / METADATA_FILE))
    if info.dataset_sha256 != digest({name: to_json(each) for name, each in info.files.items()}):
        what = "dataset_sha256 is not the digest of what stands under files"
        yield Problem(what=what, where=where, hint="restore the file from git")
    for name, recorded in info.files.items():
        file = path / name
        if Path(name).name != name or not file.is_file():
            yield Problem(what=f"{name} is missing, which {METADATA_FILE} records", where=where)
        elif (wrong := _difference(file, recorded)) is not None:
            yield Problem(what=wrong, where=Where(file=str(file)), hint=_EDITED)


def _difference(file: Path, recorded: FileInfo) -> str | None:
    """Return how a file differs from its record; line ends, which git changes, do not count."""
    if samples_digest(file) == recorded.sha256:
        return None
    rows = sum(1 for _ in read_lines(file))
    lines = "" if rows == recorded.rows else f": {counted(rows, 'line')}, and not {recorded.rows:,}"
    return f"{file.name} is not the file that {METADATA_FILE} records{lines}"
