"""The check: every proposed question held against the documents, not only against its own passage."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, Final

from pydantic import JsonValue

from lm_eval_so.core.text.numbers import find_numbers
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.writing.candidate import Verdict, read_verdicts
from lm_eval_so.generator.writing.chunks import Chunk, chunks_of, place_of
from lm_eval_so.generator.writing.likeness import Keyed, Search, key, keyed, numbers_of
from lm_eval_so.generator.writing.model.models import Models, Question
from lm_eval_so.generator.writing.model.prompts import check_request, language_for
from lm_eval_so.generator.writing.rules import Draft, Fault

_MOST_WINDOWS: Final = 12
"""Windows up to which every question is held against every one."""
_BEST_CHUNKS: Final = 12
_OTHER_WINDOWS: Final = 2
_A_REQUEST: Final = 8
"""Most questions of one request."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """Passages that one request shows: whole documents, or pieces of a long one."""

    pieces: tuple[tuple[Document, int, int], ...]
    """(document, start, end) of each."""

    @property
    def passages(self) -> list[tuple[str, str]]:
        """(place, text) of each piece."""
        return [(document.file, document.text[start:end]) for document, start, end in self.pieces]

    def holds(self, document: Document, start: int) -> bool:
        """Return whether a place of a document lies in it."""
        return any(each is document and first <= start < end for each, first, end in self.pieces)

    def place(self, quote: str) -> str | None:
        """Return the file and heading of a quote, for people; None if it is not in it."""
        wanted = key(quote)
        for find in (Keyed.span, Keyed.nearly):
            for document, first, end in self.pieces:
                if span := find(keyed(document.text[first:end]), wanted):
                    at = first + span[0]
                    paths = (u.path for u in document.units if u.start <= at < u.end)
                    return place_of(document, next(paths, ()))
        return None


def windows_of(documents: Sequence[Document], most: int) -> tuple[Window, ...]:
    """Pack documents whole, in order, into windows of at most so many characters; a longer one is cut between chunks."""
    windows: list[list[tuple[Document, int, int]]] = []
    size = most
    for piece in (piece for document in documents for piece in _pieces(document, most)):
        length = piece[2] - piece[1]
        if size + length > most:
            windows.append([])
            size = 0
        windows[-1].append(piece)
        size += length
    return tuple(Window(pieces=tuple(pieces)) for pieces in windows)


def _pieces(document: Document, most: int) -> Iterator[tuple[Document, int, int]]:
    if len(document.text) <= most:
        yield document, 0, len(document.text)
        return
    start = 0
    for before, chunk in pairwise(chunks_of(document)):
        if chunk.end - start > most:
            yield document, start, before.end
            start = chunk.start
    yield document, start, len(document.text)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Questions to hold against one window in one request."""

    window: Window
    drafts: tuple[Draft, ...]


