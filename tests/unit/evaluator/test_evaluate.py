"""The stage: a dataset and the answers to it become a report."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluation import (
    EPOCH,
    SaidAsker,
    a_config,
    a_failure,
    a_run,
    an_answer,
    report_of,
    write_dataset,
    write_run,
)

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Began, Ended, Event, Moved, Warned
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.codec import dumps, loads, to_json
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import (
    BackendError,
    CannotMeasure,
    ConfigError,
    DatasetError,
    ErrorKind,
    Interrupted,
)
from lm_eval_so.evaluator.evaluate import EvaluationInputs, evaluate
from lm_eval_so.evaluator.evaluation_plan import plan_evaluation
from lm_eval_so.evaluator.metrics.base import Metric

GOOD = '{"reason":"r","label":"good"}'
JUDGE = {
    "id": "helpful",
    "name": "llm_judge",
    "params": {"rubric": "Be right.", "labels": ["good", "partial", "bad"]},
    "backend": {"name": "scripted", "params": {"model": "judge-1"}},
}
FAILURES = {
    "q1": (RunStatus.TIMEOUT, ErrorKind.TIMEOUT),
    "q2": (RunStatus.RATE_LIMITED, ErrorKind.RATE_LIMIT),
    "q3": (RunStatus.ERROR, ErrorKind.SERVER),
    "q4": (RunStatus.FILTERED, ErrorKind.FILTERED),
}


class IsPolite(Metric):
    """Whether the answer ends politely, by a rule of the user's own."""

    def score(self, sample: TestSample, run: RunResult) -> Score:
        return self.make_score(sample, value=1.0 if run.text.endswith("요") else 0.0)


class IsPoliteLater(Metric):
    name = "is_polite"

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        await asyncio.sleep(0)
        return self.make_score(sample, value=1.0 if run.text.endswith("요") else 0.0)


class IsPoliteInBatches(Metric):
    name = "is_polite"

    async def score_batch(self, items: Any) -> list[Score]:
        await asyncio.sleep(0)
        return [self.make_score(s, value=1.0 if r.text.endswith("요") else 0.0) for s, r in items]


class FailsOnThird(Metric):
    def score(self, sample: TestSample, run: RunResult) -> Score:
        if sample.id == "q3":
            raise RuntimeError("the key is sk-secret-1234567890abcdef")
        return self.make_score(sample, value=1.0)


class Listens(Metric):
    def prepare(self, samples: Any) -> None:
        self.known = [sample.id for sample in samples]

    def score(self, sample: TestSample, run: RunResult) -> Score:
        return self.make_score(sample, value=self.known.index(sample.id) / 10)


class HasNoFile(Metric):
    def prepare(self, samples: Any) -> None:
        raise OSError("no model file")


def own(metric: type[Metric]) -> str:
    return f"{metric.__module__}:{metric.__name__}"


def make(
    tmp_path: Path,
    n: int = 10,
    answer: Callable[[TestSample, int], RunResult | None] | None = None,
    **options: Any,
) -> Path:
    rows = [{"id": f"q{i}", "input": f"질문 {i}", "expected": f"답 {i}"} for i in range(n)]
    dataset = write_dataset(tmp_path, rows)
    say = answer or (lambda sample, repeat: a_run(sample.expected, latency_ms=10.0, cost_usd=0.01))
    return write_run(tmp_path, dataset, say, **options)


def bytes_of(report: EvaluationReport) -> str:
    return json.dumps(to_json(report), ensure_ascii=False, sort_keys=True)


def test_evaluate__all_right(tmp_path: Path) -> None:
    report = report_of(a_config(tmp_path, ["exact_match", "latency_ms"]), make(tmp_path))
    summary = report.metrics["exact_match"]
    assert (summary.mean, summary.sample_count, summary.unscored) == (1, 10, 0)
    assert report.statuses == {**dict.fromkeys(RunStatus, 0), "ok": 10}
    assert (report.cost.bot_usd, report.cost.bot_priced, report.cost.bot_rows) == (0.1, 10, 10)
    assert (report.latency.n, report.latency.p95_ms, report.latency.cached) == (10, 10, 0)
    assert (report.errors, report.failed_ids, report.judges) == ((), (), {})
    assert report.samples.scores["exact_match"] == (1.0,) * 10
    assert loads(dumps(report), EvaluationReport) == report


