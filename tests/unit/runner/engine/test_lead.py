"""A run led over workers in this process, which can be lost like those of a cluster."""

import asyncio
import json
import pickle
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from servers.fast import fast
from servers.runs import ENVIRON, KEY, endpoint, resources, rows, until, write_dataset

from lm_eval_so.core.asking.shared_limits import Limit
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.events import Event, Moved
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.errors import (
    BackendError,
    BudgetSpent,
    CannotMeasure,
    ErrorKind,
    InputError,
    Interrupted,
    LMEvalError,
    UsageError,
)
from lm_eval_so.runner import cli
from lm_eval_so.runner.engine.assignment import Assignment, Call, Origin
from lm_eval_so.runner.engine.coordinator import Coordinator
from lm_eval_so.runner.engine.lead import Lead, WorkerLost
from lm_eval_so.runner.engine.worker import Worker
from lm_eval_so.runner.merge.merge import merge
from lm_eval_so.runner.plan.selection import RunOptions, Selection
from lm_eval_so.runner.run import run
from lm_eval_so.runner.store.fingerprint import NewRun
from lm_eval_so.runner.store.recorder import Recorder
from lm_eval_so.terminal.command_line import CommandLine
from lm_eval_so.testing import ChatServer, Reply, Seen

PRICE = {"input_per_mtok": 100, "output_per_mtok": 200}


class Here:
    """An engine whose workers live in this process; to kill one is to cut off all that it does."""

    def __init__(self, config: Path, *, workers: int = 2, size: int = 5) -> None:
        self.config, self.workers, self.size = config, workers, size
        self.working: dict[str, set[asyncio.Task[Any]]] = {}
        self.coordinator = Coordinator({})
        self.employed: list[str] = []
        self.is_cut_off = self.has_lost_coordinator = self.is_unheard = False
        self.tells: Callable[[Assignment], Assignment] = lambda given: given
        self.sent: list[Any] = []

    async def begin(self, config: Config, options: RunOptions) -> None:
        pass

    async def ask_all(
        self, config: Config, selection: Selection, new: NewRun, recorder: Recorder
    ) -> LMEvalError | None:
        dataset = selection.samples
        assert isinstance(dataset, Dataset)
        lead = Lead(recorder, new, dataset, run=config.run, crew=self)
        origin = Origin(config=self.config)
        return await lead.ask_all(origin, workers=self.workers, size=self.size)

    def start(self, budget: dict[Limit, Decimal]) -> None:
        self.coordinator = Coordinator(budget)

    async def call(self, method: str, *arguments: Any) -> Any:
        await asyncio.sleep(0)
        if self.is_cut_off:
            raise asyncio.CancelledError
        if self.has_lost_coordinator:
            raise WorkerLost("its node is gone")
        return getattr(self.coordinator, method)(*arguments)

    @asynccontextmanager
    async def employ(self, name: str, assignment: Assignment) -> AsyncIterator[Call]:
        async def tell(method: str, *arguments: Any) -> Any:
            if name not in self.working:
                raise WorkerLost("killed")  # whoever is dead says nothing
            if self.is_unheard:
                raise WorkerLost("no way to it")
            self.sent.append(arguments)
            return await self.call(method, *arguments)

        async def call(method: str, *arguments: Any) -> Any:
            if name not in self.working:
                raise WorkerLost("killed")
            self.sent.append(arguments)
            task = asyncio.create_task(getattr(worker, method)(*arguments))
            self.working[name].add(task)
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                if not task.done():
                    raise
                raise WorkerLost("killed") from None

        self.employed.append(name)
        assignment = self.tells(assignment)
        self.sent.append(assignment)
        worker, self.working[name] = Worker(name, assignment, tell), set()
        try:
            yield call
        finally:
            self.kill(name)
            with suppress(WorkerLost):
                await worker.end()

    def kill(self, name: str) -> None:
        for task in self.working.pop(name, set()):
            task.cancel()


