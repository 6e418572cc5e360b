"""`llm_scale`: a model grades each answer from 1 to 5, each step described in words."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel import (
    UNKNOWN,
    JudgedMetric,
    Labels,
    Opinion,
    Prompt,
    is_empty,
    shown_material,
)

__all__ = ["LLMScale"]

_STEPS = ("1", "2", "3", "4", "5")
_LEAST_MASS = 0.8
_LABEL = re.compile(r'"label"\s*:\s*"?\s*([1-5])(?![0-9])')
_LABELS = Labels(values={step: (int(step) - 1) / 4 for step in _STEPS})

Anchor = Annotated[str, Field(min_length=1)]


def _in_order(anchors: Any) -> Any:
    """Return the meaning of the steps, from 1 to 5, of a list or a mapping by step."""
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


class LLMScale(JudgedMetric):
    """Grade of the answer by a model from 1 to 5, each step described.

    Definition: (x − 1)/4 of the step x that the judge chooses. If its backend gives the
        probabilities of the tokens (the judge's parameters `logprobs` and `top_logprobs`) and the
        steps have at least 0.8 of them together, x is the mean of the steps by probability;
        `details.by` says which. With a panel, the median counts; of two in the middle, the worse.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: as in `llm_judge`. An empty answer is step 1 without a call.
    Language notes: `judge.template: ko` gives the instructions in Korean.
    Source: Liu et al. (2023), G-Eval, EMNLP, for the mean by token probabilities.
    """

    templates: tuple[str, ...] = ("scale",)
    labels = _LABELS.values

    class Params(Metric.Params):
        """Instructions to the judge."""

        anchors: Anchors
        """Meaning of each step, from 1 to 5: a list of five texts, or a text by step."""
        rubric: str | None = None
        show: tuple[Literal["expected", "context"], ...] = ()

    def guide(self, sample: TestSample) -> str:
        """Return the rubric and the meaning of each step."""
        steps = zip(_STEPS, self.params_for(sample).anchors, strict=True)
        texts = [self.rubric_for(sample), *(f"{step}: {text}" for step, text in steps)]
        return "\n".join(texts).strip()

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return step 1 of an answer without content."""
        if not is_empty(run):
            return None
        return self.make_score(sample, value=0, label=_STEPS[0], code="empty_answer")

    def prompt(self, sample: TestSample, run: RunResult) -> Prompt:
        """Return the rubric, the meaning of each step and the material."""
        params = self.params_for(sample)
        steps = zip(_STEPS, params.anchors, strict=True)
        slots = {
            "rubric": self.rubric_for(sample) or say("judge.rubric_scale", self.env.template),
            "anchors": "\n".join(f"- {step}: {text.strip()}" for step, text in steps),
            "names": ", ".join([*_STEPS, UNKNOWN]),
        }
        material = shown_material(sample, run, params.show, ANSWER=run.text)
        return Prompt(template="scale", schema=_LABELS.schema, material=material, slots=slots)

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask for a step, and take the mean of the steps by probability if there is one."""
        reply = await self.ask(judge, self.request(sample, run), _LABELS.read)
        vote = _LABELS.vote(reply)
        if vote.label is None or vote.value is None:
            return Opinion(vote=vote)
        response = reply.answers[-1].response
        mean = expected_step(response.logprobs if response else None, vote.label)
        if mean is None:
            return Opinion(vote=vote, details={"by": "step"})
        return Opinion(vote=replace(vote, value=(mean - 1) / 4), details={"by": "logprobs"})


def expected_step(logprobs: JsonValue, said: str) -> float | None:
    """Return the mean of the steps 1 … 5, each weighted by its probability.

    Args:
        logprobs: Token probabilities of a chat completion: `content`, a list of tokens, each
            with the `top_logprobs` of its place.
        said: Step that the judge named.

    Returns:
        Mean; None without probabilities, if the step is no token of its own, or if the steps have
        less than 0.8 of the probability together.
    """
    place = _place(logprobs, said)
    if place is None:
        return None
    chances: dict[int, float] = {}
    for each in place.get("top_logprobs") or ():
        token, logprob = each.get("token"), each.get("logprob")
        if isinstance(token, str) and token.strip() in _STEPS and _is_number(logprob):
            step = int(token.strip())
            chances[step] = chances.get(step, 0.0) + math.exp(min(0.0, logprob))
    mass = math.fsum(chances.values())
    if mass < _LEAST_MASS:
        return None
    mean = math.fsum(step * chance for step, chance in chances.items()) / mass
    return min(5.0, max(1.0, mean))


def _place(logprobs: JsonValue, said: str) -> Mapping[str, Any] | None:
    """Return the token that names the step; None unless it stands alone in one."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return None
    places = [each for each in content if isinstance(each, dict)]
    tokens = [each.get("token") if isinstance(each.get("token"), str) else "" for each in places]
    found = list(_LABEL.finditer("".join(map(str, tokens))))
    if not found or found[-1][1] != said:
        return None
    ends = accumulate(len(str(token)) for token in tokens)
    at = next(i for i, end in enumerate(ends) if end > found[-1].start(1))
    is_alone = str(tokens[at]).strip() == said
    top = places[at].get("top_logprobs")
    is_whole = isinstance(top, list) and all(isinstance(each, dict) for each in top)
    return places[at] if is_alone and is_whole else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not math.isnan(value)
