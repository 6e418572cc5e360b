"""A judged metric that adds nothing to its base but its own prompt and its own reading."""

from typing import Any, ClassVar

import pytest
from evaluation import SaidAsker, a_run, a_sample, an_answer
from rag_judges import label, make

from lm_eval_so.core.records.enums import Language, RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import ConfigError
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge, MetricEnv
from lm_eval_so.evaluator.metrics.judge.faithfulness import Faithfulness
from lm_eval_so.evaluator.metrics.judge.panel import JudgedMetric, Labels, Opinion, Prompt, is_blank

LABELS = Labels(values={"kind": 1.0, "neutral": 0.5, "rude": 0.0})
SAMPLE, RUN = a_sample(), a_run("네, 3일입니다.")


class Kindness(JudgedMetric):
    """Kindness of the answer."""

    templates: tuple[str, ...] = ("pointwise",)
    fixed_params: ClassVar[tuple[str, ...]] = ("strict",)

    class Params(Metric.Params):
        rubric: str | None = None
        strict: bool = False

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        return self.make_score(sample, value=0, code="empty_answer") if is_blank(run.text) else None

    def prompt(self, sample: TestSample, run: RunResult) -> Prompt:
        return LABELS.prompt("pointwise", self.rubric_for(sample), {"ANSWER": run.text})

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        reply = await self.ask(judge, self.request(sample, run), LABELS.read)
        return Opinion(vote=LABELS.vote(reply), details={"read": reply.found is not None})


async def test_score__median_of_the_panel() -> None:
    metric, askers = make(Kindness, [label("rude")], [label("kind")], [label("neutral")])
    score = await metric.score(SAMPLE, RUN)
    assert (score.value, score.label, score.reason) == (0.5, "neutral", "it is neutral")
    assert [vote.label for vote in score.judge] == ["rude", "kind", "neutral"]
    assert (score.cost_usd, score.details) == (0.003, {"read": True})
    assert len({asker.requests[0].messages[0].content for asker in askers}) == 1


async def test_score__judges_that_give_nothing() -> None:
    metric, _ = make(Kindness, ["no"], [an_answer("", status=RunStatus.REFUSED)], [label("kind")])
    score = await metric.score(SAMPLE, RUN)
    assert (score.value, score.code) == (None, "judge_quorum")
    assert [vote.code for vote in score.judge] == ["judge_invalid", "judge_refused", None]
    assert (await make(Kindness, ["no"])[0].score(SAMPLE, RUN)).code == "judge_invalid"
    with pytest.raises(ConfigError, match="the metric kindness needs a judge"):
        await Kindness().score(SAMPLE, RUN)


async def test_calls_and_first_prompt__are_those_of_score() -> None:
    metric, (asker,) = make(Kindness, [label("kind")], rubric="친절한가?")
    assert metric.calls(SAMPLE, RUN) == 1
    prompt = metric.first_prompt(SAMPLE, RUN)
    await metric.score(SAMPLE, RUN)
    assert [request.messages[0].content for request in asker.requests] == [prompt]
    assert "친절한가?" in str(prompt)
    blank = a_run(" ")
    assert (metric.calls(SAMPLE, blank), metric.first_prompt(SAMPLE, blank)) == (0, None)
    assert (await metric.score(SAMPLE, blank)).code == "empty_answer"
    assert len(asker.requests) == 1


OWN = "친절한지 봅니다.\n{{ rubric }}\n{{ material }}\n{{ names }} 중 하나를 JSON으로 답합니다."


def with_template(text: str | None, *, of: type[Metric] = Kindness, **params: Any) -> Any:
    files = {"judge.ko.j2": text, "r.md": "인사했는가?"}
    env = MetricEnv(
        read_file=files.get, template_file="judge.ko.j2", template=Language.KO, judges=()
    )
    return of(params=params, env=env)


def test_own_template__stands_in_for_ours() -> None:
    metric = with_template(OWN, rubric="r.md")
    assert metric.check_params() == []
    text = metric.first_prompt(SAMPLE, RUN)
    assert text.startswith("친절한지 봅니다.\n인사했는가?\n<<ANSWER ")
    assert text.endswith(">>\nkind, neutral, rude, UNKNOWN 중 하나를 JSON으로 답합니다.")
    # braces of an answer are no template
    assert "{{ 7 * 7 }}" in metric.first_prompt(SAMPLE, a_run("{{ 7 * 7 }}"))
    told = [with_template(text).definition()["template"] for text in (OWN, OWN, OWN + "!")]
    assert told[0] == told[1] != told[2]
    assert told[0] != Kindness(env=MetricEnv(template=Language.KO)).definition()["template"]


@pytest.mark.parametrize(
    ("text", "of", "what"),
    [
        (None, Kindness, "no file judge.ko.j2"),
        ("{{ rubric }}", Kindness, "judge.ko.j2: it lacks {{ material }}"),
        ("{{ material }}{{ scores }}", Kindness, "scores"),
        ("{{ material", Kindness, "judge.ko.j2: "),
        ("{{ material.__class__ }}", Kindness, "judge.ko.j2: "),
        (OWN, Faithfulness, "faithfulness asks in 2 steps"),
    ],
)
def test_own_template__cannot_be_used(text: str | None, of: type[Metric], what: str) -> None:
    (problem,) = with_template(text, of=of).check_params()
    assert what in problem.what
    assert problem.what.startswith("judge.template: ")


def definition(**params: Any) -> Any:
    env = MetricEnv(read_file={"r.md": "친절한가?\n", "s.md": "친절한가?"}.get)
    return Kindness(params=params, env=env).definition()


def test_definition__text_of_the_rubric_decides_not_its_file() -> None:
    given = [definition(rubric=text) for text in ("r.md", "s.md", " 친절한가? ", "무례한가?")]
    assert given[0] == given[1] == given[2] != given[3]
    assert definition()["params"] == {"rubric": None, "strict": False}
    korean = Kindness(env=MetricEnv(template=Language.KO)).definition()
    assert korean["template"] != definition()["template"]


def test_check_params__rubric_file_that_does_not_exist() -> None:
    (problem,) = Kindness(params={"rubric": "missing.md"}).check_params()
    assert problem.what == "no rubric file missing.md"
    assert Kindness(params={"rubric": "친절한가?"}).check_params() == []


@pytest.mark.parametrize(
    ("own", "what"),
    [
        ({"strict": True}, "sample s1, metrics.kindness: strict cannot differ by sample"),
        ({"rubric": "r.md"}, "sample s1, metrics.kindness.rubric: a sample's rubric is a text"),
    ],
)
def test_check_sample__fixed_parameters(own: dict[str, Any], what: str) -> None:
    (problem,) = Kindness().check_sample(a_sample(metrics={"kindness": own}))
    assert problem.what == what


async def test_rubric_for__sample_goes_over_the_config() -> None:
    metric, (asker,) = make(Kindness, [label("kind")], rubric="친절한가?")
    await metric.score(a_sample(metrics={"kindness": {"rubric": " 빠른가? "}}), RUN)
    assert "빠른가?" in asker.requests[0].messages[0].content
    assert "친절한가?" not in asker.requests[0].messages[0].content
    assert isinstance(asker, SaidAsker)
