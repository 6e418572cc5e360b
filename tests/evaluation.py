"""Samples, answers, runs and judges for the tests of the evaluation."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.hashing import sample_hash
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, Usage
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import BackendInfo, ErrorInfo, Response, RunInfo, RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import ErrorKind
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.evaluate import EvaluationInputs, Origin, evaluate
from lm_eval_so.evaluator.metrics.base import Metric

FINGERPRINT = "f" * 64
EPOCH = {"SOURCE_DATE_EPOCH": "1772442840"}


def a_sample(sample_id: str = "s1", **fields: Any) -> TestSample:
    given = {
        "messages": (Message(role="user", content="환불은 며칠 걸리나요?"),),
        "expected": "3일",
    }
    return TestSample(id=sample_id, **{**given, **fields})


def a_run(text: str | None, *, status: RunStatus = RunStatus.OK, **fields: Any) -> RunResult:
    given = {"sample_id": "s1", "sample_hash": "0" * 64, "fingerprint": FINGERPRINT}
    response = None if text is None else Response(text=text)
    return RunResult(**{**given, "status": status, "response": response, **fields})


def a_failure(status: RunStatus, kind: ErrorKind, message: str) -> dict[str, Any]:
    return {"status": status, "response": None, "error": ErrorInfo(kind=kind, message=message)}


def write_dataset(folder: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path = folder / "test.jsonl"
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def write_run(
    folder: Path,
    dataset: Path,
    answer: Callable[[TestSample, int], RunResult | None],
    *,
    repeats: int = 1,
    name: str = "bot",
    **info: Any,
) -> Path:
    """Write a run folder; `answer` gives the row of a sample and repeat, or None for none."""
    loaded = load_dataset(dataset)
    lines = []
    for sample in loaded:
        for repeat in range(repeats):
            row = answer(sample, repeat)
            if row is not None:
                lines.append(dumps(placed(row, sample, repeat)))
    run = folder / name
    run.mkdir()
    (run / "run_results.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    given = {
        "state": "complete",
        "suite": "test",
        "config_digest": "c" * 64,
        "fingerprint": FINGERPRINT,
        "reach": "e" * 64,
        "backend": BackendInfo(name="scripted", label=name, model="bot-1"),
        "dataset": loaded.ref,
        "repeats": repeats,
        "seed": 7,
        "planned": loaded.ref.n * repeats,
        "counts": {},
        "requests": len(lines),
        "started_at": "2026-03-02T09:10:00.000Z",
        "finished_at": "2026-03-02T09:13:00.000Z",
        "versions": {"lm-eval-so": "0.1.0"},
    }
    (run / "run.json").write_text(dumps(RunInfo(**{**given, **info})) + "\n", "utf-8")
    return run


def placed(row: RunResult, sample: TestSample, repeat: int) -> RunResult:
    return replace(row, sample_id=sample.id, sample_hash=sample_hash(sample), repeat=repeat)


def a_config(folder: Path, metrics: Sequence[Any], **sections: Any) -> Config:
    values = {"version": 1, "suite": "test", "dataset": {"path": "test.jsonl"}}
    return make_config({**values, "metrics": list(metrics), **sections}, folder=folder)


def report_of(
    config: Config,
    run: Path,
    *,
    opens: Any = None,
    listener: Any = None,
    labels: Any = None,
    baseline: EvaluationReport | None = None,
    **origin: Any,
) -> EvaluationReport:
    extra = {"listener": listener} if listener else {}
    resources = Resources(environ=EPOCH, **extra)
    given = {"opens": opens} if opens else {}
    inputs = EvaluationInputs(runs=[run], baseline=baseline, origin=Origin(**origin))
    return asyncio.run(evaluate(config, resources, inputs, labels=labels, **given))


class SaidAsker:
    """Answers with what is written down, one after another, and remembers what it was asked."""

    def __init__(self, *said: str | Answer) -> None:
        self.said = list(said)
        self.requests: list[ChatRequest] = []

    async def ask(self, request: ChatRequest) -> Answer:
        self.requests.append(request)
        said = self.said[min(len(self.requests), len(self.said)) - 1]
        return said if isinstance(said, Answer) else an_answer(said)

    @asynccontextmanager
    async def opens(
        self, section: Any, *, config: Any, resources: Any
    ) -> AsyncIterator["SaidAsker"]:
        yield self


def an_answer(text: str, *, status: RunStatus = RunStatus.OK, **fields: Any) -> Answer:
    response = ChatResponse(text=text, finish_reason="stop", model="judge-1")
    usage = Usage(input_tokens=100, output_tokens=20)
    given = {"response": response, "usage": usage, "cost_usd": 0.001, "total_ms": 5.0}
    return Answer(status=status, **{**given, **fields})


def applies(metric: Metric, sample: TestSample) -> bool:
    """Return whether a metric looks at an answer to a sample at all."""
    bound = BoundMetric(metric=metric, section=MetricSection(name=metric.name, id=metric.id))
    return bound.is_asked(sample, a_run("답"))