class Checker:
    """Decides which questions are held against which windows, and what the verdicts mean.

    Args:
        documents: All documents.
        most: Most characters of a window.
    """

    def __init__(self, documents: Sequence[Document], most: int) -> None:
        self._documents = documents
        self.windows = windows_of(documents, most)

    @property
    def is_whole(self) -> bool:
        """Whether every question is held against every window."""
        return len(self.windows) <= _MOST_WINDOWS

    async def check(self, models: Models, drafts: Sequence[Draft]) -> list[Draft | Fault | None]:
        """Return each draft with the flags of its check, or its fault; None if it was cut off.

        Conversations to play are no questions that documents could answer, and pass.

        Args:
            models: The models; if none of them checks, all drafts get the flag `unchecked`.
            drafts: The drafts.
        """
        model = models.checker
        if model is None:
            return [draft.flagged("unchecked") for draft in drafts]
        held = self.requests([draft for draft in drafts if draft.said.scene is None])
        replies = await models.ask(model, [_question(each, model.params) for each in held])
        told: dict[int, list[tuple[Window, Any]]] = {id(draft): [] for draft in drafts}
        for each, reply in zip(held, replies, strict=True):
            said = reply and reply.said
            for number, draft in enumerate(each.drafts):
                verdict = said[number] if isinstance(said, tuple) else said
                told[id(draft)].append((each.window, verdict))
        return [
            draft if draft.said.scene else self._end(draft, told[id(draft)]) for draft in drafts
        ]

    def _end(self, draft: Draft, told: Sequence[tuple[Window, Any]]) -> Draft | Fault | None:
        if any(verdict is None for _, verdict in told):
            return None
        if not all(isinstance(verdict, Verdict) for _, verdict in told):
            return Fault(reason="check_failed")
        return self.decide(draft, told)

    def requests(self, drafts: Sequence[Draft]) -> list[Held]:
        """Return the requests that check drafts: window by window, the drafts in order."""
        chosen = {id(draft): self._windows(draft) for draft in drafts}
        found: list[Held] = []
        for window in self.windows:
            held = [draft for draft in drafts if window in chosen[id(draft)]]
            found += [
                Held(window=window, drafts=tuple(held[first : first + _A_REQUEST]))
                for first in range(0, len(held), _A_REQUEST)
            ]
        return [*found, *(Held(window=_hops(d), drafts=(d,)) for d in drafts if _is_hop(d))]

    def _windows(self, draft: Draft) -> Sequence[Window]:
        if self.is_whole:
            return self.windows
        counts: Counter[int] = Counter()
        said = draft.said
        for chunk in self._search.best(said.asked, *said.search, most=_BEST_CHUNKS):
            at = next(n for n, w in enumerate(self.windows) if w.holds(chunk.document, chunk.start))
            counts[at] += 1
        own = [n for n, window in enumerate(self.windows) if _is_own(draft, window)]
        others = [n for n in sorted(counts, key=lambda n: (-counts[n], n)) if n not in own]
        return [self.windows[n] for n in (*own, *others[:_OTHER_WINDOWS])]

    @cached_property
    def _search(self) -> Search[Chunk]:
        chunks = [chunk for document in self._documents for chunk in chunks_of(document)]
        return Search(chunks, lambda chunk: chunk.with_heading)

    def decide(self, draft: Draft, verdicts: Sequence[tuple[Window, Verdict]]) -> Draft | Fault:
        """Return a draft with the flags of its check, or the fault that was found.

        Args:
            draft: The draft.
            verdicts: Every window that it was held against, and what that tells.
        """
        if draft.slot.type == "unanswerable":
            answered = next((each for each in verdicts if each[1].found == "answers"), None)
            if answered is not None:
                where = answered[0].place(answered[1].quote)
                return Fault(reason="answerable_after_all", what=where or answered[1].quote)
            return draft if self.is_whole else draft.flagged("checked_partly")
        own = [each for each in verdicts if _is_own(draft, each[0])]
        others = [each for each in verdicts if each not in own]
        if draft.slot.type == "false_premise":
            denied = any(verdict.found == "denies" for _, verdict in own)
            return draft if denied else Fault(reason="premise_holds", what=draft.said.question)
        settled = [v for w, v in own if v.found == "answers" and w.place(v.quote) is not None]
        if not settled:
            return Fault(reason="not_answerable", what=draft.said.question)
        if all(_differs(draft, verdict) for verdict in settled):
            return Fault(reason="answer_differs", what=settled[0].answer)
        if not any(_confirms(draft, verdict) for verdict in settled):
            draft = draft.flagged("answer_unsure")
        for window, verdict in others:
            where = window.place(verdict.quote)
            if verdict.found == "answers" and where and _differs(draft, verdict):
                draft = draft.flagged(f"conflict:{where}")
        return draft


def _question(held: Held, params: Mapping[str, JsonValue]) -> Question:
    language = held.drafts[0].slot.chunk.language
    said = [draft.said for draft in held.drafts]
    request = check_request(held.window.passages, said, params, language=language_for(language))
    read = partial(read_verdicts, count=len(said))
    return Question(request=request, language=language, read=read)


def _is_hop(draft: Draft) -> bool:
    return draft.slot.type == "multi_hop"


def _hops(draft: Draft) -> Window:
    """Return the passages that a question over several rests on, and nothing else."""
    chunks = dict.fromkeys(each.chunk for each in draft.evidence)
    return Window(pieces=tuple((c.document, c.start, c.end) for c in chunks))


def _is_own(draft: Draft, window: Window) -> bool:
    """Return whether the verdict of a window decides: it shows all that the answer rests on."""
    if _is_hop(draft):
        pieces = {(id(d), start) for d, start, _ in window.pieces}
        return pieces == {(id(e.document), e.chunk.start) for e in draft.evidence}
    chunk = draft.evidence[0].chunk if draft.evidence else draft.slot.chunk
    return window.holds(chunk.document, chunk.start)


def _differs(draft: Draft, verdict: Verdict) -> bool:
    """Return whether an answer tells other numbers: each tells one that the other does not."""
    asked = numbers_of(draft.said.asked)
    ours, theirs = numbers_of(draft.said.answer) - asked, numbers_of(verdict.answer) - asked
    return bool(ours - theirs and theirs - ours)


def _confirms(draft: Draft, verdict: Verdict) -> bool:
    said = key(verdict.answer)
    if any(key(text) in said for text in draft.must_say):
        return True
    return bool(find_numbers(draft.said.answer)) and bool(
        numbers_of(draft.said.answer) & numbers_of(verdict.answer)
    )
