"""`conversation`: a model grades a whole conversation."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.dialogue import (
    bot_calls,
    bot_texts,
    failed_turn,
    shown_dialogue,
)
from lm_eval_so.evaluator.metrics.judge.labels import Labels, LabelValues, check_aliases
from lm_eval_so.evaluator.metrics.judge.opinion import (
    is_blank,
    judged_definition,
    make_request,
    with_rubric,
)
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
    label_score,
    shown_beside,
)

__all__ = ["Conversation"]


class Conversation(Metric):
    """How a model grades the chatbot over a whole conversation.

    Definition: the value of the label that the judge chooses, as of `llm_judge`, over all turns,
        numbered. `aspect` selects what it looks for: whether the user reached the `goal`,
        `retention` of what was said earlier, whether the `role` is kept, `coherence`, or the
        `rubric` alone (`custom`); with another aspect the rubric adds to it. For the goal it is
        shown the simulated user's goal, for the role the sample's system prompt.
    Range: 0 … 1; 0 or 1 if there are two labels with these values.
    Direction: higher is better.
    Unscored when: a turn has no answer (`run_error`), and as `llm_judge`. A chatbot that said
        nothing has the lowest label without a call. Not applicable without a scenario, or where
        `custom` has no rubric.
    Language notes: `judge.template: ko` gives instructions and aspects in Korean.
    Source: own rubrics; the protocol of `llm_judge`.
    """

    category: ClassVar[Literal["rule", "heuristic", "model"]] = "model"
    requires = frozenset({"judge", "scenario"})

    class Params(Metric.Params):
        """What the judge looks for, and what its labels are worth."""

        aspect: Literal["goal", "retention", "role", "coherence", "custom"] = "goal"
        rubric: str | None = None
        labels: LabelValues = Field(default={"good": 1.0, "partial": 0.5, "bad": 0.0})
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

    def applies(self, sample: TestSample) -> bool:
        """Return whether there is something to look for."""
        return bool(self._looked_for(sample))

    def calls(self, sample: TestSample, run: RunResult) -> int:  # noqa: ARG002 - as of all metrics
        """Return 1, or 0 where there is nothing to grade."""
        return 1 if _is_asked(run) else 0

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return what the judge is asked; None where there is nothing to grade."""
        return self.request(sample, run).messages[0].content if _is_asked(run) else None

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Ask the judges, each once more if its output cannot be used."""
        if failed := failed_turn(run):
            figures = {"n": failed[0], "status": failed[1].status.value}
            why = say("metrics.turn_failed", self.env.language, figures)
            return self.unscored(sample, "run_error", why)
        if _is_silent(run):
            return empty_score(self, sample, self._labels)
        votes = await ask_labels(self, self._labels, self.request(sample, run))
        flags = steering_flags(*bot_texts(run))
        return label_score(self, sample, self._labels, votes, details=flags)

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return what the judge is asked about a conversation."""
        params = self.params_for(sample)
        row = f"{self.id}:{sample.id}:{run.repeat}"
        user = sample.scenario.simulated_user if sample.scenario else None
        beside = shown_beside(sample, params.show)
        if params.aspect == "goal" and user is not None:
            beside["GOAL"] = user.goal
        if params.aspect == "role" and sample.system:
            beside["INSTRUCTIONS"] = sample.system
        prompt = pointwise_prompt(
            self.env.template,
            template_name="conversation",
            rubric=self._looked_for(sample),
            labels=self._labels.names,
            material={**beside, **shown_dialogue(sample, run)},
            marker_seed=row,
        )
        schema = verdict_schema(self._labels.names)
        return make_request(prompt, schema, session=row, sample_id=sample.id, repeat=run.repeat)

    def definition(self) -> dict[str, JsonValue]:
        """Add the digests of template and rubric; the rubric's file name does not matter."""
        told = with_rubric(super().definition(), self._rubric)
        return judged_definition(told, self.env, "conversation")

    def _looked_for(self, sample: TestSample) -> str:
        params = self.params_for(sample)
        own = self._rubric if params.rubric == self.params.rubric else params.rubric.strip()
        if params.aspect == "custom":
            return own
        aspect = say(f"judge.aspect_{params.aspect}", self.env.template)
        return f"{aspect}\n\n{own}" if own else aspect


def _is_asked(run: RunResult) -> bool:
    return failed_turn(run) is None and not _is_silent(run)


def _is_silent(run: RunResult) -> bool:
    """Return whether the chatbot neither said nor called anything."""
    return all(map(is_blank, bot_texts(run))) and not any(True for _ in bot_calls(run))
