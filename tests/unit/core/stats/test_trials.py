"""Trials of known answers: each is a true comparison, and their mean is unbiased."""

import random
from collections import Counter
from itertools import combinations

import pytest

from lm_eval_so.core.stats.binary import mcnemar_midp
from lm_eval_so.core.stats.repeat_noise import (
    Retests,
    between_days,
    measure_noise,
    noisiest,
    spread,
)
from lm_eval_so.core.stats.trials import (
    Effort,
    Outcome,
    Pool,
    Sides,
    Splitter,
    WithoutNoisy,
    break_answers,
    must_redraw,
)

ONE_EACH = Sides(baseline=1, candidate=1)


def pool_of(answers, *, n=None, groups=None, days=()):
    """Make a pool of right and wrong answers to each sample."""
    scores, rows = [], []
    for own in answers:
        rows.append(tuple(range(len(scores), len(scores) + len(own))))
        scores += own
    losses = [float(score) for score in scores]
    made = Pool(rows=rows, losses=losses, n=n or len(rows), groups=groups, days=days)
    return made, [*scores, *[0] * len(scores)]


def flips_of(trial, scores):
    """Count samples that got worse and better."""
    before = [sum(scores[row] for row in own) / len(own) for own in trial.baseline]
    now = [sum(scores[row] for row in own) / len(own) for own in trial.candidate]
    pairs = list(zip(before, now, strict=True))
    return sum(b > c for b, c in pairs), sum(b < c for b, c in pairs)


def mcnemar(scores, *, n, margin=0.05):
    """Return a gate that fails on a proven fall of at least the margin, and passes no fall."""

    def decide(trial):
        worse, better = flips_of(trial, scores)
        if worse - better >= margin * n and mcnemar_midp(worse, better) <= 0.05:
            return Outcome.FAIL
        return Outcome.PASS if worse <= better else Outcome.UNCLEAR

    return decide


def test_shares__four_samples_that_flip_in_every_trial_fail_in_one_of_16() -> None:
    pool, scores = pool_of([[1, 0]] * 4 + [[1, 1]] * 56)
    split = Splitter(pool=pool, sides=ONE_EACH, seed=3)
    found = split.shares(mcnemar(scores, n=60), 0.0, 6000)
    assert found.fails == pytest.approx(1 / 16, abs=0.01)
    flips = {sum(flips_of(split._trial(0.0, random.Random(i), None), scores)) for i in range(50)}
    assert flips == {4}


def test_shares__redrawn_samples_have_another_number_of_flips_in_each_trial() -> None:
    pool, scores = pool_of([[1, 0]] * 4 + [[1, 1]] * 56)
    split = Splitter(pool=pool, sides=ONE_EACH, seed=3, redraws=True)
    flips = {sum(flips_of(split._trial(0.0, random.Random(i), None), scores)) for i in range(50)}
    assert len(flips) > 4
    assert must_redraw([2, 2, 2], ONE_EACH)
    assert not must_redraw([2, 3, 2], ONE_EACH)
    assert not must_redraw([4, 4], Sides(baseline=3, candidate=1))


@pytest.mark.parametrize(("baseline", "candidate"), [(1, 1), (2, 1), (3, 2)])
def test_trial__every_way_to_split_is_as_likely_and_no_answer_stands_twice(
    baseline: int, candidate: int
) -> None:
    pool, _ = pool_of([[1, 0, 1, 0, 1]])
    split = Splitter(pool=pool, sides=Sides(baseline=baseline, candidate=candidate), seed=1)
    dice, seen = random.Random(7), Counter()
    for _ in range(6000):
        trial = split._trial(0.0, dice, None)
        (before,), (now,) = trial.baseline, trial.candidate
        assert len({*before, *now}) == baseline + candidate
        seen[tuple(sorted(before)), tuple(sorted(now))] += 1
    ways = [
        (first, second)
        for first in combinations(range(5), baseline)
        for second in combinations(set(range(5)) - {*first}, candidate)
    ]
    assert len(seen) == len(ways)
    assert max(seen.values()) < 6000 / len(ways) * 1.4


