"""Labels: what a judge may choose from, what each is worth, and what a panel makes of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from lm_eval_so.core.records.enums import Language, MetricKind
from lm_eval_so.core.records.score import JudgeVote
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.metrics.judge.opinion import Decision, decide_value
from lm_eval_so.evaluator.metrics.judge.panel import Reply
from lm_eval_so.evaluator.metrics.judge.prompt import UNKNOWN
from lm_eval_so.evaluator.metrics.judge.verdict import Verdict, label_key

_FEWEST_ORDERED = 3
"""Labels from which on one lies between others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a judge may choose from."""

    values: Mapping[str, float]
    """What each label is worth."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other words for a label."""

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
        """Return whether the values are right and wrong, or more."""
        is_binary = sorted(self.values.values()) == [0, 1]
        return MetricKind.BINARY if is_binary else MetricKind.BOUNDED

    @property
    def is_ordered(self) -> bool:
        """Return whether one label can lie between two others."""
        return len(self.values) >= _FEWEST_ORDERED and len({*self.values.values()}) == len(
            self.values
        )

    def by_key(self) -> dict[str, str]:
        """Give the labels by the form in which they are compared, aliases and UNKNOWN included."""
        known = {label_key(label): label for label in (*self.values, UNKNOWN)}
        return known | {label_key(said): label for said, label in self.aliases.items()}

    def vote(self, reply: Reply[Verdict]) -> JudgeVote:
        """Return a reply as a vote; one that says UNKNOWN has no value."""
        verdict = reply.found
        if verdict is None:
            return reply.vote()
        is_known = verdict.label != UNKNOWN
        return reply.vote(
            label=verdict.label,
            value=self.values[verdict.label] if is_known else None,
            code=None if is_known else "judge_unknown",
            reason=verdict.reason,
            evidence=verdict.evidence,
        )

    def decide(
        self, votes: Sequence[JudgeVote], quorum: int | None, language: Language
    ) -> Decision:
        """Find the vote whose label is the panel's.

        That is the label of most usable votes; without a majority the median if the labels have
        an order, of two in the middle the worse.

        Args:
            votes: One a judge.
            quorum: Usable votes that there must be; None: more than half.
            language: Language of the reason.
        """
        decision = decide_value(votes, quorum)
        if self.is_ordered or decision.code is not None:
            return decision
        said = Counter(vote.label for vote in votes if vote.value is not None)
        label, most = said.most_common(1)[0]
        if 2 * most > said.total():
            return Decision(at=next(i for i, vote in enumerate(votes) if vote.label == label))
        counts = ", ".join(f"{label} {n}" for label, n in said.items())
        return Decision(
            code="judge_tie", reason=say("metrics.judge_tie", language, {"votes": counts})
        )


def check_aliases(labels: Mapping[str, float], aliases: Mapping[str, str]) -> None:
    """Check that aliases name labels, and are none themselves.

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
"""Labels in a config: a list, best first, or what each is worth."""
