"""The stage `calibrate`: labels by people, and the judge's labels of the same answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.evaluator.binding.judges import OpenJudge, open_judge
from lm_eval_so.evaluator.binding.metric_problems import refuse_unsound
from lm_eval_so.evaluator.binding.open_metrics import open_metrics, prepare
from lm_eval_so.evaluator.calibration.calibration_files import refuse_folders
from lm_eval_so.evaluator.calibration.examples import with_examples
from lm_eval_so.evaluator.calibration.good_labels import labels_of
from lm_eval_so.evaluator.calibration.judge_figures import make_calibrations
from lm_eval_so.evaluator.calibration.labelled import find_labelled, judge_labelled
from lm_eval_so.evaluator.rows.join import open_rows

if TYPE_CHECKING:
    from lm_eval_so.core.records.calibration import Calibration

__all__ = ["CalibrationInputs", "calibrate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationInputs:
    """Labels by people, and the answers that they labelled."""

    labels: Path
    """File with the labels."""
    runs: Sequence[Path]
    """Folders of the runs whose answers are labelled."""
    report: EvaluationReport | None = None
    """Report of these runs, by which labelled answers are weighted if it fits."""
    baseline: EvaluationReport | None = None
    """The baseline report, for metrics that compare answers with its own."""
    positive: Sequence[str] = ()
    """Labels of a good answer; default: those worth at least 0.5."""
    out: Path | None = None
    """File for the calibration, of one metric only; default: the file that each metric names."""


async def calibrate(
    config: Config,
    resources: Resources,
    inputs: CalibrationInputs,
    *,
    opens: OpenJudge = open_judge,
) -> "dict[str, Calibration]":
    """Compare the labels of judges with those of people.

    Args:
        config: The config.
        resources: Environment, listener, stop event, redactor.
        inputs: Labels, runs and their report.
        opens: Opener of a judge.

    Returns:
        By metric id, those with at least one answer that people and the judge labelled.

    Raises:
        InputError: With every problem of config, dataset, runs or labels, or of the folders of the
            files to write.
        CannotMeasure: If no such answer exists.
        BackendError: If a judge cannot be reached or refuses the credentials.
        Interrupted: If the user stopped it.
    """
    refuse_unsound(config)
    is_single = inputs.out is not None
    file, good = labels_of(config, inputs.labels, positive=inputs.positive, is_single=is_single)
    labelled = [section for section in config.metrics if section.id in good]
    config = config.model_copy(update={"metrics": labelled})
    refuse_folders(config, inputs.out)
    with open_rows(config, inputs.runs) as rows:
        async with open_metrics(config, resources, opens, baseline=inputs.baseline) as bound:
            prepare(bound, rows.dataset)
            work = find_labelled(file, bound, rows, resources)
            await judge_labelled(work, resources, workers=config.run.concurrency)
    found = make_calibrations(bound, work, good, inputs.report, resources.listener)
    if config.report.answers != "full":
        return found
    return with_examples(found, work, resources.redactor, config.language)