def test_trial__many_answers_are_drawn_instead_of_listed() -> None:
    pool, scores = pool_of([[1, 0] * 30] * 40)
    split = Splitter(pool=pool, sides=ONE_EACH, seed=1)
    assert split._ways is None
    flips = [sum(flips_of(split._trial(0.0, random.Random(i), None), scores)) for i in range(300)]
    assert sum(flips) / 300 == pytest.approx(40 * 30 / 59, abs=0.6)


def test_trial__samples_that_lack_answers_are_drawn_from_the_others() -> None:
    pool, _ = pool_of([[1, 1]] * 8, n=10)
    trial = Splitter(pool=pool, sides=ONE_EACH, seed=1)._trial(0.0, random.Random(1), None)
    assert len(trial.places) == 10
    assert {*trial.places} == {*range(8)}


def test_trial__whole_groups_are_redrawn_and_a_group_that_stands_twice_is_two() -> None:
    groups = ["a", "a", "b", "b", "c", "c"]
    pool, _ = pool_of([[1, 1]] * 6, groups=groups)
    split = Splitter(pool=pool, sides=ONE_EACH, seed=1, redraws=True)
    trial = split._trial(0.0, random.Random(2), None)
    drawn = [groups[place] for place in trial.places]
    assert Counter(trial.units) == dict.fromkeys(range(3), 2)
    assert len(set(drawn)) < 3  # with this seed a group stands twice
    assert all(drawn[at] == drawn[at + 1] for at in (0, 2, 4))


def test_trial__of_four_days_on_whole_days_are_held_against_each_other() -> None:
    # every sample is right on some days and wrong on the others: within a day nothing flips
    days = [[(sample * 4 + day,) for sample in range(5)] for day in range(4)]
    pool, scores = pool_of([[1, 0, 1, 0]] * 5, days=days)
    split = Splitter(pool=pool, sides=ONE_EACH, seed=1)
    seen = {flips_of(split._trial(0.0, random.Random(i), None), scores) for i in range(60)}
    assert seen == {(0, 0), (5, 0), (0, 5)}
    trials = [split._trial(0.0, random.Random(i), None) for i in range(60)]
    assert not any({*trial.baseline} & {*trial.candidate} for trial in trials)
    mixed, _ = pool_of([[1, 0, 1, 0]] * 5, days=days[:3])
    split = Splitter(pool=mixed, sides=ONE_EACH, seed=1)
    seen = {flips_of(split._trial(0.0, random.Random(i), None), scores) for i in range(60)}
    assert len(seen) > 3


@pytest.mark.parametrize("drop", [0.05, 0.1, 0.13])
def test_break_answers__the_mean_falls_by_exactly_the_drop_on_average(drop: float) -> None:
    pool, scores = pool_of([[1, 1, 1, 0]] * 20 + [[0, 0, 0, 0]] * 5 + [[1] * 4] * 15)
    split = Splitter(pool=pool, sides=Sides(baseline=1, candidate=3), seed=1)
    dice, falls = random.Random(5), []
    for _ in range(3000):
        trial = split._trial(drop, dice, None)
        size = len(pool.losses)
        lost = [scores[row - size] for own in trial.candidate for row in own if row >= size]
        falls.append(sum(lost) / 3 / 40)
    assert sum(falls) / 3000 == pytest.approx(drop, abs=0.002)


def test_break_answers__samples_to_which_the_metric_does_not_apply_are_not_counted() -> None:
    rows = [(at,) for at in range(20)]
    pool = Pool(rows=rows, losses=[1.0] * 10 + [None] * 10, n=20)
    candidate = list(rows)
    break_answers(candidate, range(20), pool, 0.2, random.Random(1))
    broken = [at for at, own in enumerate(candidate) if own[0] >= 20]
    assert len(broken) == 2
    assert max(broken) < 10
    assert pool.may_fall(1.0)
    assert not Pool(rows=rows, losses=[0.1] * 20, n=20).may_fall(0.2)


