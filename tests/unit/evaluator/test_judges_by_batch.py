"""Judges asked by batch: rounds, what is asked one by one, resuming, and the same report as live."""

import asyncio
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from evaluation import EPOCH, a_run, write_run
from rag_judges import claims, label, verdicts
from servers.batch_server import BatchServer, Line
from servers.runs import ENVIRON, resources, until, write_dataset

from lm_eval_so.comparator.gate.check import check as check_gate
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed, Warned
from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.enums import Claim
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import BackendError, CannotMeasure, ConfigError, Interrupted, UsageError
from lm_eval_so.evaluator.binding.batch_judges import cancel_judges
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate
from lm_eval_so.evaluator.evaluation_plan import check
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.pipeline.measure.further import score_run

PRICE = {"input_per_mtok": 1.0, "output_per_mtok": 2.0}
ALONE_USD = 0.002
"""What a request costs at that price, with the server's usage, if it is asked alone."""
N = 12


class Restless(Metric):
    requires = frozenset({"judge"})

    async def score(self, sample: TestSample, run: RunResult) -> bool:
        del sample, run
        ask = self.env.ask
        assert ask is not None
        asked = Message(role="user", content=f"{random.random()}")
        answer = await ask(ChatRequest(messages=(asked,)))
        return answer.response is not None


def said(body: Mapping[str, Any]) -> str:
    return str(body["messages"][0]["content"])


def sample_of(body: Mapping[str, Any]) -> int:
    found = re.search(r"며칠\? #(\d+)", said(body))
    return int(found[1]) if found else -1


def judge(body: Mapping[str, Any]) -> Line:
    """Judge by what is asked, the same text always in the same way."""
    text, model = said(body), str(body["model"])
    if "<<CLAIMS " in text:
        return Line(text=verdicts("supported" if u64(text) % 3 else "absent"))
    if "<<A " in text:
        return Line(text=label(("A", "B", "TIE")[u64(text) % 3]))
    if "<<TEXT " in text:
        return Line(text=claims(text.split("<<TEXT ")[1].split("\n")[1]))
    return Line(text=label("좋음" if u64(text, model) % 2 else "나쁨"))


def section(server: BatchServer, model: str = "judge-a", **params: Any) -> dict[str, Any]:
    options = {"base_url": server.url, "price": PRICE}
    return {"name": "openai", "params": {"model": model, **params}, "options": options}


def helpful(server: BatchServer, **more: Any) -> dict[str, Any]:
    params = {"rubric": "기간을 말하면 좋음", "labels": ["좋음", "나쁨"]}
    judged = {"backend": section(server)} if "panel" not in more else {}
    return {"id": "helpful", "name": "llm_judge", "params": params, **judged, **more}


def a_config(folder: Path, metrics: list[Any], by: str = "batch", **run: Any) -> Config:
    metrics = [{**each, "judge": {"executor": by, **each.get("judge", {})}} for each in metrics]
    values = {"version": 1, "suite": "test", "dataset": {"path": "test.jsonl"}}
    return make_config({**values, "metrics": metrics, "run": run}, folder=folder)


def prepare(folder: Path, n: int = N, *, repeats: int = 1) -> None:
    """Write a dataset with passages and a run over it."""
    passage = {"role": "gold", "text": "환불은 영업일 기준 3일 걸립니다."}
    own = {"pairwise": {"baseline_answer": "잘 모르겠습니다."}}
    same = {"expected": "환불은 3일 걸립니다", "context": [passage], "metrics": own}
    samples = [{"id": f"q{i}", "input": f"며칠? #{i}", **same} for i in range(n)]
    write_dataset(folder, [*samples[:-1], {**samples[-1], "tags": ["last"]}])

    def answer(sample: TestSample, repeat: int) -> RunResult:
        return a_run(f"{sample.id}: 환불은 3일 걸립니다 ({repeat})")

    write_run(folder, folder / "test.jsonl", answer, repeats=repeats)


