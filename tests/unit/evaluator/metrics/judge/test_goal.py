"""`goal`: what a scenario calls success, by rules and by judges."""

import unicodedata
from typing import Any

import pytest
from evaluation import SaidAsker, a_run, a_sample

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest, ToolCall
from lm_eval_so.core.records.enums import Language, RunStatus
from lm_eval_so.core.records.run import RunResult, Turn
from lm_eval_so.core.records.sample import Check, Scenario, TestSample, UserTurn
from lm_eval_so.core.records.score import Score
from lm_eval_so.evaluator.metrics.env import Judge, MetricEnv
from lm_eval_so.evaluator.metrics.judge.goal import Goal

TALK = (
    Turn(user="환불", text="환불은 영업일 기준 3일 걸립니다.", status=RunStatus.OK),
    Turn(
        user="신청해 주세요",
        text="신청했습니다. 접수번호는 A-17입니다.",
        tool_calls=(ToolCall(name="refund"),),
        status=RunStatus.OK,
    ),
)


def verdict(label: str) -> str:
    return f'{{"reason":"r","evidence":[],"label":"{label}"}}'


def scenario(success: list[Any] | None = None, must_not: list[Any] | None = None) -> TestSample:
    checks = [
        tuple(Check(type=kind, text=text) for kind, text in given or ())
        for given in (success, must_not)
    ]
    turns = (UserTurn(user="환불"), UserTurn(user="신청해 주세요"))
    return a_sample(
        messages=(), scenario=Scenario(turns=turns, success=checks[0], must_not=checks[1])
    )


def make(*askers: Any, **params: Any) -> Goal:
    env = MetricEnv(judges=tuple(Judge(ask=each.ask, model="m") for each in askers))
    return Goal(params=params, metric_id="goal", env=env)


async def score_of(sample: TestSample, *askers: Any, turns: Any = TALK, **params: Any) -> Score:
    run = a_run(turns[-1].text, turns=turns)
    return await make(*askers, **params).score(sample, run)


@pytest.mark.parametrize(
    ("success", "must_not", "value", "share"),
    [
        ([("contains", "3일")], [], 1, 1),
        ([("contains", "영업 일 기준")], [], 1, 1),
        ([("contains", unicodedata.normalize("NFD", "접수번호"))], [], 1, 1),
        ([("contains", "13일")], [], 0, 0),
        ([("regex", r"A-\d+")], [], 1, 1),
        ([("regex", r"^신청했")], [], 1, 1),
        ([("regex", unicodedata.normalize("NFD", "환불"))], [], 1, 1),
        ([("tool_called", "refund")], [], 1, 1),
        ([("tool_called", "refun")], [], 0, 0),
        ([], [("contains", "불가")], 1, 1),
        ([], [("tool_called", "refund")], 0, 0),
        ([("contains", "3일"), ("contains", "무료")], [("contains", "불가")], 0, 2 / 3),
    ],
)
async def test_score__rules(success: Any, must_not: Any, value: float, share: float) -> None:
    sample = scenario(success, must_not)
    assert (await score_of(sample)).value == value
    assert (await score_of(sample, mode="share")).value == pytest.approx(share)


async def test_score__names_what_is_missing_and_what_must_not_be() -> None:
    sample = scenario([("contains", "무료")], [("tool_called", "refund")])
    score = await score_of(sample)
    assert score.reason == 'not reached: "무료"; must not be, but is: "refund"'
    entries: Any = score.details["entries"]
    assert [entry["kept"] for entry in entries] == [False, False]


class Conditions:
    """A judge that answers by the condition it is asked about."""

    def __init__(self, **labels: str) -> None:
        self.labels = labels
        self.requests: list[ChatRequest] = []

    async def ask(self, request: ChatRequest) -> Answer:
        self.requests.append(request)
        text = request.messages[0].content
        label = next(label for name, label in self.labels.items() if name in text)
        return await SaidAsker(verdict(label)).ask(request)


JUDGED = scenario([("judge", "CALM"), ("judge", "DONE")], [("judge", "RUDE")])


