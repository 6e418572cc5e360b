"""The extension points as a type checker sees them; `scripts/test.sh` runs mypy over this file."""

from collections.abc import Awaitable, Sequence

from pydantic import BaseModel

import lm_eval_so as so
from lm_eval_so import ChatRequest, ChatResponse, RunResult, Score, TestSample
from lm_eval_so.core.backends.base import ChatBackend, SharedOptions, register_backend
from lm_eval_so.evaluator.metrics.base import Metric, Scored
from lm_eval_so.runner import cli


@register_backend("typed_backend")
class TypedBackend(ChatBackend):
    """A backend with parameters and options of its own."""

    class Params(BaseModel):
        """Sent to the model."""

        channel: str = "web"

    class Options(SharedOptions):
        """How it is reached."""

        url: str = "http://127.0.0.1"

    params: Params
    options: Options

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Answer with what is known."""
        return ChatResponse(text=f"{self.params.channel} {self.options.url} {request.sample_id}")


class TypedMetric(Metric):
    """A metric that scores at once."""

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Score one answer."""
        return self.make_score(sample, value=bool(run.text))


class PatientMetric(Metric):
    """A metric that waits for something."""

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Score one answer."""
        return self.make_score(sample, value=float(len(run.text) > 0), reason="r", details={"n": 1})


class BoolMetric(Metric):
    """A metric that says yes or no."""

    def score(self, sample: TestSample, run: RunResult) -> bool:
        """Score one answer."""
        return sample.question in run.text


class FloatMetric(Metric):
    """A metric that waits for a number."""

    async def score(self, sample: TestSample, run: RunResult) -> float:
        """Score one answer."""
        return len(run.text) / 1000


class MixedMetric(Metric):
    """A metric that gives a value, or says why it has none."""

    async def score(self, sample: TestSample, run: RunResult) -> bool | Score:
        """Score one answer."""
        return bool(run.text) if sample.expected else self.unscored(sample, "not_reported")


class BatchMetric(Metric):
    """A metric that scores many answers at once."""

    batch_size = 16

    async def score_batch(self, items: Sequence[tuple[TestSample, RunResult]]) -> list[Score]:
        """Score some answers."""
        return [self.make_score(sample, value=bool(run.text)) for sample, run in items]


class RepeatsMetric(Metric):
    """A metric over all answers to a sample, in a thread of its own."""

    requires = frozenset({"repeats", "run.tool_calls"})
    threaded = True

    def score_repeats(self, sample: TestSample, runs: Sequence[RunResult]) -> Score:
        """Score all answers to a sample."""
        return self.make_score(sample, value=len({run.text for run in runs}) == 1)


def use(metric: Metric, sample: TestSample, run: RunResult) -> Scored | Awaitable[Scored]:
    """Use what is public."""
    cli.app.info  # noqa: B018 - it is there
    report = so.evaluate(dataset="data", runs=["runs/x"], metrics=["exact_match"])
    verdict = so.compare(report, baseline="baseline.json").verdict
    print(verdict.value)  # noqa: T201
    return metric.score(sample, run)
