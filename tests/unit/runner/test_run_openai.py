"""What only shows in a whole run: adaptation before the rest is sent, the nearest model, ttft."""

import json
from pathlib import Path

import pytest
from servers.runs import endpoint, make, resources, rows, write_dataset

from lm_eval_so.errors import BackendError
from lm_eval_so.runner.run import run
from lm_eval_so.testing import ChatServer, Reply, Seen


async def test_run__what_the_endpoint_refuses_is_left_out_for_the_whole_run(tmp_path: Path):
    def script(seen: Seen) -> Reply:
        if "seed" in seen.body:
            return Reply(status=400, message="Unrecognized request argument supplied: seed")
        return Reply(text="네")

    write_dataset(tmp_path, 6)
    with ChatServer(script) as server:
        await run(make(tmp_path, endpoint(server.url)), resources())
    assert ["seed" in seen.body for seen in server.requests] == [True, *[False] * 6]
    assert [row["status"] for row in rows(tmp_path / "runs" / "bot")] == ["ok"] * 6
    info = json.loads((tmp_path / "runs" / "bot" / "run.json").read_text(encoding="utf-8"))
    assert info["adaptations"] == ["seed is not sent: the endpoint refuses it"]


async def test_run__unknown_model_names_the_nearest(tmp_path: Path):
    write_dataset(tmp_path, 6)
    gone = Reply(status=404, code="model_not_found", message="The model does not exist")
    with ChatServer(lambda _: gone, models=("gpt-4.1", "gpt-4.1-mini")) as server:
        config = make(tmp_path, endpoint(server.url, model="gpt-4.1-mni"))
        with pytest.raises(BackendError) as failed:
            await run(config, resources())
    assert len(server.requests) == 1
    assert failed.value.message.startswith(f'model "gpt-4.1-mni" not found at {server.url} (404')
    assert failed.value.hint == 'did you mean "gpt-4.1-mini"? Nothing else was sent.'


async def test_run__streams_for_the_metric_that_needs_it(tmp_path: Path):
    write_dataset(tmp_path, 3)
    with ChatServer(lambda _: Reply(text="빠른 답", first_token_s=0.05)) as server:
        config = make(tmp_path, endpoint(server.url), metrics=[{"name": "ttft_ms"}])
        await run(config, resources())
    assert all(seen.body["stream"] for seen in server.requests)
    assert all(50 <= row["ttft_ms"] <= row["latency_ms"] for row in rows(tmp_path / "runs" / "bot"))
