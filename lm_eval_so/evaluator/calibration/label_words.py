"""What people may write for a label, and which labels are those of a good answer."""

from collections.abc import Mapping, Sequence

from lm_eval_so.errors import UsageError
from lm_eval_so.evaluator.calibration.labels import GOOD
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.panel import label_key

Words = Mapping[str, str]
"""The labels of a metric by the form in which they are compared, aliases included."""


def words_of(metric: Metric) -> dict[str, str]:
    """Return the labels of a metric as people may write them."""
    aliases = getattr(metric.params, "aliases", {})
    words = {label: label for label in metric.labels}
    words |= {said: label for said, label in aliases.items() if label in metric.labels}
    return {label_key(said): label for said, label in words.items()}


def listed(known: Mapping[str, Words]) -> str:
    """Return the labels of all metrics, each once."""
    return ", ".join(dict.fromkeys(label for words in known.values() for label in words.values()))


def refuse_strangers(positive: Sequence[str], known: Mapping[str, Words]) -> None:
    """Refuse labels of a good answer that are none of any metric.

    Raises:
        UsageError: If there is one.
    """
    for said in positive:
        if not any(label_key(said) in words for words in known.values()):
            raise UsageError(f"--positive {said} is not one of {listed(known)}")


def positive_labels(metric: Metric, positive: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of a good answer: those named, if any is of this metric, else by value.

    Raises:
        UsageError: If that is no division into good and bad.
    """
    words, worth = words_of(metric), metric.labels
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