def test_evaluate__experiment(tmp_path: Path) -> None:
    run = make(tmp_path)
    config = a_config(tmp_path, ["exact_match"])
    head = report_of(config, run, commit="abc", base_ref="main", suite_id="w/j/test").experiment
    assert (head.suite, head.suite_id, head.commit, head.base_ref) == (
        "test",
        "w/j/test",
        "abc",
        "main",
    )
    assert (head.complete, head.eligible, head.missing) == (True, True, 0)
    assert (head.dataset.path, head.dataset.n, head.backend.model) == ("test.jsonl", 10, "bot-1")
    assert set(head.fingerprints) == {
        "run",
        "reach",
        "dataset",
        "metrics",
        "run_config",
        "evaluator_config",
    }
    assert head.runs == ("bot",)
    assert head.budget == {"stopped": None}
    assert head.evaluated_at == "2026-03-02T09:14:00.000Z"
    assert head.started_at == "2026-03-02T09:10:00.000Z"
    assert head.versions["run.lm-eval-so"] == "0.1.0"
    assert report_of(config, run).experiment.suite_id == "test"


def test_evaluate__plain_file(tmp_path: Path) -> None:
    run = make(tmp_path, answer=lambda s, r: a_run("답 1", model="m"))
    plain = tmp_path / "answers.jsonl"
    (run / "run_results.jsonl").rename(plain)
    head = report_of(a_config(tmp_path, ["exact_match"]), plain).experiment
    assert (head.backend.name, head.backend.label, head.backend.model) == ("file", "answers", "m")
    assert (head.started_at, head.finished_at) == (None, None)
    assert set(head.fingerprints) == {"dataset", "metrics", "evaluator_config"}


def test_evaluate__rows_without_an_answer_have_no_value(tmp_path: Path) -> None:
    def answer(sample: TestSample, repeat: int) -> RunResult:
        if sample.id in FAILURES:
            return a_run(None, **a_failure(*FAILURES[sample.id], "broke"))
        empty = sample.id == "q5"
        return a_run("", status=RunStatus.EMPTY) if empty else a_run(sample.expected)

    asker = SaidAsker(GOOD)
    config = a_config(tmp_path, ["exact_match", JUDGE])
    report = report_of(config, make(tmp_path, answer=answer), opens=asker.opens)
    by_code = {f"run_{status.value}": 1 for status, _ in FAILURES.values()}
    assert report.metrics["exact_match"].unscored_by == dict(sorted(by_code.items()))
    assert report.metrics["helpful"].unscored_by == dict(sorted(by_code.items()))
    assert report.samples.scores["exact_match"] == (1, None, None, None, None, 0, 1, 1, 1, 1)
    assert report.samples.scores["helpful"][5] == 0
    assert len(asker.requests) == 5
    assert [case.kind for case in report.errors] == ["infrastructure"] * 4 + ["quality"]


def test_evaluate__times_of_cached_rows_are_not_counted_as_missing(tmp_path: Path) -> None:
    def answer(sample: TestSample, repeat: int) -> RunResult | None:
        is_old = sample.id not in {"q0", "q1"}
        return None if sample.id == "q0" else a_run("3일", latency_ms=5.0, cached=is_old)

    warned: list[Event] = []
    config = a_config(tmp_path, ["exact_match", "latency_ms", "char_f1"])
    report_of(config, make(tmp_path, answer=answer), listener=warned.append)
    texts = [event.text for event in warned if isinstance(event, Warned)]
    both = "exact_match, char_f1: 1 of 10 rows have no score (10.0%): 1 run_missing"
    assert texts[-2].startswith(both)
    assert texts[-1].startswith("latency_ms: 1 of 2 rows have no score (50.0%): 1 run_missing;")


def test_evaluate__metric_that_fails_once(tmp_path: Path) -> None:
    events: list[Event] = []
    config = a_config(tmp_path, [own(FailsOnThird)])
    report = report_of(config, make(tmp_path), listener=events.append)
    summary = report.metrics["FailsOnThird"]
    assert (summary.rows, summary.unscored, summary.unscored_by) == (9, 1, {"metric_error": 1})
    assert (summary.mean, summary.mean_if_missing_worst) == (1, 0.9)
    warned = [event for event in events if isinstance(event, Warned)]
    assert [event.text for event in warned] == [
        "FailsOnThird: 1 of 10 rows have no score (10.0%): 1 metric_error; a gate accepts at most 5%"
    ]
    assert warned[0].hint == "first: q3: RuntimeError: the key is [redacted:key]"
    assert "sk-secret" not in bytes_of(report)


