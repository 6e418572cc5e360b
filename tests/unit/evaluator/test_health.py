"""How a judge did."""

import pytest
from evaluation import a_sample

from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.report import JudgeHealth
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.evaluator.health import JudgeTally
from lm_eval_so.evaluator.metrics.judge.llm_judge import LLMJudge

JUDGE = LLMJudge(params={"rubric": "r"})


def vote(label: str | None = "good", *, calls: int = 1) -> JudgeVote:
    repaired = label is not None and calls > 1
    usage = Usage(input_tokens=10, output_tokens=None)
    return JudgeVote(label=label, model="judge-1", calls=calls, repaired=repaired, usage=usage)


def good(calls: int = 1) -> Score:
    return JUDGE.make_score(a_sample(), value=1, judge=vote(calls=calls))


def lost(code: str) -> Score:
    said = vote("UNKNOWN") if code == "judge_unknown" else vote(None, calls=2)
    return JUDGE.unscored(a_sample(), code, judge=said)


def health(scores: list[Score]) -> JudgeHealth:
    tally = JudgeTally("asked")
    for score in scores:
        tally.add(score)
    return tally.health("fp")


def test_health__counts() -> None:
    flagged = JUDGE.make_score(
        a_sample(), value=0, judge=vote("bad"), details={"flags": ["judge_injection"]}
    )
    found = health([good(), good(2), flagged, lost("judge_invalid")])
    assert (found.rows, found.calls, found.valid_first, found.repaired) == (4, 6, 2, 1)
    assert (found.labels, found.injection_flags) == ({"bad": 1, "good": 2}, 1)
    assert found.unscored == {"judge_invalid": 1}
    assert found.model == "judge-1"
    assert (found.usage.input_tokens, found.usage.output_tokens) == (40, None)
    assert found.cost_usd is None


@pytest.mark.parametrize(
    ("scores", "state", "why"),
    [
        ([good()] * 20, "warn", ("calibration_none",)),
        ([good()] * 19 + [lost("judge_invalid")], "warn", ("calibration_none",)),
        ([good()] * 9 + [lost("judge_error")], "bad", ("unscored", "calibration_none")),
        ([good()] * 18 + [good(2)] * 2, "warn", ("repaired", "calibration_none")),
        ([good()] * 8 + [lost("judge_unknown")] * 2, "warn", ("unknown", "calibration_none")),
    ],
    ids=["fine", "one lost of 20", "one lost of 10", "repaired", "unknown"],
)
def test_health__state(scores: list[Score], state: str, why: tuple[str, ...]) -> None:
    found = health(scores)
    assert (found.state, found.why) == (state, why)


def test_health__row_without_an_answer_was_not_judged() -> None:
    score = JUDGE.unscored(a_sample(), "run_timeout")
    found = health([score, JUDGE.not_applicable(a_sample())])
    assert (found.rows, found.calls, found.unscored, found.model) == (
        0,
        0,
        {"run_timeout": 1},
        "asked",
    )


def test_health__an_empty_answer_was_not_put_to_the_judge() -> None:
    unasked = JUDGE.make_score(a_sample(), value=0, judge=vote("bad", calls=0))
    found = health([good(), unasked])
    assert (found.rows, found.valid_first, found.labels) == (1, 1, {"good": 1})
