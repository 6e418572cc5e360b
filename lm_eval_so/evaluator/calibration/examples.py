"""Disagreements between people and a judge, offered as examples for the judge."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain, islice, zip_longest
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.config.variables import has_variable
from lm_eval_so.core.config.yaml_lines import dump_yaml
from lm_eval_so.core.records.calibration import Calibration, OfferedExample
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.words import Wording, say, say_in_each
from lm_eval_so.evaluator.calibration.labelled import Judged, Labelled
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.sample_text import shown_input

_MOST_EACH = 2
"""Most examples of either direction; every request to the judge pays for them."""
_LONGEST = 2000
"""Most characters of a question and its answer."""
_LONGEST_REASON = 500
_IN_CONFIG: Final = " " * 6
"""Indentation of the keys under `params` of a metric in a config."""


def with_examples(
    found: Mapping[str, Calibration], work: Labelled, redactor: Redactor, language: Language
) -> dict[str, Calibration]:
    """Return calibrations with the disagreements from which their judges could learn.

    Args:
        found: The calibrations by metric id.
        work: The labelled answers, judged.
        redactor: Redactor of secrets; a text that holds one is never offered.
        language: Language of the reasons that people did not give.
    """
    made = dict(found)
    for bound in work.metrics:
        if bound.id in made and "examples" in type(bound.metric).Params.model_fields:
            offered = _offered(bound.metric, work.judged_of(bound), redactor)
            examples = tuple(_example(each, language) for each in offered)
            made[bound.id] = replace(made[bound.id], examples=examples)
    return made


def examples_text(calibration: Calibration, language: Language) -> str:
    """Return the examples as YAML for the config, with what to know before they are used.

    Args:
        calibration: The calibration, with examples.
        language: Language of the comments.
    """
    figures = {"metric": calibration.metric}
    keys = ["examples_head", "examples_use", "examples_held_out"]
    if any(each.reason in _stopgaps(each.label).values() for each in calibration.examples):
        keys.append("examples_reason")
    told = "".join(f"# {say(f'labels.{key}', language, figures)}\n" for key in keys)
    shown: JsonValue = [asdict(each) for each in calibration.examples]
    return told + textwrap.indent(dump_yaml({"examples": shown}), _IN_CONFIG)


def _offered(metric: Metric, judged: Iterable[Judged], redactor: Redactor) -> Iterator[Judged]:
    """Yield up to two answers that the judge is too kind to, and two that it is too strict to.

    Those with a reason by people come first, then those furthest apart, then the shortest.
    """
    kind: list[Judged] = []
    strict: list[Judged] = []
    for each in sorted(judged, key=lambda one: _urgency(one, metric.labels)):
        human, judge = each.rated.human, each.rated.judge
        if human is None or judge is None or human == judge or not _is_fit(each, redactor):
            continue
        found = kind if metric.labels[human] < metric.labels[judge] else strict
        if all(_differ(each, other) for other in chain(kind, strict)):
            found.append(each)
    pairs = zip_longest(islice(kind, _MOST_EACH), islice(strict, _MOST_EACH))
    yield from filter(None, chain.from_iterable(pairs))


def _urgency(each: Judged, worth: Mapping[str, float]) -> tuple[bool, float, int, str, int]:
    human, judge = each.rated.human, each.rated.judge
    distance = abs(worth[human] - worth[judge]) if human and judge else 0.0
    length = len(shown_input(each.sample, each.run)) + len(each.run.text)
    return not each.rated.notes, -distance, length, each.sample.id, each.run.repeat


def _is_fit(each: Judged, redactor: Redactor) -> bool:
    """Return whether the texts of an answer can stand in a config as they are."""
    texts = [shown_input(each.sample, each.run), each.run.text, *each.rated.notes]
    whole = "\n".join(texts)
    is_short = len(texts[0]) + len(texts[1]) <= _LONGEST
    # a config fills in ${NAME}, and there is no way to write it otherwise
    is_plain = not has_variable(whole) and redactor.redact(whole) == whole
    return is_short and is_plain and bool(basic(each.run.text))


def _differ(one: Judged, other: Judged) -> bool:
    """Return whether two answers are to different questions, and do not say the same."""
    return basic(one.run.text) != basic(other.run.text) and basic(
        shown_input(one.sample, one.run)
    ) != basic(shown_input(other.sample, other.run))


def _example(each: Judged, language: Language) -> OfferedExample:
    label = each.rated.human or ""
    return OfferedExample(
        input=shown_input(each.sample, each.run),
        answer=each.run.text,
        label=label,
        reason=_short(each.rated.notes) or _stopgaps(label)[language.value],
    )


def _stopgaps(label: str) -> Wording:
    """Return the sentence in place of a reason that people did not give, in each language."""
    return say_in_each("labels.example_reason", {"label": label})


def _short(notes: Sequence[str]) -> str:
    return textwrap.shorten("; ".join(notes), _LONGEST_REASON, placeholder=" …")
