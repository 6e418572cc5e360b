import asyncio
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from servers.batch_server import BatchServer, Line, echo, query_of
from servers.runs import KEY, endpoint, make, resources, rows, until, write_dataset

from lm_eval_so.core.asking.batch.service import BatchLimits, InputFile, InputLine
from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed, Warned
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.errors import (
    BackendError,
    CannotMeasure,
    ConfigError,
    DatasetError,
    Interrupted,
    UsageError,
)
from lm_eval_so.runner.batch.batch import Batching
from lm_eval_so.runner.batch.executor import cancel_batch
from lm_eval_so.runner.dry_run import plan_run
from lm_eval_so.runner.plan.selection import select
from lm_eval_so.runner.run import RunOptions, run
from lm_eval_so.runner.run_problems import check
from lm_eval_so.runner.store.fingerprint import new_run
from lm_eval_so.runner.store.resume import open_run, resume

PRICE = {"input_per_mtok": 1.0, "output_per_mtok": 2.0}
ALONE_USD = 0.002
"""What a request costs at that price, with the server's usage, if it is asked alone."""
BATCH = {"executor": "batch", "cache": False}


def config_of(folder: Path, server: BatchServer, run_keys: Mapping[str, Any] = {}) -> Config:
    section = endpoint(server.url)
    section["options"]["price"] = PRICE
    return make(folder, section, run={**BATCH, **run_keys})


def patient(events: list[Event] | None = None, waits: list[float] | None = None) -> Resources:
    """Resources that do not really wait."""

    async def wait(seconds: float, stop: asyncio.Event) -> None:
        if waits is not None:
            waits.append(seconds)
        await asyncio.sleep(0)

    return replace(resources(events), wait=wait)


async def go(config: Config, events: list[Event] | None = None) -> RunInfo:
    return await run(config, patient(events))


def sample_of(body: Mapping[str, Any]) -> int:
    return int(body["messages"][-1]["content"].rpartition("#")[2])


def texts(folder: Path) -> dict[str, str]:
    return {row["sample_id"]: (row["response"] or {}).get("text", "") for row in rows(folder)}


async def test_run__by_batch(tmp_path: Path):
    """Outputs in any order, one row in the error file only, one in neither."""
    write_dataset(tmp_path, 20)
    wrong = {"message": "no such parameter", "code": "unknown_parameter"}

    def script(body: dict[str, Any]) -> Line:
        match sample_of(body):
            case 3:
                return Line(status=400, error=wrong)
            case 7:
                return Line()
        return echo(body)

    with BatchServer(script) as server:
        config = config_of(tmp_path, server)
        info = await go(config)
        (uploaded,) = [name for name in server.book.files if name.startswith("file-")]
        lines = [json.loads(line) for line in server.book.files[uploaded].splitlines()]
        assert [len(server.book.batches), len(server.book.direct)] == [1, 1]
        again = await go(config)
        assert len(server.book.batches) == 1
        assert sample_of(server.book.direct[-1]) == 3  # what failed is asked again, one by one
    assert (info.state, info.counts, info.requests) == ("complete", {"ok": 19, "error": 1}, 21)
    assert again.counts == {"ok": 20}
    assert len({line["custom_id"] for line in lines}) == 20
    assert all(len(line["custom_id"]) == 32 for line in lines)
    assert lines[0]["body"]["messages"] == [{"role": "user", "content": "환불은 며칠? #0"}]
    found = rows(tmp_path / "runs" / "bot")
    assert [row["sample_id"] for row in found] == [f"q{i:04}" for i in range(20)]
    row = found[0]
    assert row["response"]["text"] == "답: 환불은 며칠? #0"
    assert (row["latency_ms"], row["ttft_ms"], row["queue_ms"]) == (None, None, None)
    assert (row["total_ms"], row["cached"], row["attempts"]) == (3_600_000, False, 1)
    assert (row["cost_usd"], row["usage"]["input_tokens"]) == (ALONE_USD / 2, 1000)
    assert row["request_hash"].startswith(lines[0]["custom_id"])
    assert found[7]["response"]["text"].startswith("direkt: ")
    assert found[7]["cost_usd"] == ALONE_USD


async def test_run__by_batch_costs_what_the_discount_says(tmp_path: Path):
    write_dataset(tmp_path, 4)
    with BatchServer() as server:
        config = config_of(tmp_path, server, {"batch_discount": 0.25})
        planned = await plan_run(config, patient())
        assert server.book.seen == []
        info = await go(config)
        alone = config_of(tmp_path, server, {"executor": "live"})
        live = await plan_run(alone, patient(), RunOptions(fresh=True))
    assert info.cost_usd == pytest.approx(4 * ALONE_USD * 0.25)
    assert planned.usd_high == pytest.approx((live.usd_high or 0) * 0.25)


