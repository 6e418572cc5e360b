"""Shards that are taken in the place of asking."""

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from servers.runs import ENVIRON, endpoint, make, resources, rows, write_dataset

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.run import Checkout, RunInfo
from lm_eval_so.errors import BudgetSpent, CannotMeasure, InputError, RecordError, TooManyErrors
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate
from lm_eval_so.runner.merge.shards import take_shards
from lm_eval_so.runner.run import RunOptions, Shard, run
from lm_eval_so.runner.store.for_verdict import ForVerdict, begun_late
from lm_eval_so.runner.store.run_dir import read_info
from lm_eval_so.testing import ChatServer, Reply

HERE = ForVerdict(checkout=Checkout(commit="a" * 40, changes="none"))
ECHO = {"name": "scripted", "label": "bot", "options": {"default": "echo"}}
N = 40


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset and its four shards, asked once."""
    folder = tmp_path_factory.mktemp("asked")
    write_dataset(folder, N)
    asyncio.run(ask(folder, make(folder, ECHO)))
    return folder


@pytest.fixture
def shards(tmp_path: Path, asked: Path) -> list[Path]:
    shutil.copytree(asked, tmp_path, dirs_exist_ok=True)
    return [tmp_path / f"shards/shard-{number}/run" for number in (1, 2, 3, 4)]


async def ask(folder: Path, config: Config, *, count: int = 4) -> list[Path]:
    found = []
    for number in range(1, count + 1):
        out = folder / f"shards/shard-{number}/run"
        options = RunOptions(out=out, shard=Shard(number=number, count=count))
        await run(config, resources(), options, verdict=HERE)
        found.append(out)
    return found


def take(folder: Path, shards: list[Path], **more: Any) -> RunInfo:
    given = {"config": make(folder, ECHO), "verdict": HERE, **more}
    config, verdict = given["config"], given["verdict"]
    environ = {key: text for key, text in ENVIRON.items() if key != "OPENAI_API_KEY"}
    found = resources(environ=environ)
    return take_shards(config, found, shards, out=folder / "whole", verdict=verdict)


def edit(folder: Path, **values: Any) -> None:
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps({**info, **values}), encoding="utf-8")


def test_take_shards__the_whole_is_a_run_of_ci(tmp_path: Path, shards: list[Path]) -> None:
    info = take(tmp_path, shards)
    assert (info.state, info.planned, info.counts, info.shard) == ("complete", N, {"ok": N}, None)
    assert info.checkout == HERE.checkout
    kept = json.loads((tmp_path / "whole/run.json").read_text(encoding="utf-8"))
    assert kept["checkout"]["commit"] == "a" * 40
    assert [row["sample_id"] for row in rows(tmp_path / "whole")] == [f"q{i:04}" for i in range(N)]
    assert take(tmp_path, shards) == info  # the same step once more


async def test_take_shards__needs_no_key_of_the_chatbot(tmp_path: Path) -> None:
    write_dataset(tmp_path, 8)
    with ChatServer() as server:
        config = make(tmp_path, endpoint(server.url))
        found = await ask(tmp_path, config)
    assert take(tmp_path, found, config=config).counts == {"ok": 8}


def another_answer(shards: list[Path]) -> list[Path]:
    again = shards[1].parent.parent / "again"
    shutil.copytree(shards[1], again)
    log = again / "run_results.jsonl"
    log.write_text(log.read_text(encoding="utf-8").replace("며칠? #", "몇 주? #"), encoding="utf-8")
    return [*shards, again]


def edited(**values: Any) -> Callable[[list[Path]], list[Path]]:
    def change(shards: list[Path]) -> list[Path]:
        edit(shards[2], **values)
        return shards

    return change


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        (lambda _: [], CannotMeasure, "no shard is there"),
        (lambda shards: [*shards[:2], shards[3]], CannotMeasure, "shard 3/4 is missing"),
        (another_answer, InputError, "have different answers"),
        (edited(fingerprint="b" * 64), RecordError, "is no part of the same run as"),
        (
            edited(checkout=None),
            RecordError,
            "shard-3/run is no shard of this run: was not asked by ci",
        ),
        (
            edited(checkout={"commit": "b" * 40, "changes": "none"}),
            RecordError,
            r"was asked at another commit \(bbbbbbb → aaaaaaa\)",
        ),
        (
            edited(checkout={"commit": "a" * 40, "changes": "some"}),
            RecordError,
            "was asked before tracked files changed",
        ),
    ],
)
def test_take_shards__what_does_not_belong_together(
    tmp_path: Path,
    shards: list[Path],
    change: Callable[[list[Path]], list[Path]],
    kind: type[Exception],
    told: str,
) -> None:
    with pytest.raises(kind, match=told):
        take(tmp_path, change(shards))


@pytest.mark.parametrize(
    ("values", "told"), [({"seed": 8}, "seed 7 → 8"), ({"repeats": 2}, "repeats 1 → 2")]
)
def test_take_shards__asked_with_another_config(
    tmp_path: Path, shards: list[Path], values: dict[str, Any], told: str
) -> None:
    with pytest.raises(RecordError) as caught:
        take(tmp_path, shards, config=make(tmp_path, ECHO, run=values))
    assert len(caught.value.problems) == 4
    assert caught.value.problems[0].what.endswith(f"is no shard of this run: {told}")


def test_take_shards__rows_that_were_never_asked(tmp_path: Path, shards: list[Path]) -> None:
    log = shards[2] / "run_results.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    log.write_text("".join(lines[1:]), encoding="utf-8")
    edit(shards[2], state="interrupted")
    with pytest.raises(
        CannotMeasure, match=rf"shard 3/4 has {len(lines) - 1} of {len(lines)} rows"
    ):
        take(tmp_path, shards)
    assert not (tmp_path / "whole").exists()


def test_take_shards__old_answers(tmp_path: Path, shards: list[Path]) -> None:
    for folder in shards:
        log = folder / "run_results.jsonl"
        found = [{**row, "started_at": "2026-01-02T03:04:05Z"} for row in rows(folder)]
        log.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    with pytest.raises(CannotMeasure, match="no answer of the last hour"):
        take(tmp_path, shards)


@pytest.mark.parametrize(
    ("spans", "late"),
    [
        ([("09:00", "09:10"), ("09:00", "09:20"), ("09:30", "09:31")], None),
        ([("09:00", "12:00"), ("09:00", "09:20"), ("12:50", "12:55")], None),  # one job at a time
        ([("09:00", "09:10"), ("10:10", "10:20")], 2),
        ([("11:00", None), ("09:00", "09:10"), ("09:05", None)], 1),
    ],
)
async def test_begun_late(
    tmp_path: Path, spans: list[tuple[str, str | None]], late: int | None
) -> None:
    write_dataset(tmp_path, 4)
    [folder] = await ask(tmp_path, make(tmp_path, ECHO), count=1)
    info = read_info(folder)
    assert info is not None
    at = "2026-01-02T{}:00Z".format
    runs = [
        replace(info, started_at=at(start), finished_at=end and at(end), shard=f"{number}/9")
        for number, (start, end) in enumerate(spans, start=1)
    ]
    found = begun_late(runs)
    assert (found and found.shard) == (f"{late}/9" if late else None)


def test_take_shards__one_that_was_asked_the_next_day(tmp_path: Path, shards: list[Path]) -> None:
    for folder in (shards[0], shards[1], shards[3]):
        old = "2026-01-02T03:04:05Z"
        edit(folder, started_at=old, finished_at=old)
    with pytest.raises(CannotMeasure, match="shard 3/4 was asked over an hour after the others"):
        take(tmp_path, shards)


async def test_take_shards__the_whole_may_be_a_baseline(tmp_path: Path, shards: list[Path]) -> None:
    take(tmp_path, shards)
    config = make(tmp_path, ECHO, metrics=[{"name": "length", "params": {"min": 1}}])
    for runs, may_be in (([tmp_path / "whole"], True), ([shards[0]], False), (shards, True)):
        report = await evaluate(config, resources(), EvaluationInputs(runs=runs))
        assert report.experiment.eligible is may_be


async def test_take_shards__a_budget_that_ended_one_of_them(tmp_path: Path) -> None:
    write_dataset(tmp_path, N)
    config = make(tmp_path, ECHO, run={"max_requests": 36})
    found = []
    for number in range(1, 5):
        out = tmp_path / f"shards/{number}/run"
        try:
            options = RunOptions(out=out, shard=Shard(number=number, count=4))
            await run(config, resources(), options, verdict=HERE)
        except BudgetSpent:
            pass
        found.append(out)
    info = take(tmp_path, found, config=config)
    assert info.state == "stopped"
    assert info.stopped is not None
    assert info.stopped["by"] == "max_requests"
    assert info.counts["ok"] < N
    shutil.rmtree(found[0])  # a shard that is not there at all is no matter of a budget
    with pytest.raises(CannotMeasure, match="shard 1/4 is missing"):
        take(tmp_path, found[1:], config=config)


async def test_take_shards__what_they_spent_is_gone_from_the_budget(tmp_path: Path) -> None:
    write_dataset(tmp_path, 8)
    usage = {"prompt_tokens": 1000, "completion_tokens": 0}
    lost = Reply(status=500, body=b"{}")
    with ChatServer(
        lambda seen: lost if seen.number == 3 else Reply(text="a", usage=usage)
    ) as server:
        section = endpoint(server.url)
        section["options"]["price"] = {"input_per_mtok": 1.0, "output_per_mtok": 1.0}
        config = make(tmp_path, section, run={"max_requests": 20, "max_cost_usd": 1.0})
        found = await ask(tmp_path, config, count=2)
        sent = len(server.requests)
    there = resources()
    for _ in range(2):  # the same step once more counts nothing twice
        take_shards(config, there, found, out=tmp_path / "whole", verdict=HERE)
        assert there.budget.requests == sent == 9
    there.budget.limit(config.run)
    assert there.budget.take(Decimal("0.992"))
    assert not there.budget.take(Decimal("0.001"))


async def test_take_shards__too_many_without_an_answer(tmp_path: Path) -> None:
    write_dataset(tmp_path, N)
    bad = Reply(status=400, body=b'{"error": {"message": "no such thing"}}')
    with ChatServer(
        lambda seen: bad if int(seen.text.rpartition("#")[2]) % 3 == 0 else "a"
    ) as server:
        config = make(tmp_path, endpoint(server.url))
        found = []
        for number in (1, 2):
            out = tmp_path / f"shards/{number}/run"
            options = RunOptions(out=out, shard=Shard(number=number, count=2))
            with pytest.raises(TooManyErrors):
                await run(config, resources(), options, verdict=HERE)
            found.append(out)
    with pytest.raises(TooManyErrors, match=r"14 of 40 rows have no answer \(error 14\)"):
        take(tmp_path, found, config=config)
    assert len(rows(tmp_path / "whole")) == N  # what they say can be reported
