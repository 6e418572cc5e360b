"""Metrics that are ready to score, with the answers that judges give by batch.

The answers are in the cache by then, so all that follows is the same whichever way they came.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.text.pasted import command_line
from lm_eval_so.evaluator.binding.batch_judges import open_batch_judges, refuse_to_forget
from lm_eval_so.evaluator.binding.bind import bind_metrics, in_order
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.binding.judges import OpenJudge
from lm_eval_so.evaluator.binding.open_metrics import open_metrics
from lm_eval_so.evaluator.rows.join import JoinedRows
from lm_eval_so.evaluator.scoring.judge_rounds import ask_in_rounds


@asynccontextmanager
async def open_judged(
    config: Config,
    resources: Resources,
    rows: JoinedRows,
    opens: OpenJudge,
    *,
    baseline: EvaluationReport | None = None,
) -> AsyncIterator[tuple[BoundMetric, ...]]:
    """Open the metrics of a config, after all that can be asked by batch is asked.

    Args:
        config: A config that has no problems.
        resources: Environment, listener, stop event, redactor.
        rows: The rows to score.
        opens: Opener of a judge that is asked live.
        baseline: The baseline report, for metrics that compare answers with it.

    Raises:
        InputError: If a baseline lacks answers or cannot be read.
        LMEvalError: As `ask_in_rounds`.
    """
    again = resources.again or command_line("evaluate", config.located.file or CONFIG_FILE)
    told = replace(resources, again=resources.redactor.redact(again))
    refuse_to_forget(config, resources)
    async with open_batch_judges(config, told) as judges:
        if judges:
            await ask_in_rounds(_judged_by_batch(config), told, judges, rows, baseline)
        opens = judges.answered(opens)
        async with open_metrics(config, resources, opens, baseline=baseline) as bound:
            yield bound
        judges.forget()


def _judged_by_batch(config: Config) -> Config:
    """Return a config with only the metrics that are judged by batch, and what they are built from."""
    by_batch = [each for each in bind_metrics(config, {}) if each.section.judge.executor == "batch"]
    wanted = {each.id for each in in_order(by_batch)}
    metrics = [section for section in config.metrics if section.id in wanted]
    return config.model_copy(update={"metrics": metrics})
