from decimal import Decimal

import pytest

from lm_eval_so.core.events import Moved, Noticed
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, LMEvalError
from lm_eval_so.runner.engine.coordinator import Coordinator, Report

MOVED = Moved(stage="run", done=3, counts={"ok": 3})
BUSY = Report(progress={"part": MOVED})


def test_lease__shares_go_to_those_who_ask_and_a_pause_holds_for_all():
    now = 100.0
    coordinator = Coordinator({}, clock=lambda: now)
    assert coordinator.lease("a", BUSY).share == 1.0
    assert coordinator.lease("idle", Report()).share == 0.0
    now += 0.5
    assert [coordinator.lease(name, BUSY).share for name in "ab"] == [1.0, 0.0]
    now += 1
    assert [coordinator.lease(name, BUSY).share for name in "ab"] == [0.5, 0.5]
    now += 2
    assert [coordinator.lease(name, BUSY).share for name in "ba"] == [1.0, 0.0]
    coordinator.lease("a", Report(pause_s=5.0))
    coordinator.lease("b", Report(pause_s=3.0))
    now += 1
    assert [coordinator.lease(name, Report()).pause_s for name in "ab"] == [4.0, 4.0]
    now += 4.5
    assert coordinator.lease("a", Report()).pause_s <= 0.0


def test_left__a_lost_worker_says_nothing_more_and_what_it_held_counts_as_spent():
    coordinator = Coordinator({"max_requests": Decimal(80)})
    for name in "ab":
        coordinator.lease(name, Report(progress={name: MOVED}))
    assert coordinator.slice("a", "max_requests", Decimal(1)) == 5
    for _ in range(2):
        coordinator.left("a")
    assert coordinator.lease("a", BUSY).is_over  # should it still live
    assert coordinator.slice("a", "max_requests", Decimal(1)) is None
    news = coordinator.news(is_over=False)
    assert (news.progress, news.workers) == ({"b": MOVED}, 1)
    assert coordinator.slice("b", "max_requests", Decimal(76)) is None
    assert coordinator.slice("b", "max_requests", Decimal(75)) == 75


def test_news__events_once_and_the_newest_progress():
    coordinator, event = Coordinator({}), Noticed(stage="run", text="slow")
    coordinator.lease("a", Report(progress={"1": MOVED, "2": MOVED}, events=(event,)))
    coordinator.lease("a", Report(progress={"2": MOVED}, events=(event,)))
    news = coordinator.news(is_over=False)
    assert (news.progress, news.events) == ({"2": MOVED}, (event, event))
    assert coordinator.news(is_over=False).events == ()
    assert not coordinator.lease("a", BUSY).is_over
    coordinator.news(is_over=True)
    assert coordinator.lease("a", BUSY).is_over


@pytest.mark.parametrize(
    "error",
    [
        CannotMeasure("what", hint="hint"),
        BackendError(ErrorKind.QUOTA, "no money", retryable=False, http_status=429),
    ],
)
def test_errors__pass_from_process_to_process_whole(error: LMEvalError):
    import pickle

    error.__cause__ = BackendError(ErrorKind.SERVER, "cause", retryable=True)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.problems) == (str(error), error.problems)
    assert again.__dict__ == error.__dict__
    assert isinstance(again.__cause__, BackendError)
    assert again.__cause__.kind is ErrorKind.SERVER