@pytest.mark.parametrize(
    "line",
    [
        Line(error={"code": "batch_expired", "message": "This request could not be executed"}),
        Line(status=429, error={"message": "slow down"}),
        Line(status=500, error={"message": "oh"}),
    ],
)
async def test_run__what_another_attempt_may_cure_is_asked_directly(tmp_path: Path, line: Line):
    write_dataset(tmp_path, 6)
    with BatchServer(
        lambda b: line if sample_of(b) in {1, 4} else echo(b), ends="expired"
    ) as server:
        info = await go(config_of(tmp_path, server))
        assert sorted(map(sample_of, server.book.direct)) == [1, 4]
    assert info.counts == {"ok": 6}


async def test_run__leftovers_can_be_left(tmp_path: Path):
    write_dataset(tmp_path, 6)
    with BatchServer(lambda b: Line() if sample_of(b) == 2 else echo(b)) as server:
        config = config_of(tmp_path, server, {"batch_leftovers": "leave"})
        with pytest.raises(CannotMeasure, match="1 row did not come back with their batch"):
            await go(config)
        assert server.book.direct == []
        assert len(rows(tmp_path / "runs" / "bot")) == 5
        await go(config_of(tmp_path, server))
        assert (len(server.book.direct), len(server.book.batches)) == (1, 1)


async def test_run__failed_batch_names_the_samples(tmp_path: Path):
    write_dataset(tmp_path, 5)
    with BatchServer() as server:
        server.problems = [
            {"line": 2, "code": "invalid", "message": f"too long, says {KEY}"},
            {"line": None, "code": "limit", "message": "too much"},
        ]
        config = config_of(tmp_path, server)
        with pytest.raises(ConfigError) as failed:
            await go(config)
        assert [problem.what for problem in failed.value.problems] == [
            'the batch service refuses sample "q0001": too long, says [redacted:OPENAI_API_KEY]',
            "the batch service refuses too much",
        ]
        assert failed.value.exit_code == 2
        server.problems = []
        assert (await go(config)).counts == {"ok": 5}
        assert (len(server.book.batches), server.book.direct) == (2, [])


async def test_run__polls_ever_more_slowly(tmp_path: Path):
    write_dataset(tmp_path, 30)
    waits: list[float] = []
    events: list[Event] = []
    with BatchServer(looks=12) as server:
        await run(config_of(tmp_path, server), patient(events, waits))
    assert waits == sorted(waits)
    assert (waits[0], waits[1], waits[-1], len(waits)) == (15, 22.5, 300, 12)
    told = [event.text for event in events if isinstance(event, Noticed)]
    assert told[0] == "batch batch_0: 30 requests handed over"
    assert "batch batch_0: in_progress, 2 of 30" in told
    assert told[-1] == "batch batch_0: completed, 30 rows came back"


async def test_run__stopped_leaves_the_batch_going(tmp_path: Path):
    write_dataset(tmp_path, 8)
    events: list[Event] = []
    with BatchServer(looks=3) as server:
        config, shared = config_of(tmp_path, server), resources(events)
        task = asyncio.create_task(run(config, shared))
        await until(lambda: any(batch["_looks"] for batch in server.book.batches.values()))
        shared.stop.set()
        with pytest.raises(Interrupted):
            await task
        warned = [event for event in events if isinstance(event, Warned)]
        assert [event.text for event in warned] == ["batch batch_0 goes on (1 of 8)"]
        again = "lm-eval-so run -c lm-eval-so.yaml"
        assert warned[0].hint == f"come back with {again}, or stop it with --cancel-batch"
        with pytest.raises(UsageError, match=r"batch batch_0 of .* goes on"):
            await go(config_of(tmp_path, server, {"executor": "live"}))
        assert (await go(config)).counts == {"ok": 8}
        assert (len(server.book.batches), server.book.direct) == (1, [])