def test_evaluate__sync_and_async_metrics_give_the_same_bytes(tmp_path: Path) -> None:
    run = make(tmp_path, answer=lambda s, r: a_run("네, 답이에요" if s.id < "q4" else "답"))
    kinds = (IsPolite, IsPoliteLater, IsPoliteInBatches)
    configs = [a_config(tmp_path, [{"id": "x", "name": own(kind)}]) for kind in kinds]
    reports = [to_json(report_of(config, run)) for config in configs]
    assert reports[0]["metrics"]["x"]["mean"] == 0.4
    for report in reports:
        report["experiment"]["evaluator_config"]["metrics"][0].pop("name")
        report["experiment"]["fingerprints"].pop("evaluator_config")
        [code] = report["experiment"].pop("own_code")
        assert "IsPolite" in code
    assert len({json.dumps(report) for report in reports}) == 1


def test_evaluate__prepare_gets_the_samples(tmp_path: Path) -> None:
    report = report_of(a_config(tmp_path, [{"id": "x", "name": own(Listens)}]), make(tmp_path))
    assert report.samples.scores["x"][:3] == (0, 0.1, 0.2)


def test_evaluate__prepare_fails__names_the_metric(tmp_path: Path) -> None:
    config = a_config(tmp_path, [{"id": "x", "name": own(HasNoFile)}])
    with pytest.raises(ConfigError, match="the metric x cannot get ready: OSError: no model file"):
        report_of(config, make(tmp_path))


def test_evaluate__twice__same_bytes(tmp_path: Path) -> None:
    run = make(tmp_path, answer=lambda s, r: a_run("답 1", cost_usd=0.1), repeats=3)
    config = a_config(tmp_path, ["exact_match", "token_f1"])
    assert bytes_of(report_of(config, run)) == bytes_of(report_of(config, run))


class SlowJudge:
    """Answers late rows first."""

    def __init__(self) -> None:
        self.most = self.now = 0

    async def ask(self, request: ChatRequest) -> Answer:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02 / (1 + int(request.sample_id[1:])))
        self.now -= 1
        label = "good" if int(request.sample_id[1:]) % 2 else "partial"
        return an_answer(json.dumps({"reason": request.sample_id, "label": label}))

    @asynccontextmanager
    async def opens(self, section: Any, **_: Any) -> AsyncIterator["SlowJudge"]:
        yield self


def test_evaluate__judges_at_once__order_of_the_dataset(tmp_path: Path) -> None:
    run, reports, most = make(tmp_path), [], []
    for concurrency in (1, 4):
        judge = SlowJudge()
        config = a_config(tmp_path, [JUDGE], run={"concurrency": concurrency, "cache": False})
        reports.append(report_of(config, run, opens=judge.opens))
        most.append(judge.most)
    one, four = reports
    assert most == [1, 4]
    assert one.samples.scores["helpful"] == (0.5, 1) * 5
    same = replace(four, experiment=one.experiment)
    assert bytes_of(same) == bytes_of(one)


def test_evaluate__judge_health_and_cost(tmp_path: Path) -> None:
    asker = SaidAsker(GOOD, '{"reason":"r","label":"nice"}', GOOD)
    config = a_config(tmp_path, [JUDGE], run={"concurrency": 1})
    report = report_of(config, make(tmp_path), opens=asker.opens)
    health = report.judges["helpful"]
    assert (health.rows, health.calls, health.valid_first, health.repaired) == (10, 11, 9, 1)
    assert (health.labels, health.unscored, health.state) == ({"good": 10}, {}, "warn")
    assert health.fingerprint == report.metrics["helpful"].fingerprint
    assert (report.cost.judges_usd, health.cost_usd) == (0.011, 0.011)
    assert report.metrics["helpful"].definition["judge"] == {
        "backend": "scripted",
        "params": {"model": "judge-1"},
    }


def test_evaluate__scripted_judge_end_to_end(tmp_path: Path) -> None:
    answers = {"답 1": GOOD, "답 2": '{"reason":"r","label":"bad"}'}
    options = {"answers": answers, "match": "regex", "default": '{"reason":"r","label":"partial"}'}
    judge = {**JUDGE, "backend": {"name": "scripted", "options": options}}
    report = report_of(a_config(tmp_path, [judge]), make(tmp_path, n=4))
    assert report.samples.scores["helpful"] == (0.5, 1, 0, 0.5)
    assert report.judges["helpful"].model == "scripted"


