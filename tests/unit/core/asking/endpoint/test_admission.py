import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.asking.endpoint.admission import Pace
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import BackendEnv, ChatBackend


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def pace(time: Time, **limits: float) -> Pace:
    made = Pace(time)
    made.limit(**{"requests_per_s": None, "tokens_per_min": None, **limits})
    return made


def test_wait_s__without_limits():
    made = pace(Time())
    assert not made.is_set
    assert [made.wait_s(10_000) for _ in range(3)] == [0, 0, 0]


def test_wait_s__requests_are_spaced():
    time = Time()
    made = pace(time, requests_per_s=4)
    assert [made.wait_s(10) for _ in range(3)] == [0, 0.25, 0.5]
    time.now = 10
    assert [made.wait_s(10) for _ in range(2)] == [0, 0.25]


def test_wait_s__tokens_are_spaced_and_given_back():
    made = pace(Time(), tokens_per_min=6000)
    assert [made.wait_s(100), made.wait_s(300)] == [0, 1]
    made.give_back(300)
    assert made.wait_s(1) == pytest.approx(1)
    made.give_back(-99)  # it took more than was thought
    assert made.wait_s(1) == pytest.approx(2)


def test_limit__the_lowest_holds():
    made = pace(Time(), requests_per_s=10)
    made.limit(requests_per_s=2, tokens_per_min=None)
    made.limit(requests_per_s=5, tokens_per_min=None)
    assert [made.wait_s(1), made.wait_s(1)] == [0, 0.5]


@given(
    st.lists(st.floats(min_value=0, max_value=0.3), min_size=1, max_size=200),
    st.integers(min_value=1, max_value=20),
)
def test_wait_s__no_second_holds_more_than_is_allowed(gaps: list[float], most: int):
    time = Time()
    made = pace(time, requests_per_s=most)
    sent = []
    for gap in gaps:
        time.now += gap
        sent.append(time.now + made.wait_s(1))
    for first in sent:
        assert sum(first <= at < first + 0.9999 for at in sent) <= most


class Bot(ChatBackend):
    def __init__(self, key: str, most: int) -> None:
        super().__init__(env=BackendEnv(concurrency=most))
        self.key = key

    def limiter_key(self) -> str:
        return self.key


@pytest.mark.parametrize(("first", "second", "limit"), [(3, 2, 2), (2, 3, 2), (64, 32, 16)])
def test_endpoint__one_endpoint_shares_the_lowest_bound(first: int, second: int, limit: int):
    resources = Resources()
    limiter = resources.endpoint(Bot("a", first), label="bot", stage="run").limiter
    assert resources.endpoint(Bot("a", second), label="bot", stage="run").limiter is limiter
    assert limiter.limit == limit
    assert resources.endpoint(Bot("b", 2), label="bot", stage="run").limiter is not limiter
