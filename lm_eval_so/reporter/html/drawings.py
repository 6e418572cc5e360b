"""Drawings of the HTML page: values in, SVG text out.

No drawing holds a foreign text, and each stands beside the figures that it shows, so that screen readers
pass it over. Colours are classes of the page's style.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

PLOT: Final = 360.0
"""Width of a plot."""
_PAD: Final = 14.0
"""Room at both ends, so that no end of a bar is cut off."""
_ROW, _AXIS, _HEAD = 44, 20, 16
_MIDDLE: Final = _ROW / 2
_MOST_SQUARES: Final = 24
_SQUARE: Final = 12
_CHANGE, _CHANGE_HEIGHT = 200, 22
_BINS: Final = 10
_BIN, _BINS_HEIGHT = 16, 48
_CURVE, _CURVE_HEIGHT = 360, 96
_NEAR: Final = 64.0
"""Distance within which two labels would touch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A span of values that plots side by side share."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value stands; what lies outside stands at the end."""
        share = (value - self.low) / (self.high - self.low)
        return _rounded(_PAD + (PLOT - 2 * _PAD) * min(1.0, max(0.0, share)))


def scale_of(values: Sequence[float]) -> Scale:
    """Return the scale that shows all of some values and zero."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    if low == high:
        low, high = -1.0, 1.0
    # a change in one direction alone leaves the other visible all the same
    reach = 0.12 * (high - low)
    return Scale(low=min(low, -reach), high=max(high, reach))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round values within a span, at most some, in even steps of 1, 2, 2.5 or 5 times a power of ten."""
    if not high > low:
        return []
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power * each for each in (1, 2, 2.5, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [round(n * step, 12) + 0.0 for n in range(first, last + 1)]
    return []


def factor_ticks(low: float, high: float) -> list[float]:
    """Return round factors within a span of logarithms, 1 among them."""
    least, most = math.exp(low), math.exp(high)
    if most / least <= 4:
        return ticks(least, most, 5)
    powers = [
        2.0**n for n in range(math.ceil(low / math.log(2)), math.floor(high / math.log(2)) + 1)
    ]
    step = max(1, -(-len(powers) // 5))
    return [each for each in powers if round(math.log2(each)) % step == 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An estimate with its interval and the worst that is accepted, better to the right."""

    low: float
    dot: float
    high: float
    limit: float | None = None


def plot_row(bar: Bar | None, scale: Scale, tone: str, *, zero: float | None = 0.0) -> Markup:
    """Draw an estimate as a dot on the bar of its interval; what is worse than accepted is shaded.

    Args:
        bar: The figures; None draws the empty row.
        scale: Scale of the group.
        tone: pass, bad, open or none.
        zero: Value of no change; None if there is none.
    """
    shapes = []
    if bar is not None and bar.limit is not None:
        shapes.append(
            f'<rect class="zone" x="0" y="0" width="{scale.place(bar.limit):g}" height="{_ROW}"/>'
        )
    if zero is not None:
        shapes.append(_upright("zero", scale.place(zero), _ROW))
    if bar is not None:
        if bar.limit is not None:
            shapes.append(_upright("lim", scale.place(bar.limit), _ROW))
        ends = f'x1="{scale.place(bar.low):g}" x2="{scale.place(bar.high):g}"'
        shapes.append(f'<line class="ci v-{tone}" {ends} y1="{_MIDDLE:g}" y2="{_MIDDLE:g}"/>')
        shapes.append(
            f'<circle class="dot f-{tone}" cx="{scale.place(bar.dot):g}" cy="{_MIDDLE:g}" r="6"/>'
        )
    return _svg("", PLOT, _ROW, "".join(shapes))


def plot_axis(scale: Scale, labels: Sequence[tuple[float, str]]) -> Markup:
    """Draw the axis of a group: a tick and a figure at each of some values."""
    shapes = [
        f"{_upright('zero', scale.place(value), 4)}{_label(text, scale.place(value), 17)}"
        for value, text in labels
    ]
    return _svg("", PLOT, _AXIS, "".join(shapes))


def plot_head(scale: Scale, words: Sequence[str], limit: float | None) -> Markup:
    """Draw the heads of a plot: worse and better at the ends, the accepted worst and no change in their places.

    Args:
        scale: Scale of the group below.
        words: Words of ours for these four.
        limit: The accepted worst, if all rows of the group share one.
    """
    worse, allowed, zero, better = words
    shapes = [
        _label(f"← {worse}", 2, 12, "start"),
        _label(f"{better} →", PLOT - 2, 12, "end"),
    ]
    middle = scale.place(0.0)
    taken = [30.0, PLOT - 30.0]
    for place, text in ((middle, zero), (None if limit is None else scale.place(limit), allowed)):
        if place is not None and all(abs(place - other) >= _NEAR for other in taken):
            shapes.append(_label(text, place, 12))
            taken.append(place)
    return _svg("", PLOT, _HEAD, "".join(shapes))


def tally(right: int, of: int, *, is_wrong_first: bool = False) -> Markup:
    """Draw a square for each answer: full = right, hollow and struck = wrong; nothing beyond 24 of them."""
    if not 0 < of <= _MOST_SQUARES:
        return Markup()
    order = [False] * (of - right) + [True] * right
    drawn = (
        f'<rect class="r" x="{x}" y=".5" width="9" height="9" rx="2"/>'
        if is_right
        else f'<path class="w" d="M{x + 1} 1.5h7v7h-7zM{x + 1} 8.5l7-7"/>'
        for x, is_right in zip(
            range(0, of * _SQUARE, _SQUARE), order if is_wrong_first else order[::-1], strict=True
        )
    )
    return _svg("tally", of * _SQUARE, 10, "".join(drawn))


def change_bar(share: float, *, is_sure: bool) -> Markup:
    """Draw a change from the middle: to the left in the colour of worse, to the right in that of better.

    Args:
        share: Size of the change against the largest of the column, −1 … 1; positive is better.
        is_sure: Whether it is proven.
    """
    middle, width = _CHANGE / 2, _rounded(abs(share) * _CHANGE / 2)
    shapes = []
    if width:
        tone, x = ("pass", middle) if share > 0 else ("bad", _rounded(middle - width))
        faint = "" if is_sure else ' opacity=".7"'
        shapes.append(
            f'<rect class="f-{tone}" x="{x:g}" y="6" width="{width:g}" height="10"{faint}/>'
        )
    shapes.append(_upright("zero", middle, _CHANGE_HEIGHT))
    return _svg("", _CHANGE, _CHANGE_HEIGHT, "".join(shapes))


def bins(values: Sequence[float | None], span: tuple[float, float] | None) -> list[int]:
    """Return how many values lie in each tenth of a closed range; none if nothing is known."""
    if span is None:
        return []
    counts = [0] * _BINS
    for value in values:
        if value is not None:
            counts[bin_of(value, span)] += 1
    return counts if any(counts) else []


def bin_of(value: float, span: tuple[float, float]) -> int:
    """Return the tenth of a closed range that a value lies in, counted from 0."""
    low, high = span
    return min(_BINS - 1, max(0, int(_BINS * (value - low) / (high - low))))


def histogram(now: Sequence[int], before: Sequence[int] = ()) -> Markup:
    """Draw counts of tenths of a range as bars, and those of the baseline as an outline over them."""
    most = max([*now, *before], default=0)
    if not most:
        return Markup()

    def top(n: int) -> float:
        return _rounded(_BINS_HEIGHT * (1 - n / most))

    shapes = [
        f'<rect class="now" x="{i * _BIN + 1}" y="{top(n):g}" width="{_BIN - 2}" height="{_BINS_HEIGHT - top(n):g}"/>'
        for i, n in enumerate(now)
        if n
    ]
    if before:
        steps = "".join(f"V{top(n):g}H{(i + 1) * _BIN}" for i, n in enumerate(before))
        shapes.append(f'<path class="was" d="M0 {_BINS_HEIGHT}{steps}V{_BINS_HEIGHT}"/>')
    shapes.append(f'<path class="zero" d="M0 {_BINS_HEIGHT}H{_BINS * _BIN}"/>')
    return _svg("hist", _BINS * _BIN, _BINS_HEIGHT + 1, "".join(shapes))


def curve(values: Sequence[float], marks: Sequence[float]) -> Markup:
    """Draw the share of values up to each value, and where some of them stand.

    Args:
        values: The values, in any order.
        marks: Values that get an upright line, as the median.
    """
    ordered = sorted(values)
    if len(ordered) < 2:
        return Markup()
    most = max(ordered[-1], *marks, 0.0) or 1.0

    def x(value: float) -> float:
        return _rounded(_CURVE * value / most)

    def y(share: float) -> float:
        return _rounded(4 + (_CURVE_HEIGHT - 4) * (1 - share))

    n = len(ordered)
    every = -(-n // _CURVE)  # more steps than pixels show nothing
    points = [i for i in range(n) if i % every == 0 or i == n - 1]
    steps = "".join(f"H{x(ordered[i]):g}V{y((i + 1) / n):g}" for i in points)
    shapes = [_upright("mark", x(mark), _CURVE_HEIGHT) for mark in marks]
    shapes.append(f'<path class="steps" d="M0 {_CURVE_HEIGHT}{steps}H{_CURVE}"/>')
    shapes.append(f'<path class="zero" d="M0 {_CURVE_HEIGHT}H{_CURVE}"/>')
    return _svg("curve", _CURVE, _CURVE_HEIGHT + 1, "".join(shapes))


def meter(share: float, limit: float | None, *, is_over: bool) -> Markup:
    """Draw a share of 0 … 1 as a short bar, and the limit that it should keep as a line."""
    width = _rounded(80 * min(1.0, max(0.0, share)))
    tone = "open" if is_over else "none"
    shapes = ['<rect class="ground" x="0" y="4" width="80" height="6"/>']
    if width:
        shapes.append(f'<rect class="f-{tone}" x="0" y="4" width="{width:g}" height="6"/>')
    if limit is not None:
        shapes.append(_upright("mark", _rounded(80 * limit), 14))
    return _svg("meter", 80, 14, "".join(shapes))


def parts(shares: Sequence[tuple[float, str]]) -> Markup:
    """Draw shares of one whole side by side, each in its tone."""
    shapes, x = [], 0.0
    for share, tone in shares:
        width = 400 * share
        if width:
            drawn = max(0.0, width - 1)
            shapes.append(
                f'<rect class="f-{tone}" x="{_rounded(x):g}" y="0" width="{_rounded(drawn):g}" height="12"/>'
            )
        x += width
    inside = "".join(shapes)
    return Markup(  # noqa: S704 - ours
        f'<svg class="parts" viewBox="0 0 400 12" preserveAspectRatio="none" aria-hidden="true">{inside}</svg>'
    )


def _upright(name: str, x: float, height: float) -> str:
    return f'<line class="{name}" x1="{x:g}" x2="{x:g}" y1="0" y2="{height:g}"/>'


def _label(text: str, x: float, y: float, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{Markup.escape(text)}</text>'


def _svg(name: str, width: float, height: float, inside: str) -> Markup:
    kind = f' class="{name}"' if name else ""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return Markup(f'<svg{kind} {size} aria-hidden="true">{inside}</svg>')  # noqa: S704 - ours


def _rounded(value: float) -> float:
    return round(value, 1)
