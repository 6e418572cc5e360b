import pytest

from lm_eval_so.core.asking.retry import Policy, asks_too_much, wait_s
from lm_eval_so.core.records.run import Retry
from lm_eval_so.errors import BackendError, ErrorKind

POLICY = Policy(timeout_s=60, max_attempts=5, row_deadline_s=300, max_retry_after_s=120)


def error(kind: ErrorKind = ErrorKind.SERVER, **fields: object) -> BackendError:
    return BackendError(kind, "x", **{"retryable": True, **fields})


def wait(told: BackendError, *kinds: ErrorKind, chance: float = 0.0, **more: object):
    earlier = [Retry(kind=kind, wait_ms=1) for kind in kinds]
    given = {"time_left_s": 300, "policy": POLICY, **more}
    return wait_s(told, earlier=earlier, chance=chance, **given)


S = ErrorKind.SERVER


@pytest.mark.parametrize(
    ("earlier", "shortest", "longest"),
    [((), 0.25, 0.5), ((S,), 0.5, 1.0), ((S, S), 1.0, 2.0), ((S, S, S), 2.0, 4.0)],
)
def test_wait_s__doubles_with_jitter(earlier: tuple, shortest: float, longest: float):
    assert wait(error(), *earlier) == shortest
    assert wait(error(), *earlier, chance=0.999999) == pytest.approx(longest, rel=1e-5)


def test_wait_s__never_above_30_s():
    policy = Policy(timeout_s=1, max_attempts=50, row_deadline_s=9999, max_retry_after_s=1)
    assert wait(error(), *[S] * 40, chance=1, time_left_s=9999, policy=policy) == 30


@pytest.mark.parametrize(
    ("asked", "chance", "waited"),
    [(1.0, 0.0, 1.0), (1.0, 1.0, 1.1), (60.0, 1.0, 61.0), (0.0, 1.0, 0.0), (120.0, 0.0, 120.0)],
)
def test_wait_s__retry_after_with_little_jitter(asked: float, chance: float, waited: float):
    assert wait(error(retry_after_s=asked), chance=chance) == pytest.approx(waited)


def test_wait_s__gives_up():
    assert wait(error(retryable=False)) is None
    assert wait(error(), S, S, S, S) is None
    assert wait(error(retry_after_s=121)) is None
    assert wait(error(retry_after_s=20), time_left_s=15) is None


@pytest.mark.parametrize("kind", [ErrorKind.BAD_RESPONSE, ErrorKind.SUBPROCESS])
def test_wait_s__some_kinds_get_one_more_attempt(kind: ErrorKind):
    assert wait(error(kind)) is not None
    assert wait(error(kind), S) is not None
    assert wait(error(kind), kind) is None


def test_wait_s__only_once_on_demand():
    once = frozenset({ErrorKind.CONNECTION})
    told = error(ErrorKind.CONNECTION)
    assert wait(told, ErrorKind.CONNECTION) is not None
    assert wait(told, ErrorKind.CONNECTION, only_once=once) is None


@pytest.mark.parametrize(("asked", "too_much"), [(None, False), (120, False), (3600, True)])
def test_asks_too_much__above_the_policy(asked: float | None, too_much: bool):
    assert asks_too_much(error(retry_after_s=asked), POLICY) is too_much


R = ErrorKind.RATE_LIMIT


@pytest.mark.parametrize(
    ("earlier", "shortest", "longest"),
    [(0, 0.0625, 0.125), (1, 0.125, 0.25), (5, 2.0, 4.0), (6, 4.0, 8.0), (2000, 4.0, 8.0)],
)
def test_wait_s__a_refusal_costs_little_and_never_more_than_8_s(
    earlier: int, shortest: float, longest: float
):
    kinds = [R] * earlier
    assert wait(error(R), *kinds) == shortest
    assert wait(error(R), *kinds, chance=0.999999) == pytest.approx(longest, rel=1e-5)


def test_wait_s__refusals_do_not_count_as_attempts():
    assert wait(error(R), *[R] * 100) is not None
    assert wait(error(), *[R] * 100) == 0.25
    assert wait(error(), *[R] * 100, S, S, S) == 2
    assert wait(error(), *[R] * 100, S, S, S, S) is None
    assert wait(error(R), S, S, S, S) == 0.0625


def test_wait_s__refusals_end_with_the_time_of_the_row():
    assert wait(error(R), *[R] * 9, time_left_s=3.9) is None
    left_s, tries = 300.0, 0
    while (seconds := wait(error(R), *[R] * tries, chance=0.5, time_left_s=left_s)) is not None:
        left_s, tries = left_s - seconds, tries + 1
    assert 45 <= tries <= 60


def test_wait_s__who_refuses_again_and_says_at_once_is_given_a_pause():
    assert wait(error(R, retry_after_s=0.0)) == 0
    assert wait(error(R, retry_after_s=0.0), R) == 0.0625
    assert wait(error(R, retry_after_s=0.25), R, R, R) == 0.25
    assert wait(error(retry_after_s=0.0), S) == 0