@pytest.mark.parametrize(
    ("labels", "value", "code"),
    [
        ({"CALM": "yes", "DONE": "yes", "RUDE": "no"}, 1, None),
        ({"CALM": "yes", "DONE": "yes", "RUDE": "yes"}, 0, None),
        ({"CALM": "yes", "DONE": "UNKNOWN", "RUDE": "no"}, None, "judge_unknown"),
        ({"CALM": "yes", "DONE": "UNKNOWN", "RUDE": "yes"}, 0, None),
        ({"CALM": "no", "DONE": "nonsense", "RUDE": "no"}, 0, None),
        ({"CALM": "yes", "DONE": "nonsense", "RUDE": "no"}, None, "judge_invalid"),
    ],
)
async def test_score__judged(labels: dict[str, str], value: float | None, code: Any) -> None:
    judge = Conditions(**labels)
    score = await score_of(JUDGED, judge)
    assert (score.value, score.code) == (value, code)
    assert len(score.judge) == 3


async def test_score__share_with_an_unknown_entry__is_unscored() -> None:
    judge = Conditions(CALM="no", DONE="UNKNOWN", RUDE="no")
    score = await score_of(JUDGED, judge, mode="share")
    assert (score.value, score.code) == (None, "judge_unknown")


async def test_score__rule_that_decides__saves_the_judge() -> None:
    asker = SaidAsker(verdict("yes"))
    sample = scenario([("contains", "무료"), ("judge", "DONE")])
    score = await score_of(sample, asker)
    assert (score.value, asker.requests) == (0, [])
    run = a_run("", turns=TALK)
    assert make(asker).calls(sample, run) == 0
    assert make(asker, mode="share").calls(sample, run) == 1
    assert make(asker).calls(JUDGED, run) == 3


async def test_score__panel_decides_each_condition() -> None:
    labels = ({"CALM": "yes"}, {"CALM": "yes"}, {"CALM": "no"})
    score = await score_of(scenario([("judge", "CALM")]), *(Conditions(**each) for each in labels))
    assert (score.value, len(score.judge)) == (1, 3)
    score = await score_of(
        scenario([("judge", "CALM")]), Conditions(CALM="yes"), Conditions(CALM="no")
    )
    assert score.code == "judge_tie"


async def test_score__slow_pattern__is_unscored() -> None:
    turns = (Turn(user="?", text="a" * 60 + "b", status=RunStatus.OK),)
    score = await score_of(scenario([("regex", r"^(a|aa)+$")]), turns=turns)
    assert (score.value, score.code) in {(None, "regex_timeout"), (0, None)}


async def test_score__turn_without_an_answer__is_unscored() -> None:
    turns = (TALK[0], Turn(user="?", status=RunStatus.ERROR))
    score = await score_of(scenario([("contains", "3일")]), turns=turns)
    assert score.code == "run_error"


def test_applies__only_where_the_scenario_says_what_it_should_come_to() -> None:
    assert make().applies(scenario([("contains", "3일")]))
    assert not make().applies(scenario())


def test_check_sample__patterns_and_missing_judges() -> None:
    sample = scenario([("regex", "("), ("judge", "DONE")], [("contains", " ")])
    whats = [problem.what for problem in make().check_sample(sample)]
    assert whats[0].startswith('sample s1, scenario.success: "(" is no regular expression')
    assert whats[1:] == [
        'sample s1, scenario.success: "DONE" needs a judge',
        "sample s1, scenario.must_not: a condition without a text",
    ]
    assert make(SaidAsker("")).check_sample(scenario([("judge", "DONE")])) == []


@pytest.mark.parametrize("language", Language)
def test_request__shows_condition_and_turns(language: Language) -> None:
    metric = Goal(env=MetricEnv(template=language))
    run: RunResult = a_run("", turns=TALK)
    prompt = metric.first_prompt(scenario([("judge", "CONDITION")]), run) or ""
    for text in ("CONDITION", "<<ASSISTANT 2 ", "refund()", "yes, no, UNKNOWN"):
        assert text in prompt
