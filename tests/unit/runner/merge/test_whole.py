"""The merged run is the run of one machine, byte for byte, but for how long things took."""

import json
import re
from pathlib import Path
from typing import Any

from servers.runs import ENVIRON, endpoint, make, resources, write_dataset

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.codec import dump_document, to_json
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate
from lm_eval_so.runner.merge.merge import merge
from lm_eval_so.runner.run import RunOptions, Shard, run
from lm_eval_so.testing import ChatServer, Reply, Seen

AT_A_TIME = {**ENVIRON, "SOURCE_DATE_EPOCH": "1767225600"}
"""A clock that stands still, so that the times of day are no difference."""
TOOK = re.compile(rb'"(?:latency_ms|total_ms|queue_ms|ttft_ms)": ?[0-9.]+')
TOOK_IN_ALL = re.compile(rb'"latency": \{[^}]*\}')
OF_TIME = {"limits", "finished_at", "started_at"}
"""Fields of `run.json` that are of one process: how it found its pace, and when."""
IDS = ["환불-1", "a,b", 'she said "why"', "faq/3, 배송", "x", "y,", ", z", "긴 이름 " * 9, "1/3"]
SAMPLES: list[dict[str, Any]] = [
    *({"id": name, "input": f"질문 {name}", "expected": f"답: 질문 {name}"} for name in IDS),
    *(
        {"id": f"대화, {n}", "scenario": {"turns": [{"user": "안녕"}, {"user": f"주문 {n}"}]}}
        for n in range(3)
    ),
    {
        "id": "손님",
        "scenario": {"simulated_user": {"goal": "환불"}, "stop": {"max_turns": 2}},
    },
]
MOVE = '{"progress": true, "done": false, "reason": "open", "message": "환불해 주세요"}'


def said(seen: Seen) -> Reply:
    text = MOVE if seen.body["model"] == "user" else f"답: {seen.text}"
    return Reply(text=text, usage={"prompt_tokens": len(seen.text), "completion_tokens": 3})


def write_config(folder: Path, url: str) -> Config:
    write_dataset(folder, SAMPLES)
    section = endpoint(url)
    section["options"]["price"] = {"input_per_mtok": 1.0, "output_per_mtok": 2.0}
    user = {**section, "params": {"model": "user"}}
    limits = {"max_requests": 500, "max_cost_usd": 1.0, "max_requests_per_s": 10_000}
    return make(
        folder,
        section,
        run={"repeats": 2, "simulator": {"backend": user}, **limits},
        metrics=["exact_match", {"name": "length", "params": {"min": 1}}, "cost_usd"],
    )


async def report_of(config: Config, folder: Path) -> bytes:
    report = await evaluate(config, resources(environ=AT_A_TIME), EvaluationInputs(runs=[folder]))
    text = dump_document(to_json(report))
    return TOOK_IN_ALL.sub(b"", text if isinstance(text, bytes) else text.encode())


def rows_of(folder: Path) -> bytes:
    return TOOK.sub(b"", (folder / "run_results.jsonl").read_bytes())


def info_of(folder: Path) -> dict[str, Any]:
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return {key: value for key, value in info.items() if key not in OF_TIME}


async def test_merge__is_the_run_of_one_machine(tmp_path: Path):
    whole = tmp_path / "runs/bot"
    found, planned = {}, {}
    with ChatServer(said) as server:
        config = write_config(tmp_path, server.url)
        for count in (0, 1, 2, 3, 8):
            parts = [tmp_path / f"{number}of{count}" for number in range(1, count + 1)]
            for number, out in enumerate(parts, start=1):
                options = RunOptions(out=out, shard=Shard(number=number, count=count))
                info = await run(config, resources(environ=AT_A_TIME), options)
                planned[number, count] = info.planned
            if parts:
                merge(parts, out=whole)
            else:
                await run(config, resources(environ=AT_A_TIME))
            found[count] = (rows_of(whole), info_of(whole), await report_of(config, whole))
            whole.rename(tmp_path / f"whole-{count}")
    rows, info, report = found[0]
    assert rows.count(b"\n") == 2 * len(SAMPLES)
    assert (info["state"], info["requests"]) == ("complete", 34)
    assert 0 in planned.values()  # a shard to which no sample belongs
    for count, (rows_, info_, report_) in found.items():
        assert rows_ == rows, count  # in one order, too
        assert info_ == info, count
        assert report_ == report, count