def patient(events: list[Event] | None = None, **more: Any) -> Resources:
    async def wait(seconds: float, stop: asyncio.Event) -> None:
        del seconds, stop
        await asyncio.sleep(0)

    return replace(resources(events, {**ENVIRON, **EPOCH}), wait=wait, **more)


async def go(config: Config, events: list[Event] | None = None) -> EvaluationReport:
    inputs = EvaluationInputs(runs=[config.folder / "bot"])
    return await evaluate(config, patient(events), inputs)


def but_for_costs(values: Any) -> Any:
    """Leave out of a report what the price of an answer decides."""
    if isinstance(values, dict):
        return {
            k: but_for_costs(v) for k, v in values.items() if k not in {"cost_usd", "judges_usd"}
        }
    return [but_for_costs(each) for each in values] if isinstance(values, list) else values


def sizes(server: BatchServer) -> list[int]:
    return [batch["request_counts"]["total"] for batch in server.book.batches.values()]


def logs(folder: Path) -> list[Path]:
    return [*folder.rglob("batch.json")]


async def test_evaluate__by_batch_gives_the_report_of_a_live_one_at_half_the_price(tmp_path: Path):
    """A panel, pairs, and claims that both repeats share: one judge for three metrics at once."""
    prepare(tmp_path, n := N // 2, repeats=2)
    with BatchServer(judge, looks=2) as server:
        server.direct = judge
        a, b = section(server), section(server, "judge-b")
        recall = {"name": "context_recall", "params": {"context": "sample"}, "backend": a}
        metrics = [
            helpful(server, panel=[a, b, section(server, "judge-c")], judge={"template": "ko"}),
            {**recall, "judge": {"template": "ko"}},
            {"name": "pairwise", "params": {"rubric": "더 정확한 쪽"}, "backend": a},
        ]
        live = await go(a_config(tmp_path, metrics, "live", cache="cache.sqlite"))
        asked, server.book.direct[:] = len(server.book.direct), []
        (tmp_path / "cache.sqlite").unlink()
        events: list[Event] = []
        report = await go(a_config(tmp_path, metrics, cache="cache.sqlite"), events)
        assert len(server.book.direct) == 3  # the first request of each judge
        assert sizes(server) == [3 * N + n - 1, N - 1, N - 1, N]
        lines = [json.loads(x) for x in server.book.files["file-0"].splitlines()]
        assert {line["body"]["model"] for line in lines} == {"judge-a"}
        assert but_for_costs(to_json(report)) == but_for_costs(to_json(live))
        again = await go(a_config(tmp_path, metrics, cache="cache.sqlite"))
        assert (len(server.book.batches), len(server.book.direct)) == (4, 3)
    assert asked == 6 * N + n
    assert len(set(report.samples.scores["helpful"])) == 2
    assert live.cost.judges_usd == pytest.approx(asked * ALONE_USD)
    assert report.cost.judges_usd == pytest.approx((asked - 3) * ALONE_USD / 2 + 3 * ALONE_USD)
    assert again.cost.judges_usd == 0
    assert [e.text for e in events if isinstance(e, Noticed)][1] == (
        "batch batch_0: 41 requests handed over"
    )
    assert not [e for e in events if isinstance(e, Warned)]
    assert not logs(tmp_path)


async def test_evaluate__what_a_batch_does_not_answer(tmp_path: Path):
    """No line, a line that expired, an error, an output that needs a repair, a row judged twice."""
    prepare(tmp_path)
    expired = Line(error={"code": "batch_expired", "message": "not in time"})
    wrong = Line(status=400, error={"message": "no such field"})
    lines = {3: Line(), 4: expired, 5: wrong, 6: Line(text="좋음!")}

    def script(body: Mapping[str, Any]) -> Line:
        return lines.get(sample_of(body)) or Line(text=label("좋음"))

    with BatchServer(script, ends="expired") as server:
        server.direct = lambda _: Line(text=label("나쁨"))
        config = a_config(tmp_path, [helpful(server, judge={"retest": 2})], batch_leftovers="leave")
        with pytest.raises(CannotMeasure, match="2 requests to judges did not come back"):
            await go(config)
        assert [sample_of(body) for body in server.book.direct] == [0]
        report = await go(a_config(tmp_path, [helpful(server, judge={"retest": 2})]))
        assert sizes(server) == [N - 1]
        alone = [sample_of(body) for body in server.book.direct]
        assert sorted(alone[1:5]) == [3, 4, 5, 6]  # in another process that one is asked again, too
        assert len(alone) == 1 + 4 + 2
        assert len(server.book.direct[alone.index(6)]["messages"]) == 3  # told what is wrong
    values = report.samples.scores["helpful"]
    assert [i for i, value in enumerate(values) if value == 0] == [0, 3, 4, 5, 6]
    assert report.judges["helpful"].retested == 2


async def test_evaluate__refused_line_is_a_lost_vote_as_live(tmp_path: Path):
    prepare(tmp_path)
    wrong = Line(status=400, error={"message": "no such field"})
    with BatchServer(lambda b: wrong if sample_of(b) == 5 else judge(b)) as server:
        server.direct = judge
        report = await go(a_config(tmp_path, [helpful(server)]))
        assert len(server.book.direct) == 1
    assert report.judges["helpful"].unscored == {"judge_error": 1}


async def test_evaluate__stopped_leaves_the_batch_going(tmp_path: Path):
    prepare(tmp_path)
    events: list[Event] = []
    with BatchServer(judge, looks=10**6) as server:
        server.direct = judge
        config, shared = a_config(tmp_path, [helpful(server)]), resources(events)
        inputs = EvaluationInputs(runs=[tmp_path / "bot"])
        with pytest.raises(UsageError, match="no batch of a judge goes on"):
            await cancel_judges(config, patient())
        task = asyncio.create_task(evaluate(config, shared, inputs))
        await until(lambda: any(batch["_looks"] for batch in server.book.batches.values()))
        with pytest.raises(UsageError, match="is being written by process"):
            await go(config)
        shared.stop.set()
        with pytest.raises(Interrupted):
            await task
        warned = [event for event in events if isinstance(event, Warned)]
        assert re.fullmatch(r"batch batch_0 goes on \(\d of 11\)", warned[0].text)
        assert warned[0].hint == (
            "come back with lm-eval-so evaluate -c lm-eval-so.yaml, "
            "or stop it with evaluate --cancel-batch"
        )
        with pytest.raises(UsageError, match="batch batch_0 of a judge of helpful goes on"):
            await go(a_config(tmp_path, [helpful(server)], "live"))
        states = await cancel_judges(config, patient())
        assert [state.status for state in states] == ["cancelling"]
        live = {**helpful(server), "id": "other", "judge": {"executor": "live"}}
        report = await go(a_config(tmp_path, [helpful(server), live]))  # its judge is the same
        assert (sizes(server), len(server.book.direct)) == ([N - 1], 1 + N)
    assert report.metrics["helpful"].rows == N


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/files"), ("POST", "/batches"), ("GET", "/files/output-batch_1/content")],
)
async def test_evaluate__that_dies_after_a_step_resumes_there(
    tmp_path: Path, method: str, path: str
):
    """Each request of two rounds is in one batch, whatever died in between."""
    prepare(tmp_path)
    task: list[asyncio.Task[Any]] = []
    loop = asyncio.get_running_loop()

    def die(*step: str) -> None:
        if step == (method, path) and task:
            loop.call_soon_threadsafe(task.pop().cancel)
            raise ConnectionAbortedError  # so that it never learns of the answer

    with BatchServer(judge) as server:
        server.direct = judge
        a = section(server)
        config = a_config(tmp_path, [helpful(server), {"name": "faithfulness", "backend": a}])
        server.after = die
        task.append(asyncio.create_task(go(config)))
        dying = task[0]
        with pytest.raises(asyncio.CancelledError):
            await dying
        report = await go(config)
        ids = [
            json.loads(line)["custom_id"]
            for batch in server.book.batches.values()
            for line in server.book.files[batch["input_file_id"]].splitlines()
        ]
        direct = len(server.book.direct)
        assert len(ids) == len(set(ids)) == 3 * N - direct
        assert direct <= 2  # each process asks its first new request at once
    assert report.metrics["faithfulness"].rows == report.metrics["helpful"].rows == N
    # what the process that died asked at once is of the cache
    spent = len(ids) * ALONE_USD / 2 + (direct - 1) * ALONE_USD
    assert report.cost.judges_usd == pytest.approx(spent)


