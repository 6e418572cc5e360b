"""`checklist`: criteria that are met or not, and their rates in the report."""

from pathlib import Path
from typing import Any

import pytest
from evaluation import SaidAsker, a_config, a_run, a_sample, report_of, write_dataset, write_run
from pydantic import ValidationError
from rag_judges import make, verdicts

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest, ToolCall
from lm_eval_so.core.records.enums import Language, RunStatus
from lm_eval_so.core.records.report import PartFigures
from lm_eval_so.core.records.run import Response
from lm_eval_so.evaluator.metrics.judge.checklist import Checklist
from lm_eval_so.reporter.views.metrics import metric_row
from lm_eval_so.reporter.views.view import words_of

Y, N, U = "yes", "no", "UNKNOWN"
CRITERIA = {"days": "Does it name the days?", "polite": "존댓말로 답하는가?"}


@pytest.mark.parametrize(
    ("said", "mode", "value", "code", "reason"),
    [
        ((Y, Y), "share", 1, None, "all 2 criteria are met"),
        ((Y, N), "share", 0.5, None, 'not met: "polite" (because 2)'),
        ((Y, N), "all", 0, None, 'not met: "polite" (because 2)'),
        ((U, N), "all", 0, None, 'not met: "polite" (because 2)'),
        ((U, N), "share", None, "judge_unknown", 'not met: "polite" (because 2)'),
        ((Y, U), "all", None, "judge_unknown", 'could not be decided: "polite" (because 2)'),
    ],
)
async def test_score__criteria(
    said: tuple[str, ...], mode: str, value: float | None, code: str | None, reason: str
) -> None:
    metric, (asker,) = make(Checklist, [verdicts(*said)], criteria=CRITERIA, mode=mode)
    score = await metric.score(a_sample(), a_run("3일입니다"))
    assert (score.value, score.code, score.reason) == (value, code, reason)
    number = {Y: 1, N: 0, U: None}
    assert score.details == {"parts": dict(zip(CRITERIA, map(number.get, said), strict=True))}
    (request,) = asker.requests
    assert (
        "\n1. Does it name the days?\n2. 존댓말로 답하는가?\n<<END" in request.messages[0].content
    )


async def test_score__panel_takes_the_median_with_its_criteria() -> None:
    judges = [[verdicts(N, N)], [verdicts(Y, Y)], [verdicts(Y, N)]]
    metric, _ = make(Checklist, *judges, criteria=CRITERIA, template=Language.KO)
    score = await metric.score(a_sample(), a_run("3일입니다"))
    assert (score.value, score.details["parts"]) == (0.5, {"days": 1, "polite": 0})
    assert [vote.value for vote in score.judge] == [0, 1, 0.5]


@pytest.mark.parametrize("bad", [verdicts(Y), verdicts(Y, "maybe"), "no idea"])
async def test_score__unusable_output(bad: str) -> None:
    metric, _ = make(Checklist, [bad, verdicts("YES", "No.")], criteria=CRITERIA)
    score = await metric.score(a_sample(), a_run("3일"))
    assert (score.value, score.judge[0].repaired) == (0.5, True)
    metric, _ = make(Checklist, [bad], criteria=CRITERIA)
    assert (await metric.score(a_sample(), a_run("3일"))).code == "judge_invalid"


async def test_score__empty_answer_meets_none_without_a_call() -> None:
    metric, (asker,) = make(Checklist, [verdicts(Y, Y)], criteria=CRITERIA)
    score = await metric.score(a_sample(), a_run("", status=RunStatus.EMPTY))
    assert (score.value, score.code, asker.requests) == (0, "empty_answer", [])
    called = a_run("", response=Response(tool_calls=(ToolCall(name="search"),)))
    assert (await metric.score(a_sample(), called)).value == 1


@pytest.mark.parametrize(
    "criteria", [["a", "a"], {"a": " "}, [""], [str(n) for n in range(31)], [1, {}]]
)
def test_params__refuse_what_makes_no_sense(criteria: Any) -> None:
    with pytest.raises(ValidationError):
        Checklist(params={"criteria": criteria, "mode": "each" if criteria == [1, {}] else "all"})


def test_report__each_criterion_has_its_rate(tmp_path: Path) -> None:
    """Of four answers one is not decided for a criterion, and one sample brings its own."""
    said = {"q0": (Y, Y), "q1": (Y, N), "q2": (N, U), "q3": (Y,)}

    class Judge(SaidAsker):
        async def ask(self, request: ChatRequest) -> Answer:
            self.said = [verdicts(*said[request.sample_id])]
            return await super().ask(request)

    rows: list[dict[str, Any]] = [{"id": name, "input": "며칠?"} for name in said]
    rows[3]["metrics"] = {"checklist": {"criteria": ["짧은가?"]}}
    run = write_run(tmp_path, write_dataset(tmp_path, rows), lambda *_: a_run("3일"))
    metric = {
        "name": "checklist",
        "params": {"criteria": CRITERIA},
        "backend": {"name": "scripted", "params": {"model": "j"}},
    }
    config = a_config(tmp_path, [metric], run={"cache": False})
    found = report_of(config, run, opens=Judge().opens).metrics["checklist"]
    assert found.mean == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.parts == {
        "days": PartFigures(n=3, rate=2 / 3),
        "polite": PartFigures(n=2, rate=0.5),
        "짧은가?": PartFigures(n=1, rate=1.0),
    }
    facts = metric_row("checklist", found, words_of("report", Language.EN)).facts
    assert "met: days 66.7% (n=3), polite 50.0% (n=2), 짧은가? 100.0% (n=1)" in facts
