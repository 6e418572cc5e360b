"""The stage `evaluate`: a dataset and the answers to it become a report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.evaluator.binding.judges import OpenJudge, open_judge
from lm_eval_so.evaluator.binding.metric_problems import refuse_unsound
from lm_eval_so.evaluator.calibration.calibration_files import read_calibrations
from lm_eval_so.evaluator.open_judged import open_judged
from lm_eval_so.evaluator.rows.join import open_rows
from lm_eval_so.evaluator.scoring.draws import LabelRows
from lm_eval_so.evaluator.scoring.score_rows import score_rows
from lm_eval_so.evaluator.summary.experiment import Origin
from lm_eval_so.evaluator.summary.make_report import make_report

__all__ = ["EvaluationInputs", "Origin", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationInputs:
    """Answers to score, and facts about them that no config holds."""

    runs: Sequence[Path]
    """Folders of runs, or files of `RunResult` rows."""
    baseline: EvaluationReport | None = None
    """The baseline report, for metrics that compare answers with its own."""
    origin: Origin = field(default_factory=Origin)
    """Origin of the change under test."""


async def evaluate(
    config: Config,
    resources: Resources,
    inputs: EvaluationInputs,
    *,
    labels: LabelRows | None = None,
    opens: OpenJudge = open_judge,
) -> EvaluationReport:
    """Score the answers of one or more runs.

    Args:
        config: The config.
        resources: Environment, listener, stop event, redactor.
        inputs: Runs, baseline and origin.
        labels: Choice of the rows for people to label, filled while rows are scored.
        opens: Opener of a judge.

    Raises:
        InputError: With every problem of config, dataset or runs.
        CannotMeasure: If no row has a score of any metric.
        BackendError: If a judge cannot be reached or refuses the credentials.
        Interrupted: If the user stopped it; half the rows make no report.
    """
    refuse_unsound(config)
    calibrations = read_calibrations(config, resources.listener)
    with open_rows(config, inputs.runs) as rows:
        opening = open_judged(config, resources, rows, opens, baseline=inputs.baseline)
        async with opening as bound:
            gathered = await score_rows(config, resources, bound, rows, labels=labels)
    return make_report(config, resources, gathered, calibrations, inputs.origin)
