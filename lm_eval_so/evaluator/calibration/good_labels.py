"""Labels of metrics: how people may write them, and which ones are those of a good answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lm_eval_so.core.config.model import Config
from lm_eval_so.errors import CannotMeasure, UsageError
from lm_eval_so.evaluator.binding.bind import bind_labelling
from lm_eval_so.evaluator.calibration.label_cells import LabelFile
from lm_eval_so.evaluator.calibration.label_file import read_labels
from lm_eval_so.evaluator.calibration.pairs import own_words, words_for
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.panel import label_key
from lm_eval_so.evaluator.scoring.draws import GOOD


def labels_of(
    config: Config, path: Path, *, positive: Sequence[str], is_single: bool
) -> tuple[LabelFile, dict[str, tuple[str, ...]]]:
    """Read a file of labels; return with it the labels of a good answer, by id of the metrics.

    Args:
        config: A config that has no problems.
        path: The file.
        positive: Labels of a good answer; default: those worth at least 0.5.
        is_single: Whether the file may have labels of one metric only.

    Raises:
        ConfigError: If no metric judges by labels.
        InputError: With every problem of the file.
        UsageError: If `positive` fits no metric, or the file has labels of too many.
        CannotMeasure: If the file has no label.
    """
    judged, known = labelling_metrics(config)
    own = {metric_id: own_words(metric) for metric_id, metric in judged.items()}
    for said in positive:
        if not any(label_key(said) in words for words in own.values()):
            raise UsageError(f"--positive {said} is not one of {_listed(own)}")
    file = read_labels(path, known)
    if not file.labels:
        hint = f"fill in the column label, by one of {_listed(known)}"
        raise CannotMeasure(f"no line of {path} has a label", hint=hint)
    needed = {said.metric for said in file.labels}
    if is_single and len(needed) > 1:
        what = f"{path} holds labels of {', '.join(sorted(needed))}, -o names one file"
        raise UsageError(what, hint="leave -o out: each metric has a file of its own")
    metrics = [metric for metric in judged.values() if metric.id in needed]
    return file, {metric.id: _positive_labels(metric, positive) for metric in metrics}


def labelling_metrics(
    config: Config,
) -> tuple[dict[str, Metric], dict[str, dict[str, str]]]:
    """Return the metrics that judge by labels, and what people may write for these, by metric id.

    Raises:
        ConfigError: If there is no such metric.
    """
    judged = {each.id: each.metric for each in bind_labelling(config)}
    return judged, {metric_id: words_for(metric) for metric_id, metric in judged.items()}


def _listed(known: Mapping[str, Mapping[str, str]]) -> str:
    """Return the labels of all metrics, each once."""
    return ", ".join(dict.fromkeys(label for words in known.values() for label in words.values()))


def _positive_labels(metric: Metric, positive: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of a good answer: those named, if the metric has any, else by value.

    Raises:
        UsageError: If the labels do not divide into good and bad ones.
    """
    words, worth = own_words(metric), metric.labels
    named = {words[key] for said in positive if (key := label_key(said)) in words}
    good = named or {label for label, value in worth.items() if value >= GOOD}
    bad = {*worth} - good
    if not good or not bad:
        what = f"{metric.id}: all of its labels would count as {'good' if good else 'bad'}"
        raise UsageError(what, hint="name the good ones, as --positive good")
    if min(worth[label] for label in good) < max(worth[label] for label in bad):
        what = (
            f"{metric.id}: a label that is not named by --positive is worth more than one that is"
        )
        raise UsageError(what, hint="name the best labels")
    return tuple(label for label in worth if label in good)
