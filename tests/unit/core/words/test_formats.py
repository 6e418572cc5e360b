"""Numbers as people read them."""

import pytest

from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.words import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.6144, "0.614"),
        (0.05, "0.0500"),
        (0.00214, "0.00214"),
        (0.00002, "0.0000200"),
        (1.234e-9, "1.23e−09"),
        (0.9996, "1.00"),
        (0.09996, "0.100"),
        (0, "0.000"),
        (1, "1.00"),
        (12.34, "12.3"),
        (123.4, "123"),
        (999.6, "1,000"),
        (1184.3, "1,184"),
        (-0.0312, "−0.0312"),
        (9.99e14, "999,000,000,000,000"),
        (1e15, "1.00e+15"),
        (-2.5e99, "−2.50e+99"),
    ],
)
def test_score__has_three_significant_digits(value, text) -> None:
    assert formats.score(value) == text


def test_signed__shows_gains() -> None:
    assert [formats.signed(x) for x in (0.031, -0.031, 0)] == ["+0.0310", "−0.0310", "0.000"]


@pytest.mark.parametrize(
    ("delta", "english", "korean"),
    [
        (-0.046, "−4.6 points", "−4.6%p"),
        (0.015, "+1.5 points", "+1.5%p"),
        (0.0001, "0.0 points", "0.0%p"),
        (-0.0001, "0.0 points", "0.0%p"),
        (0, "0.0 points", "0.0%p"),
        (-0.0375, "−3.8 points", "−3.8%p"),
        (0.8625 - 0.9, "−3.8 points", "−3.8%p"),
    ],
)
def test_points__have_a_true_minus_and_no_signed_zero(delta, english, korean) -> None:
    assert formats.points(delta, Language.EN) == english
    assert formats.points(delta, Language.KO) == korean


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        (-0.0623, "−0.062"),
        (0.1, "+0.100"),
        (-0.0001, "0.000"),
        (0, "0.000"),
        (0.8625 - 0.9, "−0.037"),
    ],
)
def test_thousandths__have_a_true_minus_and_no_signed_zero(delta, text) -> None:
    assert formats.thousandths(delta) == text


@pytest.mark.parametrize(("size", "text"), [(0.0281, "0.028"), (0.0004, "0.000400"), (0, "0.000")])
def test_size__of_a_score_is_never_0_if_it_is_not(size, text) -> None:
    shown = formats.MetricFigures(
        kind=MetricKind.BOUNDED,
        direction=Direction.HIGHER,
        is_unit=True,
        language=Language.EN,
    )
    assert shown.size(-size) == text


@pytest.mark.parametrize(
    ("p", "english", "korean"),
    [(0.0152, "1.5%", "1.5%"), (0.0005, "0.1%", "0.1%"), (1e-12, "under 0.1%", "0.1% 미만")],
)
def test_p_value__never_reads_as_zero(p, english, korean) -> None:
    assert formats.p_value(p, Language.EN) == english
    assert formats.p_value(p, Language.KO) == korean


@pytest.mark.parametrize(("n", "rounded"), [(1, 1), (99, 99), (100, 100), (101, 110), (1466, 1500)])
def test_round_up__keeps_two_digits(n, rounded) -> None:
    assert formats.round_up(n) == rounded


def test_numbers__of_every_other_sort() -> None:
    assert formats.percent(0.895) == "89.5%"
    assert formats.count(12345) == "12,345"
    assert formats.usd(0.41) == "USD 0.41"
    assert formats.usd(1234.5) == "USD 1,234.50"
    assert formats.usd(0.0000214) == "USD 0.000021"
    assert formats.usd(0) == "USD 0.00"
    assert formats.factor(1.1449) == "×1.14"
    assert formats.interval(-0.02, 0.846) == "[−0.0200, 0.846]"
