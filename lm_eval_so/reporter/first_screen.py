"""First screen of a comparison in a terminal: 80 columns that need no colour."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import regex

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.templates.safe import normalise
from lm_eval_so.core.text import width
from lm_eval_so.core.words import say
from lm_eval_so.core.words.first_cases import FirstCase
from lm_eval_so.reporter.views.baseline import in_columns
from lm_eval_so.reporter.views.comparison import view_comparison
from lm_eval_so.reporter.views.view import ComparisonView, GateRow

_COLUMNS: Final = 80
_INDENT: Final = 2
_LONGEST_HEAD: Final = 240
_LONGEST_NAME: Final = 20
_SHORTEST_NAME: Final = 8
_MOST_NAMES: Final = 10
_MOST_LINES: Final = 8
"""Most lines of a sentence."""
_SETTLED: Final = frozenset({Verdict.PASS, Verdict.IMPROVED})
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstScreen:
    """Lines that a person at a terminal sees first."""

    headline: str
    lines: tuple[str, ...]
    """Lines of at most 80 columns."""
    tone: str
    """Colour of the headline."""


def first_screen(
    comparison: Comparison,
    report: EvaluationReport | None,
    language: Language,
    redactor: Redactor,
) -> FirstScreen:
    """Return the first screen of a comparison.

    Args:
        comparison: Verdict and its evidence.
        report: Candidate's report, if it is at hand.
        language: Language of the texts.
        redactor: Takes secrets out.
    """
    view = view_comparison(comparison, report, language=language)
    made = _Screen(view, language, redactor)
    head = _cut(made.clean(view.verdict.headline.line(view.suite)), _LONGEST_HEAD)
    blocks = [
        [*made.wrapped(view.verdict.headline.remark), *made.lost()],
        [*made.cases()],
        [*made.others(), *(line for text in view.verdict.lines for line in made.wrapped(text))],
        [*made.figures()],
        [] if comparison.verdict in _SETTLED else [*made.wrapped(view.verdict.sentence)],
    ]
    lines: list[str] = []
    for block in blocks:
        lines += ["", *block] if block and lines else block
    return FirstScreen(headline=head, lines=tuple(lines), tone=view.verdict.headline.tone)


@dataclass(frozen=True, slots=True)
class _Screen:
    """Writer of the blocks of the screen."""

    view: ComparisonView
    language: Language
    redactor: Redactor

    def clean(self, text: str) -> str:
        """Return a foreign text on one line, without secrets and with its controls shown."""
        return " ".join(normalise(self.redactor.redact(text)).split())

    def wrapped(self, text: str) -> Iterator[str]:
        """Yield a text in lines."""
        lines = [*_wrapped(self.clean(text), _COLUMNS - _INDENT)]
        for line in lines[:_MOST_LINES]:
            yield f"{' ' * _INDENT}{line}"
        if len(lines) > _MOST_LINES:
            yield f"{' ' * _INDENT}…"

    def lost(self) -> Iterator[str]:
        lost = self.view.lost
        if lost is not None:
            more = ", …" if lost.has_more else ""
            names = ", ".join(_cut(self.clean(name), 2 * _LONGEST_NAME) for name in lost.names)
            yield from self.wrapped(f"{lost.headline} ({lost.reasons}): {names}{more}")

    def cases(self) -> Iterator[str]:
        """Yield up to five cases: name and question, was → is, why."""
        cases = self.view.verdict.open
        names = [_cut(self.clean(case.name), _LONGEST_NAME) for case in cases]
        column = max(map(width, names), default=0) + 2
        room = _COLUMNS - _INDENT - column
        for name, case in zip(names, cases, strict=True):
            beside = [_cut(text, room) for text in self._told(case)]
            first, *rest = beside
            yield f"{' ' * _INDENT}{name}{' ' * (column - width(name))}{first}".rstrip()
            yield from (f"{' ' * (_INDENT + column)}{line}" for line in rest)

    def _told(self, case: FirstCase) -> Iterator[str]:
        if case.question:
            yield self.clean(case.question)
        told = {"was": case.was, "now": case.now}
        figures = say("cases.change", self.language, told) if case.was else case.now
        required = say("cases.state_must", self.language)
        yield self.clean(f"{required} · {figures}" if case.state == "must" else figures)
        for reason in case.reasons[:1]:
            yield self.clean(f"{case.metric}: {reason}")
        yield from map(self.clean, case.notes)

    def others(self) -> Iterator[str]:
        """Yield the names of the cases that are not shown."""
        verdict = self.view.verdict
        rest = verdict.cases[len(verdict.open) :]
        if rest:
            names = [_cut(self.clean(case.name), _LONGEST_NAME) for case in rest[:_MOST_NAMES]]
            more = ", …" if len(rest) > _MOST_NAMES else ""
            key = "more" if verdict.open else "more_folded"
            told = {"n": str(len(rest)), "names": f"{', '.join(names)}{more}"}
            yield from self.wrapped(say(f"cases.{key}", self.language, told))

    def figures(self) -> Iterator[str]:
        """Yield a line for each gating metric, under heads."""
        rows = [row for row in (*self.view.scores, *self.view.ratios) if row.is_gating]
        if not rows:
            return
        heads = [
            say(f"{topic}.{key}", self.language)
            for topic, key in (
                ("comment", "metric"),
                ("cases", "means"),
                ("comment", "change"),
                ("comment", "allowed"),
                ("comment", "verdict"),
            )
        ]
        table = [heads, *([self.clean(cell) for cell in _cells(row)] for row in rows)]
        room = _room_for_names(table)
        if room < _SHORTEST_NAME:  # bounds beside the margin: the report has them
            table = [[*cells[:3], *cells[4:]] for cells in table]
            room = max(_SHORTEST_NAME, _room_for_names(table))
        yield from in_columns([[_cut(name, room), *rest] for name, *rest in table], indent=_INDENT)


def _cells(row: GateRow) -> Sequence[str]:
    return row.metric, row.means, row.bare_change, row.bare_allowed, row.verdict


def _room_for_names(table: Sequence[Sequence[str]]) -> int:
    """Return the columns that are left for the first cell of each row."""
    taken = [max(map(width, column)) + 2 for column in [*zip(*table, strict=True)][1:]]
    return _COLUMNS - _INDENT - sum(taken)


def _cut(text: str, columns: int) -> str:
    """Return the first grapheme clusters that fit into so many columns."""
    if width(text) <= columns:
        return text
    kept, used = "", 1
    for cluster in _CLUSTER.findall(text):
        used += width(cluster)
        if used > columns:
            break
        kept += cluster
    return f"{kept.rstrip()}…"


def _wrapped(text: str, columns: int) -> Iterator[str]:
    """Yield lines of whole words; a word longer than a line is cut."""
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if width(joined) <= columns:
            line = joined
            continue
        if line:
            yield line
        line = _cut(word, columns)
    if line:
        yield line
