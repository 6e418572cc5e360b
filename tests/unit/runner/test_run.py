import json
import tracemalloc
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from servers.runs import ENVIRON, KEY, endpoint, make, resources, rows, until, write_dataset

from lm_eval_so.core.events import Began, Ended, Event, Moved
from lm_eval_so.core.records.codec import json_schema, to_json
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.errors import (
    BackendError,
    CannotMeasure,
    ConfigError,
    DatasetError,
    NothingToDo,
    TooManyErrors,
)
from lm_eval_so.runner.dry_run import plan_run
from lm_eval_so.runner.run import RunOptions, run, run_folder
from lm_eval_so.runner.run_problems import check
from lm_eval_so.testing import ChatServer, Reply, Seen

ECHO = {"name": "scripted", "options": {"default": "echo"}}


def info_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


async def test_run__hundred_rows_in_order_and_nothing_twice(tmp_path: Path):
    write_dataset(tmp_path, 100)
    config, folder = make(tmp_path, ECHO), tmp_path / "runs" / "scripted"
    events: list[Event] = []
    info = await run(config, resources(events))
    assert run_folder(config) == folder
    assert (info.state, info.counts, info.requests, info.planned) == (
        "complete",
        {"ok": 100},
        100,
        100,
    )
    found = rows(folder)
    assert [row["sample_id"] for row in found] == [f"q{i:04}" for i in range(100)]
    assert found[7]["response"]["text"] == "환불은 며칠? #7"
    validator = jsonschema.Draft202012Validator(json_schema("run"))
    assert not [error for row in found for error in validator.iter_errors(row)]
    jsonschema.validate(info_of(folder), json_schema("run-info"))
    assert isinstance(events[0], Began)
    assert events[0].total == 100
    assert events[-1] == Ended(stage="run", text="100 rows: ok 100")
    moved = [event for event in events if isinstance(event, Moved)]
    done = [event.done for event in moved]
    assert (done[0], done[-1]) == (0, 100)
    assert done == sorted(set(done))

    before = (folder / "run_results.jsonl").read_bytes()
    again = await run(config, resources())
    assert (again.requests, again.started_at) == (100, info.started_at)
    assert (folder / "run_results.jsonl").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["run.json", "run_results.jsonl"]


async def test_run__retry_after_is_honoured(tmp_path: Path):
    write_dataset(tmp_path, 20)

    def busy_at_first(seen: Seen) -> Reply:
        busy = Reply(status=429, headers={"retry-after-ms": "250"})
        return busy if seen.nth == 0 else Reply(text="ok")

    with ChatServer(busy_at_first) as server:
        info = await run(make(tmp_path, endpoint(server.url)), resources())
    assert info.counts == {"ok": 20}
    assert info.requests == len(server.requests) == 40
    found = rows(tmp_path / "runs" / "bot")
    assert {row["attempts"] for row in found} == {2}
    assert all(250 <= row["retries"][0]["wait_ms"] <= 275 for row in found)
    assert all(row["total_ms"] >= row["latency_ms"] for row in found)


@pytest.mark.parametrize(
    ("reply", "requests", "status", "kind"),
    [
        (Reply(status=500, headers={"retry-after": "0"}), 5, "error", "server"),
        (Reply(status=400), 1, "error", "invalid_request"),
        (Reply(status=500, headers={"x-should-retry": "false"}), 1, "error", "server"),
        (
            Reply(status=400, headers={"x-should-retry": "true", "retry-after": "0"}),
            5,
            "error",
            "invalid_request",
        ),
    ],
)
async def test_run__failed_rows(
    tmp_path: Path, reply: Reply, requests: int, status: str, kind: str
):
    write_dataset(tmp_path, 1)
    what = f"1 of 1 row has no answer \\({status} 1\\)"
    with ChatServer(lambda _: reply) as server, pytest.raises(TooManyErrors, match=what):
        await run(make(tmp_path, endpoint(server.url)), resources())
    assert len(server.requests) == requests
    row = rows(tmp_path / "runs" / "bot")[0]
    assert (row["status"], row["error"]["kind"], row["response"]) == (status, kind, None)
    assert info_of(tmp_path / "runs" / "bot")["state"] == "complete"


