"""The rules that a proposed test must pass, cheap ones first; the first that fails decides."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from lm_eval_so.core.hashing import digest
from lm_eval_so.core.text.behaviors import is_refusal
from lm_eval_so.core.text.numbers import amounts
from lm_eval_so.core.text.scripts import language_share
from lm_eval_so.generator.documents.block import At, Document
from lm_eval_so.generator.personal import has_placeholder, personal_data_of
from lm_eval_so.generator.writing.candidate import Candidate
from lm_eval_so.generator.writing.chunks import Chunk
from lm_eval_so.generator.writing.conflicts import differing
from lm_eval_so.generator.writing.likeness import copied_runs, jaccard, key, keyed, numbers_of
from lm_eval_so.generator.writing.slots import Slot

_FEWEST_LETTERS: Final = 4
_MOST_OF_QUESTION, _MOST_OF_ANSWER = 300, 600
_LEAST_IN_LANGUAGE: Final = 0.3
_FEWEST_OF_FUZZY: Final = 20
"""Characters of a quote that need not fit exactly: in a shorter one a letter is much."""
_SAME_QUESTION, _LIKE_QUESTION = 0.55, 0.6
_MOST_MUST_SAY: Final = 3
_CHECKED_LANGUAGES: Final = ("ko", "en", "ja", "zh")
_OF_THE_TEXT: Final = re.compile(
    r"(?:이|위|해당|제공된|주어진|본) ?(?:문서|지문|글|본문|자료|표)(?:에|의|를|은|는|상)"
    r"|(?:문서|지문|본문)에 (?:따르면|의하면|나온|적힌|있는)"
    r"|\b(?:according to|in|from|based on|mentioned in|per) (?:the|this|these) (?:\w+ )?"
    r"(?:passages?|documents?|texts?|excerpts?|sections?|tables?)\b"
    r"|\bthe (?:passage|document|text|excerpt)s? (?:says?|states?|mentions?)\b",
    re.IGNORECASE,
)
_LATIN_NAME: Final = re.compile(r"(?<![A-Za-z])[A-Z][A-Za-z0-9&+-]+")
_SENTENCE_MARKS: Final = ".!?。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The reason that a proposal is not kept."""

    reason: str
    what: str = ""
    """The mistake, for people: a piece of the proposal, or a place."""
    avoid: tuple[str, ...] = ()
    """Copied pieces that the next try must not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A quote: a piece of a document's own text."""

    chunk: Chunk
    start: int
    end: int
    """Exclusive; in code points of the document's text."""

    @property
    def document(self) -> Document:
        """The document that it stands in."""
        return self.chunk.document

    @property
    def text(self) -> str:
        """The quote as the document has it."""
        return self.document.text[self.start : self.end]

    @property
    def at(self) -> At:
        """Place in the file, as far as its format has places."""
        return next((u.at for u in self.chunk.units if u.start <= self.start < u.end), {})

    @property
    def with_headers(self) -> str:
        """The quote below the header rows of the table rows in it."""
        units = [u for u in self.chunk.units if u.start < self.end and self.start < u.end]
        headers = dict.fromkeys(unit.header for unit in units if unit.header)
        return "\n".join([*headers, self.text])


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A question that stands; or one that people rejected, so that another may only be like it."""

    asked: str
    """Everything said in it, earlier turns included."""
    places: tuple[tuple[str, int, int], ...] = ()
    """(doc_id, start, end) of its evidence."""
    stands: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A proposal, with what the rules found so far."""

    slot: Slot
    said: Candidate
    evidence: tuple[Evidence, ...] = ()
    outdated: tuple[Evidence, ...] = ()
    """Passages of a superseded document that tell other numbers."""
    must_say: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def has_answer(self) -> bool:
        """Whether the documents answer the question."""
        return self.slot.type != "unanswerable"

    def flagged(self, flag: str) -> "Draft":
        """Return it with one more flag."""
        return replace(self, flags=tuple(dict.fromkeys([*self.flags, flag])))

    @property
    def quoted(self) -> str:
        """The quotes below their header rows."""
        return "\n".join(each.with_headers for each in self.evidence)


Rule = Callable[[Draft], Draft | Fault]


def doc_id(document: Document) -> str:
    """Return the id of a document's text: another text has another id."""
    return f"d{digest([document.file, document.text])[:16]}"


def known_of(draft: Draft) -> Known:
    """Return the question of a draft as one that stands."""
    places = tuple((doc_id(each.document), each.start, each.end) for each in draft.evidence)
    return Known(asked=draft.said.asked, places=places)


def examine(slot: Slot, said: Candidate, known: Sequence[Known]) -> Draft | Fault:
    """Hold a proposal against every rule but that of copied words, and against the questions that stand."""
    return _held(slot, said, (*_RULES, partial(_not_known, known=known)))


def reexamine(slot: Slot, said: Candidate) -> Draft | Fault:
    """Hold the answer to a question that stands against the rules of size, quotes and what they support."""
    return _held(slot, said, (_size, *_OF_EVIDENCE))


