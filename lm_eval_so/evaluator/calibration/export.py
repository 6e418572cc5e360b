"""The file of answers for people to label: opened before anything is spent, written at the end."""

from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.files import write_atomic
from lm_eval_so.core.words import counted
from lm_eval_so.errors import InputError, Where
from lm_eval_so.evaluator.binding.bind import bind_labelling
from lm_eval_so.evaluator.calibration.label_file import csv_text, has_labels
from lm_eval_so.evaluator.scoring.label_rows import LabelRows

FILE_NAME = "labels_todo.csv"
STAGE = "evaluate"


def open_export(config: Config, folder: Path, *, most: int) -> LabelRows:
    """Return an empty choice of answers for a file that may be written.

    Args:
        config: A config that has no problems.
        folder: Folder of the file.
        most: Answers per metric.

    Raises:
        ConfigError: If no metric judges by labels.
        InputError: If the file exists and has labels.
    """
    bind_labelling(config)  # raises if there is nothing to label
    path = folder / FILE_NAME
    if has_labels(path):
        what = f"{path} has labels in it, which would be lost"
        raise InputError(what, where=Where(file=str(path)), hint="give it another name first")
    return LabelRows(seed=config.run.seed, most=most)


def write_export(
    labels: LabelRows, folder: Path, config: Config, resources: Resources
) -> tuple[Path, ...]:
    """Write the file and return its path; none if there is nothing to label."""
    counts = labels.counts()
    for metric_id, n in counts.items():
        if not n:
            text = f"{metric_id}: no answer was judged, so there is none to label"
            resources.listener(Warned(stage=STAGE, text=text))
    if not any(counts.values()):
        return ()
    path = folder / FILE_NAME
    write_atomic(path, csv_text(labels))
    told = ", ".join(
        f"{counted(n, 'answer')} of {metric_id}" for metric_id, n in counts.items() if n
    )
    file = config.where().file or CONFIG_FILE
    text = f"{told} to label in {path}; then: lm-eval-so calibrate {path} -c {file}"
    resources.listener(Noticed(stage=STAGE, text=text))
    return (path,)
