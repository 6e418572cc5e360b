"""`llm_judge`: a model grades each answer against a rubric, by labels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.json_answer import Unusable, ask_for_json
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.enums import MetricKind, RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.words import say
from lm_eval_so.errors import ErrorKind, Problem
from lm_eval_so.evaluator.metrics.base import Metric, MetricEnv, judge_missing
from lm_eval_so.evaluator.metrics.judge.prompt import (
    UNKNOWN,
    pointwise_prompt,
    repair_prompt,
    template_digest,
    verdict_schema,
)
from lm_eval_so.evaluator.metrics.judge.verdict import Verdict, label_key, read_verdict
from lm_eval_so.evaluator.transcript import shown_context, shown_input
from lm_eval_so.evaluator.usage import add_costs, add_usage

__all__ = ["LLMJudge"]

_FILE = re.compile(r"[^\n]{1,255}\.(?:md|txt)")
_STEERING = re.compile(
    r"ignore (?:all |any )?(?:the )?(?:previous|above|prior) |give (?:it |me |this )?full marks"
    r"|full score|(?:이전|위의|앞의) ?(?:모든 )?(?:지시|지침)[^.]{0,10}무시|채점자|만점을",
    re.IGNORECASE,
)


class LLMJudge(Metric):
    """How a model grades the answer against a rubric.

    Definition: the value of the label that the judge chooses. It sees rubric, labels, input,
        answer, and what `show` names; never tags, scores or which model answered.
    Range: 0 … 1; 0 or 1 if there are two labels with these values.
    Direction: higher is better.
    Unscored when: the judge says UNKNOWN (`judge_unknown`), gives no usable output twice
        (`judge_invalid`), refuses (`judge_refused`) or cannot be reached (`judge_error`). An empty
        answer has the lowest label without a call. Not applicable without a rubric.
    Language notes: `judge.template: ko` gives the instructions in Korean.
    Source: Zheng et al. (2023), Judging LLM-as-a-Judge, NeurIPS; reason before label as in
        Liu et al. (2023), G-Eval, EMNLP.
    """

    category: ClassVar[Literal["rule", "heuristic", "model"]] = "model"
    requires = frozenset({"judge", "params.rubric"})

    class Params(Metric.Params):
        """What the judge is told, and what its labels are worth."""

        rubric: str | None = None
        labels: dict[str, float] = Field(default={"good": 1.0, "bad": 0.0}, min_length=2)
        aliases: dict[str, str] = Field(default_factory=dict)
        show: tuple[Literal["expected", "context"], ...] = ()

        @model_validator(mode="before")
        @classmethod
        def _list_is_evenly_spaced(cls, values: Any) -> Any:
            labels = values.get("labels") if isinstance(values, Mapping) else None
            if not isinstance(labels, list | tuple):
                return values
            if len(set(map(str, labels))) < max(2, len(labels)):
                raise ValueError("give at least two labels, each once")
            step = 1 / (len(labels) - 1)
            spaced = {str(label): 1 - i * step for i, label in enumerate(labels)}
            return {**values, "labels": {**spaced, str(labels[-1]): 0.0}}

        @model_validator(mode="after")
        def _labels_make_sense(self) -> Self:
            keys = [label_key(label) for label in self.labels]
            if not all(keys) or label_key(UNKNOWN) in keys or len(set(keys)) < len(keys):
                raise ValueError(f"labels must be different words, none of them {UNKNOWN}")
            if not all(0 <= value <= 1 for value in self.labels.values()):
                raise ValueError("the value of a label lies in 0 … 1")
            if strangers := sorted({*self.aliases.values()} - {*self.labels, UNKNOWN}):
                raise ValueError(f"aliases name {strangers[0]}, which is no label")
            if taken := sorted(alias for alias in self.aliases if label_key(alias) in keys):
                raise ValueError(f"the alias {taken[0]} is a label")
            return self

    params: Params

    def __init__(
        self,
        *,
        params: Mapping[str, JsonValue] | None = None,
        metric_id: str | None = None,
        env: MetricEnv | None = None,
    ) -> None:
        super().__init__(params=params, metric_id=metric_id, env=env)
        is_binary = sorted(self.params.labels.values()) == [0, 1]
        self.kind = MetricKind.BINARY if is_binary else MetricKind.BOUNDED
        self._labels = {label_key(label): label for label in (*self.params.labels, UNKNOWN)}
        self._labels |= {label_key(said): label for said, label in self.params.aliases.items()}
        self._rubric = self._read_rubric()

    def check_params(self) -> list[Problem]:
        """Find a rubric file that is not there."""
        rubric = self.params.rubric
        if rubric is None or not names_file(rubric) or self.env.read_file(rubric) is not None:
            return []
        return [Problem(what=f"no rubric file {rubric}", hint="paths start at the config's folder")]

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find parameters that cannot differ by sample."""
        own = sample.metrics.get(self.id, {})
        problems = [
            Problem(what=f"sample {sample.id}, metrics.{self.id}: {key} cannot differ by sample")
            for key in ("labels", "aliases")
            if key in own
        ]
        rubric = own.get("rubric")
        if isinstance(rubric, str) and names_file(rubric):
            what = f"sample {sample.id}, metrics.{self.id}.rubric: a sample's rubric is a text"
            problems.append(Problem(what=what, hint=f"write out what {rubric} says"))
        return problems or super().check_sample(sample)

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Ask the judge, once more if its output cannot be used."""
        is_blank = not run.text.strip() and not (run.response and run.response.tool_calls)
        if run.status is RunStatus.EMPTY or is_blank:
            lowest = min(self.params.labels, key=lambda label: self.params.labels[label])
            vote = JudgeVote(label=lowest, model=self.env.judge_model)
            return self._scored(sample, vote, code="empty_answer")
        if self.env.ask is None:
            raise judge_missing(self.id)
        request = self.request(sample, run)
        verdict, answers = await ask_for_json(
            self.env.ask,
            request,
            read=lambda output: read_verdict(output, self._labels),
            repair=lambda why: self._repair(request, why),
        )
        score = self._score_verdict(sample, verdict, answers)
        if _STEERING.search(run.text):
            score = replace(score, details={**score.details, "flags": ["judge_injection"]})
        return score

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Give what the judge is asked about an answer."""
        params = self.params_for(sample)
        material = {"INPUT": shown_input(sample, run), "ANSWER": run.text}
        if "expected" in params.show and sample.answers:
            material["REFERENCE"] = "\n".join(sample.answers)
        if "context" in params.show and (context := shown_context(sample)):
            material["CONTEXT"] = context
        row = f"{self.id}:{sample.id}:{run.repeat}"
        prompt = pointwise_prompt(
            self.env.template,
            rubric=self._rubric if params.rubric == self.params.rubric else params.rubric,
            labels=tuple(self.params.labels),
            material=material,
            marker_seed=row,
        )
        return ChatRequest(
            messages=(Message(role="user", content=prompt),),
            params=self.env.judge_params,
            response_format=verdict_schema(tuple(self.params.labels)),
            session=row,
            sample_id=sample.id,
            repeat=run.repeat,
        )

    def definition(self) -> dict[str, JsonValue]:
        """Add the digests of template and rubric; the rubric's file name does not matter."""
        given = super().definition()
        params: dict[str, JsonValue] = self.params.model_dump(mode="json")
        rubric = digest_text(self._rubric) if self._rubric else None
        return {
            **given,
            "params": {**params, "rubric": rubric},
            "template": {
                "language": self.env.template.value,
                "sha256": template_digest(self.env.template),
            },
        }

    def _read_rubric(self) -> str:
        rubric = self.params.rubric or ""
        return ((self.env.read_file(rubric) if names_file(rubric) else None) or rubric).strip()

    def _repair(self, request: ChatRequest, why: Unusable) -> str:
        schema = request.response_format or {}
        return repair_prompt(self.env.template, problem=self._say(why), schema=schema)

    def _score_verdict(
        self, sample: TestSample, verdict: Verdict | Unusable | Answer, answers: Sequence[Answer]
    ) -> Score:
        vote = self._vote(verdict, answers)
        match verdict:
            case Verdict(label="UNKNOWN"):
                score = self.unscored(sample, "judge_unknown", verdict.reason, judge=vote)
            case Verdict():
                score = self._scored(sample, vote)
            case Unusable():
                score = self.unscored(sample, "judge_invalid", self._say(verdict), judge=vote)
            case _:
                error = verdict.error
                code = _failure_code(verdict)
                score = self.unscored(sample, code, error.message if error else None, judge=vote)
        # its latency stays out: the same answers give the same report
        return replace(score, cost_usd=add_costs(answer.cost_usd for answer in answers))

    def _scored(self, sample: TestSample, vote: JudgeVote, code: str | None = None) -> Score:
        value = self.params.labels[vote.label or ""]
        return self.make_score(
            sample, value=value, label=vote.label, reason=vote.reason, code=code, judge=vote
        )

    def _vote(self, verdict: Verdict | Unusable | Answer, answers: Sequence[Answer]) -> JudgeVote:
        usable = verdict if isinstance(verdict, Verdict) else None
        models = [a.response.model for a in answers if a.response and a.response.model]
        return JudgeVote(
            label=usable.label if usable else None,
            reason=usable.reason if usable else None,
            evidence=usable.evidence if usable else (),
            model=models[-1] if models else self.env.judge_model,
            calls=len(answers),
            repaired=usable is not None and len(answers) > 1,
            usage=add_usage(answer.usage for answer in answers),
        )

    def _say(self, why: Unusable) -> str:
        return say(f"judge.{why.code}", self.env.template, why.figures)


def names_file(rubric: str) -> bool:
    """Whether a rubric is the name of a file, not a text."""
    return _FILE.fullmatch(rubric.strip()) is not None


def _failure_code(answer: Answer) -> str:
    if answer.status in {RunStatus.REFUSED, RunStatus.FILTERED}:
        return "judge_refused"
    is_budget = answer.error is not None and answer.error.kind is ErrorKind.BUDGET
    return "judge_budget" if is_budget else "judge_error"
