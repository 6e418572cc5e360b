"""What failures say of an endpoint that has not answered yet; whole runs are in test_first_rows."""

import pytest

from lm_eval_so.core.asking.proof import Proof
from lm_eval_so.core.records.run import ErrorInfo
from lm_eval_so.errors import BackendError, CannotMeasure, ConfigError, ErrorKind, Where

FORBIDDEN = ErrorInfo(kind=ErrorKind.AUTH, message="no", http_status=403)
TOO_LONG = ErrorInfo(kind=ErrorKind.CONTEXT_LENGTH, message="too long", http_status=400)
NO_PATH = ErrorInfo(
    kind=ErrorKind.BAD_RESPONSE,
    message="found nothing",
    details={"option": "options.response.text"},
)


def proof(*, is_given: bool = False) -> Proof:
    return Proof("bot", where=lambda key: Where(key=key), is_given=is_given)


def test_failed__two_samples_that_are_forbidden():
    found = proof()
    assert [found.failed(FORBIDDEN, "a"), found.failed(FORBIDDEN, "a")] == [None, None]
    assert found.goes_alone
    end = found.failed(FORBIDDEN, "b")
    assert isinstance(end, BackendError)
    assert str(end) == "bot answers none of the first 2 samples: no"


def test_failed__a_mistake_of_the_config_that_the_only_sample_shows():
    found = proof()
    assert found.failed(NO_PATH, "a") is None
    assert isinstance(found.blamed, ConfigError)
    assert found.blamed.problems[0].hint == "lm-eval-so doctor --ask shows what comes back"
    found.answered()
    assert found.blamed is None


def test_failed__nothing_is_alone_after_what_says_nothing():
    found = proof()
    found.failed(NO_PATH, "a")
    found.failed(ErrorInfo(kind=ErrorKind.TIMEOUT, message="late"), "b")
    assert (found.goes_alone, found.blamed) == (False, None)


@pytest.mark.parametrize(("rows", "most"), [(0, 20), (95, 20), (96, 20), (300, 61)])
def test_failed__so_many_samples_in_one_way(rows: int, most: int):
    found = proof()
    if rows:
        found.goes_on(rows)
    ends = [found.failed(TOO_LONG, f"q{number}") for number in range(most)]
    assert ends[:-1] == [None] * (most - 1)
    assert isinstance(ends[-1], CannotMeasure)


@pytest.mark.parametrize(
    "kind",
    [ErrorKind.TIMEOUT, ErrorKind.SERVER, ErrorKind.RATE_LIMIT, ErrorKind.CONNECTION],
)
def test_failed__what_others_watch(kind: ErrorKind):
    found = proof()
    error = ErrorInfo(kind=kind, message="x")
    assert [found.failed(error, f"q{n}") for n in range(100)] == [None] * 100


@pytest.mark.parametrize("way", ["answer", "filter", "offline", "earlier"])
def test_failed__after_an_answer_a_403_is_the_rows(way: str):
    found = proof(is_given=way == "offline")
    if way == "answer":
        found.answered()
    elif way == "filter":
        assert found.failed(ErrorInfo(kind=ErrorKind.FILTERED, message="x"), "a") is None
    elif way == "earlier":
        found.goes_on(60)
    assert [found.failed(FORBIDDEN, f"q{n}") for n in range(100)] == [None] * 100
    assert not found.goes_alone