async def test_evaluate__budget_bounds_what_is_handed_over(tmp_path: Path):
    prepare(tmp_path)
    with BatchServer(judge) as server:
        server.direct = judge
        report = await go(a_config(tmp_path, [helpful(server)], max_requests=8))
        assert (sizes(server), len(server.book.direct)) == ([7], 1)
    assert report.judges["helpful"].unscored == {"judge_budget": N - 8}


async def test_evaluate__money_that_was_not_needed_goes_into_further_batches(tmp_path: Path):
    prepare(tmp_path)
    with BatchServer(judge) as server:
        server.direct = judge
        # by batch a request may cost about 0.0206, and does cost 0.001
        metric = helpful(server, backend=section(server, max_tokens=20_000))
        report = await go(a_config(tmp_path, [metric], max_cost_usd=0.06))
        assert (sizes(server), len(server.book.direct)) == ([2, 2, 2, 2, 2, 1], 1)
    assert report.metrics["helpful"].rows == N


async def test_evaluate__first_question_does_not_wait_for_money_that_a_batch_holds(tmp_path: Path):
    prepare(tmp_path)
    with BatchServer(judge) as server:
        server.direct = judge
        last = {"id": "last", "only": {"tags": ["last"]}, "backend": section(server, "judge-b")}
        metrics = [helpful(server), {**helpful(server), **last}]
        # while the batch of the first judge holds its most, nothing is left for the second one
        async with asyncio.timeout(30):
            report = await go(a_config(tmp_path, metrics, max_cost_usd=0.0175))
        assert (sizes(server), len(server.book.direct)) == ([N - 1], 2)
    assert (report.metrics["helpful"].rows, report.metrics["last"].rows) == (N, 1)