async def test_run__redirect_in_the_first_request_is_a_mistake_of_the_config(tmp_path: Path):
    write_dataset(tmp_path, 50)
    moved = Reply(status=301, headers={"location": "http://elsewhere/v1"})
    with ChatServer(lambda _: moved) as server, pytest.raises(ConfigError) as failed:
        await run(make(tmp_path, endpoint(server.url)), resources())
    assert str(failed.value) == "redirects are not followed, set base_url to http://elsewhere/v1"
    assert len(server.requests) == 1


async def test_run__refused_key_ends_it_after_one_request(tmp_path: Path):
    write_dataset(tmp_path, 50)
    refused = Reply(status=401, message="Incorrect API key provided")
    with ChatServer(lambda _: refused) as server, pytest.raises(BackendError) as failed:
        await run(make(tmp_path, endpoint(server.url)), resources())
    assert failed.value.exit_code == 4
    assert str(failed.value) == (
        "the endpoint refused the key in OPENAI_API_KEY (401: Incorrect API key provided)"
    )
    assert len(server.requests) == 1
    info = info_of(tmp_path / "runs" / "bot")
    assert (info["state"], info["stopped"]) == ("stopped", {"by": "auth"})


@pytest.mark.parametrize("in_container", [False, True])
async def test_run__nobody_there(
    tmp_path: Path, in_container: bool, monkeypatch: pytest.MonkeyPatch
):
    if in_container:
        monkeypatch.setenv("LM_EVAL_SO_IN_CONTAINER", "1")
    write_dataset(tmp_path, 5)
    with ChatServer() as server:
        url = server.url
    with pytest.raises(BackendError) as failed:
        await run(make(tmp_path, endpoint(url)), resources())
    assert str(failed.value) == f"cannot reach {url.removesuffix('/v1')} (connection refused)"
    assert failed.value.exit_code == 4
    hint = failed.value.hint or ""
    ways_out = ("lm-eval-so/composite@v1", "services:", "docker run --network host")
    assert all((way in hint) == in_container for way in ways_out)


async def test_run__used_up_quota_keeps_what_came_back(tmp_path: Path):
    write_dataset(tmp_path, 40)

    def script(seen: Seen) -> Reply:
        if seen.number == 10:
            return Reply(status=429, code="insufficient_quota", message="no money")
        return Reply(text="ok", latency_s=0.05)

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 4})
        with pytest.raises(CannotMeasure) as failed:
            await run(config, resources())
        asked = len(server.requests)
        assert failed.value.exit_code == 3
        assert asked <= 14
        assert len(rows(tmp_path / "runs" / "bot")) == asked - 1  # those under way came back
        server.script = lambda _: Reply(text="ok")
        info = await run(config, resources())
    assert info.counts == {"ok": 40}
    assert len(server.requests) == 41


async def test_run__bounded_by_what_the_server_bears(tmp_path: Path):
    write_dataset(tmp_path, 150)

    def bears_8(seen: Seen) -> Reply:
        if seen.under_way > 8:
            return Reply(status=429, headers={"retry-after-ms": "100"})
        return Reply(text="ok", latency_s=0.02)

    with ChatServer(bears_8) as server:
        config = make(tmp_path, endpoint(server.url), run={"concurrency": 16})
        info = await run(config, resources())
    assert info.counts == {"ok": 150}
    refused = len(server.requests) - 150
    assert 0 < refused <= 60


async def test_run__hanging_server(tmp_path: Path):
    write_dataset(tmp_path, 2)
    with ChatServer(lambda _: Reply(hang=True)) as server:
        config = make(tmp_path, endpoint(server.url), run={"timeout_s": 0.3, "max_attempts": 2})
        with pytest.raises(TooManyErrors):
            await run(config, resources())
        await until(lambda: server.gone == 4)
        assert len(server.requests) == 4
    assert [row["status"] for row in rows(tmp_path / "runs" / "bot")] == ["timeout", "timeout"]


