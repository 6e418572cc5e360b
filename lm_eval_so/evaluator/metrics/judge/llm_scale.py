"""`llm_scale`: a model grades each answer from 1 to 5, each step described in words."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue

from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.stats.agreement import Level
from lm_eval_so.core.words import say
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.labels import Labels
from lm_eval_so.evaluator.metrics.judge.opinion import (
    Opinion,
    judged_definition,
    make_request,
    settle,
    with_rubric,
)
from lm_eval_so.evaluator.metrics.judge.panel import Reply, ask_panel, require_judges
from lm_eval_so.evaluator.metrics.judge.prompt import UNKNOWN, fill, verdict_schema
from lm_eval_so.evaluator.metrics.judge.rubric import (
    read_rubric,
    rubric_problems,
    sample_problems,
)
from lm_eval_so.evaluator.metrics.judge.token_chances import expected_step
from lm_eval_so.evaluator.metrics.judge.verdict import Verdict, read_verdict
from lm_eval_so.evaluator.metrics.judge.verdicts import is_empty, shown_material

__all__ = ["LLMScale"]

_STEPS = ("1", "2", "3", "4", "5")
_LABELS = Labels(values={step: (int(step) - 1) / 4 for step in _STEPS})

Anchor = Annotated[str, Field(min_length=1)]


def _in_order(anchors: Any) -> Any:
    """Return what the steps mean, from 1 to 5; a mapping names each step."""
    if not isinstance(anchors, Mapping):
        return anchors
    by_step = {str(step): text for step, text in anchors.items()}
    if set(by_step) != {*_STEPS}:
        raise ValueError("describe each of the steps 1, 2, 3, 4, 5")
    return [by_step[step] for step in _STEPS]


Anchors = Annotated[
    tuple[Anchor, Anchor, Anchor, Anchor, Anchor],
    BeforeValidator(_in_order, json_schema_input_type=list[str] | dict[str, str]),
]


class LLMScale(Metric):
    """How a model grades the answer from 1 to 5, against a description of each step.

    Definition: (x − 1)/4 of the step x that the judge chooses. If its backend gives the
        probabilities of the tokens (the judge's parameters `logprobs` and `top_logprobs`) and the
        steps have at least 0.8 of them together, x is the mean of the steps by probability;
        `details.by` says which. Of a panel the median, of two in the middle the worse.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: as `llm_judge`. An empty answer is step 1 without a call.
    Language notes: `judge.template: ko` gives the instructions in Korean.
    Source: Liu et al. (2023), G-Eval, EMNLP, for the mean by token probabilities.
    """

    category: ClassVar[Literal["rule", "heuristic", "model"]] = "model"
    vote_level: Level = "interval"
    labels = _LABELS.values
    requires = frozenset({"judge"})

    class Params(Metric.Params):
        """What the judge is told."""

        anchors: Anchors
        """What each step means, from 1 to 5: a list of five texts, or a text by step."""
        rubric: str | None = None
        show: tuple[Literal["expected", "context"], ...] = ()

    params: Params

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.labels = _LABELS.values
        self._rubric = read_rubric(self.params.rubric, self.env)

    def check_params(self) -> list[Problem]:
        """Find a rubric file that is not there."""
        return rubric_problems(self.params.rubric, self.env)

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find parameters that cannot differ by sample."""
        return list(sample_problems(self, sample, fixed=())) or super().check_sample(sample)

    def calls(self, sample: TestSample, run: RunResult) -> int:  # noqa: ARG002 - as of all metrics
        """Return 1, or 0 for an empty answer."""
        return 0 if is_empty(run) else 1

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return what the judge is asked; None for an empty answer."""
        return None if is_empty(run) else self.request(sample, run).messages[0].content

    def guide(self, sample: TestSample) -> str:
        """Return the rubric and what each step means."""
        params = self.params_for(sample)
        rubric = self._rubric if params.rubric == self.params.rubric else str(params.rubric or "")
        steps = zip(_STEPS, params.anchors, strict=True)
        return "\n".join([rubric, *(f"{step}: {text}" for step, text in steps)]).strip()

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Ask the judges, each once more if its output cannot be used."""
        if is_empty(run):
            return self.make_score(sample, value=0, label=_STEPS[0], code="empty_answer")
        require_judges(self)
        known = _LABELS.by_key()
        request = self.request(sample, run)
        replies = await ask_panel(self.env, request, lambda output: read_verdict(output, known))
        return settle(self, sample, list(map(_opinion, replies)), answer=run.text)

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return what the judge is asked about an answer."""
        params, language = self.params_for(sample), self.env.template
        rubric = self._rubric if params.rubric == self.params.rubric else params.rubric.strip()
        row = f"{self.id}:{sample.id}:{run.repeat}"
        prompt = fill(
            language,
            "scale",
            shown_material(sample, run, params.show, ANSWER=run.text),
            row,
            rubric=rubric or say("judge.rubric_scale", language),
            anchors="\n".join(
                f"- {step}: {text.strip()}"
                for step, text in zip(_STEPS, params.anchors, strict=True)
            ),
            names=", ".join([*_STEPS, UNKNOWN]),
        )
        return make_request(
            prompt, verdict_schema(_STEPS), session=row, sample_id=sample.id, repeat=run.repeat
        )

    def definition(self) -> dict[str, JsonValue]:
        """Add the digests of template and rubric; the rubric's file name does not matter."""
        return judged_definition(with_rubric(super().definition(), self._rubric), self.env, "scale")


def _opinion(reply: Reply[Verdict]) -> Opinion:
    vote = _LABELS.vote(reply)
    if reply.found is None or vote.value is None:
        return Opinion(vote=vote)
    response = reply.answers[-1].response
    mean = expected_step(response.logprobs if response else None, reply.found.label)
    if mean is None:
        return Opinion(vote=vote, details={"by": "step"})
    return Opinion(
        vote=reply.vote(
            label=vote.label, value=(mean - 1) / 4, reason=vote.reason, evidence=vote.evidence
        ),
        details={"by": "logprobs"},
    )
