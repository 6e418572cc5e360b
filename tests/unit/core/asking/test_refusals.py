import pytest

from lm_eval_so.core.asking.retry import Policy, Refusals, is_refusal
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, LMEvalError

KEY = "hunter2-hunter2"
POLICY = Policy(timeout_s=60, max_attempts=5, row_deadline_s=300, max_retry_after_s=120)
REDACTOR = make_redactor({"BOT_TOKEN": KEY})
AUTH = BackendError(ErrorKind.AUTH, f"bad key {KEY}", retryable=False, http_status=401)
BUSY = BackendError(ErrorKind.RATE_LIMIT, "slow down", retryable=True, http_status=429)
LATER = BackendError(ErrorKind.RATE_LIMIT, "later", retryable=True, retry_after_s=3600)
BROKEN = BackendError(ErrorKind.SERVER, "oops", retryable=True, http_status=500)


def end_of(refusals: Refusals, error: BackendError, now: float = 0) -> LMEvalError | None:
    return refusals.end_of(error, POLICY, now=now)


def test_end_of__used_up_quota_at_once():
    error = BackendError(ErrorKind.QUOTA, f"no money for {KEY}", retryable=False, http_status=429)
    end = end_of(Refusals(REDACTOR), error)
    assert isinstance(end, CannotMeasure)
    assert str(end) == "the quota is used up: no money for [redacted:BOT_TOKEN]"
    assert KEY not in f"{end} {end.__cause__}"


def test_end_of__three_refused_keys_in_a_row():
    refusals = Refusals(REDACTOR)
    assert [end_of(refusals, AUTH), end_of(refusals, AUTH)] == [None, None]
    end = end_of(refusals, AUTH)
    assert isinstance(end, BackendError)
    assert (end.kind, end.message) == (ErrorKind.AUTH, "bad key [redacted:BOT_TOKEN]")


def test_end_of__403_is_about_what_was_asked():
    refusals = Refusals(REDACTOR)
    forbidden = BackendError(ErrorKind.AUTH, "blocked", retryable=False, http_status=403)
    assert [end_of(refusals, forbidden) for _ in range(10)] == [None] * 10


def test_end_of__three_long_waits_in_a_row():
    refusals = Refusals(REDACTOR)
    assert [end_of(refusals, LATER), end_of(refusals, LATER)] == [None, None]
    assert str(end_of(refusals, LATER)) == "the server asks to wait 3,600 s"


@pytest.mark.parametrize(("error", "between"), [(AUTH, BROKEN), (LATER, BUSY)])
def test_end_of__something_else_between_begins_anew(error: BackendError, between: BackendError):
    refusals = Refusals(REDACTOR)
    for each in (error, error, between, error, error):
        assert end_of(refusals, each) is None
    refusals.answered()
    for each in (error, error):
        assert end_of(refusals, each) is None


def test_end_of__nothing_but_refusals_for_as_long_as_a_row_may_take():
    refusals = Refusals(REDACTOR)
    assert [end_of(refusals, BUSY, now) for now in (10, 100, 309)] == [None, None, None]
    end = end_of(refusals, BUSY, 310)
    assert isinstance(end, CannotMeasure)
    assert str(end) == "the server has refused every request for 300 s (slow down)"


@pytest.mark.parametrize("is_answer", [True, False])
def test_end_of__an_answer_or_another_error_is_no_refusal(is_answer: bool):
    refusals = Refusals(REDACTOR)
    assert end_of(refusals, BUSY, 0) is None
    if is_answer:
        refusals.answered()
    else:
        assert end_of(refusals, BROKEN, 200) is None
    assert end_of(refusals, BUSY, 301) is None


@pytest.mark.parametrize(
    ("kind", "status", "retry_after_s", "expected"),
    [
        (ErrorKind.RATE_LIMIT, 429, None, True),
        (ErrorKind.RATE_LIMIT, 529, None, True),
        (ErrorKind.SERVER, 503, 2.0, True),
        (ErrorKind.SERVER, 503, None, False),
        (ErrorKind.SERVER, 500, 2.0, False),
    ],
)
def test_is_refusal(kind: ErrorKind, status: int, retry_after_s: float | None, expected: bool):
    error = BackendError(kind, "x", retryable=True, http_status=status, retry_after_s=retry_after_s)
    assert is_refusal(error) is expected