def write(folder: Path, url: str, **run: Any) -> Path:
    """Write a config file, which each worker reads by itself."""
    file = folder / "lm-eval-so.yaml"
    values = {
        "version": 1,
        "suite": "test",
        "dataset": {"path": "."},
        "backend": endpoint(url, max_tokens=5) | {"options": {"base_url": url, "price": PRICE}},
        "run": {"cache": False, "concurrency": 4, **run},
    }
    file.write_text(json.dumps(values), encoding="utf-8")
    return file


async def ask(
    file: Path, engine: Here | None, events: list[Event] | None = None, **more: Any
) -> RunInfo:
    options = RunOptions(engine=engine, out=file.parent / "run")
    return await run(load_config(file), resources(events, **more), options)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


def same(info: RunInfo, other: RunInfo) -> bool:
    """Return whether two runs say the same, but for times."""
    times = {"started_at": "", "resumed_at": None, "finished_at": None, "limits": ()}
    return replace(info, **times) == replace(other, **times)


def answers(folder: Path) -> list[tuple[Any, ...]]:
    return [
        (row["sample_id"], row["repeat"], row["status"], row["response"]) for row in rows(folder)
    ]


async def test_lead__the_run_is_what_one_process_makes(tmp_path: Path):
    """Repeats, conversations, blank lines, a byte-order mark; and nothing else is left behind."""
    user = {"goal": "환불", "opening": "환불이요"}
    played = {"scenario": {"simulated_user": user, "stop": {"max_turns": 2}}}
    scripted = {"scenario": {"turns": [{"user": "취소요"}, {"user": "언제요?"}]}}
    asked = [{"input": f"#{number}"} for number in range(19)]
    samples = [*asked[:9], played, scripted, *asked[9:], played, scripted]
    write_dataset(tmp_path, [{"id": f"q{i:02}", **each} for i, each in enumerate(samples)])
    text = (tmp_path / "test.jsonl").read_text("utf-8")
    (tmp_path / "test.jsonl").write_text("\ufeff" + text.replace("\n", "\n\n"), "utf-8")
    move = json.dumps({"progress": True, "done": False, "reason": "open", "message": "언제요?"})
    with ChatServer() as server, ChatServer(lambda _: Reply(text=move)) as user_server:
        simulator = {"backend": endpoint(user_server.url)}
        file = write(tmp_path, server.url, repeats=2, simulator=simulator)
        alone = await ask(file, None)
        before, requests = answers(tmp_path / "run"), len(server.requests)
        (tmp_path / "run").rename(tmp_path / "alone")
        events: list[Event] = []
        info = await ask(file, Here(file), events)
    assert same(info, alone)
    assert answers(tmp_path / "run") == before
    assert len(server.requests) == 2 * requests
    assert server.peak <= 4
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["run.json", "run_results.jsonl"]
    last = [event for event in events if isinstance(event, Moved)][-1]
    assert (last.done, last.note) == (46, "0 workers, 0 chunks left")


async def test_lead__a_killed_worker_loses_what_was_under_way_alone(tmp_path: Path):
    write_dataset(tmp_path, 60)

    def script(seen: Seen) -> Reply:
        if len(server.requests) == 24:
            loop.call_soon_threadsafe(engine.kill, next(iter(engine.working)))
        return Reply(text="ok", latency_s=0.02)

    loop = asyncio.get_running_loop()
    with ChatServer(script) as server:
        file = write(tmp_path, server.url)
        engine, events = Here(file), list[Event]()
        info = await ask(file, engine, events)
    assert info.counts == {"ok": 60}
    assert [row["sample_id"] for row in rows(tmp_path / "run")] == [f"q{i:04}" for i in range(60)]
    assert 60 <= len(server.requests) <= 60 + 2
    assert len(engine.employed) == 3
    assert any("is lost, and replaced: killed" in str(event) for event in events)


async def test_lead__a_sample_that_kills_is_found_and_the_rest_is_asked(tmp_path: Path):
    write_dataset(tmp_path, 12)

    def script(seen: Seen) -> Reply:
        if seen.text.endswith("#7"):
            loop.call_soon_threadsafe(kill_all)
        return Reply(text="ok", latency_s=0.05)

    def kill_all() -> None:
        for name in list(engine.working):
            engine.kill(name)

    loop = asyncio.get_running_loop()
    with ChatServer(script) as server:
        file = write(tmp_path, server.url)
        engine = Here(file, workers=1, size=6)
        info = await ask(file, engine, **fast(60))
    assert info.counts == {"ok": 11, "error": 1}
    bad = [row for row in rows(tmp_path / "run") if row["status"] == "error"]
    assert [(row["sample_id"], row["error"]["kind"]) for row in bad] == [("q0007", "worker_killed")]


