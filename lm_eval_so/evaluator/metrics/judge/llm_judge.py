"""`llm_judge`: a model grades each answer against a rubric, by labels."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel import (
    Decision,
    JudgedMetric,
    Labels,
    LabelValues,
    Opinion,
    Prompt,
    check_aliases,
    is_empty,
    shown_material,
)
from lm_eval_so.evaluator.sample_text import shown_input

__all__ = ["LLMJudge"]


_MOST_EXAMPLES = 20


class Example(BaseModel):
    """Answer with the verdict that is right."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: str = ""
    answer: str = Field(pattern=r"\S")
    label: str
    reason: str = Field(pattern=r"\S")
    """Reason for the label, as a judge should give it."""


class LLMJudge(JudgedMetric):
    """Grade of the answer by a model, against a rubric.

    Definition: the value of the label that the judge chooses. It sees rubric, labels, the sample's
        system prompt, input, answer, calls of tools with their results, and what `show` names;
        never tags, scores or which model answered. With a panel, the
        label of the majority counts; without a majority the median, of two in the middle the
        worse, if there are three labels or more, each with a value of its own.
    Range: 0 … 1; 0 or 1 if there are two labels with these values.
    Direction: higher is better.
    Unscored when: the judge says UNKNOWN (`judge_unknown`), gives no usable output twice
        (`judge_invalid`), refuses (`judge_refused`), cannot be reached (`judge_error`) or the
        budget is spent (`judge_budget`); too few of a panel decide (`judge_quorum`), or they are
        at odds (`judge_tie`). An empty answer has the lowest label without a call. Not applicable
        without a rubric.
    Language notes: `judge.template: ko` gives the instructions in Korean.
    Source: Zheng et al. (2023), Judging LLM-as-a-Judge, NeurIPS; reason before label as in
        Liu et al. (2023), G-Eval, EMNLP; panels as in Verga et al. (2024), arXiv:2404.18796.
    """

    templates: tuple[str, ...] = ("pointwise",)
    fixed_params: ClassVar[tuple[str, ...]] = ("labels", "aliases", "examples")
    requires = frozenset({"judge", "params.rubric"})

    class Params(Metric.Params):
        """Instructions to the judge, and the values of its labels."""

        rubric: str | None = None
        labels: LabelValues = Field(default={"good": 1.0, "bad": 0.0})
        aliases: dict[str, str] = Field(default_factory=dict)
        examples: tuple[Example, ...] = Field(default=(), max_length=_MOST_EXAMPLES)
        """Answers with the verdict that is right, for the judge to follow."""
        show: tuple[Literal["expected", "context"], ...] = ()
        """Further texts for the judge: the references, each right by itself; the passages that the
        chatbot reports, and the sample's."""

        @model_validator(mode="after")
        def _aliases_name_labels(self) -> Self:
            check_aliases(self.labels, self.aliases)
            strangers = [each.label for each in self.examples if each.label not in self.labels]
            if strangers:
                raise ValueError(f"an example has the label {strangers[0]}, which is none of them")
            return self

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._labels = Labels(values=self.params.labels, aliases=self.params.aliases)
        self.labels = self.params.labels
        self.kind = self._labels.kind
        self.vote_level = "ordinal" if self._labels.is_ordered else "nominal"

    def guide(self, sample: TestSample) -> str:
        """Return the rubric."""
        return self.rubric_for(sample)

    def knows(self, sample: TestSample, run: RunResult) -> bool:
        """Return whether an example is about this question, or is this answer to whatever question."""
        if not self.params.examples:
            return False
        asked, said = basic(shown_input(sample, run)), basic(run.text)
        return any(asked == basic(x.input) or said == basic(x.answer) for x in self.params.examples)

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return the lowest label of an answer without content."""
        return self.lowest(sample) if is_empty(run) else None

    def lowest(self, sample: TestSample) -> Score:
        """Return the score of the lowest label, without a judge."""
        label = self._labels.lowest
        value = self._labels.values[label]
        return self.make_score(sample, value=value, label=label, code="empty_answer")

    def prompt(self, sample: TestSample, run: RunResult) -> Prompt:
        """Return the rubric, the labels and the material."""
        (template,) = self.templates
        material = {**_shown(self.params_for(sample).examples), **self.material(sample, run)}
        return self._labels.prompt(template, self.guide(sample), material)

    def material(self, sample: TestSample, run: RunResult) -> dict[str, str]:
        """Return the texts that the judge sees, by the word in their markers."""
        return shown_material(sample, run, self.params_for(sample).show, ANSWER=run.text)

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask for a label."""
        reply = await self.ask(judge, self.request(sample, run), self._labels.read)
        return Opinion(vote=self._labels.vote(reply))

    def decide(self, votes: Sequence[JudgeVote]) -> Decision:
        """Return the label of the majority, or the median of labels with an order."""
        return self._labels.decide(votes, self.env.quorum)


def _shown(examples: Sequence[Example]) -> dict[str, str]:
    """Return examples by the words in their markers; the verdict in the form of a judge's output."""
    shown: dict[str, str] = {}
    for number, each in enumerate(examples, 1):
        parts = {"INPUT": each.input, "ANSWER": each.answer, "VERDICT": _verdict(each)}
        shown |= {f"EXAMPLE {number} {word}": text for word, text in parts.items() if text}
    return shown


def _verdict(example: Example) -> str:
    verdict = {"reason": example.reason, "evidence": [], "label": example.label}
    return json.dumps(verdict, ensure_ascii=False)
