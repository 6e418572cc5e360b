from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, RunResult, SimulatorUse
from lm_eval_so.errors import ErrorKind
from lm_eval_so.runner.store.totals import Tally


def row(status: RunStatus, **fields: object) -> RunResult:
    return RunResult(sample_id="a", sample_hash="h", status=status, **fields)


def test_tally__sums_and_words():
    tally = Tally()
    for _ in range(3):
        tally.add(row(RunStatus.OK, cost_usd=0.1, usage=Usage(input_tokens=2), model="m"))
    tally.add(row(RunStatus.REFUSED, model="n"))
    tally.add(row(RunStatus.TIMEOUT, error=ErrorInfo(kind=ErrorKind.TIMEOUT, message="")))
    tally.add(row(RunStatus.ERROR, error=ErrorInfo(kind=ErrorKind.SERVER, message="")))
    assert tally.rows == 6
    assert tally.counts == {"ok": 3, "refused": 1, "timeout": 1, "error": 1}
    assert tally.cost_usd == 0.3
    assert tally.unpriced == 1  # the refused one; rows without an answer have no known cost either
    assert tally.usage == Usage(input_tokens=6)
    assert tally.models == {"m", "n"}
    assert tally.failures == 2
    assert tally.text() == "ok 3, refused 1, timeout 1, error 1 (server 1)"
    assert tally.failures_text() == "2 of 6 rows have no answer (timeout 1, error 1)"


def test_tally__nothing_known_is_null():
    assert Tally().cost_usd is None
    assert Tally().usage == Usage()


def test_tally__says_what_the_cache_answered():
    tally = Tally()
    tally.add(row(RunStatus.OK))
    tally.add(row(RunStatus.OK, cached=True, attempts=0))
    tally.add(row(RunStatus.OK, cached=True, attempts=1))  # replayed: not from the cache
    assert tally.text() == "ok 3; 1 from the cache"


def test_tally__what_simulated_users_cost_is_spent_too():
    tally = Tally()
    assert tally.spent_usd is None
    tally.add(row(RunStatus.OK, cost_usd=0.1, simulator=SimulatorUse(cost_usd=0.2)))
    tally.add(row(RunStatus.OK, cost_usd=0.1, simulator=SimulatorUse()))
    tally.add(row(RunStatus.ERROR))
    assert tally.cost_usd == 0.2
    assert tally.spent_usd == 0.4
