"""`llm_scale`: steps, anchors, token probabilities."""

import math
from dataclasses import replace
from typing import Any

import pytest
from evaluation import SaidAsker, a_run, a_sample, an_answer
from pydantic import ValidationError

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.enums import Language, RunStatus
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.metrics.env import Judge, MetricEnv
from lm_eval_so.evaluator.metrics.judge.llm_scale import LLMScale

ANCHORS = ["틀림", "거의 틀림", "반쯤 맞음", "거의 맞음", "맞음"]


def make(*askers: SaidAsker, language: Language = Language.EN, **params: Any) -> LLMScale:
    env = MetricEnv(
        judges=tuple(Judge(ask=asker.ask, model="m") for asker in askers), template=language
    )
    return LLMScale(params={"anchors": ANCHORS, **params}, metric_id="grade", env=env)


def says(step: object) -> str:
    return f'{{"reason":"r","evidence":[],"label":{step}}}'


async def score_of(*said: str | Answer, text: str = "3일입니다") -> Score:
    askers = [SaidAsker(each) for each in said]
    return await make(*askers).score(a_sample(), a_run(text))


@pytest.mark.parametrize(
    ("step", "value"), [('"1"', 0), ('"2"', 0.25), ("3", 0.5), ('"4."', 0.75), ("5", 1)]
)
async def test_score__step_gives_the_value(step: str, value: float) -> None:
    score = await score_of(says(step))
    assert (score.value, score.details["by"]) == (value, "step")


@pytest.mark.parametrize("step", ['"6"', "0", '"3.5"', "4.5", "true", '"45"'])
async def test_score__what_is_no_step_is_invalid(step: str) -> None:
    score = await score_of(says(step))
    assert (score.value, score.code) == (None, "judge_invalid")


async def test_score__unknown_and_empty() -> None:
    assert (await score_of(says('"UNKNOWN"'))).code == "judge_unknown"
    asker = SaidAsker(says(5))
    score = await make(asker).score(a_sample(), a_run("", status=RunStatus.EMPTY))
    assert (score.value, score.code, asker.requests) == (0, "empty_answer", [])


@pytest.mark.parametrize(
    ("steps", "value"), [((1, 5, 4), 0.75), ((2, 4), 0.25), ((3, 3, 5), 0.5), ((1, 1, 1), 0)]
)
async def test_score__panel_has_the_median(steps: tuple[int, ...], value: float) -> None:
    assert (await score_of(*map(says, steps))).value == value


def likely(chances: dict[str, float], *, token: str = "4", before: str = '"label": "') -> Answer:
    """Return an answer whose step was named with these chances."""
    top = [{"token": t, "logprob": math.log(p)} for t, p in chances.items()]
    tokens = ['{"reason": "', "좋", '", "evidence": [], ', before, token, '"}']
    content: list[Any] = [{"token": t, "logprob": -0.1, "top_logprobs": []} for t in tokens]
    content[4] = {"token": token, "logprob": -0.1, "top_logprobs": top}
    answer = an_answer("".join(tokens))
    response = answer.response or ChatResponse()
    return replace(answer, response=replace(response, logprobs={"content": content}))


async def test_score__mean_by_token_probabilities() -> None:
    score = await score_of(likely({"4": 0.6, "5": 0.3, "3": 0.05, "x": 0.05}))
    mean = (4 * 0.6 + 5 * 0.3 + 3 * 0.05) / 0.95
    assert score.value == pytest.approx((mean - 1) / 4)
    assert (score.details["by"], score.label) == ("logprobs", "4")


@pytest.mark.parametrize(
    "answer",
    [
        likely({"4": 0.5, "5": 0.2, "네": 0.3}),
        likely({"4": 0.9}, token='4"}'),
        likely({"4": 0.9}, before='"note": "'),
        replace(an_answer(says(4)), response=ChatResponse(text=says(4), logprobs=[1, "x"])),
        replace(an_answer(says(4)), response=ChatResponse(text=says(4), logprobs={"content": [3]})),
    ],
    ids=["little mass", "not a token of its own", "another key", "a list", "no tokens"],
)
async def test_score__probabilities_that_cannot_be_used__the_step_counts(answer: Answer) -> None:
    response = replace(answer.response or ChatResponse(), text=says(4))
    score = await score_of(replace(answer, response=response))
    assert (score.value, score.details["by"]) == (0.75, "step")


async def test_score__tokens_with_a_space_count_as_the_same_step() -> None:
    score = await score_of(likely({"4": 0.4, " 4": 0.2, "5": 0.4}))
    assert score.value == pytest.approx((4.4 - 1) / 4)


@pytest.mark.parametrize(
    "anchors", [ANCHORS[:4], [*ANCHORS[:4], ""], {"1": "a", "5": "b"}, None, "good"]
)
def test_anchors__each_step_has_one(anchors: Any) -> None:
    with pytest.raises(ValidationError):
        make(anchors=anchors)


def test_anchors__by_step() -> None:
    by_step = {str(5 - i): text for i, text in enumerate(reversed(ANCHORS))}
    assert make(anchors=by_step).params == make().params


@pytest.mark.parametrize("language", Language)
def test_request__shows_every_anchor(language: Language) -> None:
    prompt = make(language=language, rubric="RUBRIC").first_prompt(a_sample(), a_run("답")) or ""
    assert (
        "- 1: 틀림\n- 2: 거의 틀림\n- 3: 반쯤 맞음\n- 4: 거의 맞음\n- 5: 맞음\n- UNKNOWN" in prompt
    )
    assert "RUBRIC" in prompt
    assert "1, 2, 3, 4, 5, UNKNOWN" in prompt


def test_definition__follows_the_anchors() -> None:
    assert make().definition() != make(anchors=ANCHORS[::-1]).definition()
