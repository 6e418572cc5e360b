"""Past reports over time: text of 80 columns, Markdown, and one HTML page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lm_eval_so.core.records.changes import Difference
from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.records.history import History, HistoryEntry, MetricFigure, MetricTrace
from lm_eval_so.core.templates.safe import normalise
from lm_eval_so.core.templates.sandbox import asset, content_policy, fill_html, fill_markdown
from lm_eval_so.core.text import in_columns, wrap
from lm_eval_so.core.words.formats import interval
from lm_eval_so.reporter.views.metrics import valued
from lm_eval_so.reporter.views.origin import COMMIT_DIGITS, short_hash
from lm_eval_so.reporter.views.view import ABSENT, Words, words_of

_PACKAGE = "lm_eval_so.reporter"
_COLUMNS = 80
_CELLS = 24
"""Width of an interval that is drawn in text."""
_WIDTH = 200.0
"""Width of an interval that is drawn on the page."""
_ROOM = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """An interval and its middle as shares of the axis, 0 … 1."""

    low: float
    dot: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRow:
    """One metric in one report."""

    day: str
    commit: str
    mean: str
    interval: str
    n: str
    mark: str
    """Number of the change, as [1]; ≠ if the metric was measured in another way than before."""
    drawn: Drawn | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMetric:
    """One metric over time."""

    name: str
    arrow: str
    ends: tuple[str, str]
    """Values at both ends of the axis."""
    rows: tuple[PastRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """Changes since the report before."""

    mark: str
    day: str
    commit: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """All that a surface shows of a history."""

    title: str
    metrics: tuple[PastMetric, ...]
    changes: tuple[PastChange, ...]
    note: str
    """Meaning of the sign for a metric that was measured in another way; empty if there is none."""


def view_history(history: History, language: Language) -> HistoryView:
    """Return the view: scores first, then costs and times; changes are numbered."""
    words, units = words_of("history", language), words_of("report", language)
    marks: dict[int, str] = {}
    for place, entry in enumerate(history.entries):
        if entry.changes:
            marks[place] = f"[{len(marks) + 1}]"
    ordered = sorted(history.metrics, key=lambda k: history.metrics[k].kind is MetricKind.RATIO)
    days = [entry.at[:10] for entry in history.entries]
    return HistoryView(
        title=words("title", suite=history.suite, n=len(days), first=days[0], last=days[-1]),
        metrics=tuple(_metric(name, history, marks, units) for name in ordered),
        changes=tuple(
            PastChange(
                mark=mark,
                day=days[place],
                commit=_commit(history.entries[place]),
                lines=tuple(map(_change_line, history.entries[place].changes)),
            )
            for place, mark in marks.items()
        ),
        note=words("anew") if _is_any_anew(history) else "",
    )


def _is_any_anew(history: History) -> bool:
    return any(each.measured_anew for entry in history.entries for each in entry.metrics.values())


def history_text(history: History, language: Language, redact: Callable[[str], str]) -> str:
    """Return a history for a terminal: a drawn interval a line, and the changes below."""
    view = view_history(history, language)
    lines = [*wrap(view.title, _COLUMNS)]
    for metric in view.metrics:
        low, high = metric.ends
        ends = f"{low} … {high}" if low else ""
        lines += ["", f"{metric.name} {metric.arrow}  {ends}".rstrip()]
        rows = [
            (row.day, row.commit, _bar(row.drawn), row.mean, row.interval, row.mark)
            for row in metric.rows
        ]
        lines += in_columns(rows, indent=2)
    if view.changes:
        lines += ["", words_of("history", language)("changes")]
    for change in view.changes:
        lines.append(f"  {change.mark} {change.day}  {change.commit}".rstrip())
        for text in change.lines:
            lines += (f"      {line}" for line in wrap(text, _COLUMNS - 6))
    if view.note:
        lines += ["", *wrap(view.note, _COLUMNS)]
    return "".join(f"{normalise(redact(line))}\n" for line in lines)


def history_markdown(history: History, language: Language, redact: Callable[[str], str]) -> str:
    """Return a history as Markdown: a table a metric, and the changes below."""
    values = {"view": view_history(history, language), "t": words_of("history", language)}
    return fill_markdown(_PACKAGE, "history.md.j2", values, redact=redact)


def history_page(history: History, language: Language, redact: Callable[[str], str]) -> str:
    """Return a history as one HTML file that asks nothing of the network."""
    css = asset(_PACKAGE, "report.css")
    values = {
        "language": language.value,
        "view": view_history(history, language),
        "t": words_of("history", language),
        "width": _WIDTH,
        "csp": content_policy(css, ""),
    }
    trusted = {"style": css}
    return fill_html(_PACKAGE, "history.html.j2", values, trusted=trusted, redact=redact)


def _metric(name: str, history: History, marks: dict[int, str], units: Words) -> PastMetric:
    trace = history.metrics[name]
    found = [
        (place, entry, entry.metrics[name])
        for place, entry in enumerate(history.entries)
        if name in entry.metrics
    ]
    axis = _axis([figure for _, _, figure in found], trace)
    return PastMetric(
        name=name,
        arrow="↑" if trace.direction is Direction.HIGHER else "↓",
        ends=(valued(axis[0], trace.unit, units), valued(axis[1], trace.unit, units))
        if axis
        else ("", ""),
        rows=tuple(
            PastRow(
                day=entry.at[:10],
                commit=_commit(entry),
                mean=valued(figure.mean, trace.unit, units),
                interval=interval(*figure.ci95) if figure.ci95 else "",
                n=f"{figure.n:,}",
                mark=f"{marks.get(place, '')}{' ≠' if figure.measured_anew else ''}".strip(),
                drawn=_drawn(figure, axis),
            )
            for place, entry, figure in found
        ),
    )


def _axis(figures: Sequence[MetricFigure], trace: MetricTrace) -> tuple[float, float] | None:
    """Return the ends of an axis on which all intervals lie, within the metric's range."""
    known = [(*(each.ci95 or ()), each.mean) for each in figures if each.mean is not None]
    values = [value for each in known for value in each if value is not None]
    if not values:
        return None
    low, high = min(values), max(values)
    room = _ROOM * (high - low) or abs(high) * _ROOM or 1.0
    bottom, top = trace.range or (float("-inf"), float("inf"))
    low, high = max(bottom, low - room), min(top, high + room)
    return (low, high) if low < high else (low - 1.0, high + 1.0)


def _drawn(figure: MetricFigure, axis: tuple[float, float] | None) -> Drawn | None:
    if figure.mean is None or axis is None:
        return None
    bottom, top = axis
    low, high = figure.ci95 or (figure.mean, figure.mean)
    places = [min(1.0, max(0.0, (v - bottom) / (top - bottom))) for v in (low, figure.mean, high)]
    return Drawn(low=places[0], dot=places[1], high=places[2])


def _bar(drawn: Drawn | None) -> str:
    """Draw an interval in text, as ····───●──····."""
    if drawn is None:
        return " " * _CELLS
    low, dot, high = (round(each * (_CELLS - 1)) for each in (drawn.low, drawn.dot, drawn.high))
    cells = ["─" if low <= place <= high else "·" for place in range(_CELLS)]
    cells[dot] = "●"
    return "".join(cells)


def _commit(entry: HistoryEntry) -> str:
    return short_hash(entry.commit, COMMIT_DIGITS) if entry.commit else ABSENT


def _change_line(change: Difference) -> str:
    return f"{change.metric}.{change.text}" if change.metric else change.text
