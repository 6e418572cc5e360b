"""The plan of an evaluation: problems, rows by metric and calls of judges, found at no cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import text_as_written
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.binding.baseline_answers import open_baselines
from lm_eval_so.evaluator.binding.bind import bind_metrics, unasked_judges
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.binding.metric_problems import check_metrics, refuse_unsound
from lm_eval_so.evaluator.binding.open_metrics import prepare
from lm_eval_so.evaluator.calibration.calibration_files import calibration_problems
from lm_eval_so.evaluator.rows.join import JoinedRow, open_rows
from lm_eval_so.evaluator.summary.masking import params_written

__all__ = ["check", "plan_evaluation"]


def check(config: Config, *, environ: Mapping[str, str] | None = None) -> list[Problem]:
    """Find everything that is wrong with metrics, judges and gate.

    Args:
        config: The config.
        environ: Environment variables; None: only the config itself is checked, since this machine
            scores nothing.
    """
    problems = [*check_metrics(config, environ), *calibration_problems(config)]
    return [each for each in problems if environ is not None or each.about != "surroundings"]


def plan_evaluation(
    config: Config, *, runs: Sequence[Path], baseline: EvaluationReport | None = None
) -> dict[str, Any]:
    """Return what `evaluate` would do: rows by metric, calls of judges, a judge's first prompt.

    Calls are counted without repairs, and as if every output needed one.

    Args:
        config: The config.
        runs: Folders of runs, or files of `RunResult` rows.
        baseline: The baseline report.

    Raises:
        InputError: As of `evaluate`.
    """
    refuse_unsound(config)
    with open_rows(config, runs) as joined, open_baselines(config, baseline) as baselines:
        bound = bind_metrics(config, unasked_judges(config), baselines)
        prepare(bound, joined.dataset)
        plans = {each.id: _MetricPlan(each) for each in bound}
        rows = missing = 0
        for row in joined:
            rows, missing = rows + 1, missing + (row.run is None)
            for plan in plans.values():
                plan.add(row)
    metrics = {name: {"rows": plan.rows, "calls": plan.calls()} for name, plan in plans.items()}
    written = params_written(config)
    prompts = {
        name: text_as_written(plan.prompt, written)
        for name, plan in plans.items()
        if plan.prompt is not None
    }
    return {"rows": rows, "missing": missing, "metrics": metrics, "prompts": prompts}


class _MetricPlan:
    """Count of the rows of a metric and of the calls that its judges would get.

    Args:
        bound: The metric.
    """

    def __init__(self, bound: BoundMetric) -> None:
        self.rows = 0
        """Rows that the metric looks at."""
        self.prompt: str | None = None
        """First prompt for a judge."""
        self._bound = bound
        self._judges = len(bound.metric.env.judges)
        self._calls: list[int] = []

    def add(self, row: JoinedRow) -> None:
        """Count a row, if the metric looks at it."""
        sample, run, metric = row.sample, row.run, self._bound.metric
        if run is None or not self._bound.is_asked(sample, run):
            return
        self.rows += 1
        if not self._judges:
            return
        self._calls.append(metric.calls(sample, run) * self._judges)
        if self.prompt is None:
            self.prompt = metric.first_prompt(sample, run)

    def calls(self) -> list[int] | None:
        """Return the calls without any repair, and if all needed one; None without a judge.

        The rows that will be judged once more are not known yet: the dearest are counted.
        """
        if not self._judges:
            return None
        again = sorted(self._calls, reverse=True)[: self._bound.section.judge.retest]
        least = sum(self._calls) + sum(again)
        return [least, 2 * least]
