"""Drawings: the same values make the same shapes."""

import math

import pytest

from lm_eval_so.reporter.html import drawings
from lm_eval_so.reporter.html.drawings import Bar, Scale

UNIT = Scale(low=-0.16, high=0.08)
TURNED = Scale(low=-math.log(1.4), high=math.log(1.1))

SHEET = {
    "an estimate that may be worse than accepted": drawings.plot_row(
        Bar(low=-0.1, dot=-0.03, high=0.03, limit=-0.05), UNIT, "open"
    ),
    "nothing accepted is known": drawings.plot_row(Bar(low=-0.02, dot=0, high=0.02), UNIT, "none"),
    "no estimate": drawings.plot_row(None, UNIT, "none"),
    "a mean, where nothing is compared": drawings.plot_row(
        Bar(low=0.82, dot=0.9, high=0.96, limit=0.85), Scale(low=0.7, high=1), "pass", zero=None
    ),
    "beyond the scale": drawings.plot_row(Bar(low=-9, dot=0.01, high=9), UNIT, "bad"),
    "an axis": drawings.plot_axis(UNIT, [(-0.1, "−10"), (0.0, "0")]),
    "an axis of factors, turned round": drawings.plot_axis(TURNED, [(-math.log(1.2), "×1.2")]),
    "heads": drawings.plot_head(UNIT, ("worse", "allowed", "no change", "better"), -0.05),
    "heads without room": drawings.plot_head(UNIT, ("worse", "allowed", "no change", "b"), -0.01),
    "right 2 of 3": drawings.tally(2, 3),
    "wrong 2 of 3, now": drawings.tally(1, 3, is_wrong_first=True),
    "more answers than squares": drawings.tally(1, 25),
    "better, proven": drawings.change_bar(0.5, is_sure=True),
    "worse, not proven": drawings.change_bar(-1, is_sure=False),
    "no change": drawings.change_bar(0, is_sure=False),
    "scores now, and in the baseline": drawings.histogram([1, 0, 4], [2, 2, 1]),
    "no scores": drawings.histogram([]),
    "times": drawings.curve([3.0, 1.0, 2.0, 4.0], [2.5, 4.0]),
    "too few times": drawings.curve([3.0], [3.0]),
    "a share beyond its limit": drawings.meter(0.08, 0.05, is_over=True),
    "a share without a limit": drawings.meter(0.5, None, is_over=False),
    "parts of a whole": drawings.parts([(0.75, "pass"), (0.0, "rest"), (0.25, "bad")]),
}


def test_drawings__golden(golden):
    golden("report/drawings.txt", "".join(f"{name}\n{svg}\n\n" for name, svg in SHEET.items()))


@pytest.mark.parametrize(
    ("span", "found"),
    [
        ((-0.16, 0.08), [-0.15, -0.1, -0.05, 0, 0.05]),
        ((-0.5, 0.5), [-0.4, -0.2, 0, 0.2, 0.4]),
        ((0.58, 1.0), [0.6, 0.7, 0.8, 0.9, 1]),
        ((-3000, 10), [-3000, -2000, -1000, 0]),
        ((0.0, 0.0), []),
    ],
)
def test_ticks__are_round_and_few(span, found):
    assert drawings.ticks(*span) == found


@pytest.mark.parametrize(
    ("least", "most", "found"),
    [
        (0.8, 1.25, [0.8, 0.9, 1, 1.1, 1.2]),
        (0.2, 6, [0.25, 0.5, 1, 2, 4]),
        (0.001, 1000, [0.00390625, 0.0625, 1, 16, 256]),
    ],
)
def test_factor_ticks__have_one_among_them(least, most, found):
    assert drawings.factor_ticks(math.log(least), math.log(most)) == found


def test_scale__shows_zero_and_the_other_side():
    scale = drawings.scale_of([-0.2, -0.1])
    assert scale.low == -0.2
    assert 0 < scale.high < 0.1
    assert scale.place(-0.2) < scale.place(0.0) < scale.place(scale.high)
    assert drawings.scale_of([0.0]).place(0.0) == 180