def _held(slot: Slot, said: Candidate, rules: Sequence[Rule]) -> Draft | Fault:
    draft = Draft(slot=slot, said=said, must_say=said.must_say)
    for rule in rules:
        end = rule(draft)
        if isinstance(end, Fault):
            return end
        draft = end
    return draft


def copied(draft: Draft) -> Fault | None:
    """Return the fault of a question in the document's own words; None if it is in a user's."""
    question = draft.said.question
    for chunk in draft.slot.chunks:
        if runs := copied_runs(question, chunk.with_heading):
            return Fault(reason="echoes_source", what=question, avoid=runs)
    return None


def _size(draft: Draft) -> Draft | Fault:
    said = draft.said
    if not said.question or (draft.has_answer and not (said.answer and said.quotes)):
        empty = next((n for n in ("question", "answer", "quotes") if not getattr(said, n)), "")
        return Fault(reason="empty", what=empty)
    if draft.slot.type == "follow_up" and not (said.history and all(map(all, said.history))):
        return Fault(reason="empty", what="history")
    return wrong_size(said.question, said.answer) or draft


def wrong_size(question: str | None, answer: str) -> Fault | None:
    """Return the fault of a question or an answer by its length; None: there is no question to look at."""
    if question is not None and sum(map(str.isalnum, question)) < _FEWEST_LETTERS:
        return Fault(reason="too_short", what=question)
    is_long = (asked := len(question or "")) > _MOST_OF_QUESTION or len(answer) > _MOST_OF_ANSWER
    return Fault(reason="too_long", what=f"{asked} + {len(answer)}") if is_long else None


def _not_refused(draft: Draft) -> Draft | Fault:
    refused = next((t for t in (draft.said.question, draft.said.answer) if is_refusal(t)), None)
    return Fault(reason="refusal_text", what=refused) if refused else draft


def _in_language(draft: Draft) -> Draft | Fault:
    language = draft.slot.chunk.language
    if language not in _CHECKED_LANGUAGES:
        return draft
    share = language_share(draft.said.question, language)
    is_foreign = share is not None and share < _LEAST_IN_LANGUAGE
    return Fault(reason="wrong_language", what=draft.said.question) if is_foreign else draft


def _of_the_matter(draft: Draft) -> Draft | Fault:
    found = _OF_THE_TEXT.search(f"{draft.said.asked}\n{draft.said.answer}")
    return Fault(reason="meta_reference", what=found[0]) if found else draft


def _not_told(draft: Draft) -> Draft | Fault:
    if not draft.has_answer:
        return draft
    question, must_say = key(draft.said.question), [key(each) for each in draft.must_say]
    is_told = key(draft.said.answer) in question
    if is_told or (must_say and all(each in question for each in must_say)):
        return Fault(reason="answer_in_question", what=draft.said.question)
    return draft


def _quotes(draft: Draft) -> Draft | Fault:
    found, flags, missing = [], list(draft.flags), None
    for quote in draft.said.quotes:
        pieces = _find(quote, draft.slot.chunks)
        if not pieces:
            missing = missing or quote
        found += pieces
        if any(key(each.text) not in key(quote) for each in pieces):
            flags.append("quote_fuzzy")
    if missing and draft.has_answer:
        return Fault(reason="quote_missing", what=missing)
    draft = replace(draft, evidence=tuple(dict.fromkeys(found)), flags=tuple(dict.fromkeys(flags)))
    return _of_the_change(draft) if draft.slot.type == "superseded" else draft


def _of_the_change(draft: Draft) -> Draft | Fault:
    """Return a draft that rests on what has changed, with what was told of it before."""
    newer, older = draft.slot.chunks
    evidence = tuple(each for each in draft.evidence if each.chunk is newer)
    changes = list(differing(newer.units, older.units))
    outdated = dict.fromkeys(
        Evidence(chunk=older, start=twin.start, end=twin.end)
        for unit, twin in changes
        if any(each.start < unit.end and unit.start < each.end for each in evidence)
    )
    if not outdated:
        return Fault(reason="quote_missing", what=changes[0][0].text if changes else newer.place)
    return replace(draft, evidence=evidence, outdated=tuple(outdated))


def _find(quote: str, chunks: Sequence[Chunk]) -> list[Evidence]:
    """Return where a quote stands; one of several lines, as header and row, may stand apart."""
    if whole := _find_quote(quote, chunks):
        return [whole]
    lines = [line for line in quote.splitlines() if key(line)]
    headers = {key(unit.header) for chunk in chunks for unit in chunk.units if unit.header}
    rest = [line for line in lines if key(line) not in headers]
    pieces = [_find_quote(line, chunks) for line in rest] if len(lines) > 1 else []
    return [each for each in pieces if each] if all(pieces) else []


def _find_quote(quote: str, chunks: Sequence[Chunk]) -> Evidence | None:
    """Return the place of a quote in the first chunk that has it, by key, else nearly, with equal numbers."""
    wanted = key(quote)
    for chunk in chunks:
        if span := keyed(chunk.own_text).span(wanted):
            return _evidence(chunk, *span)
    for chunk in chunks if len(wanted) >= _FEWEST_OF_FUZZY else ():
        if span := keyed(chunk.own_text).nearly(wanted):
            found = _evidence(chunk, *span)
            if numbers_of(found.text) == numbers_of(quote):
                return found
    return None