async def test_run__batch_that_is_gone_is_not_told_as_going_on(tmp_path: Path):
    write_dataset(tmp_path, 3)
    events: list[Event] = []
    with BatchServer(looks=10**6) as server:
        looks = iter([None, None])  # that often it goes on, as its service says
        server.before = lambda method, path: (
            next(looks, 404) if (method, path) == ("GET", "/batches/batch_0") else None
        )
        with pytest.raises(BackendError, match="knows no such file or batch") as told:
            await go(config_of(tmp_path, server), events)
    assert (told.value.hint or "").endswith("if it is gone for good, begin anew with --fresh")
    assert any("in_progress" in event.text for event in events if isinstance(event, Noticed))
    warned = [event.text for event in events if isinstance(event, Warned)]
    assert warned == ["batch batch_0 is not read yet"]


async def test_cancel_batch__what_was_answered_is_read(tmp_path: Path):
    write_dataset(tmp_path, 8)

    def half(body: dict[str, Any]) -> Line:
        cancelled = {"code": "batch_cancelled", "message": "This request was cancelled"}
        return echo(body) if sample_of(body) < 4 else Line(error=cancelled)

    with BatchServer(half, looks=10**6) as server:
        config, shared = config_of(tmp_path, server), resources()
        task = asyncio.create_task(run(config, shared))
        await until(lambda: any(batch["_looks"] for batch in server.book.batches.values()))
        shared.stop.set()
        with pytest.raises(Interrupted):
            await task
        states = await cancel_batch(config, resources(), RunOptions())
        assert [(state.id, state.status) for state in states] == [("batch_0", "cancelling")]
        info = await go(config)
        assert sorted(map(sample_of, server.book.direct)) == [4, 5, 6, 7]
        assert info.counts == {"ok": 8}
        with pytest.raises(UsageError, match="no batch of"):
            await cancel_batch(config, resources(), RunOptions())


async def test_run__what_the_cache_knows_is_in_no_batch(tmp_path: Path):
    write_dataset(tmp_path, 6)
    with BatchServer() as server:
        config = config_of(tmp_path, server, {"cache": "cache.sqlite"})
        await go(config)
        write_dataset(tmp_path, 8)
        shutil.rmtree(tmp_path / "runs")
        info = await run(config, patient())
        sizes = [batch["request_counts"]["total"] for batch in server.book.batches.values()]
        assert sizes == [6, 2]
    assert [row["cached"] for row in rows(tmp_path / "runs" / "bot")] == [True] * 6 + [False] * 2
    assert info.cost_usd == pytest.approx(2 * ALONE_USD / 2)


async def test_run__fresh_does_not_take_the_batch_of_before(tmp_path: Path):
    write_dataset(tmp_path, 3)
    with BatchServer() as server:
        config = config_of(tmp_path, server)
        await go(config)
        await run(config, patient(), RunOptions(fresh=True))
        assert len(server.book.batches) == 2
    aside = tmp_path / "runs" / "bot.1"
    assert {path.name for path in aside.iterdir()} >= {"batch.json", "batch.ids", "run.json"}


async def test_run__dataset_that_changes_while_a_batch_goes(tmp_path: Path):
    write_dataset(tmp_path, 6)
    with BatchServer(looks=10**6) as server:
        config, shared = config_of(tmp_path, server), resources()
        task = asyncio.create_task(run(config, shared))
        await until(lambda: bool(server.book.batches))
        shared.stop.set()
        with pytest.raises(Interrupted):
            await task
        server.looks = 0
        samples = [{"id": f"q{i:04}", "input": f"환불은 며칠? #{i}"} for i in (1, 2, 3, 8, 9)]
        write_dataset(tmp_path, samples)
        info = await go(config)
        sizes = [batch["request_counts"]["total"] for batch in server.book.batches.values()]
        assert (sizes, server.book.direct) == ([6, 2], [])
    assert info.counts == {"ok": 5}
    assert list(texts(tmp_path / "runs" / "bot")) == [s["id"] for s in samples]


async def test_run__trouble_in_passing_is_borne(tmp_path: Path):
    write_dataset(tmp_path, 5)
    failed: set[tuple[str, str]] = set()

    def once(method: str, path: str) -> int | None:
        """Let every kind of request fail when it comes first."""
        if (method, path) in failed:
            return None
        failed.add((method, path))
        return 503

    with BatchServer() as server:
        server.before = once
        assert (await go(config_of(tmp_path, server))).counts == {"ok": 5}
        assert (len(server.book.batches), server.book.direct) == (1, [])
        assert len([name for name in server.book.files if name.startswith("file-")]) == 1


