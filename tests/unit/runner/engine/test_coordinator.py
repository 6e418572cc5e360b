from array import array
from decimal import Decimal

import pytest

from lm_eval_so.core.events import Moved
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, LMEvalError
from lm_eval_so.runner.engine.coordinator import Chunk, Coordinator, Report


def chunks(n: int) -> list[Chunk]:
    return [chunk(number) for number in range(n)]


def chunk(number: int, **more: bool) -> Chunk:
    return Chunk(number=number, at=0, samples=10, keys=array("Q", [number]), **more)


def claimed(coordinator: Coordinator, worker: str) -> Chunk:
    claim = coordinator.claim(worker)
    assert isinstance(claim, Chunk)
    return claim


def test_claim__two_a_worker_and_an_end_once_the_leader_has_all_rows():
    coordinator = Coordinator(chunks(3), {})
    first, second = claimed(coordinator, "a"), claimed(coordinator, "a")
    assert coordinator.claim("a") == "wait"
    third = claimed(coordinator, "b")
    assert [each.number for each in (first, second, third)] == [0, 1, 2]
    assert len({first.part, second.part, third.part}) == 3
    coordinator.finished("a", first.part)
    coordinator.finished("a", first.part)  # told twice
    assert coordinator.claim("a") == "wait"  # b may be lost
    coordinator.finished("a", second.part)
    coordinator.finished("b", third.part)
    assert coordinator.claim("a") == "wait"  # a row may have got lost on its way
    news = coordinator.news()
    assert (news.finished, news.open) == ((first, second, third), 3)
    coordinator.settled(3)
    assert coordinator.claim("a") == "end"
    assert (coordinator.news().finished, coordinator.news().open) == ((), 0)


def test_left__chunks_come_back_once_and_are_then_asked_alone():
    coordinator = Coordinator(chunks(3), {"max_requests": Decimal(80)})
    lost = claimed(coordinator, "a"), claimed(coordinator, "a")
    assert coordinator.slice("a", "max_requests", Decimal(1)) == 10
    assert coordinator.left("a") == lost
    assert coordinator.left("a") == ()
    assert coordinator.claim("a") == "end"  # should it still live
    assert coordinator.lease(
        "a", Report(progress={lost[0].part: Moved(stage="run", done=1)})
    ).is_over
    assert coordinator.slice("a", "max_requests", Decimal(1)) is None
    coordinator.settled(2, [chunk(number, is_suspect=True) for number in (0, 1)])
    healthy = claimed(coordinator, "b")
    assert healthy.number == 2
    assert coordinator.claim("b") == "wait"
    coordinator.finished("b", healthy.part)
    suspect = claimed(coordinator, "b")
    assert (suspect.number, coordinator.claim("b")) == (0, "wait")
    assert claimed(coordinator, "c").number == 1
    # what the lost one held counts as spent
    assert coordinator.slice("b", "max_requests", Decimal(71)) is None
    assert coordinator.slice("b", "max_requests", Decimal(70)) == 70


def test_lease__shares_go_to_those_who_ask_and_a_pause_holds_for_all():
    now = 100.0
    coordinator = Coordinator(chunks(4), {}, clock=lambda: now)
    claimed(coordinator, "a")
    assert coordinator.lease("a", Report()).share == 1.0
    assert coordinator.lease("idle", Report()).share == 0.0
    claimed(coordinator, "b")
    now += 2
    assert [coordinator.lease(name, Report()).share for name in "ab"] == [1.0, 0.0]
    now += 2
    assert [coordinator.lease(name, Report()).share for name in "ba"] == [1.0, 0.0]
    now += 0.9
    assert coordinator.lease("b", Report()).share == 0.5
    coordinator.lease("a", Report(pause_s=5.0))
    coordinator.lease("b", Report(pause_s=3.0))
    now += 1
    assert [coordinator.lease(name, Report()).pause_s for name in "ab"] == [4.0, 4.0]
    now += 4.5
    assert coordinator.lease("a", Report()).pause_s <= 0.0


def test_failed__the_first_error_ends_the_run_for_all():
    coordinator = Coordinator(chunks(2), {})
    claim = claimed(coordinator, "a")
    first = BackendError(ErrorKind.AUTH, "no key", retryable=False, hint="give one")
    coordinator.failed("a", first)
    coordinator.failed("b", CannotMeasure("later"))
    assert coordinator.claim("b") == "end"
    assert coordinator.lease("b", Report()).is_over
    coordinator.finished("a", claim.part)
    news = coordinator.news()
    assert (news.failure, news.finished) == ((first, None), (claim,))


def test_news__progress_of_claims_under_way_alone():
    coordinator = Coordinator(chunks(1), {})
    claim = claimed(coordinator, "a")
    moved = Moved(stage="run", done=3, counts={"ok": 3})
    coordinator.lease("a", Report(progress={claim.part: moved, "other": moved}))
    assert coordinator.news().progress == (moved,)
    coordinator.finished("a", claim.part)
    assert coordinator.news().progress == ()


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
