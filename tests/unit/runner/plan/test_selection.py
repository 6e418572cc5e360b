import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from servers.runs import endpoint, make, resources, rows, write_dataset

from lm_eval_so.core.events import Event, Warned
from lm_eval_so.errors import Interrupted
from lm_eval_so.runner.dry_run import plan_run
from lm_eval_so.runner.plan.selection import select
from lm_eval_so.runner.plan.shard import Shard
from lm_eval_so.runner.run import RunOptions, run, run_folder
from lm_eval_so.testing import ChatServer

ECHO = {"name": "scripted", "options": {"default": "echo"}}


def test_read__a_small_dataset_is_held(tmp_path: Path):
    write_dataset(tmp_path, 3)
    selection = select(make(tmp_path, ECHO))
    file = tmp_path / "test.jsonl"
    assert selection.size == file.stat().st_size
    held, streamed = selection.read(), replace(selection, size=2**22 + 1).read()
    assert [sample.id for sample in held] == [sample.id for sample in streamed]
    file.write_bytes(b"")
    assert (len([*held]), len([*streamed])) == (3, 0)


async def test_run__shards_ask_each_sample_once(tmp_path: Path):
    write_dataset(tmp_path, 40)
    with ChatServer() as server:
        config = make(tmp_path, endpoint(server.url), run={"repeats": 2})
        found = []
        for number in (1, 2, 3):
            shard = Shard(number=number, count=3)
            planned = await plan_run(config, resources(), RunOptions(shard=shard))
            info = await run(config, resources(), RunOptions(shard=shard))
            folder = run_folder(config, shard)
            assert planned.folder == folder.as_posix()
            assert (planned.planned, info.shard) == (info.planned, f"{number}/3")
            assert folder == tmp_path / "runs" / f"bot-{number}of3"
            found.append([(row["sample_id"], row["repeat"]) for row in rows(folder)])
            assert len(found[-1]) == info.planned == info.requests
            again = await run(config, resources(), RunOptions(shard=shard))
            assert again.requests == info.requests
    assert sorted(itertools.chain(*found)) == [(f"q{i:04}", r) for i in range(40) for r in (0, 1)]
    assert all(part == sorted(part) for part in found)
    assert len(server.requests) == 80


async def test_run__shard_to_which_nothing_belongs_is_complete(tmp_path: Path):
    write_dataset(tmp_path, [{"id": "refund-001", "input": "환불?"}])
    config = make(tmp_path, ECHO)
    info = await run(config, resources(), RunOptions(shard=Shard(number=1, count=3)))
    assert (info.state, info.planned, info.counts) == ("complete", 0, {})
    assert rows(tmp_path / "runs" / "scripted-1of3") == []


async def test_run__another_shard_in_the_same_folder_is_kept_aside(tmp_path: Path):
    write_dataset(tmp_path, 10)
    config, folder = make(tmp_path, ECHO), tmp_path / "mine"
    first = await run(config, resources(), RunOptions(out=folder, shard=Shard(number=1, count=2)))
    events: list[Event] = []
    await run(config, resources(events), RunOptions(out=folder))
    told = [event.text for event in events if isinstance(event, Warned)]
    what = "was made with another configuration (shard 1/2 → none)"
    assert told == [f"{folder} {what}; it is kept as {folder}.1"]
    assert len(rows(tmp_path / "mine.1")) == first.planned
    assert len(rows(folder)) == 10


async def test_run__says_how_to_go_on_with_a_shard(tmp_path: Path):
    write_dataset(tmp_path, 10)
    shared = resources()
    shared.stop.set()
    with pytest.raises(Interrupted) as failed:
        await run(
            make(tmp_path, ECHO),
            shared,
            RunOptions(out=tmp_path / "내 폴더", shard=Shard(number=2, count=2)),
        )
    again = f"lm-eval-so run -c lm-eval-so.yaml -o '{tmp_path / '내 폴더'}' --shard 2/2"
    assert failed.value.problems[0].hint == f"go on with {again}"