def test_scenario__the_range_is_wider_than_nothing_and_holds_the_share() -> None:
    pool, scores = pool_of([[1, 0, 1, 1]] * 15 + [[1] * 4] * 45)
    split = Splitter(pool=pool, sides=ONE_EACH, seed=3)
    found = split.scenario(mcnemar(scores, n=60), 0.05, Effort(trials=300, sets=60))
    assert found.fails[0] < found.shares.fails < found.fails[1]
    again = split.scenario(mcnemar(scores, n=60), 0.05, Effort(trials=300, sets=60))
    assert again == found


def test_scenario__of_answers_that_never_differ_is_as_certain_as_its_trials() -> None:
    pool, scores = pool_of([[1, 1, 1]] * 50 + [[0, 0, 0]] * 8)
    split = Splitter(pool=pool, sides=ONE_EACH, seed=3)
    found = split.scenario(mcnemar(scores, n=58), 0.0, Effort(trials=100, sets=20))
    assert (found.shares.passes, found.shares.fails) == (1.0, 0.0)
    assert found.passes == (pytest.approx(1 - 0.0263, abs=1e-4), 1.0)
    assert found.fails == (0.0, pytest.approx(0.0263, abs=1e-4))  # of 0 in 100, by Wilson


def test_without_noisy__leaves_out_those_that_the_other_answers_show() -> None:
    pool, scores = pool_of([[1, 0, 1, 0, 1, 0]] * 6 + [[1] * 6] * 34)
    tried = WithoutNoisy(pool=pool, sides=ONE_EACH, seed=1, scores=scores)
    found, left = tried.shares(mcnemar(scores, n=40, margin=0.02), 0.0, 800)
    whole = Splitter(pool=pool, sides=ONE_EACH, seed=1).shares(
        mcnemar(scores, n=40, margin=0.02), 0.0, 800
    )
    assert found.passes > whole.passes + 0.05
    assert 0.85 < left < 1


def test_effort__is_smaller_for_larger_sets_and_never_nothing() -> None:
    assert Effort.for_size(400) == Effort()
    assert Effort.for_size(1600) == Effort(trials=500, sets=100, of_set=10)
    assert Effort.for_size(10**7) == Effort(trials=100, sets=40, of_set=4)


def test_spread__of_right_or_wrong_is_the_chance_that_two_answers_differ() -> None:
    assert spread([1, 0]) == 1.0
    assert spread([1, 1, 0, 0, None]) == pytest.approx(2 * 2 * 2 / (4 * 3))
    assert spread([0.5, None]) == 0.0


def test_noisiest__are_the_fewest_that_make_half() -> None:
    assert noisiest([0.1, 0.5, 0.0, 0.4]) == [1]
    assert noisiest([0.2, 0.3, 0.2, 0.3]) == [1, 3]
    assert noisiest([0.0, 0.0]) == []


def test_measure_noise__the_parts_make_the_whole() -> None:
    samples = [[1, 0, 1, 0, 1]] * 10 + [[1] * 5] * 40
    alone = measure_noise(samples, None)
    assert alone is not None
    assert alone.total.value == pytest.approx(0.12)
    assert alone.judge is None
    few = measure_noise(samples, Retests(n=49, noise=0.05, is_share=True))
    assert few is not None
    assert few.judge is None
    found = measure_noise(samples, Retests(n=200, noise=0.05, is_share=True))
    assert found is not None
    assert found.judge is not None
    assert found.chatbot is not None
    assert found.judge.value + found.chatbot.value == pytest.approx(found.total.value)
    assert found.judge.high - found.judge.value == pytest.approx(1.645 * (0.0475 / 200) ** 0.5)
    assert measure_noise([[1], [None, 0]], None) is None


def test_between_days__is_the_noise_that_a_day_adds() -> None:
    # the same within a day, another on the next
    assert between_days([[[1, 1], [0, 0]], [[1, 1], [1, 1]]]) == 0.5
    assert between_days([[[1], [0]]]) is None
    assert between_days([[[1, 0], [1, 0]]]) == pytest.approx(-0.5)