async def test_run__create_whose_answer_is_lost_makes_no_second_batch(tmp_path: Path):
    write_dataset(tmp_path, 5)
    lost: list[str] = []

    with BatchServer() as server:

        def lose_first(method: str, path: str) -> None:
            if (method, path) == ("POST", "/batches") and not lost:
                lost.append(path)
                raise ConnectionAbortedError  # the handler dies, and its connection with it

        server.after = lose_first
        assert (await go(config_of(tmp_path, server))).counts == {"ok": 5}
        assert (len(lost), len(server.book.batches)) == (1, 1)


async def in_small_files(config: Config, folder: Path, limits: BatchLimits) -> int:
    """Ask by batch as `run` does, with files of other sizes; give the rows that came."""
    section, shared = config.backend, patient()
    assert section is not None
    async with open_asker(section, config=config, resources=shared) as asker:
        selection = select(config, RunOptions(out=folder / "run"))
        new = new_run(config, asker.backend, selection, shared)
        run_dir = open_run(selection.folder, new.head, fresh=False, listener=shared.listener)
        recorder = await resume(run_dir, new, asker, shared, RunOptions())
        recorder.begin()
        service = asker.backend.batches()
        batching = Batching(recorder, service, config.run, limits=limits)
        try:
            assert await batching.ask_all(partial(new.plan.todo, recorder.done.offsets)) is None
        finally:
            await service.close()
            run_dir.close()
        return recorder.tally.rows


async def test_ask_all__as_many_files_as_it_takes(tmp_path: Path):
    write_dataset(tmp_path, 23)
    with BatchServer(looks=2) as server:
        config = config_of(tmp_path, server)
        assert await in_small_files(config, tmp_path, BatchLimits(requests=5)) == 23
        sizes = [batch["request_counts"]["total"] for batch in server.book.batches.values()]
        assert sizes == [5, 5, 5, 5, 3]
        assert (
            len({batch["metadata"]["lm_eval_so_run"] for batch in server.book.batches.values()})
            == 1
        )
        assert await in_small_files(config, tmp_path, BatchLimits(requests=5)) == 23
        assert len(server.book.batches) == 5
    assert len(texts(tmp_path / "run")) == 23


async def test_ask_all__no_file_is_larger_than_the_limit(tmp_path: Path):
    write_dataset(tmp_path, 10)
    with BatchServer() as server:
        limits = BatchLimits(size=600)
        assert await in_small_files(config_of(tmp_path, server), tmp_path, limits) == 10
        uploaded = [data for name, data in server.book.files.items() if name.startswith("file-")]
        assert len(uploaded) > 2
        assert all(len(data) <= 600 for data in uploaded)


async def test_run__refused_key_ends_it(tmp_path: Path):
    write_dataset(tmp_path, 5)
    with BatchServer() as server:
        server.before = lambda *_: 401
        with pytest.raises(BackendError, match="refused the key in OPENAI_API_KEY") as failed:
            await go(config_of(tmp_path, server))
        assert failed.value.exit_code == 4
        assert len(server.book.seen) == 1


async def test_run__why_an_answer_of_a_batch_ended(tmp_path: Path):
    def script(body: dict[str, Any]) -> Line:
        why = {1: "model_length", 2: "error"}.get(sample_of(body), "stop")
        message = {"role": "assistant", "content": "답"}
        return Line(body={"choices": [{"message": message, "finish_reason": why}]})

    write_dataset(tmp_path, 5)
    with BatchServer(script) as server:
        info = await go(config_of(tmp_path, server))
        assert [sample_of(body) for body in server.book.direct] == [2]
    assert info.counts == {"ok": 4, "truncated": 1}
    assert rows(tmp_path / "runs" / "bot")[1]["response"]["finish_reason"] == "length"


async def test_run__endpoint_without_a_batch_service(tmp_path: Path):
    write_dataset(tmp_path, 5)
    with BatchServer() as server:
        server.before = lambda *_: 404
        with pytest.raises(BackendError, match=f"{server.url} .* has no batch service") as failed:
            await go(config_of(tmp_path, server))
        assert "run.executor: live" in str(failed.value.problems[0].hint)


async def test_run__budget_bounds_what_is_handed_over(tmp_path: Path):
    write_dataset(tmp_path, 20)
    with BatchServer() as server:
        config = config_of(tmp_path, server, {"max_requests": 12})
        with pytest.raises(CannotMeasure, match="12 of 12 requests"):
            await go(config)
        sizes = [batch["request_counts"]["total"] for batch in server.book.batches.values()]
        assert (sizes, server.book.direct) == ([12], [])
    assert len(rows(tmp_path / "runs" / "bot")) == 12


