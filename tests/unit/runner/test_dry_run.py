from pathlib import Path
from typing import Any

import pytest
from servers.runs import KEY, endpoint, make, resources, write_dataset

from lm_eval_so.core.config.model import Config
from lm_eval_so.runner.dry_run import plan_run
from lm_eval_so.runner.run import RunOptions, run
from lm_eval_so.testing import ChatServer

_PRICE = {"input_per_mtok": 1.0, "output_per_mtok": 2.0}


def priced(folder: Path, url: str, **run_: Any) -> Config:
    section = endpoint(url, max_tokens=100)
    section["options"]["price"] = _PRICE
    return make(folder, section, run={"cache": "cache.sqlite", **run_})


def state_of(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


async def test_plan_run__rows_tokens_and_money_without_a_byte_written(tmp_path: Path):
    write_dataset(tmp_path, [{"id": f"q{i}", "input": "x" * 350} for i in range(10)])
    with ChatServer() as server:
        config = priced(tmp_path, server.url)
        before = state_of(tmp_path)
        plan = await plan_run(config, resources())
        assert server.requests == []
    assert state_of(tmp_path) == before
    assert (plan.planned, plan.done, plan.cached, plan.to_ask) == (10, 0, 0, 10)
    assert (plan.input_tokens, plan.output_tokens) == (1000, 1000)
    assert (plan.usd_low, plan.usd_high) == (0.001, 0.003)


async def test_plan_run__what_is_done_or_cached_is_not_asked(tmp_path: Path):
    write_dataset(tmp_path, 4)
    with ChatServer() as server:
        config = priced(tmp_path, server.url)
        await run(config, resources())
        write_dataset(tmp_path, 6)
        plan = await plan_run(config, resources())
        assert (plan.planned, plan.done, plan.cached, plan.to_ask) == (6, 4, 0, 2)
        before = state_of(tmp_path)
        plan = await plan_run(config, resources(), RunOptions(out=tmp_path / "elsewhere"))
        assert (plan.planned, plan.done, plan.cached, plan.to_ask) == (6, 0, 4, 2)
        assert plan.first_request
        assert plan.first_request["messages"][0]["content"] == "환불은 며칠? #4"
    assert state_of(tmp_path) == before


async def test_plan_run__without_a_price(tmp_path: Path):
    write_dataset(tmp_path, 2)
    plan = await plan_run(make(tmp_path, endpoint("http://127.0.0.1:9/v1")), resources())
    assert (plan.usd_low, plan.usd_high) == (None, None)
    assert plan.output_tokens == 2048


async def test_plan_run__first_request_in_full_without_secrets(tmp_path: Path):
    write_dataset(tmp_path, 1)
    tools = [{"type": "function", "function": {"name": "find", "description": f"by {KEY}"}}]
    config = make(tmp_path, endpoint("http://127.0.0.1:9/v1"), system=f"use {KEY}", tools=tools)
    request = (await plan_run(config, resources())).first_request
    assert request
    assert KEY not in repr(request)
    assert request["system"] == "use [redacted:OPENAI_API_KEY]"
    assert request["messages"][0]["content"] == "환불은 며칠? #0"
    assert request["params"] == {"model": "test-model"}
    assert request["tools"][0]["function"]["name"] == "find"
    assert set(request) == {"system", "messages", "params", "tools", "seed"}


@pytest.mark.parametrize("refreshes", [True, False])
async def test_plan_run__refresh_asks_what_is_cached(tmp_path: Path, refreshes: bool):
    write_dataset(tmp_path, 3)
    with ChatServer() as server:
        config = priced(tmp_path, server.url)
        await run(config, resources())
        shared, other = resources(refreshes_cache=refreshes), tmp_path / "other"
        plan = await plan_run(config, shared, RunOptions(out=other))
        assert plan.cached == (0 if refreshes else 3)
        assert (await run(config, shared, RunOptions(out=other))).requests == (
            3 if refreshes else 0
        )
        assert (await plan_run(config, shared, RunOptions(fresh=True))).cached == 0
