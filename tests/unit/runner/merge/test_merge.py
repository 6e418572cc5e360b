import json
import shutil
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from servers.runs import endpoint, make, resources, rows, write_dataset

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Warned
from lm_eval_so.errors import CannotMeasure, InputError, RecordError, UsageError
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate
from lm_eval_so.runner.merge.merge import merge, merged_folder
from lm_eval_so.runner.plan.shard import Shard
from lm_eval_so.runner.run import RunOptions, run, run_folder
from lm_eval_so.testing import ChatServer, Reply, Seen

ECHO = {"name": "scripted", "label": "bot", "options": {"default": "echo"}}
TIMES = {"latency_ms", "total_ms", "queue_ms", "started_at", "ttft_ms"}


def with_references(number: int) -> list[dict[str, str]]:
    asked = [f"환불은 며칠? #{i}" for i in range(number)]
    return [{"id": f"q{i:04}", "input": text, "expected": text} for i, text in enumerate(asked)]


async def run_shards(config: Config, count: int = 3) -> list[Path]:
    folders = []
    for number in range(1, count + 1):
        shard = Shard(number=number, count=count)
        await run(config, resources(), RunOptions(shard=shard))
        folders.append(run_folder(config, shard))
    return folders


def info_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def without_times(folder: Path) -> list[dict[str, Any]]:
    return [{key: row[key] for key in row if key not in TIMES} for row in rows(folder)]


