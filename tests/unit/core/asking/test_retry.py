import pytest

from lm_eval_so.core.asking.retry import (
    Policy,
    Refusals,
    Tried,
    asks_too_much,
    chance_of,
    decide,
    is_asked_live,
    row_wait_s,
    service_wait_s,
)
from lm_eval_so.core.backends.faults import RETRYABLE
from lm_eval_so.core.files import out_of_files
from lm_eval_so.core.records.run import Retry
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind

POLICY = Policy(timeout_s=60, max_attempts=5, row_deadline_s=300, max_retry_after_s=120)


def error(kind: ErrorKind = ErrorKind.SERVER, **fields: object) -> BackendError:
    return BackendError(kind, "x", **{"retryable": True, **fields})


def wait(
    told: BackendError,
    *kinds: ErrorKind,
    chance: float = 0.0,
    time_left_s: float = 300,
    policy: Policy = POLICY,
    **more: bool,
):
    earlier = [Retry(kind=kind, wait_ms=1) for kind in kinds]
    tried = Tried(
        error=told, earlier=earlier, now=7.0, deadline=7 + time_left_s, chance=chance, **more
    )
    return row_wait_s(tried, policy)


S = ErrorKind.SERVER


@pytest.mark.parametrize(
    ("earlier", "shortest", "longest"),
    [((), 0.25, 0.5), ((S,), 0.5, 1.0), ((S, S), 1.0, 2.0), ((S, S, S), 2.0, 4.0)],
)
def test_row_wait_s__doubles_with_jitter(earlier: tuple, shortest: float, longest: float):
    assert wait(error(), *earlier) == shortest
    assert wait(error(), *earlier, chance=0.999999) == pytest.approx(longest, rel=1e-5)


def test_row_wait_s__never_above_30_s():
    policy = Policy(timeout_s=1, max_attempts=50, row_deadline_s=9999, max_retry_after_s=1)
    assert wait(error(), *[S] * 40, chance=1, time_left_s=9999, policy=policy) == 30


@pytest.mark.parametrize(
    ("asked", "chance", "waited"),
    [(1.0, 0.0, 1.0), (1.0, 1.0, 1.1), (60.0, 1.0, 61.0), (0.0, 1.0, 0.0), (120.0, 0.0, 120.0)],
)
def test_row_wait_s__retry_after_with_little_jitter(asked: float, chance: float, waited: float):
    assert wait(error(retry_after_s=asked), chance=chance) == pytest.approx(waited)


def test_row_wait_s__gives_up():
    assert wait(error(retryable=False)) is None
    assert wait(error(), S, S, S, S) is None
    assert wait(error(retry_after_s=121)) is None
    assert wait(error(retry_after_s=20), time_left_s=15) is None


@pytest.mark.parametrize("kind", [ErrorKind.BAD_RESPONSE, ErrorKind.SUBPROCESS])
def test_row_wait_s__some_kinds_get_one_more_attempt(kind: ErrorKind):
    assert wait(error(kind)) is not None
    assert wait(error(kind), S) is not None
    assert wait(error(kind), kind) is None


def test_row_wait_s__a_first_request_finds_a_wrong_address_soon():
    told = error(ErrorKind.CONNECTION)
    assert wait(told, ErrorKind.CONNECTION) is not None
    assert wait(told, is_first=True) is not None
    assert wait(told, ErrorKind.CONNECTION, is_first=True) is None


@pytest.mark.parametrize(("asked", "too_much"), [(None, False), (120, False), (3600, True)])
def test_asks_too_much__above_the_policy(asked: float | None, too_much: bool):
    assert asks_too_much(error(retry_after_s=asked), POLICY) is too_much


R = ErrorKind.RATE_LIMIT


@pytest.mark.parametrize(
    ("earlier", "shortest", "longest"),
    [(0, 0.0625, 0.125), (1, 0.125, 0.25), (15, 1.0, 2.0), (31, 2.0, 4.0), (2000, 2.0, 4.0)],
)
def test_row_wait_s__a_refusal_costs_little_and_never_more_than_4_s(
    earlier: int, shortest: float, longest: float
):
    kinds = [R] * earlier
    assert wait(error(R), *kinds) == shortest
    assert wait(error(R), *kinds, chance=0.999999) == pytest.approx(longest, rel=1e-5)


def test_row_wait_s__refusals_do_not_count_as_attempts():
    assert wait(error(R), *[R] * 100) is not None
    assert wait(error(), *[R] * 100) == 0.25
    assert wait(error(), *[R] * 100, S, S, S) == 2
    assert wait(error(), *[R] * 100, S, S, S, S) is None
    assert wait(error(R), S, S, S, S) == 0.0625