async def test_run__statuses(tmp_path: Path):
    replies = {
        "length": (Reply(text="3", finish_reason="length"), "truncated"),
        "empty": (Reply(text=""), "empty"),
        "refusal": (Reply(message_fields={"content": None, "refusal": "안 됩니다"}), "refused"),
        "filter_400": (Reply(status=400, code="content_filter"), "filtered"),
        "filter_200": (Reply(text="x", finish_reason="content_filter"), "filtered"),
        "invisible": (Reply(text="\u200b"), "empty"),
        "call": (
            Reply(message_fields={"content": None, "tool_calls": [{"function": {"name": "f"}}]}),
            "ok",
        ),
    }
    write_dataset(tmp_path, [{"id": name, "input": name} for name in replies])
    with ChatServer(lambda seen: replies[seen.text][0]) as server:
        await run(make(tmp_path, endpoint(server.url)), resources())
    found = {row["sample_id"]: row for row in rows(tmp_path / "runs" / "bot")}
    assert {name: row["status"] for name, row in found.items()} == {
        name: status for name, (_, status) in replies.items()
    }
    assert found["refusal"]["response"]["text"] == "안 됩니다"
    assert found["call"]["response"]["tool_calls"][0]["name"] == "f"
    assert found["filter_400"]["error"]["code"] == "content_filter"


async def test_run__no_secret_in_any_file_or_event(tmp_path: Path):
    write_dataset(tmp_path, 10)

    def leaks(seen: Seen) -> Reply:
        headers = {"x-key": KEY}
        if seen.number == 5:
            return Reply(status=400, message=f"bad key {KEY}", headers=headers, code=KEY)
        return Reply(text=f"your key is {KEY}", headers=headers)

    events: list[Event] = []
    with ChatServer(leaks) as server:
        await run(make(tmp_path, endpoint(server.url)), resources(events))
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert len(files) == 2
    assert not [path for path in files if KEY in path.read_text(encoding="utf-8")]
    assert KEY not in repr(events)
    found = rows(tmp_path / "runs" / "bot")
    assert sorted(row["redactions"] for row in found) == [0] + [1] * 9


async def test_run__repeats_have_their_own_seed(tmp_path: Path):
    write_dataset(tmp_path, [{"id": "refund-001", "input": "환불?"}])
    with ChatServer() as server:
        await run(make(tmp_path, endpoint(server.url), run={"repeats": 2}), resources())
    assert sorted(seen.body["seed"] for seen in server.requests) == [270050084, 1749225947]
    found = rows(tmp_path / "runs" / "bot")
    assert [(row["repeat"], row["seed"]) for row in found] == [(0, 1749225947), (1, 270050084)]


async def test_run__replay_leaves_out_what_has_no_answer(tmp_path: Path):
    write_dataset(tmp_path, 3)
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": "q0001", "answer": "사흘"}\n', encoding="utf-8")
    options = {"run": "answers.jsonl", "on_missing": "skip"}
    info = await run(make(tmp_path, {"name": "replay", "options": options}), resources())
    assert (info.planned, info.counts) == (1, {"ok": 1})
    row = rows(tmp_path / "runs" / "replay")[0]
    assert (row["cached"], row["latency_ms"], row["cost_usd"]) == (True, None, 0)


async def test_run__replay_of_a_run_gives_its_latency(tmp_path: Path):
    write_dataset(tmp_path, 3)
    with ChatServer() as server:
        await run(make(tmp_path, endpoint(server.url)), resources())
    options = {"run": "runs/bot"}
    await run(make(tmp_path, {"name": "replay", "options": options}), resources())
    first, second = (rows(tmp_path / "runs" / name) for name in ("bot", "replay"))
    for key in ("sample_id", "latency_ms", "usage", "response", "model"):
        assert [row[key] for row in first] == [row[key] for row in second]


async def test_run__nothing_recorded_at_all(tmp_path: Path):
    write_dataset(tmp_path, 3)
    (tmp_path / "answers.jsonl").write_text('{"id": "other", "answer": "x"}\n')
    options = {"run": "answers.jsonl", "on_missing": "skip"}
    with pytest.raises(NothingToDo):
        await run(make(tmp_path, {"name": "replay", "options": options}), resources())


async def test_run__what_cannot_be_played_is_refused_before_anything_is_sent(tmp_path: Path):
    scenario = {"turns": [{"user": "취소요"}, {"user": "네", "when": "("}]}
    write_dataset(tmp_path, [{"id": "a", "input": "x"}, {"id": "b", "scenario": scenario}])
    with (
        ChatServer() as server,
        pytest.raises(DatasetError, match=r'sample "b": .*turns\[1\].when'),
    ):
        await run(make(tmp_path, endpoint(server.url)), resources())
    assert server.requests == []