async def test_evaluate__metric_that_asks_something_else_each_time_comes_to_an_end(tmp_path: Path):
    prepare(tmp_path, 3)

    with BatchServer() as server:
        config = a_config(tmp_path, [{"name": f"{__name__}:Restless", "backend": section(server)}])
        report = await go(config)
        assert sizes(server) == [2, 3, 3, 3]
        assert len(server.book.direct) == 1 + 3
    assert report.metrics["Restless"].rows == 3


async def test_evaluate__refused_key_and_failed_batch_end_it(tmp_path: Path):
    prepare(tmp_path)
    with BatchServer(judge) as server:
        server.direct = judge
        config = a_config(tmp_path, [helpful(server)])
        server.before = lambda *_: 401
        with pytest.raises(BackendError, match="refused the key in OPENAI_API_KEY"):
            await go(config)
        assert len(server.book.seen) == 1
        server.before = lambda *_: None
        server.problems = [{"line": 2, "message": "too long"}]
        with pytest.raises(ConfigError, match="refuses line 2 of batch batch_0: too long"):
            await go(config)
        server.problems = []
        assert (await go(config)).metrics["helpful"].rows == N
        assert sizes(server) == [N - 1, N - 2]  # the second process asked one at once, too


async def test_evaluate__batch_that_is_gone_names_the_log_that_waits_for_it(tmp_path: Path):
    prepare(tmp_path)
    with BatchServer(judge) as server:
        server.direct = judge
        config = a_config(tmp_path, [helpful(server)])
        gone, events = "/files/output-batch_0", list[Event]()
        server.before = lambda _, path: 404 if gone in path else None
        for work in (go(config, events), go(config, events), cancel_judges(config, patient())):
            with pytest.raises(BackendError, match="knows no such file or batch") as told:
                await work
            log = logs(tmp_path)[0].parent
            assert (told.value.hint or "").endswith(
                f"if the batch is gone for good, remove {log}, its log"
            )
            gone = "/batches/batch_0"
        warned = [(event.text, event.hint) for event in events if isinstance(event, Warned)]
        assert (
            warned == [("batch batch_0 is not read yet", None)] * 2
        )  # nobody knows that it goes on
        rmtree(log)
        server.before = lambda *_: None
        assert (await go(config)).metrics["helpful"].rows == N
        assert sizes(server) == [N - 1, N - 2]  # and one asked at once by each


