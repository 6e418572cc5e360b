"""How steady several answers to the same sample are."""

import pytest
from comparing import entry, judge, only
from factories import make_report

from lm_eval_so.comparator.exemptions.files import Exceptions

STEADY = [[1, 1, 1, 1]] * 14 + [[0, 0, 0, 0]] * 4
UNSTEADY = [[1, 1, 1, 0], [1, 0, 1, 0]]


def test_stability__is_that_of_each_side() -> None:
    pair = [make_report({"exact_match": c}) for c in ([1] * 20, [*UNSTEADY, *STEADY])]
    metric = only(judge(*pair))
    (side,) = metric.stability
    found = metric.stability[side]
    assert side == "candidate"
    assert (found.repeats, found.n, found.flaky) == (4, 20, ("s0", "s1"))
    assert found.flaky_share == pytest.approx(2 / 20)
    assert found.self_flip_rate == pytest.approx((2 * 3 * 1 + 2 * 2 * 2) / 12 / 20)


def test_stability__of_both_sides_with_their_own_repeats() -> None:
    pair = [make_report({"exact_match": c}) for c in ([[1, 0]] * 20, [*UNSTEADY, *STEADY])]
    found = only(judge(*pair)).stability
    assert (found["baseline"].repeats, found["candidate"].repeats) == (2, 4)
    assert (found["baseline"].flaky_share, found["baseline"].self_flip_rate) == (1, 1)


def test_stability__samples_with_a_lost_answer_are_left_out() -> None:
    column = [*UNSTEADY, *STEADY[:-1], [1, None, 1, 0]]
    pair = [make_report({"exact_match": c}) for c in (column, column)]
    assert only(judge(*pair)).stability["candidate"].n == 19


@pytest.mark.parametrize("column", [[1] * 20, [[0.5, 0.7]] * 20, [[1, None]] * 20])
def test_stability__needs_several_answers_that_are_right_or_wrong(column) -> None:
    pair = [make_report({"m": c}) for c in (column, column)]
    assert only(judge(*pair)).stability == {}


def test_stability__known_flaky_samples_are_left_out() -> None:
    pair = [make_report({"exact_match": c}) for c in ([1] * 20, [*UNSTEADY, *STEADY])]
    known = Exceptions(quarantine=(entry("s0"),))
    found = only(judge(*pair, exceptions=known)).stability["candidate"]
    assert (found.n, found.flaky) == (19, ("s1",))
