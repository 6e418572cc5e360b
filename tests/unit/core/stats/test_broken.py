"""One case that broke: the exact test, held against a direct computation and published figures."""

import math

import pytest

from lm_eval_so.core.stats.broken import (
    MOST_ANSWERS,
    fails_by_itself,
    fisher_p,
    size,
    wrong_needed,
)

TABLE = {
    25: {2: [16], 3: [8], 4: [6, 13], 5: [5, 9, 18], 6: [4, 7], 8: [4, 5, 8], 10: [3, 5, 6, 8]},
    30: {2: [18], 3: [8], 4: [6, 14], 5: [5, 10, 19], 6: [5, 7], 8: [4, 6, 8], 10: [3, 5, 6, 8]},
    60: {2: [0], 3: [11], 4: [8, 18], 5: [6, 12, 0], 6: [5, 9], 8: [4, 7, 10], 10: [4, 6, 7, 10]},
    100: {2: [0], 3: [13], 4: [9, 0], 5: [7, 13, 0], 6: [6, 10], 8: [5, 7, 11], 10: [4, 6, 8, 11]},
    300: {
        2: [0],
        3: [19],
        4: [12, 0],
        5: [9, 18, 0],
        6: [7, 13],
        8: [6, 9, 14],
        10: [5, 7, 10, 14],
    },
}
"""Wrong answers that prove a change, by family, answers of the baseline, and k, k−1, … right ones."""


@pytest.mark.parametrize("family", TABLE)
def test_wrong_needed__table(family: int) -> None:
    found = {
        asked: [wrong_needed(asked - fewer, asked, family=family) for fewer in range(len(row))]
        for asked, row in TABLE[family].items()
    }
    assert found == TABLE[family]


def test_wrong_needed__all_right_answers_of_ten() -> None:
    found = [wrong_needed(right, 10, family=60) for right in range(10, 5, -1)]
    assert found == [4, 6, 7, 10, 14]


@pytest.mark.parametrize(("right", "asked"), [(0, 1), (1, 1), (1, 2), (2, 5), (5, 10), (0, 7)])
def test_wrong_needed__nothing_is_proven_of_one_answer_or_of_a_case_that_was_mostly_wrong(
    right: int, asked: int
) -> None:
    assert wrong_needed(right, asked, family=1) == 0


def test_size__of_five_answers_and_a_family_of_100() -> None:
    attained = {fisher_p(s, 5, m) for s in (3, 4, 5) for m in range(1, MOST_ANSWERS + 1)}
    limit = max(each for each in attained if 100 * size(each, 5) <= 0.05)
    assert limit == pytest.approx(0.001633986928, abs=1e-12)
    assert size(limit, 5) == pytest.approx(0.0004828167, abs=1e-10)
    assert 100 * size(limit, 5) == pytest.approx(0.0482817, abs=1e-7)


def test_size__of_three_answers_is_known_in_closed_form() -> None:
    limit = fisher_p(3, 3, 8)
    assert size(limit, 3) == pytest.approx(0.001587680929, abs=1e-12)
    assert size(limit, 3) == pytest.approx(3**3 * 8**8 / 11**11, rel=1e-5)
    assert 30 * size(limit, 3) == pytest.approx(0.0476304, abs=1e-7)
    assert pytest.approx(0.0667, abs=1e-4) == 30 * 3**3 * 7**7 / 10**10  # seven would not do


@pytest.mark.parametrize("asked", [2, 3, 4, 5, 8])
def test_wrong_needed__holds_the_level_for_every_pass_rate(asked: int) -> None:
    for family in (1, 7, 30, 100):
        needed = {s: wrong_needed(s, asked, family=family) for s in range(asked + 1)}
        for step in range(1, 400):
            p = step / 400
            chance = sum(
                math.comb(asked, s) * p**s * (1 - p) ** (asked - s + m)
                for s, m in needed.items()
                if m
            )
            assert family * chance <= 0.05 * 1.0001


@pytest.mark.parametrize("asked", [2, 3, 5, 6])
@pytest.mark.parametrize("family", [3, 30, 250])
def test_wrong_needed__is_that_of_the_largest_limit(asked: int, family: int) -> None:
    attained = {
        fisher_p(s, asked, m)
        for s in range(asked // 2 + 1, asked + 1)
        for m in range(1, MOST_ANSWERS + 1)
    }
    holding = [each for each in attained if family * size(each, asked) <= 0.05]
    limit = max(holding, default=0.0)
    for s in range(asked // 2 + 1, asked + 1):
        least = [m for m in range(1, MOST_ANSWERS + 1) if fisher_p(s, asked, m) <= limit]
        assert wrong_needed(s, asked, family=family) == (least[0] if least else 0)


def test_wrong_needed__a_stricter_level_or_larger_family_needs_no_fewer() -> None:
    by_family = [wrong_needed(5, 5, family=family) for family in range(1, 400)]
    by_level = [wrong_needed(5, 5, family=30, alpha=alpha) for alpha in (0.2, 0.1, 0.05, 0.01)]
    for needed in (by_family, by_level):
        assert needed == sorted(needed)


@pytest.mark.parametrize(
    ("least", "chances"),
    [
        (1, [0.000001, 0.000008, 0.000125, 0.001, 0.008, 0.125]),
        (2, [0.000298, 0.001184, 0.00725, 0.028, 0.104, 0.5]),
        (3, [0.029701, 0.058808, 0.142625, 0.271, 0.488, 0.875]),
    ],
)
def test_fails_by_itself__of_three(least: int, chances: list[float]) -> None:
    found = [fails_by_itself(r, 100, least=least, of=3) for r in (99, 98, 95, 90, 80, 50)]
    assert found == pytest.approx(chances)
    assert fails_by_itself(100, 100, least=least, of=3) == 0


def test_fails_by_itself__many_cases_that_need_one_right_answer_of_three() -> None:
    alone = fails_by_itself(98, 100, least=1, of=3)
    assert 1 - (1 - alone) ** 30 == pytest.approx(0.00024, abs=1e-5)
    strict = fails_by_itself(98, 100, least=3, of=3)
    assert 1 - (1 - strict) ** 30 == pytest.approx(0.84, abs=0.005)


@pytest.mark.parametrize("counts", [(6, 5), (-1, 5)])
def test_wrong_needed__refuses_impossible_counts(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="are no counts"):
        wrong_needed(*counts, family=10)
    with pytest.raises(ValueError, match="are no counts"):
        fisher_p(*counts, 1)
    with pytest.raises(ValueError, match="family 0"):
        wrong_needed(5, 5, family=0)