async def test_lead__a_lost_worker_claims_nothing_more(tmp_path: Path):
    """It waits for a second chunk as its first one is lost; the place is empty for a second then."""

    def script(seen: Seen) -> Reply:
        if len(server.requests) <= 2:
            loop.call_soon_threadsafe(engine.kill, engine.employed[-1])
        return Reply(text="ok", latency_s=0.05)

    write_dataset(tmp_path, 2)
    loop = asyncio.get_running_loop()
    with ChatServer(script) as server:
        engine = Here(write(tmp_path, server.url), workers=1)
        info = await ask(engine.config, engine)
    assert (info.counts, len(engine.employed)) == ({"ok": 2}, 3)


async def test_lead__workers_that_all_die_end_the_run(tmp_path: Path):
    write_dataset(tmp_path, 30)
    engine = Here(write(tmp_path, "http://127.0.0.1:9/v1"))
    engine.tells = lambda given: (_ for _ in ()).throw(WorkerLost("no memory"))
    with pytest.raises(CannotMeasure, match="5 workers in a row were lost"):
        await ask(engine.config, engine, **fast(60))
    assert not (tmp_path / "run" / "leader.json").exists()


async def test_lead__a_bad_place_is_not_refilled_at_once_while_others_go_on(tmp_path: Path):
    def tells(given: Assignment) -> Assignment:
        if engine.employed[-1].partition("-")[2].startswith("1."):
            raise WorkerLost("no memory")
        return given

    write_dataset(tmp_path, 60)
    with ChatServer(lambda seen: Reply(text="ok", latency_s=0.04)) as server:
        engine = Here(write(tmp_path, server.url))
        engine.tells = tells
        assert (await ask(engine.config, engine)).counts == {"ok": 60}
    assert 2 <= len(engine.employed) - 1 <= 3  # at once, then a second later, then three


async def test_lead__time_is_up_for_all_and_nothing_is_lost(tmp_path: Path):
    write_dataset(tmp_path, 500)
    with ChatServer(lambda seen: Reply(text="ok", latency_s=0.02)) as server:
        file = write(tmp_path, server.url, max_time_s=0.6)
        with pytest.raises(BudgetSpent, match=r"stopped at 0\.6 s"):
            await ask(file, Here(file, size=50))
    assert 0 < len(server.requests) == len(rows(tmp_path / "run")) < 500
    stopped = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["stopped"]
    assert stopped["by"] == "max_time_s"


async def test_lead__rows_that_do_not_come_end_the_run(tmp_path: Path):
    class Elsewhere(Here):
        @asynccontextmanager
        async def employ(self, name: str, assignment: Assignment) -> AsyncIterator[Call]:
            async def lose(method: str, *arguments: Any) -> Any:
                told = await call(method, *arguments)
                if method == "ask":
                    shutil.rmtree(tmp_path / "run" / "parts" / arguments[0].part)
                return told

            async with super().employ(name, assignment) as call:
                yield lose

    write_dataset(tmp_path, 100)
    with ChatServer(lambda seen: Reply(text="ok", latency_s=0.05)) as server:
        engine = Elsewhere(write(tmp_path, server.url))
        with pytest.raises(CannotMeasure, match="rows of workers do not come to"):
            await ask(engine.config, engine)
    assert len(server.requests) < 100