def _evidence(chunk: Chunk, start: int, end: int) -> Evidence:
    """Return a span of a chunk's own text with the marks that belong to it: the end of a sentence, the bars of a row."""
    start, end, text = chunk.start + start, chunk.start + end, chunk.document.text
    for unit in chunk.units:
        if unit.kind == "row" and unit.start <= start < unit.end:
            start, end = unit.start, max(end, unit.end)
    while end < chunk.end and text[end] in _SENTENCE_MARKS:
        end += 1
    return Evidence(chunk=chunk, start=start, end=end)


def _numbers(draft: Draft) -> Draft | Fault:
    said, passages = draft.said, "\n".join(chunk.text for chunk in draft.slot.chunks)
    told = "\n".join(text for turn in said.history for text in turn)
    asked = numbers_of(said.question)
    for text, support in ((said.answer, draft.quoted), (told, passages)):
        if missing := numbers_of(text) - numbers_of(support) - asked:
            what = ", ".join(f"{number.normalize():f}" for number in sorted(missing))
            return Fault(reason="numbers_unsupported", what=what)
    return draft


def _must_say(draft: Draft) -> Draft | Fault:
    if not draft.has_answer:
        return replace(draft, must_say=())
    answer, quoted = key(draft.said.answer), key(draft.quoted)
    others = [key(text) for text in (draft.said.question, *(e.text for e in draft.outdated))]

    def holds(text: str) -> bool:
        known = key(text)
        is_told = bool(known) and known in answer and known in quoted
        return is_told and not any(known in other for other in others)

    proposed = [*map(str.strip, draft.must_say)]
    kept = [text for text in proposed if holds(text)] or [
        text for text in _told_exactly(draft.said.answer) if holds(text)
    ]
    flags = draft.flags if kept else (*draft.flags, "no_must_say")
    return replace(draft, must_say=tuple(dict.fromkeys(kept))[:_MOST_MUST_SAY], flags=flags)


def _told_exactly(answer: str) -> Iterator[str]:
    """Yield the numbers with their units and the Latin names of an answer."""
    yield from amounts(answer)
    yield from (match[0] for match in _LATIN_NAME.finditer(answer) if match.start())


def _hops(draft: Draft) -> Draft | Fault:
    if draft.slot.type != "multi_hop":
        return draft
    by_chunk: dict[Chunk, str] = {}
    for each in draft.evidence:
        by_chunk[each.chunk] = f"{by_chunk.get(each.chunk, '')}\n{key(each.with_headers)}"
    own = [
        any(
            key(text) in quoted
            and not any(key(text) in other for c, other in by_chunk.items() if c is not chunk)
            for text in draft.must_say
        )
        for chunk, quoted in by_chunk.items()
    ]
    if len(by_chunk) < 2 or not all(own):
        return Fault(reason="single_hop", what=", ".join(c.place for c in by_chunk))
    return draft


def _no_personal_data(draft: Draft) -> Draft | Fault:
    text = "\n".join([draft.said.asked, draft.said.answer, *draft.must_say])
    if has_placeholder(text):  # no chatbot could give that answer
        return Fault(reason="pii", what="placeholder")
    passages = "\n".join(chunk.text for chunk in draft.slot.chunks)  # what is left there is allowed
    kind = personal_data_of(text, but=passages)
    return Fault(reason="pii", what=kind) if kind else draft


def _not_known(draft: Draft, known: Sequence[Known]) -> Draft | Fault:
    asked, flags = draft.said.asked, draft.flags
    places = known_of(draft).places
    for other in known:
        if key(other.asked) == key(asked):
            return Fault(reason="dup_exact", what=other.asked)
        alike = jaccard(other.asked, asked)
        is_near = alike >= _SAME_QUESTION and _overlaps(places, other.places)
        if is_near and numbers_of(other.asked) == numbers_of(asked):
            return Fault(reason="dup_near", what=other.asked)
        if other.stands and alike >= _LIKE_QUESTION:
            flags = (*flags, "near_dup_suspect")
    return replace(draft, flags=tuple(dict.fromkeys(flags)))


def _overlaps(ours: Sequence[tuple[str, int, int]], theirs: Sequence[tuple[str, int, int]]) -> bool:
    """Return whether two pieces of evidence share at least half of the shorter one."""
    return any(
        file == other
        and 2 * (min(end, stop) - max(start, begin)) >= min(end - start, stop - begin) > 0
        for file, start, end in ours
        for other, begin, stop in theirs
    )


_OF_EVIDENCE: Final[Sequence[Rule]] = (
    _quotes,
    _numbers,
    _must_say,
    _hops,
    _no_personal_data,
)
"""The rules on what an answer rests on."""
_RULES: Final = (_size, _not_refused, _in_language, _of_the_matter, _not_told, *_OF_EVIDENCE)