async def test_run__money_that_was_not_needed_goes_into_the_next_batch(tmp_path: Path):
    write_dataset(tmp_path, 20)
    # a request may cost about 0.00103 by batch (1,024 tokens of output), and does cost 0.001
    with BatchServer() as server:
        config = config_of(tmp_path, server, {"max_cost_usd": 0.0205})
        info = await go(config)
        sizes = [batch["request_counts"]["total"] for batch in server.book.batches.values()]
        assert len(sizes) > 1
        assert sum(sizes) >= 19
        assert server.book.direct == []
    assert (info.cost_usd or 0) <= 0.0205


async def test_run__secrets_stay_out_of_the_folder(tmp_path: Path):
    write_dataset(tmp_path, 3)
    with BatchServer(lambda body: Line(text=f"the key is {KEY}")) as server:
        section = endpoint(server.url)
        config = make(tmp_path, section, run=BATCH, system=f"use {KEY}")
        await go(config)
        assert server.book.seen[0][2]["authorization"] == f"Bearer {KEY}"
        assert KEY.encode() in server.book.files["file-0"]
    for path in (tmp_path / "runs").rglob("*"):
        assert path.is_dir() or KEY not in path.read_text(encoding="utf-8")
    assert (tmp_path / "runs" / "bot" / "batch.ids").stat().st_size == 3 * 33


async def test_run__conversations_are_refused_before_anything_is_sent(tmp_path: Path):
    scenario = {"turns": [{"user": "취소요"}]}
    write_dataset(tmp_path, [{"id": "a", "input": "x"}, {"id": "b", "scenario": scenario}])
    with BatchServer() as server:
        with pytest.raises(DatasetError, match='sample "b" is a conversation'):
            await go(config_of(tmp_path, server))
        assert server.book.seen == []


def test_check__backend_without_batches(tmp_path: Path):
    write_dataset(tmp_path, 1)
    config = make(tmp_path, {"name": "scripted", "options": {"default": "echo"}}, run=BATCH)
    assert [problem.what for problem in check(config, {})] == [
        "the backend scripted has no batch service"
    ]


@pytest.mark.parametrize(("version", "prefix"), [("", "/openai/v1"), ("2024-10-21", "/openai")])
async def test_run__azure(tmp_path: Path, version: str, prefix: str):
    write_dataset(tmp_path, 4)
    with BatchServer(prefix=prefix) as server:
        environ = {"AZURE_OPENAI_ENDPOINT": server.origin, "AZURE_OPENAI_API_KEY": KEY}
        options = {"deployment": "gpt41", "api_version": version}
        section = {"name": "azure", "label": "bot", "options": options}
        config = make(tmp_path, section, run=BATCH)
        info = await run(config, replace(patient(), environ=environ))
        assert (info.counts, len(server.book.batches)) == ({"ok": 4}, 1)
        lines = [json.loads(line) for line in server.book.files["file-0"].splitlines()]
        assert {(line["url"], line["body"]["model"]) for line in lines} == {
            ("/chat/completions", "gpt41")
        }
        for _, path, headers in server.book.seen:
            assert headers["api-key"] == KEY
            assert "authorization" not in headers
            assert query_of(path).get("api-version", [""]) == [version]


async def test_run__responses_api(tmp_path: Path):
    write_dataset(tmp_path, 3)

    def script(body: dict[str, Any]) -> Line:
        said = {"type": "output_text", "text": body["input"][-1]["content"]}
        message = {"type": "message", "content": [said]}
        return Line(body={"model": "m", "status": "completed", "output": [message]})

    with BatchServer(script) as server:
        section = endpoint(server.url)
        section["options"]["api"] = "responses"
        await go(make(tmp_path, section, run=BATCH))
        assert server.book.batches["batch_0"]["endpoint"] == "/v1/responses"
    assert texts(tmp_path / "runs" / "bot")["q0002"] == "환불은 며칠? #2"


def test_input_file__has_room_up_to_both_limits():
    limits = BatchLimits(requests=3, size=100)
    line = InputLine(custom_id="a", line=b"x" * 40)
    with InputFile.open() as file:
        assert file.has_room(InputLine(custom_id="a", line=b"x" * 400), limits)
        for _ in range(2):
            file.add(line)
        assert not file.has_room(line, limits)
        assert file.has_room(InputLine(custom_id="b", line=b"x"), limits)
        file.add(InputLine(custom_id="b", line=b"x"))
        assert not file.has_room(InputLine(custom_id="c", line=b"x"), limits)
        path = file.path
        assert path.stat().st_mode & 0o077 == 0
    assert not path.exists()