@pytest.mark.parametrize(
    ("limits", "most", "by"),
    [({"max_requests": 40}, 40, "max_requests"), ({"max_cost_usd": 0.08}, 40, "max_cost_usd")],
)
async def test_lead__the_budget_is_that_of_all_workers(
    tmp_path: Path, limits: dict[str, float], most: int, by: str
):
    """An answer costs 0.002, and may cost up to 0.00245 beforehand."""
    write_dataset(tmp_path, 100)
    with ChatServer(lambda seen: Reply(text="ok", latency_s=0.01)) as server:
        file = write(tmp_path, server.url, **limits)
        with pytest.raises(BudgetSpent, match=f"raise run.{by}|after") as error:
            await ask(file, Here(file))
        asked = len(server.requests)
        assert most - 4 <= asked <= most
        assert f"raise run.{by}" in str(error.value.problems[0].hint)
        stopped = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["stopped"]
        assert stopped["by"] == by
        with pytest.raises(BudgetSpent):  # a budget is the run's, however often it is begun
            await ask(file, Here(file))
        assert len(server.requests) <= most
        file = write(tmp_path, server.url)
        assert (await ask(file, None)).counts == {"ok": 100}
    assert len(server.requests) == 100


async def test_lead__the_rate_is_that_of_all_workers_and_a_refusal_stops_all(tmp_path: Path):
    write_dataset(tmp_path, 80)

    def script(seen: Seen) -> Reply:
        is_40th = len(server.requests) == 40
        busy = Reply(status=429, headers={"retry-after": "2"})
        return busy if is_40th else Reply(text="ok", latency_s=0.01)

    with ChatServer(script) as server:
        file = write(tmp_path, server.url, max_requests_per_s=50)
        info = await ask(file, Here(file))
        times = sorted(seen.at for seen in server.requests)
    assert info.counts == {"ok": 80}
    assert len(times) == 81
    fullest = max(sum(at <= other < at + 1 for other in times) for at in times)
    assert fullest <= 50 * 1.05 + 4  # a busy machine sends late what was due before
    refused_at = times[39]
    assert not [at for at in times if refused_at + 1.0 < at < refused_at + 1.9]


async def test_lead__refused_credentials_end_it_for_all(tmp_path: Path):
    write_dataset(tmp_path, 30)
    with ChatServer(lambda seen: Reply(status=401, message="no such key")) as server:
        file = write(tmp_path, server.url)
        with pytest.raises(BackendError) as error:
            await ask(file, Here(file))
    assert error.value.kind is ErrorKind.AUTH
    assert len(server.requests) <= 2
    assert error.value.problems[0].what.startswith(f"on {socket.gethostname()}: ")


async def test_lead__ctrl_c_keeps_what_came_and_either_engine_goes_on(tmp_path: Path):
    write_dataset(tmp_path, 150)
    stop, until_now = asyncio.Event(), 0
    loop = asyncio.get_running_loop()

    def script(seen: Seen) -> Reply:
        if len(server.requests) >= until_now + 8:
            loop.call_soon_threadsafe(stop.set)
        return Reply(text="ok", latency_s=0.02)

    with ChatServer(script) as server:
        file = write(tmp_path, server.url)
        with pytest.raises(Interrupted, match="rows are in"):
            await ask(file, Here(file), stop=stop)
        assert not (tmp_path / "run" / "parts").exists()
        stop, until_now = asyncio.Event(), len(server.requests)
        with pytest.raises(Interrupted):
            await ask(file, None, stop=stop)
        until_now = 1000
        assert (await ask(file, Here(file))).counts == {"ok": 150}
    assert len(server.requests) == 150


@pytest.mark.parametrize(
    ("lost", "told", "limits"),
    [
        ("has_lost_coordinator", "coordinator is lost: its node is gone", {"max_requests": 300}),
        ("is_unheard", "^the workers' coordinator is lost$", {}),
    ],
)
async def test_lead__a_lost_coordinator_ends_the_run_with_all_that_came(
    tmp_path: Path, lost: str, told: str, limits: dict[str, Any]
):
    write_dataset(tmp_path, 200)
    with ChatServer(lambda seen: Reply(text="ok", latency_s=0.02)) as server:
        file, events = write(tmp_path, server.url, **limits), list[Event]()
        engine = Here(file, size=20)
        leading = asyncio.create_task(ask(file, engine, events))
        await until(lambda: len(server.requests) > 12)
        setattr(engine, lost, True)
        with pytest.raises(CannotMeasure, match=told):
            await leading
        asked = len(server.requests)
        assert len(rows(tmp_path / "run")) == asked
        assert not [each for each in events if "is lost, and replaced" in str(each)]
        assert not (tmp_path / "run" / "leader.json").exists()
        assert (await ask(file, None)).counts == {"ok": 200}
    assert len(server.requests) == 200


