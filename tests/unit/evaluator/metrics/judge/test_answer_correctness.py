"""`answer_correctness`: claims of answer and reference, held against each other."""

from typing import Any

import pytest
from evaluation import SaidAsker, a_run, a_sample, applies
from rag_judges import claims, make, verdicts

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.evaluator.metrics.judge.answer_correctness import AnswerCorrectness
from lm_eval_so.evaluator.scoring.draws import reseeded

S, A, C, U = "supported", "absent", "contradicted", "UNKNOWN"
ANSWER, REFERENCE = "하나 둘 셋", "넷 다섯"
SAMPLE, RUN = a_sample(expected=REFERENCE, references=("여섯",)), a_run(ANSWER)


class Claimer(SaidAsker):
    """Lists the words of a text, and finds those of the answer and of the reference as told."""

    def __init__(self, of_answer: tuple[str, ...], of_reference: tuple[str, ...]) -> None:
        super().__init__()
        self.verdicts = {"1. 하나": of_answer, "1. 넷": of_reference}

    async def ask(self, request: ChatRequest) -> Answer:
        asked = request.messages[0].content
        if f"\n{ANSWER}\n<<END" in asked and "<<TEXT" in asked:
            self.said = [claims(*ANSWER.split()[: len(self.verdicts["1. 하나"])])]
        elif "<<TEXT" in asked:
            self.said = [claims(*REFERENCE.split()[: len(self.verdicts["1. 넷"])])]
        else:
            (words,) = (said for start, said in self.verdicts.items() if f"\n{start}" in asked)
            self.said = [verdicts(*words)]
        return await super().ask(request)


@pytest.mark.parametrize(
    ("of_answer", "of_reference", "measure", "value", "calls"),
    [
        ((S, S, S), (S, S), "f1", 1, 4),
        ((S, A, C), (S, A), "f1", 0.4, 4),  # P 1/3, R 1/2
        ((A, A, C), (A, A), "f1", 0, 4),
        ((S, A, C), (S, A), "precision", 1 / 3, 2),
        ((S, A, C), (S, A), "recall", 0.5, 2),
        ((S, A, S), (), "f1", 2 / 3, 3),  # a reference without claims
        ((), (S, A), "f1", 2 / 3, 3),  # an answer without claims: P is 1
    ],
)
async def test_score__f1_of_both_directions(
    of_answer: Any, of_reference: Any, measure: str, value: float, calls: int
) -> None:
    metric, (asker,) = make(AnswerCorrectness, Claimer(of_answer, of_reference), measure=measure)
    score = await metric.score(SAMPLE, RUN)
    assert score.value == pytest.approx(value)
    (vote,) = score.judge
    assert (vote.calls, len(asker.requests)) == (calls, calls)
    assert vote.usage.input_tokens == 100 * calls
    assert score.cost_usd == pytest.approx(0.001 * calls)
    assert len({each.session for each in asker.requests}) == calls


async def test_score__reason_names_what_only_one_of_the_texts_says() -> None:
    metric, (asker,) = make(AnswerCorrectness, Claimer((S, A, C), (S, A)))
    score = await metric.score(SAMPLE, RUN)
    assert score.reason == 'not in the reference: "둘", "셋"; missing: "다섯"'
    assert score.reason_in["ko"] == '기대 답변에 없는 내용: "둘", "셋"; 빠진 내용: "다섯"'
    held = [
        each.messages[0].content
        for each in asker.requests
        if "<<CONTEXT" in each.messages[0].content
    ]
    assert any("넷 다섯\n\n여섯\n<<END" in each for each in held)  # any reference supports a claim
    assert any(f"\n{ANSWER}\n<<END" in each for each in held)


async def test_score__one_part_without_a_value__has_none() -> None:
    metric, _ = make(AnswerCorrectness, Claimer((S, S, S), (U, S)))
    score = await metric.score(SAMPLE, RUN)
    assert (score.value, score.code, score.judge[0].calls) == (None, "judge_unknown", 4)


async def test_score__panel_and_retest_ask_their_own_judges() -> None:
    judges = [Claimer((S, S, S), (S, S)), Claimer((A, A, A), (A, A)), Claimer((S, A, C), (S, A))]
    metric, _ = make(AnswerCorrectness, *judges)
    assert (await metric.score(SAMPLE, RUN)).value == pytest.approx(0.4)
    metric, (asker,) = make(AnswerCorrectness, Claimer((S, S, S), (S, S)))
    await reseeded(metric).score(SAMPLE, RUN)
    assert {each.seed for each in asker.requests} == {1}


async def test_score__what_takes_no_judge() -> None:
    metric, (asker,) = make(AnswerCorrectness, Claimer((S,), (S,)))
    empty = a_run("", status=RunStatus.EMPTY)
    score = await metric.score(SAMPLE, empty)
    assert (score.value, score.code, asker.requests) == (0, "empty_answer", [])
    assert [metric.calls(SAMPLE, each) for each in (RUN, a_run(ANSWER, repeat=1), empty)] == [
        4,
        3,
        0,
    ]
    assert not applies(metric, a_sample(expected=None))
    assert ANSWER in metric.first_prompt(SAMPLE, RUN)
