"""What the engine makes of servers that refuse, fail, hang, go away and come back."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from servers.fast import Hands, fast
from servers.runs import endpoint, make, resources, rows, until, write_dataset

from lm_eval_so.core.events import Event, Moved, Noticed, Warned
from lm_eval_so.errors import (
    BackendError,
    BudgetSpent,
    CannotMeasure,
    ConfigError,
    Interrupted,
    TooManyErrors,
)
from lm_eval_so.runner.run import RunOptions, run
from lm_eval_so.runner.run_problems import check
from lm_eval_so.testing import ChatServer, Reply, Seen

FINE = Reply(text="ok")
_USAGE = {"prompt_tokens": 500, "completion_tokens": 500}
_PRICE = {"input_per_mtok": 1.0, "output_per_mtok": 1.0}


def info_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def priced(url: str) -> dict[str, Any]:
    section = endpoint(url)
    return {**section, "options": {**section["options"], "price": _PRICE}}


def texts(events: list[Event], kind: type = Warned) -> list[str]:
    return [event.text for event in events if isinstance(event, kind)]


def asked_once(server: ChatServer) -> bool:
    return set(Counter(seen.text for seen in server.requests).values()) == {1}


# waits that a server asks for


@pytest.mark.parametrize(
    ("headers", "least_ms", "most_ms"),
    [
        (lambda: {"retry-after": "1"}, 1000, 1100),
        (lambda: {"retry-after-ms": "250"}, 250, 275),
        # the server's clock is an hour ahead of ours
        (lambda: {"date": _http_date(3600), "retry-after": _http_date(3601)}, 1000, 1100),
        (lambda: {"retry-after": "soon"}, 62.5, 125),
        (dict, 62.5, 125),
    ],
    ids=["seconds", "milliseconds", "date", "garbage", "nothing"],
)
async def test_run__each_row_waits_as_the_server_asks(
    tmp_path: Path, headers: Any, least_ms: float, most_ms: float
):
    write_dataset(tmp_path, 4)

    def script(seen: Seen) -> Reply:
        return Reply(status=429, headers=headers()) if seen.nth == 0 else FINE

    with ChatServer(script) as server:
        info = await run(make(tmp_path, endpoint(server.url)), resources())
    found = rows(tmp_path / "runs" / "bot")
    assert info.counts == {"ok": 4}
    assert info.requests == len(server.requests) == 8
    assert {row["attempts"] for row in found} == {2}
    assert all(least_ms <= row["retries"][0]["wait_ms"] <= most_ms for row in found)
    assert all(row["total_ms"] >= row["latency_ms"] + least_ms for row in found)


def _http_date(ahead_s: float) -> str:
    return formatdate(time.time() + ahead_s, usegmt=True)


async def test_run__a_burst_of_refusals_cuts_the_limit_once(tmp_path: Path):
    write_dataset(tmp_path, 40)

    def script(seen: Seen) -> Reply:
        is_burst = "#2" in seen.text and seen.nth == 0
        refused = Reply(status=429, headers={"retry-after-ms": "50"})
        return refused if is_burst else Reply(text="ok", latency_s=0.05)

    with ChatServer(script) as server:
        await run(make(tmp_path, endpoint(server.url), run={"concurrency": 8}), resources())
    why = [change["why"] for change in info_of(tmp_path / "runs" / "bot")["limits"]]
    assert 1 <= why.count("rate_limit") <= 4  # #2 and #20 … #29: eleven refusals


async def test_run__a_wait_that_nobody_would_have_is_not_waited_for(tmp_path: Path):
    write_dataset(tmp_path, 10)
    later = Reply(status=429, headers={"retry-after": "3600"})
    with ChatServer(lambda _: later) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 1})
        with pytest.raises(CannotMeasure) as failed:
            await asyncio.wait_for(run(config, resources()), 60)
    assert str(failed.value) == "the server asks to wait 3,600 s"
    assert (failed.value.exit_code, len(server.requests)) == (3, 3)
    hint = "run again later to go on: lm-eval-so run -c lm-eval-so.yaml"
    assert failed.value.problems[0].hint == hint
    assert [row["status"] for row in rows(tmp_path / "runs" / "bot")] == ["rate_limited"] * 2
    assert info_of(tmp_path / "runs" / "bot")["stopped"] == {"by": "rate_limit"}


async def test_run__nothing_but_refusals_end_it(tmp_path: Path):
    write_dataset(tmp_path, 20)
    refused = Reply(status=429, message="slow down", headers={"retry-after": "4"})
    hands = Hands()
    with ChatServer(lambda _: refused) as server:
        config = make(tmp_path, endpoint(server.url), run={"row_deadline_s": 100})
        told = r"the server has refused every request for 10\d s \(slow down\)"
        with pytest.raises(CannotMeasure, match=told) as failed:
            await asyncio.wait_for(run(config, resources(**hands.parts())), 60)
    assert 100 <= hands.now_s < 110
    assert failed.value.exit_code == 3
    assert len(rows(tmp_path / "runs" / "bot")) <= 1  # the rest is asked by the next run
    assert len(server.requests) > 5  # refusals are no attempts that count


async def test_run__refusals_cost_no_row_while_its_deadline_holds(tmp_path: Path):
    write_dataset(tmp_path, 3)
    refused = Reply(status=429, headers={"retry-after-ms": "20"})
    with ChatServer(lambda seen: refused if seen.nth < 8 else FINE) as server:
        config = make(tmp_path, endpoint(server.url), run={"max_attempts": 2})
        info = await run(config, resources())
    assert info.counts == {"ok": 3}
    assert {row["attempts"] for row in rows(tmp_path / "runs" / "bot")} == {9}


# errors


async def test_run__used_up_quota_is_one_request(tmp_path: Path):
    write_dataset(tmp_path, 10)
    for reply in (Reply(status=429, code="insufficient_quota"), Reply(status=402)):
        with ChatServer(lambda _, it=reply: it) as server, pytest.raises(CannotMeasure) as failed:
            await run(make(tmp_path, endpoint(server.url)), resources(), RunOptions(fresh=True))
        assert (failed.value.exit_code, len(server.requests)) == (3, 1)
        assert info_of(tmp_path / "runs" / "bot")["stopped"] == {"by": "quota"}


async def test_run__no_second_host_is_contacted(tmp_path: Path):
    write_dataset(tmp_path, 1)
    with ChatServer() as other, ChatServer() as server:
        there = {"location": f"{other.url}/chat/completions"}
        server.script = lambda _: Reply(status=301, headers=there)
        with pytest.raises(ConfigError):
            await run(make(tmp_path, endpoint(server.url)), resources())
        assert (len(server.requests), len(other.requests)) == (1, 0)


async def test_run__three_refused_keys_end_it(tmp_path: Path):
    write_dataset(tmp_path, 30)

    def script(seen: Seen) -> Reply:
        return FINE if seen.number < 10 else Reply(status=401, latency_s=0.02)

    with ChatServer(script) as server, pytest.raises(BackendError) as failed:
        await run(make(tmp_path, endpoint(server.url), run={"concurrency": 2}), resources())
    assert failed.value.exit_code == 4
    assert len(server.requests) <= 14


async def test_run__hanging_server_is_cut_off_and_left(tmp_path: Path):
    write_dataset(tmp_path, 1)
    with ChatServer(lambda _: Reply(hang=True)) as server:
        config = make(tmp_path, endpoint(server.url), run={"timeout_s": 1, "max_attempts": 2})
        with pytest.raises(TooManyErrors):
            await run(config, resources())
        await until(lambda: server.gone == 2)
    assert [row["status"] for row in rows(tmp_path / "runs" / "bot")] == ["timeout"]


async def test_run__time_in_the_queue_is_no_time_of_the_row(tmp_path: Path):
    write_dataset(tmp_path, 6)
    hands = Hands()

    def script(_: Seen) -> Reply:
        hands.turn(30)
        return FINE

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 1, "row_deadline_s": 60})
        info = await run(config, resources(**hands.parts()))
    assert info.counts == {"ok": 6}
    assert hands.now_s == 6 * 30
    assert {row["queue_ms"] for row in rows(tmp_path / "runs" / "bot")} == {0}


# an endpoint that goes away


async def test_run__server_goes_away_and_comes_back(tmp_path: Path):
    write_dataset(tmp_path, 120)
    config_of = {"run": {"concurrency": 4}}
    events: list[Event] = []
    with ChatServer(lambda seen: FINE if seen.number < 50 else Reply(status=502)) as server:
        config = make(tmp_path, endpoint(server.url), **config_of)
        started = time.monotonic()
        with pytest.raises(BackendError) as failed:
            await run(config, replace(resources(events), **fast(100)))
        assert (time.monotonic() - started) * 100 < 3000  # a row alone may take 600
        assert failed.value.exit_code == 4
        assert str(failed.value).startswith("bot has not answered for 1")
        assert str(failed.value).endswith(" s (last: 502)")
        kept = rows(tmp_path / "runs" / "bot")
        assert [row["status"] for row in kept].count("ok") == 50
        assert len(kept) < 60  # what waited is not written
        assert info_of(tmp_path / "runs" / "bot")["stopped"] == {"by": "server"}
        assert any("trying again in 15 s" in text for text in texts(events, Noticed))
        assert len(server.requests) < 50 + 10 + 8 + 3 + 10

        server.requests.clear()
        server.script = lambda _: FINE
        info = await run(config, resources())
        assert info.counts == {"ok": 120}
        assert len(server.requests) == 70
        assert asked_once(server)
    ids = [row["sample_id"] for row in rows(tmp_path / "runs" / "bot")]
    assert ids == sorted(set(ids))
    assert len(ids) == 120


async def test_run__a_short_absence_costs_no_row(tmp_path: Path):
    write_dataset(tmp_path, 60)
    gone: list[int] = []

    def script(seen: Seen) -> Reply:
        if seen.number >= 20 and len(gone) < 11:
            gone.append(seen.number)
            return Reply(status=503)
        return FINE

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 8})
        info = await run(config, replace(resources(), **fast(100)))
    assert info.counts == {"ok": 60}


async def test_run__stop_while_all_wait_for_the_endpoint(tmp_path: Path):
    write_dataset(tmp_path, 60)
    events: list[Event] = []
    shared = resources(events)
    with ChatServer(lambda seen: FINE if seen.number < 20 else Reply(status=502)) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 8, "drain_s": 60})
        running = asyncio.create_task(run(config, shared))
        await until(lambda: any("trying again in 15 s" in t for t in texts(events, Noticed)))
        shared.stop.set()
        with pytest.raises(Interrupted):
            await asyncio.wait_for(running, 12)  # before it would be tried again
    assert [row["status"] for row in rows(tmp_path / "runs" / "bot")].count("ok") == 20


# budgets


async def test_run__budget_of_money(tmp_path: Path):
    write_dataset(tmp_path, 60)
    with ChatServer(lambda _: Reply(text="ok", usage=_USAGE, latency_s=0.01)) as server:
        config = make(tmp_path, priced(server.url), run={"max_cost_usd": 0.01, "concurrency": 4})
        with pytest.raises(BudgetSpent) as spent:
            await run(config, resources())
        asked = len(server.requests)
        assert 8 <= asked <= 10
        assert spent.value.exit_code == 3
        assert str(spent.value) == (
            f"stopped at USD {asked / 1000:.5f} of 0.01000 after {asked} of 60 rows"
        )
        stopped = info_of(tmp_path / "runs" / "bot")["stopped"]
        assert stopped == {"by": "max_cost_usd", "at": asked / 1000}
        with pytest.raises(BudgetSpent):  # what the rows cost counts when it goes on
            await run(config, resources())
        assert len(server.requests) == asked


async def test_run__budget_that_is_spent_late_is_a_warning(tmp_path: Path):
    write_dataset(tmp_path, 20)
    events: list[Event] = []
    with ChatServer(lambda _: FINE) as server:
        config = make(tmp_path, endpoint(server.url), run={"max_requests": 17})
        info = await run(config, resources(events))
    assert (info.state, info.stopped) == ("stopped", {"by": "max_requests", "at": 17})
    assert len(server.requests) == 17
    assert texts(events) == ["stopped at 17 of 17 requests after 17 of 20 rows"]


async def test_run__attempts_count_as_requests(tmp_path: Path):
    write_dataset(tmp_path, 20)
    again = Reply(status=500, headers={"retry-after-ms": "1"})
    with ChatServer(lambda seen: again if seen.nth == 0 else FINE) as server:
        config = make(tmp_path, endpoint(server.url), run={"max_requests": 10})
        with pytest.raises(BudgetSpent):
            await run(config, resources())
        held = len(rows(tmp_path / "runs" / "bot"))
        with pytest.raises(BudgetSpent):  # what the rows took counts when it goes on
            await run(config, resources())
    assert 0 < held <= 5
    assert len(server.requests) == 10 + 10 - 2 * held


async def test_run__budget_of_time(tmp_path: Path):
    write_dataset(tmp_path, 2000)
    hands = Hands()

    def script(_: Seen) -> Reply:
        hands.turn(10)
        return FINE

    with ChatServer(script) as server:
        limits = {"max_time_s": 100, "concurrency": 2, "drain_s": 60}
        config = make(tmp_path, endpoint(server.url), run=limits)
        with pytest.raises(BudgetSpent, match=r"stopped at 100 s after 1[01] of 2,000 rows"):
            await asyncio.wait_for(run(config, resources(**hands.parts())), 60)
    assert len(rows(tmp_path / "runs" / "bot")) == len(server.requests)  # all that was under way


async def test_run__what_hangs_does_not_outlast_the_time_of_the_run(tmp_path: Path):
    write_dataset(tmp_path, 5)
    hands = Hands()

    def script(seen: Seen) -> Reply:
        if seen.number:
            return Reply(hang=True)
        hands.turn(99.9)
        return FINE

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url), run={"max_time_s": 100, "drain_s": 0.3})
        with pytest.raises(BudgetSpent):
            await asyncio.wait_for(run(config, resources(**hands.parts())), 30)
    assert [row["status"] for row in rows(tmp_path / "runs" / "bot")] == ["ok"]


async def test_run__without_usage_the_bound_counts_and_the_cost_is_not_known(tmp_path: Path):
    write_dataset(tmp_path, 60)
    with ChatServer(lambda _: Reply(text="ok", usage=None)) as server:
        config = make(tmp_path, priced(server.url), run={"max_cost_usd": 0.01, "concurrency": 4})
        with pytest.raises(BudgetSpent):
            await run(config, resources())
    info = info_of(tmp_path / "runs" / "bot")
    assert (info["cost_usd"], info["unpriced"]) == (None, len(server.requests))
    assert len(server.requests) == 9  # 1,024 tokens and the question each


def test_check__money_without_a_price(tmp_path: Path):
    write_dataset(tmp_path, 1)
    backend = endpoint("http://127.0.0.1:9/v1")
    config = make(tmp_path, backend, run={"max_cost_usd": 1})
    problem = check(config, {"OPENAI_API_KEY": "sk-test-1234567890abcdef"})[0]
    assert problem.what == "no price known for bot"
    assert problem.hint == "set backend.options.price or remove run.max_cost_usd"
    assert problem.where
    assert problem.where.key == "backend"


async def test_run__money_without_a_price_sends_nothing(tmp_path: Path):
    write_dataset(tmp_path, 3)
    with ChatServer() as server, pytest.raises(ConfigError) as failed:
        await run(make(tmp_path, endpoint(server.url), run={"max_cost_usd": 1}), resources())
    assert (failed.value.exit_code, server.requests) == (2, [])


# pace


async def test_run__no_faster_than_the_config_allows(tmp_path: Path):
    write_dataset(tmp_path, 11)
    with ChatServer() as server:
        config = make(tmp_path, endpoint(server.url), run={"max_requests_per_s": 10})
        info = await run(config, resources())
    at = sorted(seen.at for seen in server.requests)
    assert info.counts == {"ok": 11}
    assert at[-1] - at[0] >= 0.8  # the first may come late


async def test_run__no_more_tokens_than_the_config_allows(tmp_path: Path):
    write_dataset(tmp_path, 5)
    usage = {"prompt_tokens": 100, "completion_tokens": 900}
    with ChatServer(lambda _: Reply(text="ok", usage=usage)) as server:
        config = make(tmp_path, endpoint(server.url), run={"max_tokens_per_min": 300_000})
        await run(config, resources())
    at = sorted(seen.at for seen in server.requests)
    assert at[-1] - at[0] >= 4 * 0.2 * 0.75


# what rows carry


async def test_run__seeds_are_the_same_on_every_machine(tmp_path: Path):
    write_dataset(tmp_path, [{"id": "refund-001", "input": "환불은 며칠?"}])
    with ChatServer() as server:
        await run(make(tmp_path, endpoint(server.url), run={"seed": 7, "repeats": 2}), resources())
    assert [row["seed"] for row in rows(tmp_path / "runs" / "bot")] == [1749225947, 270050084]
    assert sorted(seen.body["seed"] for seen in server.requests) == [270050084, 1749225947]


async def test_run__times_and_digest_of_a_row(tmp_path: Path):
    write_dataset(tmp_path, 6)
    again = Reply(status=500, headers={"retry-after-ms": "200"})

    def script(seen: Seen) -> Reply:
        return again if seen.nth == 0 and "#3" in seen.text else Reply(text="ok", latency_s=0.05)

    with ChatServer(script) as server:
        await run(make(tmp_path, endpoint(server.url), run={"concurrency": 1}), resources())
    found = rows(tmp_path / "runs" / "bot")
    assert all(50 <= row["latency_ms"] < 200 for row in found)
    assert found[3]["total_ms"] >= 250
    assert len({row["request_hash"] for row in found}) == 6
    assert all(len(row["request_hash"]) == 64 for row in found)
    assert all(row["queue_ms"] >= 0 for row in found)


async def test_run__a_budget_counts_what_simulated_users_cost_before(tmp_path: Path):
    user = {"goal": "환불", "opening": "환불이요"}
    sample = {"scenario": {"simulated_user": user, "stop": {"max_turns": 2}}}
    write_dataset(tmp_path, [{"id": f"q{i}", **sample} for i in range(2)])
    move = json.dumps({"progress": True, "done": False, "reason": "open", "message": "언제요?"})
    with (
        ChatServer(lambda seen: Reply(text=f"{seen.number} 답")) as bot,
        ChatServer(lambda _: Reply(text=move)) as user_server,
    ):
        plays = {"simulator": {"backend": priced(user_server.url)}, "concurrency": 1}
        events: list[Event] = []
        limits = {"max_requests": 4, "max_cost_usd": 100}
        config = make(tmp_path, priced(bot.url), run={**plays, **limits})
        with pytest.raises(BudgetSpent):  # the second conversation does not come to its end
            await run(config, resources(events))
        spent = [event.cost_usd for event in events if isinstance(event, Moved)][-1]
        row = rows(tmp_path / "runs" / "bot")[0]
        assert spent == pytest.approx(row["cost_usd"] + row["simulator"]["cost_usd"])
        resuming = resources()
        config = make(tmp_path, priced(bot.url), run={**plays, "max_cost_usd": spent})
        with pytest.raises(BudgetSpent):
            await run(config, resuming)
    assert resuming.budget.requests == row["attempts"]  # and none more