async def test_lead__a_leader_that_is_cut_off_leaves_parts_which_either_engine_takes_up(
    tmp_path: Path,
):
    write_dataset(tmp_path, 60)
    with ChatServer(lambda seen: Reply(text="ok", latency_s=0.02)) as server:
        file = write(tmp_path, server.url)
        for engine in (Here(file, size=20), Here(file, size=7)):
            leading = asyncio.create_task(ask(file, engine))
            asked = len(server.requests)
            await until(lambda asked=asked: len(server.requests) > asked + 12)
            engine.is_cut_off = True
            for name in list(engine.working):
                engine.kill(name)
            leading.cancel()
            await asyncio.gather(leading, return_exceptions=True)
            parts = [*(tmp_path / "run" / "parts").iterdir()]
            assert parts
        with (parts[0] / "run_results.jsonl").open("ab") as file_of_part:
            file_of_part.write(b'{"half')
        # one that was believed dead, and wrote on
        shutil.copytree(parts[0], parts[0].with_name("zombie"))
        shutil.copytree(tmp_path / "run", merged := tmp_path / "merged")
        with pytest.raises(CannotMeasure, match="the run has"):
            merge([merged], out=merged)
        there, asked = len(rows(merged)), len(server.requests)
        assert not (merged / "parts").exists()
        assert merge([merged], out=merged, allow_partial=True).counts == {"ok": there}
        events: list[Event] = []
        assert (await ask(file, None, events)).counts == {"ok": 60}
        assert len(server.requests) == asked + 60 - there
    assert any("of workers that have ended are taken up" in str(event) for event in events)
    assert 60 <= len(server.requests) <= 60 + 2 * 4
    assert [row["sample_id"] for row in rows(tmp_path / "run")] == [f"q{i:04}" for i in range(60)]
    assert not (tmp_path / "run" / "parts").exists()


async def test_lead__a_machine_that_is_set_up_otherwise_is_refused(tmp_path: Path):
    write_dataset(tmp_path, 10)
    (other := tmp_path / "other").mkdir()
    lines = (tmp_path / "test.jsonl").read_text("utf-8").replace("#3", "#4")
    (other / "test.jsonl").write_text(lines, "utf-8")
    with ChatServer() as server:
        file = write(tmp_path, server.url)
        strange = write(other, server.url.replace("127.0.0.1", "localhost"))
        cases: list[tuple[Callable[[Assignment], Assignment], str]] = [
            (lambda given: replace(given, folder=other), "is not the folder that the run began in"),
            (
                lambda given: replace(given, origin=Origin(config=other / "none.yaml")),
                "none.yaml",
            ),
            (
                lambda given: replace(given, origin=Origin(config=strange)),
                "would ask another chatbot",
            ),
            (
                lambda given: replace(given, dataset=other / "test.jsonl"),
                "is not the dataset that the run began with",
            ),
        ]
        for tells, text in cases:
            engine = Here(file)
            engine.tells = tells
            with pytest.raises(InputError) as error:
                await ask(file, engine)
            told = error.value.problems[0].what
            assert text in told
            assert told.startswith(f"on {socket.gethostname()}: ")
    assert server.requests == []


async def test_lead__nothing_secret_is_sent_to_workers(tmp_path: Path):
    write_dataset(tmp_path, 10)
    with ChatServer(lambda seen: Reply(text=f"your key is {KEY}")) as server:
        engine = Here(write(tmp_path, server.url))
        await ask(engine.config, engine)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert len(engine.sent) > 10
    assert KEY.encode() not in pickle.dumps(engine.sent)


def test_engine__says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lm_eval_so.runner.engine.ray_engine", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="--engine ray needs Ray") as error:
        cli._ray_engine(CommandLine(), address="local", workers=None, size=None)
    assert error.value.problems[0].hint == 'pip install "LM-Eval-SO[ray]", on all machines'
