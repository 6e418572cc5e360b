"""Pairs of answers: shown to people without telling which is whose, and their choices read back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.calibration import PairFigures
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.stats.binary import wilson_interval
from lm_eval_so.core.words import texts
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.panel import label_key

TIE: Final = "TIE"
CHOICES: Final = ("A", "B", TIE)
"""Choices that people have between two answers as they are shown."""
_TIED = "tie"
_EVEN = 0.5
"""Share of choices that fall on the answer shown first if its place sways nobody."""
_WINS = {("A", True): "win", ("B", False): "win", ("A", False): "loss", ("B", True): "loss"}
"""Label of the answer, by the choice and whether the answer was shown first."""


def compares(metric: Metric) -> bool:
    """Return whether a metric compares two answers."""
    return "baseline" in metric.requires


def offered_labels(metric: Metric) -> tuple[str, ...]:
    """Return the labels that people choose from."""
    return CHOICES if compares(metric) else tuple(metric.labels)


def label_names(metric: Metric, language: Language) -> tuple[str, ...]:
    """Return what the labels mean, in their order; () if the labels are the user's own words."""
    known = texts(language)
    names = [known.get(f"labels.{metric.name}_{label}") for label in offered_labels(metric)]
    return tuple(name for name in names if name) if all(names) else ()


def own_words(metric: Metric) -> dict[str, str]:
    """Return the judge's labels by their form for comparison, aliases included."""
    aliases: Mapping[str, str] = getattr(metric.params, "aliases", {})
    words = {label: label for label in metric.labels}
    words |= {said: label for said, label in aliases.items() if label in metric.labels}
    return {label_key(said): label for said, label in words.items()}


def words_for(metric: Metric) -> dict[str, str]:
    """Return what people may write, by its form for comparison, with the label that it stands for.

    Of a pair these are the choices as shown and, for those who know which answer is which, the
    labels of the judge.
    """
    offered = offered_labels(metric)
    words = {label_key(label): label for label in offered}
    for language in Language:
        names = zip(label_names(metric, language), offered, strict=False)
        words |= {label_key(name): label for name, label in names}
    return {**words, **{k: v for k, v in own_words(metric).items() if k not in words}}


def is_shown_first(metric: Metric, sample: TestSample, repeat: int) -> bool:
    """Return whether the chatbot's answer stands first: by chance, but the same on every machine."""
    return u64("pair", metric.id, sample.id, repeat) % 2 == 0


def shown_answers(metric: Metric, sample: TestSample, run: RunResult) -> tuple[str, str | None]:
    """Return the answer to label; of a metric that compares two, both as they are shown."""
    rival = metric.rival(sample, run)
    if rival is None or is_shown_first(metric, sample, run.repeat):
        return run.text, rival
    return rival, run.text


def label_of_choice(choice: str, *, is_first: bool) -> str:
    """Return the label of the chatbot's answer that a choice between two answers means.

    Args:
        choice: One of `CHOICES`; a label of the judge stays as it is.
        is_first: Whether the chatbot's answer was shown first.
    """
    return _TIED if choice == TIE else _WINS.get((choice, is_first), choice)


def pair_figures(
    labels: Sequence[tuple[str, str]], choices: Iterable[str], scores: Iterable[Score]
) -> PairFigures:
    """Return how people and judge chose, ties left aside.

    Args:
        labels: Labels of each pair by people and by the judge.
        choices: Choices of all people, as the pairs were shown to them.
        scores: Scores by the judge.
    """
    decided = [(human, judge) for human, judge in labels if _TIED not in {human, judge}]
    places = [choice for choice in choices if choice in CHOICES[:2]]
    flags = (score.details.get("flags") for score in scores)
    return PairFigures(
        decided=len(decided),
        same=sum(human == judge for human, judge in decided),
        flips=sum(isinstance(found, list) and "order_flip" in found for found in flags),
        chosen=len(places),
        chosen_first=places.count(CHOICES[0]),
    )


def are_swayed(figures: PairFigures) -> bool:
    """Return whether people chose the answer shown first, or the other, more often than chance explains."""
    if not figures.chosen:
        return False
    low, high = wilson_interval(figures.chosen_first, figures.chosen)
    return not low <= _EVEN <= high