def rewrite(folder: Path, found: list[Mapping[str, Any]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in found]
    (folder / "run_results.jsonl").write_text("".join(lines), encoding="utf-8")


def edit_info(folder: Path, **values: Any) -> None:
    (folder / "run.json").write_text(json.dumps({**info_of(folder), **values}))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_merge__gives_the_rows_of_the_unsharded_run(tmp_path: Path):
    usage = {"prompt_tokens": 1000, "completion_tokens": 500}
    write_dataset(tmp_path, with_references(40))
    with ChatServer(lambda seen: Reply(text=f"답: {seen.text}", usage=usage)) as server:
        section = endpoint(server.url)
        section["options"]["price"] = {"input_per_mtok": 1.0, "output_per_mtok": 2.0}
        config = make(tmp_path, section, run={"repeats": 2}, metrics=["exact_match"])
        folders = await run_shards(config)
        whole = await run(config, resources(), RunOptions(out=tmp_path / "whole"))
        asked = len(server.requests)
        info = merge(folders)
        assert merged_folder(folders) == tmp_path / "runs" / "bot"
        again = await run(config, resources())
        assert (again.requests, len(server.requests)) == (info.requests, asked)
    assert without_times(tmp_path / "runs" / "bot") == without_times(tmp_path / "whole")
    for name in ("state", "planned", "counts", "usage", "cost_usd", "unpriced", "shard", "dataset"):
        assert getattr(info, name) == getattr(whole, name), name
    assert (info.cost_usd, info.requests) == (0.16, 80)
    assert info.backend == whole.backend
    report = await evaluate(config, resources(), EvaluationInputs(runs=[tmp_path / "runs" / "bot"]))
    assert (report.experiment.complete, report.experiment.missing) == (True, 0)


async def test_merge__a_label_that_is_no_name_of_a_folder_is_refused(tmp_path: Path):
    write_dataset(tmp_path, 2)
    folders = await run_shards(make(tmp_path, ECHO), 2)
    backend = info_of(folders[0])["backend"]
    for label in ("../../elsewhere", "/elsewhere", "..", "\ud800", ""):
        for folder in folders:
            edit_info(folder, backend={**backend, "label": label})
        with pytest.raises(UsageError, match="no name of a folder"):
            merge(folders)
    assert merge(folders, out=tmp_path / "whole").state == "complete"


async def test_merge__twice_and_in_any_order_gives_the_same_bytes(tmp_path: Path):
    write_dataset(tmp_path, 20)
    folders = await run_shards(make(tmp_path, ECHO))
    merge(folders)
    before = contents(tmp_path / "runs" / "bot")
    assert sorted(before) == ["run.json", "run_results.jsonl"]
    merge([*reversed(folders), folders[0]])
    assert contents(tmp_path / "runs" / "bot") == before
    assert not (tmp_path / "runs" / "bot.1").exists()


async def test_merge__missing_shard_is_named(tmp_path: Path):
    write_dataset(tmp_path, 20)
    folders = await run_shards(make(tmp_path, ECHO))
    with pytest.raises(CannotMeasure) as failed:
        merge([folders[0], folders[2]])
    assert failed.value.exit_code == 3
    assert str(failed.value) == "the run is not whole: shard 2/3 is missing"
    assert "lm-eval-so run --shard 2/3" in str(failed.value.problems[0].hint)
    assert not (tmp_path / "runs" / "bot").exists()
    with pytest.raises(CannotMeasure) as failed:  # as many as there are
        merge([folders[1]])
    assert str(failed.value) == "the run is not whole: shard 1/3 is missing; shard 3/3 is missing"


async def test_merge__missing_rows_are_named(tmp_path: Path):
    write_dataset(tmp_path, 60)
    folders = await run_shards(make(tmp_path, ECHO))
    kept = rows(folders[1])
    gone = [kept.pop(3)["sample_id"], kept.pop(5)["sample_id"]]
    rewrite(folders[1], kept)
    with (folders[1] / "run_results.jsonl").open("ab") as file:
        file.write(b'{"sample_id": "q00')  # as a kill in a write leaves it
    with pytest.raises(CannotMeasure) as failed:
        merge(folders)
    n = len(kept)
    what = f"shard 2/3 has {n} of {n + 2} rows (without {gone[0]}, {gone[1]})"
    assert str(failed.value) == f"the run is not whole: {what}"


async def test_merge__partial_run_goes_on_where_it_lacks(tmp_path: Path):
    write_dataset(tmp_path, with_references(30))
    with ChatServer() as server:
        config = make(tmp_path, endpoint(server.url), metrics=["exact_match"])
        folders = await run_shards(config)
        lost = {row["sample_id"] for row in rows(folders[1])}
        events: list[Event] = []
        info = merge([folders[0], folders[2]], allow_partial=True, listener=events.append)
        assert (info.state, info.planned) == ("stopped", 30)
        assert info.stopped == {"by": "allow_partial", "missing": "shard 2/3 is missing"}
        assert [e.text for e in events if isinstance(e, Warned)] == [
            "not whole: shard 2/3 is missing"
        ]
        report = await evaluate(
            config, resources(), EvaluationInputs(runs=[tmp_path / "runs" / "bot"])
        )
        assert (report.experiment.eligible, report.experiment.missing) == (False, len(lost))
        before = len(server.requests)
        done = await run(config, resources())
        asked = {seen.text.removeprefix("환불은 며칠? #") for seen in server.requests[before:]}
    assert done.state == "complete"
    assert {f"q{int(text):04}" for text in asked} == lost


async def test_merge__whole_after_partial_leaves_nothing_aside(tmp_path: Path):
    write_dataset(tmp_path, 30)
    folders = await run_shards(make(tmp_path, ECHO))
    merge(folders[:2], allow_partial=True)
    assert merge(folders).state == "complete"
    assert len(rows(tmp_path / "runs" / "bot")) == 30
    assert not (tmp_path / "runs" / "bot.1").exists()


async def test_merge__altered_answer_is_refused(tmp_path: Path):
    write_dataset(tmp_path, 20)
    folders = await run_shards(make(tmp_path, ECHO))
    shutil.copytree(folders[0], tmp_path / "again")
    found = rows(tmp_path / "again")
    found[1]["response"]["text"] = "다른 답"
    rewrite(tmp_path / "again", found)
    with pytest.raises(RecordError) as failed:
        merge([*folders, tmp_path / "again"])
    assert failed.value.exit_code == 2
    name = found[1]["sample_id"]
    told = (
        f'sample "{name}", repeat 0: {folders[0]} and {tmp_path / "again"} have different answers'
    )
    assert [problem.what for problem in failed.value.problems] == [told]
    assert not (tmp_path / "runs" / "bot").exists()


async def test_merge__two_tries_of_a_shard(tmp_path: Path):
    """The first try has failed rows and lacks one; the second has all; what both have agrees."""
    write_dataset(tmp_path, 30)
    failing = {2, 5}

    def script(seen: Seen) -> Reply:
        return Reply(status=400) if seen.number in failing else Reply(text=f"답: {seen.text}")

    with ChatServer(script) as server:
        config = make(tmp_path, endpoint(server.url))
        shard = Shard(number=1, count=2)
        await run(config, resources(), RunOptions(out=tmp_path / "try-1", shard=shard))
        rewrite(tmp_path / "try-1", rows(tmp_path / "try-1")[:-1])
        failing.clear()
        await run(config, resources(), RunOptions(out=tmp_path / "try-2", shard=shard))
        await run(
            config, resources(), RunOptions(out=tmp_path / "other", shard=Shard(number=2, count=2))
        )
    folders = [tmp_path / name for name in ("try-2", "other", "try-1")]
    info = merge(folders)
    assert (info.state, info.counts, info.planned) == ("complete", {"ok": 30}, 30)
    assert [row["sample_id"] for row in rows(tmp_path / "bot")] == [f"q{i:04}" for i in range(30)]


async def test_merge__a_later_failure_does_not_cover_an_answer(tmp_path: Path):
    write_dataset(tmp_path, 6)
    with ChatServer(lambda _: "ok") as server:
        config = make(tmp_path, endpoint(server.url))
        await run(config, resources(), RunOptions(out=tmp_path / "a"))
        server.script = lambda seen: Reply(status=400) if seen.text.endswith("#3") else "ok"
        await run(config, resources(), RunOptions(out=tmp_path / "b"))
    assert merge([tmp_path / "a", tmp_path / "b"]).counts == {"ok": 6}


async def test_merge__parts_of_different_runs_are_all_told(tmp_path: Path):
    write_dataset(tmp_path, 10)
    config = make(tmp_path, ECHO)
    folders = await run_shards(config, 2)
    await run(make(tmp_path, ECHO, system="짧게"), resources(), RunOptions(out=tmp_path / "prompt"))
    edit_info(folders[1], repeats=2, dataset={**info_of(folders[1])["dataset"], "digest": "f" * 64})
    with pytest.raises(RecordError) as failed:
        merge([*folders, tmp_path / "prompt", tmp_path / "nowhere"])
    digest = info_of(folders[0])["dataset"]["digest"][:8]
    other = f"is no part of the same run as {folders[0]}"
    changed = f"another dataset: digest {digest} → ffffffff, repeats 1 → 2"
    assert [problem.what for problem in failed.value.problems] == [
        f"no run at {tmp_path / 'nowhere'}",
        f"{folders[1]} {other} ({changed})",
        f"{tmp_path / 'prompt'} {other} (system changed, shards of 2 → of 1)",
    ]


async def test_merge__without_the_dataset_by_shard_and_file(tmp_path: Path):
    write_dataset(tmp_path, 30)
    folders = await run_shards(make(tmp_path, ECHO))
    write_dataset(tmp_path, 31)
    info = merge(list(reversed(folders)))
    assert info.counts == {"ok": 30}
    expected = [row for folder in folders for row in rows(folder)]
    assert rows(tmp_path / "runs" / "bot") == expected
    rewrite(folders[0], rows(folders[0])[2:])
    with pytest.raises(CannotMeasure, match=r"shard 1/3 has \d+ of \d+ rows$"):
        merge(folders)


async def test_merge__rows_of_a_question_that_changed_do_not_count(tmp_path: Path):
    write_dataset(tmp_path, [{"id": "a", "input": "옛 질문"}, {"id": "b", "input": "x"}])
    config = make(tmp_path, ECHO)
    await run(config, resources(), RunOptions(out=tmp_path / "old"))
    stale = rows(tmp_path / "old")
    write_dataset(tmp_path, [{"id": "a", "input": "새 질문"}, {"id": "b", "input": "x"}])
    await run(config, resources(), RunOptions(out=tmp_path / "one"))
    await run(config, resources(), RunOptions(out=tmp_path / "two"))
    rewrite(tmp_path / "two", [*rows(tmp_path / "two"), stale[0]])
    merge([tmp_path / "one", tmp_path / "two"], out=tmp_path / "whole")
    assert [row["response"]["text"] for row in rows(tmp_path / "whole")] == ["새 질문", "x"]


async def test_merge__what_a_backend_leaves_out_is_not_missing(tmp_path: Path):
    write_dataset(tmp_path, 12)
    answers = [{"id": f"q{i:04}", "answer": "사흘"} for i in range(0, 12, 2)]
    text = "".join(json.dumps(answer) + "\n" for answer in answers)
    (tmp_path / "answers.jsonl").write_text(text)
    options = {"run": "answers.jsonl", "on_missing": "skip"}
    folders = await run_shards(make(tmp_path, {"name": "replay", "options": options}), 2)
    info = merge(folders)
    assert (info.state, info.planned, info.counts) == ("complete", 6, {"ok": 6})


async def test_merge__a_shard_without_samples_need_not_be_there(tmp_path: Path):
    write_dataset(tmp_path, [{"id": "refund-001", "input": "환불?"}])
    folders = await run_shards(make(tmp_path, ECHO))
    assert merge(folders[2:], out=tmp_path / "whole").state == "complete"


async def test_merge__answers_of_its_own_are_kept_aside(tmp_path: Path):
    write_dataset(tmp_path, 10)
    config = make(tmp_path, ECHO)
    folders = await run_shards(config, 2)
    await run(config, resources())
    own = rows(tmp_path / "runs" / "bot")
    own[0]["response"]["text"] = "내 답"
    rewrite(tmp_path / "runs" / "bot", own)
    events: list[Event] = []
    merge(folders, listener=events.append)
    told = [event.text for event in events if isinstance(event, Warned)]
    folder = tmp_path / "runs" / "bot"
    assert told == [f"{folder} has answers of its own; it is kept as {folder}.1"]
    assert rows(tmp_path / "runs" / "bot.1") == own
    assert rows(folder)[0]["response"]["text"] != "내 답"


async def test_merge__recount_holds_totals_against_rows(tmp_path: Path):
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    write_dataset(tmp_path, 12)
    with ChatServer(lambda seen: Reply(text=f"답: {seen.text}", usage=usage)) as server:
        section = endpoint(server.url)
        section["options"]["price"] = {"input_per_mtok": 1.0, "output_per_mtok": 2.0}
        config = make(tmp_path, section, run={"repeats": 2})
        folders = await run_shards(config, 2)
    whole = merge(folders, recount=True)
    assert (whole, whole.usage.output_tokens) == (merge(folders), 24 * 5)
    [one, two], info = folders, info_of(folders[0])
    changes: list[tuple[str, dict[str, Any]]] = [
        (
            "counts, planned",
            {"counts": {"ok": info["planned"] - 1}, "planned": info["planned"] - 1},
        ),
        ("usage", {"usage": {**info["usage"], "output_tokens": 1}}),
        ("cost_usd", {"cost_usd": info["cost_usd"] + 1e-9}),
        ("unpriced", {"unpriced": 1}),
    ]
    for names, values in changes:
        edit_info(one, **values)
        with pytest.raises(RecordError) as failed:
            merge(folders, recount=True)
        told = [problem.what for problem in failed.value.problems]
        assert told == [f"{one}: {names} of run.json are not those of its rows"]
        assert merge(folders).usage == whole.usage  # which come from the rows in any case
        edit_info(one, **info)
    found = rows(two)
    found[0]["usage"]["output_tokens"] = 6  # the same answer, and another bill
    rewrite(two, found)
    with pytest.raises(RecordError, match="usage of run"):
        merge(folders, recount=True)
    edit_info(two, state="running")  # as a kill leaves it: without a last word
    assert merge(folders, recount=True).usage.output_tokens == 24 * 5 + 1


async def test_merge__refuses_to_write_over_a_part(tmp_path: Path):
    write_dataset(tmp_path, 4)
    folders = await run_shards(make(tmp_path, ECHO), 2)
    before = contents(folders[0])
    with pytest.raises(UsageError, match="is one of the parts"):
        merge(folders, out=folders[0] / ".." / folders[0].name)
    assert contents(folders[0]) == before


async def test_merge__line_that_is_no_row_is_named(tmp_path: Path):
    write_dataset(tmp_path, 10)
    folders = await run_shards(make(tmp_path, ECHO), 2)
    with (folders[1] / "run_results.jsonl").open("a") as file:
        file.write('{"sample_id": 3}\n')
    with pytest.raises(InputError) as failed:
        merge(folders)
    where = failed.value.problems[0].where
    assert where is not None
    assert where.file == str(folders[1] / "run_results.jsonl")
    assert where.line == len(rows(folders[1]))


async def test_merge__memory_does_not_grow_with_rows(tmp_path: Path):
    samples = [{"id": f"q{i}", "input": f"{i} {'환불' * 20_000}"} for i in range(200)]
    write_dataset(tmp_path, samples)
    folders = await run_shards(make(tmp_path, ECHO), 2)
    tracemalloc.start()
    try:
        merge(folders)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4_000_000  # the rows alone are 24 MB


async def test_merge__damaged_line_says_what_mends_it(tmp_path: Path):
    write_dataset(tmp_path, 12)
    config = make(tmp_path, ECHO)
    folders = await run_shards(config, 2)
    log = folders[0] / "run_results.jsonl"
    log.write_bytes(b"{}\n" + log.read_bytes().split(b"\n", 1)[1])
    with pytest.raises(RecordError) as failed:
        merge(folders)
    problem = failed.value.problems[0]
    assert problem.where is not None
    assert (problem.where.file, problem.where.line) == (str(log), 1)
    assert problem.hint == (
        f"lm-eval-so run --shard 1/2 -o {folders[0]} keeps the line apart and asks its row again"
    )
    shard = Shard(number=1, count=2)
    again = await run(config, resources(), RunOptions(shard=shard, out=folders[0]))
    assert again.requests == again.planned + 1
    assert merge(folders).counts == {"ok": 12}


async def test_merge__run_json_that_cannot_be_read(tmp_path: Path):
    write_dataset(tmp_path, 12)
    folders = await run_shards(make(tmp_path, ECHO), 2)
    for folder in folders:
        (folder / "run.json").write_text("")
    with pytest.raises(RecordError) as failed:
        merge(folders)
    told = [
        (problem.where.file, problem.hint) for problem in failed.value.problems if problem.where
    ]
    hint = "put a copy of it back, or run again: a new run begins, and this one is kept aside"
    assert told == [(str(folder / "run.json"), hint) for folder in folders]
