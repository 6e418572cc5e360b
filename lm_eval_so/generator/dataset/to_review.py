"""The review page of a dataset: its tests with their doubts and the quotes in their surroundings."""

import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from lm_eval_so.core.dataset import load_dataset, read_metadata
from lm_eval_so.core.files import write_all
from lm_eval_so.core.records.dataset import DocumentInfo
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.review_page import (
    ReviewItem,
    ReviewPage,
    ShownCell,
    ShownDataset,
    ShownEvidence,
    ShownFlag,
    ShownTurn,
)
from lm_eval_so.core.records.sample import Passage, TestSample
from lm_eval_so.core.review_page.pages import page_name, review_pages
from lm_eval_so.core.words import place_in_file, say, texts
from lm_eval_so.generator.dataset.stored import read_documents
from lm_eval_so.generator.documents.block import Unit
from lm_eval_so.generator.documents.compose import Composed, compose, split_text
from lm_eval_so.generator.review.decisions import key_of, phrases_of

_STEM = "review"
_OURS = re.compile(r"review(?:-\d+)?\.html")
_NO_DOUBT = "keyless"
"""Flag of every test that was written by rule."""
_MOST = 600
"""Characters of a paragraph that are shown on each side of a quote."""
_BAR = re.compile(r"(?<!\\)\|")


def write_review(folder: Path, language: Language, *, shown_as: str) -> tuple[Path, ...]:
    """Write the review page into a dataset's folder; remove it where there is nothing left to review.

    Args:
        folder: Folder of the dataset.
        language: Language of the page.
        shown_as: The folder as the user names it.

    Returns:
        The files, `review.html` first.

    Raises:
        InputError: If the dataset cannot be read, or the folder not written to.
    """
    info = read_metadata(folder)
    is_reviewed = info is not None and not info.review.get("unreviewed")
    made = {} if is_reviewed else review_texts(folder, language, shown_as=shown_as)
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in made:
            path.unlink()
    return write_all({folder / name: text for name, text in made.items()})


def review_texts(
    folder: Path, language: Language, *, shown_as: str, everything: bool = False
) -> dict[str, str]:
    """Return the pages on which people review a dataset, by the names of their files.

    Args as of `page_of`.

    Returns:
        Nothing if there is no test to show.

    Raises:
        InputError: If the dataset cannot be read.
    """
    page = page_of(folder, language, shown_as=shown_as, everything=everything)
    return {page_name(_STEM, n): text for n, text in enumerate(review_pages(page), start=1)}


def page_of(
    folder: Path, language: Language, *, shown_as: str, everything: bool = False
) -> ReviewPage:
    """Return what people see when they review a dataset.

    Tests with a doubt come first, then in the order of the dataset, which keeps those of a document together.

    Args:
        folder: Folder of the dataset.
        language: Language of the page.
        shown_as: The folder as the user names it.
        everything: Whether tests that people accepted, edited or wrote are shown, too.

    Raises:
        InputError: If the dataset cannot be read.
    """
    dataset = load_dataset(folder)
    shown = [each for each in dataset if everything or _is_open(each)]
    items = shown_items(folder, shown, language)
    items.sort(key=lambda item: (not item.flags, item.status != "unreviewed"))
    return ReviewPage(
        mode="review",
        language=language.value,
        dataset=ShownDataset(name=dataset.ref.name, sha256=dataset.ref.digest),
        items=tuple(items),
        command=f"lm-eval-so dataset review import {shlex.quote(shown_as)} {{file}}",
    )


def shown_items(
    folder: Path, samples: Sequence[TestSample], language: Language
) -> list[ReviewItem]:
    """Return tests as people see them, with their doubts and with the quotes in their surroundings.

    Raises:
        RecordError: If the documents cannot be read.
    """
    sources = _Sources(folder, {p.doc_id for s in samples for p in s.context})
    return [_item(sample, sources, language) for sample in samples]


def _is_open(sample: TestSample) -> bool:
    """Return whether a person is to look at a test.

    A source's own question is none, but for one with a doubt; nor is a twin, which follows its base.
    """
    is_unreviewed = sample.review is not None and sample.review.status == "unreviewed"
    is_own = sample.provenance is not None and sample.provenance.method == "import"
    follows = is_own or sample.relation is not None
    return is_unreviewed and (bool(sample.flags) or not follows)