def test_row_wait_s__refusals_end_with_the_time_of_the_row():
    assert wait(error(R), *[R] * 31, time_left_s=1.9) is None
    left_s, tries = 300.0, 0
    while (seconds := wait(error(R), *[R] * tries, chance=0.5, time_left_s=left_s)) is not None:
        left_s, tries = left_s - seconds, tries + 1
    assert 80 <= tries <= 130


def test_row_wait_s__who_refuses_again_and_says_at_once_is_given_a_pause():
    assert wait(error(R, retry_after_s=0.0)) == 0
    assert wait(error(R, retry_after_s=0.0), R) == 0.0625
    assert wait(error(R, retry_after_s=0.25), R, R, R) == 0.25
    assert wait(error(retry_after_s=0.0), S) == 0


ATTEMPTS = {
    ErrorKind.TIMEOUT: 5,
    ErrorKind.SERVER: 5,
    ErrorKind.CONNECTION: 5,
    ErrorKind.BAD_RESPONSE: 2,
    ErrorKind.SUBPROCESS: 2,
    ErrorKind.RATE_LIMIT: 99,
}
"""Attempts that a row gets whose attempts all fail in this way; 99: as many as it has time for."""


@pytest.mark.parametrize("kind", ErrorKind)
def test_row_wait_s__attempts_by_kind(kind: ErrorKind):
    told = error(kind, retryable=kind in RETRYABLE)
    made = next((n for n in range(1, 99) if wait(told, *[kind] * (n - 1)) is None), 99)
    assert made == ATTEMPTS.get(kind, 1)


@pytest.mark.parametrize(
    ("fields", "may_hear_twice", "is_repeated"),
    [
        ({}, True, True),
        ({}, False, True),
        ({"taken_in": True}, True, True),
        ({"taken_in": True}, False, False),
        ({"taken_in": True, "retryable": False}, True, False),
        ({"retryable": False}, True, False),
        ({"retry_after_s": 121.0}, True, False),
    ],
)
def test_row_wait_s__a_message_that_was_taken_in_is_not_said_twice(
    fields: dict[str, object], may_hear_twice: bool, is_repeated: bool
):
    found = wait(error(**fields), may_hear_twice=may_hear_twice)
    assert (found is not None) is is_repeated


def test_decide__waits_ends_the_row_or_ends_the_stage():
    refusals = Refusals(Redactor())
    again = decide(Tried(error=error()), POLICY, refusals)
    assert (again.wait_s, again.end) == (0.25, None)
    assert again.retry == Retry(kind=ErrorKind.SERVER, http_status=None, wait_ms=250.0)
    over = decide(Tried(error=error(retryable=False)), POLICY, refusals)
    assert (over.wait_s, over.end) == (None, None)
    quota = decide(Tried(error=error(ErrorKind.QUOTA, retryable=False)), POLICY, refusals)
    assert isinstance(quota.end, CannotMeasure)


def test_decide__no_free_file_is_no_fault_of_the_endpoint():
    refusals = Refusals(Redactor())
    busy = Tried(error=error(R))
    assert decide(busy, POLICY, refusals).end is None
    assert decide(Tried(error=out_of_files(ErrorKind.CONNECTION), now=200), POLICY, refusals).wait_s
    late = Tried(error=error(R), now=300, deadline=600)
    assert decide(late, POLICY, refusals).end is not None


def test_chance_of__differs_by_attempt_and_not_by_run():
    chances = [chance_of(7, "q1", 0, nth=n) for n in (1, 2, 3)]
    assert chances == [chance_of(7, "q1", 0, nth=n) for n in (1, 2, 3)]
    assert len(set(chances)) == 3
    assert all(0 <= chance < 1 for chance in chances)


@pytest.mark.parametrize(
    ("fields", "nth", "waited"),
    [
        ({}, 1, 1),
        ({}, 2, 2),
        ({}, 4, 8),
        ({}, 5, None),
        ({"retry_after_s": 7.0}, 4, 7),
        ({"retryable": False}, 1, None),
    ],
)
def test_service_wait_s(fields: dict[str, object], nth: int, waited: float | None):
    assert service_wait_s(error(**fields), nth=nth, most=5) == waited


def test_service_wait_s__never_above_30_s():
    assert service_wait_s(error(), nth=40, most=50) == 30


@pytest.mark.parametrize("retryable", [True, False])
def test_is_asked_live__if_another_attempt_may_cure_it(retryable: bool):
    assert is_asked_live(error(retryable=retryable)) is retryable