async def test_evaluate__without_a_cache_that_works_nothing_is_handed_over(tmp_path: Path):
    prepare(tmp_path)
    (tmp_path / "cache.sqlite").mkdir()
    with BatchServer(judge) as server:
        config = a_config(tmp_path, [helpful(server)], cache="cache.sqlite")
        with pytest.raises(CannotMeasure, match="the cache cannot be used"):
            await go(config)
        assert server.book.seen == []


async def test_evaluate__what_is_waited_for_is_judged_live(tmp_path: Path):
    """Further answers to a few cases, and a pull request whose commit brings the cache along."""
    prepare(tmp_path, 2)
    with BatchServer(judge) as server:
        server.direct = judge
        await score_run(
            a_config(tmp_path, [helpful(server)]), patient(), tmp_path / "bot", ["helpful"]
        )
        await go(a_config(tmp_path, [helpful(server)], cache=False))
        assert (server.book.batches, len(server.book.direct)) == ({}, 4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m | {"backend": {"name": "scripted", "options": {"default": "echo"}}},
         ["the backend scripted has no batch service",
          "openai and azure have one; ask others with metrics[0].judge.executor: live"]),
        (lambda m: {"name": "exact_match"}, ["exact_match names no judge to ask by batch"]),
        (lambda m: {"name": "embedding_similarity", "backend": {
            **m["backend"], "options": {**m["backend"]["options"], "api": "embeddings"}}},
         ["an embedder is not asked by batch"]),
        (lambda m: m | {"backend": {**m["backend"], "options": {
            **m["backend"]["options"], "cacheable": False}}},
         ["answers of a batch are kept in the cache, and those of openai are not"]),
    ],
)  # fmt: skip
def test_check__judges_that_cannot_be_asked_by_batch(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], told: list[str]
):
    prepare(tmp_path, 1)
    with BatchServer() as server:
        metric = change(helpful(server))
    problems = check(a_config(tmp_path, [metric]), environ=ENVIRON)
    assert [each.what for each in problems] == told[:1]
    assert problems[0].where is not None
    assert problems[0].where.key == "metrics[0].judge.executor"
    assert told[1:] in ([], [problems[0].hint])


def test_check__rounds_are_not_judged_by_batch(tmp_path: Path):
    with BatchServer() as server:
        config = a_config(tmp_path, [helpful(server)], repeats=3)
    gate = GateSection(claim=Claim.THESE, stop="pass")
    (problem,) = check_gate(config.model_copy(update={"gate": gate}), {})
    assert problem.what == "stop: pass looks after each round, and helpful is judged by batch"


def test_check__answers_of_batches_need_the_cache(tmp_path: Path):
    prepare(tmp_path, 1)
    with BatchServer() as server:
        config = a_config(tmp_path, [helpful(server)], cache=False)
    (problem,) = check(config, environ=ENVIRON)
    assert problem.what == "answers of a batch are kept in the cache, which is off"
    assert str(problem.hint).startswith("ask with metrics[0].judge.executor: live, or have them")
