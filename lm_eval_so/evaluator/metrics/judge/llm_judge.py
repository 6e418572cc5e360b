"""`llm_judge`: a model grades each answer against a rubric, by labels."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.labels import Labels, LabelValues, check_aliases
from lm_eval_so.evaluator.metrics.judge.opinion import judged_definition, make_request, with_rubric
from lm_eval_so.evaluator.metrics.judge.prompt import pointwise_prompt, verdict_schema
from lm_eval_so.evaluator.metrics.judge.rubric import (
    read_rubric,
    rubric_problems,
    sample_problems,
    steering_flags,
)
from lm_eval_so.evaluator.metrics.judge.verdicts import (
    ask_labels,
    empty_score,
    is_empty,
    label_score,
    shown_material,
)

__all__ = ["LLMJudge"]


class LLMJudge(Metric):
    """How a model grades the answer against a rubric.

    Definition: the value of the label that the judge chooses. It sees rubric, labels, input,
        answer, and what `show` names; never tags, scores or which model answered. Of a panel the
        label of the majority; without one the median, of two in the middle the worse, where three
        or more labels have values of their own.
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

    category: ClassVar[Literal["rule", "heuristic", "model"]] = "model"
    requires = frozenset({"judge", "params.rubric"})

    class Params(Metric.Params):
        """What the judge is told, and what its labels are worth."""

        rubric: str | None = None
        labels: LabelValues = Field(default={"good": 1.0, "bad": 0.0})
        aliases: dict[str, str] = Field(default_factory=dict)
        show: tuple[Literal["expected", "context"], ...] = ()

        @model_validator(mode="after")
        def _aliases_name_labels(self) -> Self:
            check_aliases(self.labels, self.aliases)
            return self

    params: Params

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._labels = Labels(values=self.params.labels, aliases=self.params.aliases)
        self.labels = self.params.labels
        self.kind = self._labels.kind
        self.vote_level = "ordinal" if self._labels.is_ordered else "nominal"
        self._rubric = read_rubric(self.params.rubric, self.env)

    def check_params(self) -> list[Problem]:
        """Find a rubric file that is not there."""
        return rubric_problems(self.params.rubric, self.env)

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find parameters that cannot differ by sample."""
        found = list(sample_problems(self, sample, fixed=("labels", "aliases")))
        return found or super().check_sample(sample)

    def calls(self, sample: TestSample, run: RunResult) -> int:  # noqa: ARG002 - as of all metrics
        """Return 1, or 0 for an empty answer."""
        return 0 if is_empty(run) else 1

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return what the judge is asked; None for an empty answer."""
        return None if is_empty(run) else self.request(sample, run).messages[0].content

    def guide(self, sample: TestSample) -> str:
        """Return the rubric."""
        own = self.params_for(sample).rubric
        return self._rubric if own == self.params.rubric else str(own or "").strip()

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Ask the judges, each once more if its output cannot be used."""
        if is_empty(run):
            return empty_score(self, sample, self._labels)
        votes = await ask_labels(self, self._labels, self.request(sample, run))
        return label_score(self, sample, self._labels, votes, details=steering_flags(run.text))

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return what the judge is asked about an answer."""
        params = self.params_for(sample)
        row = f"{self.id}:{sample.id}:{run.repeat}"
        prompt = pointwise_prompt(
            self.env.template,
            rubric=self._rubric if params.rubric == self.params.rubric else params.rubric,
            labels=self._labels.names,
            material=shown_material(sample, run, params.show, ANSWER=run.text),
            marker_seed=row,
        )
        schema = verdict_schema(self._labels.names)
        return make_request(prompt, schema, session=row, sample_id=sample.id, repeat=run.repeat)

    def definition(self) -> dict[str, JsonValue]:
        """Add the digests of template and rubric; the rubric's file name does not matter."""
        return judged_definition(
            with_rubric(super().definition(), self._rubric), self.env, "pointwise"
        )
