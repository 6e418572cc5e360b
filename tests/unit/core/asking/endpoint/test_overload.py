from random import Random

from lm_eval_so.core.asking.endpoint.limiter import Overload


def told(*levels: tuple[int, int, int]) -> Overload:
    """Send under each limit so many requests, of which so many fail, spread evenly."""
    overload = Overload()
    for limit, sent, failed in levels:
        for number in range(sent):
            overload.sent(limit)
            if failed and number % (sent // failed) == 0:
                overload.failed(limit)
    return overload


def test_judge__two_failures_are_needed():
    assert told((4, 40, 0), (8, 40, 1)).judge(8) is None
    assert told((4, 40, 0), (8, 40, 2)).judge(8) is True


def test_judge__failures_under_high_limits_only_are_overload():
    assert told((4, 100, 0), (8, 100, 0), (9, 50, 3)).judge(9) is True


def test_judge__failures_under_all_limits_alike_are_not():
    overload = told((4, 100, 5), (8, 100, 5), (16, 100, 5))
    assert overload.judge(16) is False
    assert not overload.is_believed


def test_judge__a_share_under_each_limit_may_rise_from_a_share_that_never_falls():
    mixed = told((4, 200, 10), (8, 200, 10), (16, 200, 50))
    assert mixed.judge(16) is True
    assert mixed.judge(7) is False  # under 8 and 4 it is the same, and 16 is far above


def test_judge__who_was_cleared_is_not_suspected_soon():
    suspicious = ((4, 100, 2), (8, 100, 8))
    assert told(*suspicious).judge(8) is True
    cleared = told((8, 40, 2), (4, 40, 2))
    assert cleared.judge(8) is False
    for limit, sent, failed in suspicious:
        for number in range(sent):
            cleared.sent(limit)
            if number % (sent // failed) == 0:
                cleared.failed(limit)
    assert cleared.judge(8) is False


def test_judge__a_flood_is_overload_under_one_limit_too():
    overload = told((64, 500, 25))
    assert overload.judge(64) is False  # there is nothing to compare
    for _ in range(10):
        overload.sent(64)
        overload.failed(64)
    assert overload.judge(64) is True


def test_judge__what_lies_far_back_is_forgotten():
    overload = told((4, 300, 0), (8, 300, 30))
    assert overload.judge(8) is True
    for _ in range(40):
        for limit in (4, 8):
            for number in range(100):
                overload.sent(limit)
                if number % 20 == 0:
                    overload.failed(limit)
    assert overload.judge(8) is False


def test_judge__by_chance_it_is_seldom_wrong():
    wrong = 0
    for seed in range(200):
        chance, overload = Random(seed), Overload()
        for limit in [4] * 50 + [8] * 50 + [16] * 100:
            overload.sent(limit)
            if chance.random() < 0.05:
                overload.failed(limit)
        wrong += overload.judge(16) is True
    assert wrong <= 50  # 16 % lie more than one standard error above, and floods