def test_evaluate__judge_that_cannot_be_reached__ends_before_the_others(tmp_path: Path) -> None:
    options = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": ""}
    backend = {"name": "openai", "params": {"model": "m"}, "options": options}
    config = a_config(tmp_path, [{**JUDGE, "backend": backend}], run={"max_attempts": 1})
    with pytest.raises(BackendError) as caught:
        report_of(config, make(tmp_path))
    assert "othing else was sent" in (caught.value.problems[0].hint or "")


def test_evaluate__judge_that_is_wrongly_configured(tmp_path: Path) -> None:
    judge = {**JUDGE, "backend": {"name": "scripted", "options": {"answerz": {}}}}
    with pytest.raises(ConfigError, match="answerz"):
        report_of(a_config(tmp_path, [judge]), make(tmp_path))


def test_evaluate__cached_rows_have_no_latency(tmp_path: Path) -> None:
    def answer(sample: TestSample, repeat: int) -> RunResult:
        return a_run("답", latency_ms=5.0, cached=sample.id != "q0")

    report = report_of(
        a_config(tmp_path, ["latency_ms", "exact_match"]), make(tmp_path, n=3, answer=answer)
    )
    assert report.metrics["latency_ms"].unscored_by == {"cached": 2}
    assert (report.samples.cached, report.latency.cached, report.latency.n) == ((1, 2), 2, 1)
    assert report.failed_ids == ("q0", "q1", "q2")
    assert {case.kind for case in report.errors} == {"quality"}


def test_evaluate__missing_rows_are_counted(tmp_path: Path) -> None:
    events: list[Event] = []
    run = make(tmp_path, answer=lambda s, r: None if s.id == "q9" else a_run(s.expected))
    rows = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text("utf-8").splitlines()]
    write_dataset(tmp_path, [{**rows[0], "input": "새 질문"}, *rows[1:]])
    report = report_of(a_config(tmp_path, ["exact_match"]), run, listener=events.append)
    head, summary = report.experiment, report.metrics["exact_match"]
    assert (head.complete, head.eligible, head.missing) == (False, False, 2)
    assert (summary.mean, summary.unscored_by) == (1, {"run_missing": 2})
    assert report.statuses["missing"] == 2
    assert report.samples.statuses[0] == "missing"
    assert report.errors == ()
    assert any("1 of 10 rows changed" in e.text for e in events if isinstance(e, Warned))


def test_evaluate__interrupted_run__is_not_complete(tmp_path: Path) -> None:
    report = report_of(a_config(tmp_path, ["exact_match"]), make(tmp_path, state="interrupted"))
    assert (report.experiment.complete, report.experiment.missing) == (False, 0)


@pytest.mark.parametrize("keeps", ["full", "hash", "none"])
def test_evaluate__how_much_of_the_answers_is_kept(tmp_path: Path, keeps: str) -> None:
    config = a_config(tmp_path, ["exact_match"], report={"answers": keeps})
    samples = report_of(config, make(tmp_path, n=1)).samples
    wanted = {
        "full": (("답 0",), ("질문 0",), ("답 0",)),
        "hash": ((digest_text("답 0"),), ("질문 0",), ("답 0",)),
        "none": (None, None, None),
    }
    assert (samples.answers, samples.inputs, samples.expected) == wanted[keeps]


def test_evaluate__nothing_scored__cannot_measure(tmp_path: Path) -> None:
    failed = a_failure(RunStatus.TIMEOUT, ErrorKind.TIMEOUT, "late")
    run = make(tmp_path, answer=lambda s, r: a_run(None, **failed))
    with pytest.raises(CannotMeasure) as caught:
        report_of(a_config(tmp_path, ["exact_match"]), run)
    assert str(caught.value) == "nothing could be scored: 10 of 10 rows ended with timeout"
    assert caught.value.problems[0].hint == (
        "see run.json; run again with lm-eval-so run -c lm-eval-so.yaml"
    )


def test_evaluate__no_metric_applies__cannot_measure(tmp_path: Path) -> None:
    events: list[Event] = []
    with pytest.raises(CannotMeasure, match="keyword_coverage: 10 of 10 rows not_applicable"):
        report_of(a_config(tmp_path, ["keyword_coverage"]), make(tmp_path), listener=events.append)
    told = [(event.text, event.hint) for event in events if isinstance(event, Warned)]
    hint = "what it needs of a sample: keywords or forbidden"
    assert told == [("keyword_coverage applies to none of the 10 samples", hint)]


