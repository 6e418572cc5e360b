"""What judges would be asked, found without asking."""

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.score import BoundMetric, is_asked


class MetricPlan:
    """Counts the rows of a metric and the calls that its judges would get.

    Args:
        bound: The metric.
    """

    def __init__(self, bound: BoundMetric) -> None:
        self.rows = 0
        """Rows that the metric looks at."""
        self.prompt: str | None = None
        """What a judge is asked first."""
        self._bound = bound
        self._judges = len(bound.metric.env.judges)
        self._calls: list[int] = []

    def add(self, sample: TestSample, run: RunResult) -> None:
        """Count a row, if the metric looks at it."""
        if not is_asked(self._bound, sample, run):
            return
        self.rows += 1
        if not self._judges:
            return
        metric = self._bound.metric
        self._calls.append(metric.calls(sample, run) * self._judges)
        if self.prompt is None:
            self.prompt = metric.first_prompt(sample, run)

    def calls(self) -> list[int] | None:
        """Return the calls without any repair, and if all needed one; None if there is no judge.

        Which rows are judged once more is not known yet; the dearest are counted.
        """
        if not self._judges:
            return None
        again = sorted(self._calls, reverse=True)[: self._bound.section.judge.retest]
        least = sum(self._calls) + sum(again)
        return [least, 2 * least]


def planned_judges(config: Config) -> dict[str, tuple[Judge, ...]]:
    """Return judges that stand for those of a config and are never asked, by metric id."""
    return {
        section.id: tuple(
            Judge(ask=_unasked, model=judge.model, params=judge.params) for judge in section.judges
        )
        for section in config.metrics
    }


async def _unasked(request: ChatRequest) -> Answer:
    raise AssertionError(f"a plan asks nobody, not even about {request.sample_id}")