class _Sources:
    """The documents that passages quote."""

    def __init__(self, folder: Path, wanted: set[str | None]) -> None:
        documents = read_documents(folder)
        self._by_id = {each.doc_id: each for each in documents if each.doc_id in wanted}
        self._composed = cache(lambda doc_id: compose(split_text(self._by_id[doc_id].text)))

    def find(self, passage: Passage) -> tuple[DocumentInfo, list[Unit], tuple[int, int]] | None:
        """Return the document of a passage, the units that it lies in, and its place; None if it is not there."""
        document = self._by_id.get(passage.doc_id or "")
        if document is None or passage.span is None:
            return None
        start, end = passage.span
        composed: Composed = self._composed(document.doc_id)
        units = [unit for unit in composed.units if unit.start < end and unit.end > start]
        is_there = composed.text == document.text and document.text[start:end] == passage.text
        return (document, units, (start, end)) if is_there and units else None


def _item(sample: TestSample, sources: _Sources, language: Language) -> ReviewItem:
    scene = sample.scenario
    user = scene.simulated_user if scene else None
    return ReviewItem(
        id=sample.id,
        rev=key_of(sample)[1],
        type=shown_type(sample),
        language=sample.language,
        turns=tuple(_turns(sample)),
        expected=sample.expected,
        behavior=sample.behavior.value,
        must_say=phrases_of(sample),
        must_not=(
            *phrases_of(sample, "forbidden"),
            *(each.text for each in (scene.must_not if scene else ())),
        ),
        goal=user.goal if user else None,
        facts=tuple(f"{name}: {value}" for name, value in user.facts.items()) if user else (),
        success=tuple(each.text for each in scene.success) if scene else (),
        flags=tuple(_flag(each, language) for each in sample.flags if each != _NO_DOUBT),
        evidence=tuple(_evidence(sample, sources, language)),
        status=sample.review.status if sample.review else None,
    )


def shown_type(sample: TestSample) -> str:
    """Return the type of a test: how it was written, twin, scenario or imported."""
    if sample.relation is not None:
        return "twin"
    if sample.scenario is not None:
        return "scenario"
    return str(sample.metadata.get("type") or "imported")


def _turns(sample: TestSample) -> Iterator[ShownTurn]:
    """Yield what was said, the question last."""
    for message in sample.messages:
        yield ShownTurn(role=message.role, text=message.content)
    if sample.scenario is not None:
        user = sample.scenario.simulated_user
        told = [user.opening or user.goal] if user else [t.user for t in sample.scenario.turns]
        yield ShownTurn(role="user", text="\n".join(told))


def _flag(flag: str, language: Language) -> ShownFlag:
    code, _, place = flag.partition(":")
    known = f"review_page.flag_{code}"
    text = say(known, language, {"place": place}) if known in texts(language) else flag
    return ShownFlag(code=code, text=text)


def _evidence(sample: TestSample, sources: _Sources, language: Language) -> Iterator[ShownEvidence]:
    origin = sample.provenance.source if sample.provenance else None
    for number, passage in enumerate(sample.context):
        found = sources.find(passage)
        if found is None:
            yield ShownEvidence(role=passage.role, file="", quote=passage.text)
            continue
        document, units, (start, end) = found
        first, last = units[0], units[-1]
        row = _row(first, start, end) if len(units) == 1 and first.kind == "row" else ()
        yield ShownEvidence(
            role=passage.role,
            file=document.file,
            place=place_in_file(origin.at, language) if origin and number == 0 else "",
            heading=first.path[-1] if first.path else "",
            before="" if row else document.text[max(first.start, start - _MOST) : start],
            quote=passage.text,
            after="" if row else document.text[end : min(last.end, end + _MOST)],
            cells=row,
        )


def _row(unit: Unit, start: int, end: int) -> tuple[ShownCell, ...]:
    """Return the cells of a row, with those that a quote touches."""
    bars = [unit.start + found.start() for found in _BAR.finditer(unit.text)]
    return tuple(
        ShownCell(column=column, text=text, is_quoted=left + 1 < end and right > start)
        for (column, text), (left, right) in zip(unit.named_cells(), pairwise(bars), strict=True)
    )