def test_evaluate__samples_parameters_are_checked_first(tmp_path: Path) -> None:
    rows = [
        {"id": f"q{i}", "input": "질문", "metrics": {"keyword_coverage": {"keywordz": ["a"]}}}
        for i in range(2)
    ]
    run = write_run(tmp_path, write_dataset(tmp_path, rows), lambda s, r: a_run("답"))
    with pytest.raises(DatasetError) as caught:
        report_of(a_config(tmp_path, ["keyword_coverage"]), run)
    assert [problem.what.split(",")[0] for problem in caught.value.problems] == [
        "sample q0",
        "sample q1",
    ]


def test_evaluate__config_with_problems_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exact_mach"):
        report_of(a_config(tmp_path, ["exact_mach"]), make(tmp_path))


def test_evaluate__stopped__no_report(tmp_path: Path) -> None:
    run, config = make(tmp_path), a_config(tmp_path, ["exact_match"])

    async def stopped() -> None:
        resources = Resources(environ=EPOCH, listener=lambda _: resources.stop.set())
        await evaluate(config, resources, EvaluationInputs(runs=[run]))

    with pytest.raises(Interrupted):
        asyncio.run(stopped())


def test_evaluate__tells_how_far_it_is(tmp_path: Path) -> None:
    events: list[Event] = []
    report_of(a_config(tmp_path, ["exact_match"]), make(tmp_path, n=3), listener=events.append)
    assert events[0] == Began(stage="evaluate", total=3)
    assert [event.done for event in events if isinstance(event, Moved)] == [1, 2, 3]
    assert events[-1] == Ended(stage="evaluate", text="3 rows scored by exact_match")


def test_evaluate__secrets_stay_out_of_the_config(tmp_path: Path) -> None:
    environ = {**EPOCH, "BOT_KEY": "hush-hush-123"}
    backend = {"name": "scripted", "params": {"note": "hush-hush-123"}}
    config = a_config(tmp_path, ["exact_match"], backend=backend, system="say hush-hush-123")
    resources = Resources(environ=environ, redactor=make_redactor(environ))
    report = asyncio.run(evaluate(config, resources, EvaluationInputs(runs=[make(tmp_path)])))
    assert "hush-hush" not in bytes_of(report)
    assert report.experiment.run_config["system"] == "say [redacted:BOT_KEY]"


def test_evaluate__hostile_texts_stay_as_they_are(tmp_path: Path) -> None:
    text = "|x|<script>@team ``` \u202e\u2028"
    run = make(tmp_path, n=1, answer=lambda s, r: a_run(text))
    report = report_of(a_config(tmp_path, ["exact_match"]), run)
    assert report.errors[0].answer == text
    assert loads(dumps(report), EvaluationReport).samples.answers == (text,)


def test_plan_evaluation__counts_calls_and_shows_a_prompt(tmp_path: Path) -> None:
    def answer(sample: TestSample, repeat: int) -> RunResult | None:
        if sample.id == "q0":
            return None
        failed = a_failure(RunStatus.ERROR, ErrorKind.SERVER, "broke")
        return a_run(None, **failed) if sample.id == "q1" else a_run("답")

    config = a_config(tmp_path, ["exact_match", JUDGE])
    plan = plan_evaluation(config, runs=[make(tmp_path, answer=answer)])
    assert (plan["rows"], plan["missing"]) == (10, 1)
    assert plan["metrics"] == {
        "exact_match": {"rows": 8, "calls": None},
        "helpful": {"rows": 8, "calls": [8, 16]},
    }
    assert "Be right." in plan["prompts"]["helpful"]


def test_evaluate__parameters_of_a_metric_with_a_typo_are_told(tmp_path: Path) -> None:
    rows = [
        {"id": "q1", "input": "환불?", "expected": "3일", "metrics": {"keyword_coverag": {}}},
        {"id": "q2", "input": "배송?", "expected": "3일", "metrics": {"of_another_config": {}}},
    ]
    dataset = write_dataset(tmp_path, rows)
    run = write_run(tmp_path, dataset, lambda *_: a_run("3일"))
    config = a_config(tmp_path, ["exact_match", "keyword_coverage"])
    events: list[Any] = []
    report_of(config, run, listener=events.append)
    told = [event.text for event in events if isinstance(event, Warned)]
    assert told[0] == (
        'sample q1 has parameters of "keyword_coverag", which is no metric here '
        '(did you mean "keyword_coverage"?)'
    )
    assert not any("of_another_config" in text for text in told)