async def test_run__price_of_the_config(tmp_path: Path):
    write_dataset(tmp_path, 4)
    price = {"input_per_mtok": 1.0, "output_per_mtok": 2.0}
    with ChatServer(
        lambda seen: Reply(text="x", usage=None if seen.text.endswith("#3") else _USAGE)
    ) as server:
        backend = endpoint(server.url)
        backend["options"]["price"] = price
        info = await run(make(tmp_path, backend), resources())
    assert (info.cost_usd, info.unpriced) == (0.006, 1)
    assert info.usage.input_tokens == 3000
    assert info.usage.cached_tokens is None


_USAGE = {"prompt_tokens": 1000, "completion_tokens": 500}


async def test_plan_run__counts_and_sends_nothing(tmp_path: Path):
    write_dataset(tmp_path, 10)
    with ChatServer() as server:
        config = make(tmp_path, endpoint(server.url), system=f"the key is {KEY}")
        before = files_in(tmp_path)
        plan = await plan_run(config, resources())
        assert (plan.planned, plan.done, plan.to_ask) == (10, 0, 10)
        assert plan.first_request == {
            "system": "the key is [redacted:OPENAI_API_KEY]",
            "messages": [{"role": "user", "content": "환불은 며칠? #0", **_PLAIN}],
            "params": {"model": "test-model"},
            "seed": plan.first_request["seed"],
        }
        assert server.requests == []
        assert files_in(tmp_path) == before
        await run(config, resources())
        write_dataset(tmp_path, 12)
        plan = await plan_run(config, resources())
    assert (plan.planned, plan.done, plan.to_ask) == (12, 10, 2)
    assert to_json(plan)["to_ask"] == 2


_PLAIN = {"name": None, "tool_calls": [], "tool_call_id": None}


def test_check__all_at_once(tmp_path: Path):
    config = make(tmp_path / "nowhere", {"name": "openai", "params": {}, "options": {"timeout": 1}})
    told = [problem.what for problem in check(config, ENVIRON)]
    assert told == [
        'the key "model" is missing',
        'unknown key "timeout" (did you mean "timeout_s"?)',
        f"no dataset at {tmp_path / 'nowhere'}",
    ]


def test_check__fine(tmp_path: Path):
    write_dataset(tmp_path, 1)
    assert check(make(tmp_path, ECHO), ENVIRON) == []


async def test_run__info_is_a_record_that_can_be_read_back(tmp_path: Path):
    write_dataset(tmp_path, 2)
    with ChatServer() as server:
        info = await run(make(tmp_path, endpoint(server.url)), resources())
    assert isinstance(info, RunInfo)
    assert info.backend.models_answered == ("test-model",)
    assert info.backend.details["base_url"] == server.url
    assert info.finished_at


async def test_run__memory_does_not_grow_with_rows(tmp_path: Path):
    write_dataset(
        tmp_path, [{"id": f"q{i}", "input": f"{i} {'환불' * 50_000}"} for i in range(100)]
    )
    tracemalloc.start()
    try:
        await run(make(tmp_path, ECHO, run={"concurrency": 2}), resources())
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8_000_000  # the questions alone are 20 MB, the answers as much again


async def test_run__no_secret_of_the_config_in_run_json(tmp_path: Path):
    write_dataset(tmp_path, 2)
    with ChatServer(lambda _: Reply(text="x", model=f"m-{KEY}")) as server:
        config = make(tmp_path, endpoint(server.url, user=KEY), system=f"use {KEY}")
        info = await run(config, resources())
        assert KEY in server.requests[0].raw.decode()
    assert KEY not in repr(info)
    for file in (tmp_path / "runs" / "bot").iterdir():
        assert KEY not in file.read_text(encoding="utf-8")


async def test_run__fresh_does_not_read_what_it_puts_aside(tmp_path: Path):
    write_dataset(tmp_path, 2)
    config, folder = make(tmp_path, ECHO), tmp_path / "runs" / "scripted"
    await run(config, resources())
    (folder / "run.json").write_text("{")
    assert (await plan_run(config, resources(), RunOptions(fresh=True))).to_ask == 2
    assert (await run(config, resources(), RunOptions(fresh=True))).requests == 2
    assert (tmp_path / "runs" / "scripted.1" / "run.json").read_text() == "{"
