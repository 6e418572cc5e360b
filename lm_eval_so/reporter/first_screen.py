"""A verdict told to a listener: warnings, and the first screen in 80 columns that need no colour."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Concluded, Listener, Noticed, Warned
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, Policy, Verdict
from lm_eval_so.core.records.in_language import comparison_in, report_in
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.templates.safe import normalise
from lm_eval_so.core.text import cut_to_columns, in_columns, width, wrap
from lm_eval_so.core.words import say
from lm_eval_so.reporter.views.comparison import view_comparison
from lm_eval_so.reporter.views.view import ComparisonView, GateRow

STAGE = "compare"

_COLUMNS: Final = 80
_INDENT: Final = 2
_LONGEST_HEAD: Final = 240
_LONGEST_NAME: Final = 20
_SHORTEST_NAME: Final = 8
_MOST_NAMES: Final = 10
_MOST_LINES: Final = 8
"""Most lines of a sentence."""
_MOST_OF_CASE: Final = 3
"""Most lines of a sentence on a single case."""
_SETTLED: Final = frozenset({Verdict.PASS, Verdict.IMPROVED})


def tell_verdict(
    comparison: Comparison,
    report: EvaluationReport,
    config: Config,
    tell: Listener,
    *,
    redactor: Redactor,
) -> None:
    """Tell the first screen of a comparison, and warn of a change that goes in without being good."""
    language = config.language
    found = first_screen(comparison, report, language, redactor)
    for text in found.warnings:
        tell(Warned(stage=STAGE, text=redactor.redact(text)))
    is_warning = found.tone != "pass" and _is_warning(comparison, config)
    tell(Concluded(stage=STAGE, headline=found.headline, lines=found.lines, is_warning=is_warning))
    if comparison.rerun is not None:
        steps = " && ".join(comparison.rerun.splitlines())
        text = say("comment.rerun_steps", config.language, {"steps": steps})
        tell(Noticed(stage=STAGE, text=text))


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstScreen:
    """Lines that a person at a terminal sees first."""

    headline: str
    lines: tuple[str, ...]
    """Lines of at most 80 columns."""
    tone: str
    """Colour of the headline."""
    warnings: tuple[str, ...] = ()
    """Warnings of all that the gate was asked to look at and could not."""


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
    comparison, report = comparison_in(comparison, language), report and report_in(report, language)
    view = view_comparison(comparison, report, language=language)
    made = _Screen(view, language, redactor)
    head = cut_to_columns(made.clean(view.verdict.headline.line(view.suite)), _LONGEST_HEAD)
    is_plain = comparison.control is None and comparison.rounds is None
    is_settled = is_plain and comparison.verdict in _SETTLED
    blocks = [
        [*made.wrapped(view.verdict.headline.remark), *made.lost(), *made.accepted()],
        [*made.cases()],
        [*made.others(), *(line for text in view.verdict.lines for line in made.wrapped(text))],
        [*made.rules()],
        [*made.figures()],
        [] if is_settled else [*made.wrapped(view.verdict.sentence)],
    ]
    lines: list[str] = []
    for block in blocks:
        lines += ["", *block] if block and lines else block
    verdict = view.verdict
    return FirstScreen(
        headline=head,
        lines=tuple(lines),
        tone=verdict.headline.tone,
        warnings=verdict.warnings,
    )


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
        lines = [*wrap(self.clean(text), _COLUMNS - _INDENT)]
        for line in lines[:_MOST_LINES]:
            yield f"{' ' * _INDENT}{line}"
        if len(lines) > _MOST_LINES:
            yield f"{' ' * _INDENT}…"

    def lost(self) -> Iterator[str]:
        lost = self.view.lost
        if lost is not None:
            more = ", …" if lost.has_more else ""
            names = ", ".join(
                cut_to_columns(self.clean(name), 2 * _LONGEST_NAME) for name in lost.names
            )
            yield from self.wrapped(f"{lost.headline} ({lost.reasons}): {names}{more}")

    def accepted(self) -> Iterator[str]:
        """Yield the drops that the pull request itself accepts, each with its reason."""
        accepted = self.view.verdict.accepted
        for each in accepted[:_MOST_NAMES]:
            for line in self._lines(" ".join(each), _COLUMNS - _INDENT):
                yield f"{' ' * _INDENT}{line}"
        if more := len(accepted[_MOST_NAMES:]):
            yield from self.wrapped(say("comment.more_entries", self.language, {"n": str(more)}))

    def cases(self) -> Iterator[str]:
        """Yield up to five cases: name and question, was → is, why."""
        cases = self.view.verdict.open or self.view.verdict.low
        names = [cut_to_columns(self.clean(case.name), _LONGEST_NAME) for case in cases]
        column = max(map(width, names), default=0) + 2
        room = _COLUMNS - _INDENT - column
        for number, name in enumerate(names):
            first, *rest = self._told(number, room)
            yield f"{' ' * _INDENT}{name}{' ' * (column - width(name))}{first}".rstrip()
            yield from (f"{' ' * (_INDENT + column)}{line}" for line in rest)

    def _told(self, number: int, columns: int) -> Iterator[str]:
        """Yield what is said of a case shown: question, was → is, why, and how sure that is."""
        case = (self.view.verdict.open or self.view.verdict.low)[number]
        if case.question:
            yield cut_to_columns(self.clean(case.question), columns)
        told = {"was": case.was, "now": case.now}
        figures = say("cases.change", self.language, told) if case.was else case.now
        if case.state == "low" and case.answer:
            figures = f"{figures}: {case.answer}"
        required = say("cases.state_must", self.language)
        yield from self._lines(
            f"{required} · {figures}" if case.state == "must" else figures, columns
        )
        for metrics, reason in case.reasons[:1]:
            yield from self._lines(f"{metrics}: {reason}", columns)
        for note in case.notes:
            yield from self._lines(note, columns)

    def _lines(self, text: str, columns: int) -> Iterator[str]:
        lines = [*wrap(self.clean(text), columns)]
        yield from lines[: _MOST_OF_CASE - 1]
        if rest := lines[_MOST_OF_CASE - 1 :]:
            yield cut_to_columns(" ".join(rest), columns)

    def rules(self) -> Iterator[str]:
        """Yield how the rules of the pull request differ, unless both verdicts are told above."""
        rules = self.view.verdict.rules
        if rules is None:
            return
        for text in ([] if rules.is_open else [rules.verdicts, rules.line], rules.notes):
            for each in text:
                yield from self.wrapped(each)

    def others(self) -> Iterator[str]:
        """Yield the names of the cases that are not shown."""
        verdict = self.view.verdict
        rest = verdict.cases[len(verdict.open) :]
        if rest:
            names = [
                cut_to_columns(self.clean(case.name), _LONGEST_NAME) for case in rest[:_MOST_NAMES]
            ]
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
        yield from in_columns(
            [[cut_to_columns(name, room), *rest] for name, *rest in table], indent=_INDENT
        )


def _cells(row: GateRow) -> Sequence[str]:
    return row.metric, row.means, row.bare_change, row.bare_allowed, row.verdict


def _room_for_names(table: Sequence[Sequence[str]]) -> int:
    """Return the columns that are left for the first cell of each row."""
    taken = [max(map(width, column)) + 2 for column in [*zip(*table, strict=True)][1:]]
    return _COLUMNS - _INDENT - sum(taken)


def _is_warning(comparison: Comparison, config: Config) -> bool:
    """Return whether the verdict lets the change in, but not in silence."""
    gate = config.gate
    if comparison.exit_code:
        return False
    warned = comparison.broken.warnings if comparison.broken else ()
    if comparison.lost is not None or any(each.code == "broken_cases" for each in warned):
        return True
    if comparison.has_drifted:
        return True
    if comparison.verdict is Verdict.INCONCLUSIVE:
        return gate.on_inconclusive is Policy.WARN
    if comparison.verdict is not Verdict.INCOMPARABLE:
        return False
    is_first = comparison.baseline.source == "none"
    return (gate.on_missing_baseline if is_first else gate.on_incomparable) is Policy.WARN
