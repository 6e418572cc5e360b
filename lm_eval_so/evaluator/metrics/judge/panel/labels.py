"""Labels: the words that a judge chooses from, their values, and the choice of a panel."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable, find_objects, writable
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.score import JudgeVote
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.words import say_in_each
from lm_eval_so.evaluator.metrics.judge.panel.prompt import UNKNOWN, Prompt
from lm_eval_so.evaluator.metrics.judge.panel.replies import (
    LONGEST_WORD,
    Decision,
    Reply,
    decide_value,
    in_brief,
    vote_of,
)

_FEWEST_ORDERED = 3
"""Least number of labels of which one lies between others."""
_MOST_EVIDENCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Usable output of a judge."""

    label: str
    reason: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Words that a judge chooses from."""

    values: Mapping[str, float]
    """Value of each label."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Label by another word for it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, without UNKNOWN."""
        return tuple(self.values)

    @property
    def lowest(self) -> str:
        """The label with the lowest value."""
        return min(self.values, key=lambda label: self.values[label])

    @property
    def kind(self) -> MetricKind:
        """Kind of the values: binary if they are 0 and 1, else bounded."""
        is_binary = sorted(self.values.values()) == [0, 1]
        return MetricKind.BINARY if is_binary else MetricKind.BOUNDED

    @property
    def is_ordered(self) -> bool:
        """Whether one label can lie between two others."""
        return len(self.values) >= _FEWEST_ORDERED and len({*self.values.values()}) == len(
            self.values
        )

    @property
    def schema(self) -> dict[str, JsonValue]:
        """JSON Schema of a verdict. The reason comes first, so that it is thought of first."""
        return {
            "type": "object",
            "properties": {
                "reason": {"type": "string"},
                "evidence": {"type": "array", "items": {"type": "string"}},
                "label": {"type": "string", "enum": [*self.values, UNKNOWN]},
            },
            "required": ["reason", "evidence", "label"],
            "additionalProperties": False,
        }

    def prompt(self, template: str, rubric: str, material: Mapping[str, str]) -> Prompt:
        """Return the prompt that asks for one of the labels by a rubric."""
        slots = {
            "rubric": rubric.strip(),
            "labels": "\n".join(f"- {label}" for label in self.values),
            "names": ", ".join([*self.values, UNKNOWN]),
        }
        return Prompt(template=template, schema=self.schema, material=material, slots=slots)

    def read(self, output: str) -> Verdict | Unusable:
        """Read a judge's output: JSON, or a text with a JSON object in it."""
        return read_verdict(output, self.by_key())

    def by_key(self) -> dict[str, str]:
        """Return the labels by the form in which they are compared, with aliases and UNKNOWN."""
        known = {label_key(label): label for label in (*self.values, UNKNOWN)}
        return known | {label_key(said): label for said, label in self.aliases.items()}

    def vote(self, reply: Reply[Verdict]) -> JudgeVote:
        """Return a reply as a vote; one that says UNKNOWN has no value."""
        verdict = reply.found
        if verdict is None:
            return vote_of([reply])
        is_known = verdict.label != UNKNOWN
        vote = JudgeVote(
            label=verdict.label,
            value=self.values[verdict.label] if is_known else None,
            code=None if is_known else "judge_unknown",
            reason=verdict.reason,
            evidence=verdict.evidence,
        )
        return vote_of([reply], vote)

    def decide(self, votes: Sequence[JudgeVote], quorum: int | None) -> Decision:
        """Return the label of most usable votes.

        Without a majority it is the median if the labels have an order; of two in the middle,
        the worse.

        Args:
            votes: One vote per judge.
            quorum: Least number of usable votes; None: more than half.
        """
        decision = decide_value(votes, quorum)
        if self.is_ordered or decision.code is not None:
            return decision
        said = Counter(vote.label for vote in votes if vote.value is not None)
        label, most = said.most_common(1)[0]
        if 2 * most > said.total():
            return Decision(at=next(i for i, vote in enumerate(votes) if vote.label == label))
        counts = ", ".join(f"{label} {n}" for label, n in said.items())
        reason = say_in_each("metrics.judge_tie", {"votes": counts})
        return Decision(code="judge_tie", reason=reason)


def read_verdict(output: str, labels: Mapping[str, str]) -> Verdict | Unusable:
    """Read a judge's output, without guessing.

    Args:
        output: JSON, or a text with a JSON object in it.
        labels: Label by the form in which it is compared (`label_key`), aliases included.
    """
    objects = find_objects(output, "label")
    if not objects:
        return Unusable(code="no_json")
    found = objects[0]
    said = found["label"]
    if len({label_key(each["label"]) for each in objects}) > 1:
        return Unusable(code="several")  # the answer under test may have been quoted
    label = labels.get(label_key(said)) if isinstance(said, str | int | float) else None
    if label is None:
        shown = in_brief(
            one_line(said) if isinstance(said, str) else json.dumps(said), LONGEST_WORD
        )
        names = ", ".join(dict.fromkeys(labels.values()))
        return Unusable(code="unknown_label", figures={"label": f'"{shown}"', "labels": names})
    reason = found.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        return Unusable(code="no_reason")
    return Verdict(
        label=label, reason=in_brief(one_line(reason)), evidence=_texts(found.get("evidence"))
    )


def label_key(label: object) -> str:
    """Return the form in which labels are compared: without case, quotes, full stops and emphasis."""
    return basic(str(label)).casefold().strip(" \"'`.。*")


def _texts(values: object) -> tuple[str, ...]:
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, Iterable):
        return ()
    found = [writable(text) for text in values if isinstance(text, str) and text.strip()]
    return tuple(found[:_MOST_EVIDENCE])


def one_line(value: object) -> str:
    """Return a text on one line; "" if it is none."""
    return " ".join(writable(value).split()) if isinstance(value, str) else ""


def check_aliases(labels: Mapping[str, float], aliases: Mapping[str, str]) -> None:
    """Check that aliases name labels and are no labels themselves.

    Raises:
        ValueError: If one does not.
    """
    if strangers := sorted({*aliases.values()} - {*labels, UNKNOWN}):
        raise ValueError(f"aliases name {strangers[0]}, which is no label")
    keys = [label_key(label) for label in labels]
    if taken := sorted(alias for alias in aliases if label_key(alias) in keys):
        raise ValueError(f"the alias {taken[0]} is a label")


def _evenly_spaced(labels: Any) -> Any:
    """Return a list, best first, its values from 1 to 0."""
    if not isinstance(labels, list | tuple):
        return labels
    if len(set(map(str, labels))) < max(2, len(labels)):
        raise ValueError("give at least two labels, each once")
    step = 1 / (len(labels) - 1)
    spaced = {str(label): 1 - i * step for i, label in enumerate(labels)}
    return {**spaced, str(labels[-1]): 0.0}


def _make_sense(labels: dict[str, float]) -> dict[str, float]:
    keys = [label_key(label) for label in labels]
    if not all(keys) or label_key(UNKNOWN) in keys or len(set(keys)) < len(keys):
        raise ValueError(f"labels must be different words, none of them {UNKNOWN}")
    if not all(0 <= value <= 1 for value in labels.values()):
        raise ValueError("the value of a label lies in 0 … 1")
    return labels


LabelValues = Annotated[
    dict[str, float],
    Field(min_length=2),
    AfterValidator(_make_sense),
    BeforeValidator(_evenly_spaced, json_schema_input_type=list[str] | dict[str, float]),
]
"""Labels in a config: a list, best first, or the value of each."""
