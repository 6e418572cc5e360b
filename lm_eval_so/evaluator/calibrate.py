"""The stage `calibrate`: labels by people, and the judge's labels of the same answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import folder_problems
from lm_eval_so.core.records.calibration import Calibration
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.errors import CannotMeasure, Problem, UsageError, refuse
from lm_eval_so.evaluator.bind import bind_labelling, bind_metrics, find_problems
from lm_eval_so.evaluator.calibration.drawn import drawn_from
from lm_eval_so.evaluator.calibration.files import calibration_path
from lm_eval_so.evaluator.calibration.label_file import LabelFile, read_labels
from lm_eval_so.evaluator.calibration.label_words import (
    listed,
    positive_labels,
    refuse_strangers,
    words_of,
)
from lm_eval_so.evaluator.calibration.labelled import find_labelled, judge_labelled
from lm_eval_so.evaluator.calibration.rated import Origin, make_calibration
from lm_eval_so.evaluator.calibration.telling import tell_calibration
from lm_eval_so.evaluator.join import Answers
from lm_eval_so.evaluator.judges import OpenJudge, judge_problems, open_judge, open_judges
from lm_eval_so.evaluator.prepare import load_samples, prepare
from lm_eval_so.evaluator.score import BoundMetric

__all__ = ["calibrate", "check"]


def check(config: Config, environ: Mapping[str, str]) -> list[Problem]:
    """Find what is wrong with metrics and judges; a calibration that is there is made anew."""
    return [*find_problems(config), *judge_problems(config, environ)]


async def calibrate(
    config: Config,
    resources: Resources,
    *,
    labels: Path,
    runs: Sequence[Path],
    report: EvaluationReport | None = None,
    positive: Sequence[str] = (),
    out: Path | None = None,
    opens: OpenJudge = open_judge,
) -> dict[str, Calibration]:
    """Hold the judges against people.

    Args:
        config: The config.
        resources: Environment, listener, stop event, redactor.
        labels: The file with the labels by people.
        runs: Folders of the runs whose answers they labelled.
        report: Report of these runs, by which labelled answers are weighted if it fits.
        positive: Labels of a good answer; default: those worth at least 0.5.
        out: File that the calibration is going to be written to; it takes that of one metric only.
        opens: Opens the judge of a metric.

    Returns:
        By metric id, those with at least one answer that people and the judge labelled.

    Raises:
        InputError: With every problem of config, dataset, runs or labels, or of the folders that
            what is found is to be written to.
        CannotMeasure: If there is no such answer.
        BackendError: If a judge cannot be reached or refuses the credentials.
        Interrupted: If the user stopped it.
    """
    refuse(find_problems(config))
    judged = {each.id: each for each in bind_labelling(config)}
    file, good = _read(labels, judged, positive, is_single=out is not None)
    config = config.model_copy(update={"metrics": [judged[key].section for key in good]})
    files = [out or calibration_path(config, section) for section in config.metrics]
    refuse(folder_problems(dict.fromkeys(each.parent for each in files)))
    dataset = load_samples(config)
    with Answers(runs, config.located.file) as answers:
        async with open_judges(config, resources, opens) as judges:
            bound = bind_metrics(config, judges)
            prepare(bound, dataset)
            work = find_labelled(file, bound, dataset, answers, resources.redactor)
            await judge_labelled(work, resources, workers=config.run.concurrency)
    now = now_text(resources.environ)
    found: dict[str, Calibration] = {}
    for each in bound:
        origin = Origin(
            bound=each,
            positive=good[each.id],
            skipped=work.skipped.get(each.id, {}),
            drawn=drawn_from(report, each, work.asked_of(each)),
            labels_file=labels.name,
            labels_digest=file.digest,
            calibrated_at=now,
        )
        made = make_calibration(work.rated_of(each), origin)
        for event in tell_calibration(made, origin.drawn, work.first_skipped.get(each.id)):
            resources.listener(event)
        if made.n:
            found[each.id] = made
    if not found:
        what = "no answer has a label by people and by the judge"
        hint = "label answers of this run: lm-eval-so evaluate --export-labels 100"
        raise CannotMeasure(what, hint=hint)
    return found


def _read(
    path: Path, judged: Mapping[str, BoundMetric], positive: Sequence[str], *, is_single: bool
) -> tuple[LabelFile, dict[str, tuple[str, ...]]]:
    """Read the labels, and give with them those of a good answer, by id of the labelled metrics."""
    known = {metric_id: words_of(each.metric) for metric_id, each in judged.items()}
    refuse_strangers(positive, known)
    file = read_labels(path, known)
    if not file.labels:
        hint = f"fill in the column label, by one of {listed(known)}"
        raise CannotMeasure(f"no line of {path} has a label", hint=hint)
    needed = {said.metric for said in file.labels}
    if is_single and len(needed) > 1:
        what = f"{path} holds labels of {', '.join(sorted(needed))}, -o names one file"
        raise UsageError(what, hint="leave -o out: each metric has a file of its own")
    metrics = {key: each.metric for key, each in judged.items() if key in needed}
    return file, {key: positive_labels(metric, positive) for key, metric in metrics.items()}
