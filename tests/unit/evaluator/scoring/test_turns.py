"""A metric on every answer of a conversation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from evaluation import SaidAsker, a_run, a_sample

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.enums import RunStatus, ScoreStatus
from lm_eval_so.core.records.run import RunResult, Turn
from lm_eval_so.core.records.sample import Scenario, TestSample, UserTurn
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.base import Metric, MetricEnv
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.scoring.score_sample import score_row
from lm_eval_so.evaluator.scoring.turns import Turns

ORDER = {"name": "keyword_coverage", "params": {"keywords": ["주문번호"]}}
REFUND = {"name": "keyword_coverage", "params": {"keywords": ["환불", "3일"]}}


def talk(*turns: tuple[str, list[dict[str, Any]]], **fields: Any) -> TestSample:
    scripted = tuple(UserTurn(user=user, expect=tuple(expect)) for user, expect in turns)
    return a_sample(messages=(), scenario=Scenario(turns=scripted), **fields)


def played(*said: tuple[str, str | None]) -> RunResult:
    turns = tuple(
        Turn(user=user, text=text or "", status=RunStatus.TIMEOUT if text is None else RunStatus.OK)
        for user, text in said
    )
    return replace(a_run(said[-1][1] or ""), turns=turns)


async def scored(
    sample: TestSample, run: RunResult, env: MetricEnv | None = None, **params: Any
) -> Score:
    metric = Turns(params=params, env=env)
    bound = BoundMetric(metric=metric, section=MetricSection(name="turns"))
    return (await score_row([bound], sample, run, repeat=0))[0]


TALK = talk(("안녕", [ORDER]), ("환불요", [REFUND]), ("언제요", []))
SAID = played(("안녕", "주문번호를 알려 주세요."), ("환불요", "환불됩니다."), ("언제요", "곧요."))


@pytest.mark.parametrize(
    ("params", "value", "turns"),
    [
        ({}, 0.75, [1, 0.5, None]),
        ({"metric": "exact_match"}, 0.5, [1, 0.5, 0]),
        ({"metric": "exact_match", "reduce": "min"}, 0, [1, 0.5, 0]),
        ({"reduce": "last"}, 0.5, [1, 0.5, None]),
        ({"metric": {"name": "token_f1", "pass_if": ">= 0"}, "reduce": "last"}, 0, [1, 0.5, 0]),
    ],
)
async def test_score__expect_wins_over_metric(
    params: dict[str, Any], value: float, turns: list[float | None]
) -> None:
    score = await scored(TALK, SAID, **params)
    assert (score.value, score.details) == (value, {"turns": turns})


async def test_score__several_metrics_of_a_turn_are_averaged() -> None:
    sample = talk(("안녕", [ORDER, REFUND]))
    assert (await scored(sample, played(("안녕", "주문번호요")))).value == 0.5


async def test_score__share_passed() -> None:
    passing = [{**ORDER, "pass_if": ">= 1"}]
    sample = talk(("1", passing), ("2", passing))
    run = played(("1", "주문번호"), ("2", "네"))
    assert (await scored(sample, run, reduce="share_passed")).value == 0.5
    undecided = await scored(TALK, SAID, reduce="share_passed")
    assert (undecided.value, undecided.code) == (None, "part_unscored")
    assert "pass_if" in (undecided.reason or "")


async def test_score__skipped_turns_are_left_out() -> None:
    sample = talk(("1", [ORDER]), ("2", [ORDER]), ("3", [REFUND]))
    score = await scored(sample, played(("1", "주문번호"), ("3", "환불 3일")))
    assert score.details == {"turns": [1, 1]}


async def test_score__nothing_to_score_is_vacuous() -> None:
    sample = talk(("1", []), ("2", [ORDER]))
    score = await scored(sample, played(("1", "네")))
    assert (score.value, score.vacuous) == (1, True)


async def test_score__a_turn_without_a_value() -> None:
    score = await scored(TALK, played(("안녕", "주문번호"), ("환불요", None)))
    assert (score.value, score.code) == (None, "part_unscored")
    assert score.reason == "turn 2, turns.keyword_coverage: run_timeout"


@pytest.mark.parametrize(
    ("sample", "run", "status", "code"),
    [
        (a_sample(), SAID, ScoreStatus.NOT_APPLICABLE, None),
        (talk(("1", [])), SAID, ScoreStatus.NOT_APPLICABLE, None),
        (TALK, a_run("네"), ScoreStatus.UNSCORED, "not_reported"),
        (TALK, a_run(None, status=RunStatus.ERROR), ScoreStatus.UNSCORED, "run_error"),
    ],
)
async def test_score__where_there_is_nothing(
    sample: TestSample, run: RunResult, status: ScoreStatus, code: str | None
) -> None:
    score = await scored(sample, run)
    assert (score.status, score.code) == (status, code)


async def test_score__metric_that_needs_a_reference_that_is_not_there() -> None:
    sample = talk(("1", []), expected=None)
    score = await scored(sample, played(("1", "네")), metric="exact_match")
    assert score.status is ScoreStatus.NOT_APPLICABLE


class Sees(Metric):
    """Remembers what it is shown."""

    seen: list[tuple[list[str], str, bool]] = []  # noqa: RUF012 - of the test

    def score(self, sample: TestSample, run: RunResult) -> Score:
        said = [f"{message.role}: {message.content}" for message in sample.messages]
        Sees.seen.append((said, run.text, sample.scenario is None))
        return self.make_score(sample, value=1)


async def test_score__a_turn_is_the_answer_to_the_conversation_so_far() -> None:
    Sees.seen.clear()
    await scored(TALK, SAID, metric=f"{Sees.__module__}:Sees")
    assert Sees.seen == [
        (
            [
                "user: 안녕",
                "assistant: 주문번호를 알려 주세요.",
                "user: 환불요",
                "assistant: 환불됩니다.",
                "user: 언제요",
            ],
            "곧요.",
            True,
        )
    ]


async def test_score__judged_turns_keep_votes_and_costs() -> None:
    asker = SaidAsker('{"reason":"r","label":"good"}')
    judge = {"name": "llm_judge", "params": {"rubric": "Be right.", "labels": ["good", "bad"]}}
    env = MetricEnv(judges=(Judge(ask=asker.ask, model="judge-1"),))
    sample = talk(("1", []), ("2", []))
    score = await scored(sample, played(("1", "네"), ("2", "네")), env, metric=judge)
    assert (score.value, len(score.judge), len(asker.requests)) == (1, 2, 2)
    assert score.cost_usd == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ("exact_mach", 'unknown metric "exact_mach" (did you mean "exact_match"?)'),
        (
            {"name": "regex", "params": {"patern": "x"}},
            'params.patern: unknown key "patern" (did you mean "pattern"?)',
        ),
        ("latency_ms", "latency_ms does not go from 0 to 1"),
        ("consistency", "consistency scores no single turn"),
        ("turns", "turns scores no single turn"),
    ],
)
def test_check_params__metric_that_does_not_fit(metric: Any, why: str) -> None:
    assert [p.what for p in Turns(params={"metric": metric}).check_params()] == [why]


def test_requires__a_judge_if_its_metric_does() -> None:
    judge = {"name": "llm_judge", "params": {"rubric": "r", "labels": ["a", "b"]}}
    assert "judge" in Turns(params={"metric": judge}).requires
    assert "judge" not in Turns(params={"metric": "exact_match"}).requires
    assert "judge" not in Turns.requires


def whats(expect: Sequence[dict[str, Any]]) -> list[str]:
    return [problem.what for problem in Turns().check_sample(talk(("1", list(expect))))]


def test_check_sample__what_turns_expect() -> None:
    at = "sample s1, scenario.turns[0].expect[0]"
    assert whats([ORDER]) == []
    assert whats([{"params": {}}]) == [f'{at}: name: the key "name" is missing']
    assert whats([{"name": "nope"}]) == [f'{at}: unknown metric "nope"']
    assert whats([{"name": "llm_judge", "params": {"rubric": "r", "labels": ["a", "b"]}}]) == [
        f"{at}: llm_judge needs a judge; give turns a backend"
    ]
