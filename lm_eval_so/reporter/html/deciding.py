"""Cases that decide, as the page shows them: both answers with what differs marked, counted, ready to be copied."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from markupsafe import Markup

from lm_eval_so.core.columns.index import Places
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.templates.safe import Safe, cut, prose
from lm_eval_so.core.templates.sandbox import fill_markdown
from lm_eval_so.core.words.first_cases import FirstCase
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.html.drawings import tally
from lm_eval_so.reporter.html.marks import Mark, Piece, mark_words
from lm_eval_so.reporter.views.cases import source_text
from lm_eval_so.reporter.views.comparison import accept_entry
from lm_eval_so.reporter.views.view import words_of

_PACKAGE: Final = "lm_eval_so.reporter"
_LONGEST: Final = 4000
_MOST_TAGS: Final = 6
_TAG_OF_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_BROKEN: Final = frozenset({"must", "proven"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The baseline's answer or today's, and how often it was right."""

    told: str
    """The count in words, as "right 3 of 3"."""
    tally: Markup
    """A square an answer; empty if they cannot be counted."""
    way: str
    """right or wrong; empty if it is neither."""
    pieces: tuple[Piece, ...] | None
    """The answer in pieces; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidingCase:
    """A case that got worse, with all that its card shows."""

    case: FirstCase
    tone: str
    tags: tuple[str, ...]
    language: str
    """Language of its texts, as HTML names it; empty if it is not known."""
    source: str
    """Place that it is from; empty if it is not known."""
    quote: str
    """Passage that its answer rests on; empty if there is none."""
    was: Side
    now: Side
    issue: str
    """The case as Markdown."""
    entry: str
    """Entry for the accept file; empty if none helps."""


@dataclass(frozen=True, slots=True)
class Deck:
    """Maker of the cards of a comparison."""

    comparison: Comparison
    report: EvaluationReport
    style: Style

    def cards(self, cases: tuple[FirstCase, ...]) -> tuple[DecidingCase, ...]:
        """Return the cards of some cases, in their order."""
        places = Places(self.report.samples.ids)
        return tuple(self._card(case, places.find(case.sample_id)) for case in cases)

    def _card(self, case: FirstCase, row: int | None) -> DecidingCase:
        columns = self.report.samples
        language = columns.languages[row] if columns.languages and row is not None else None
        tags = columns.tags[row] if columns.tags and row is not None else ()
        source = columns.sources[row] if columns.sources and row is not None else None
        if case.expected is None and columns.expected and row is not None:  # as without an answer
            case = replace(case, expected=columns.expected[row])
        before, now = self._text(case.baseline_answer), self._text(case.answer)
        left, right = mark_words(before or "", now or "") if before and now else (None, None)
        return DecidingCase(
            case=case,
            tone="bad" if case.state in _BROKEN else "open",
            tags=tags[:_MOST_TAGS],
            language=language_tag(language),
            source=source_text(source, self.style.language) if source else "",
            quote=(source.quote or "") if source else "",
            was=_side(case.was, case.right_before, _pieces(before, left)),
            now=_side(case.now, case.right_now, _pieces(now, right), is_wrong_first=True),
            issue=self._issue(case),
            entry=accept_entry(self.comparison, case.sample_id),
        )

    def _text(self, text: str | None) -> str | None:
        # secrets first: a mark within one would hide it from the page's own search for them
        return None if text is None else cut(self.style.redactor.redact(text), _LONGEST)

    def _issue(self, case: FirstCase) -> str:
        redact = self.style.redactor.redact

        def texts(topic: str) -> Callable[..., Safe]:
            words = words_of(topic, self.style.language)
            return lambda key, **figures: prose(redact(words(key, **figures)))

        values: Mapping[str, object] = {"case": case, "t": texts("report"), "k": texts("cases")}
        return f"{fill_markdown(_PACKAGE, 'issue.md.j2', values, redact=redact).strip()}\n"


def language_tag(language: str | None) -> str:
    """Return a language as an attribute `lang` may have it; empty if it is none."""
    is_one = language is not None and _TAG_OF_LANGUAGE.fullmatch(language)
    return language if language is not None and is_one else ""


def _side(
    told: str,
    right: tuple[int, int] | None,
    pieces: tuple[Piece, ...] | None,
    *,
    is_wrong_first: bool = False,
) -> Side:
    way = ""
    if right is not None:
        way = "right" if 2 * right[0] > right[1] else "wrong"
    drawn = tally(*right, is_wrong_first=is_wrong_first) if right else Markup()
    return Side(told=told, tally=drawn, way=way, pieces=pieces)


def _pieces(text: str | None, marked: tuple[Piece, ...] | None) -> tuple[Piece, ...] | None:
    if not text:
        return None
    return (Piece(Mark.SAME, text),) if marked is None else marked
