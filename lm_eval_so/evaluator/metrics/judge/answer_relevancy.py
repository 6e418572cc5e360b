"""`answer_relevancy`: relevance of the answer to the question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.words import say, say_in_each
from lm_eval_so.errors import ConfigError, Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import EmbedError, Judge
from lm_eval_so.evaluator.metrics.extras import extra_problems
from lm_eval_so.evaluator.metrics.judge.panel import (
    JudgedMetric,
    Labels,
    Opinion,
    Prompt,
    Reply,
    is_blank,
    is_empty,
    one_line,
    read_object,
    shown_material,
    vote_of,
)
from lm_eval_so.evaluator.metrics.text.embedding import cosines
from lm_eval_so.evaluator.sample_text import shown_input

__all__ = ["AnswerRelevancy"]

_LABELS = Labels(values={"full": 1.0, "partial": 0.5, "none": 0.0})
_QUESTIONS = 3
_SCHEMA: Mapping[str, JsonValue] = {
    "type": "object",
    "properties": {
        "noncommittal": {"type": "boolean"},
        "questions": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["noncommittal", "questions"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Questions that a judge wrote from an answer."""

    texts: tuple[str, ...]
    is_noncommittal: bool


class AnswerRelevancy(JudgedMetric):
    """Relevance of the answer to the question, right or wrong.

    Definition: `mode: judge`: the judge's label, full 1, partial 0.5, none 0. `mode: embedding`:
        the judge writes 3 questions from the answer alone; the value is the mean cosine of their
        vectors and that of the user's last message, at least 0; 0 if the answer is noncommittal. With a panel,
        the median counts.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: the judge says UNKNOWN (`judge_unknown`), gives no usable output twice
        (`judge_invalid`), refuses or cannot be reached, or a question has no vector
        (`embed_error`). An empty answer is 0 without a call.
    Language notes: `mode: embedding` compares in any language that the embedder knows; the
        questions are written in the language of the answer.
    Source: Es et al. (2024), RAGAS, EACL demonstrations, for `embedding`.
    """

    normalises = True
    fixed_params: ClassVar[tuple[str, ...]] = ("mode",)

    class Params(Metric.Params):
        """Way of measuring."""

        mode: Literal["judge", "embedding"] = "judge"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._embeds = self.params.mode == "embedding"
        self.vote_level = "interval" if self._embeds else "ordinal"
        self.templates = ("questions",) if self._embeds else ("relevancy",)
        self.labels = {} if self._embeds else _LABELS.values

    def guide(self, sample: TestSample) -> str:  # noqa: ARG002 - the same for all
        """Return the meaning of the labels."""
        return "" if self._embeds else say("judge.labels_relevancy", self.env.template)

    def check_params(self) -> list[Problem]:
        """Find a missing embedder."""
        return extra_problems(f"{self.id}: mode embedding", ["embed"] if self._embeds else [])

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return 0 of an answer without content; a call of a tool is content to a judge."""
        if not (is_blank(run.text) if self._embeds else is_empty(run)):
            return None
        label = None if self._embeds else _LABELS.lowest
        return self.make_score(sample, value=0, label=label, code="empty_answer")

    def prompt(self, sample: TestSample, run: RunResult) -> Prompt:
        """Return input and answer, or the answer alone for questions."""
        (template,) = self.templates
        if self._embeds:
            material, slots = {"ANSWER": run.text}, {"count": str(_QUESTIONS)}
            return Prompt(template=template, schema=_SCHEMA, material=material, slots=slots)
        material = shown_material(sample, run, (), ANSWER=run.text)
        return Prompt(template=template, schema=_LABELS.schema, material=material)

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask for a label, or for questions to compare."""
        request = self.request(sample, run)
        if not self._embeds:
            return Opinion(vote=_LABELS.vote(await self.ask(judge, request, _LABELS.read)))
        return await self._compared(
            await self.ask(judge, request, read_questions), _last_message(sample, run)
        )

    def definition(self) -> dict[str, JsonValue]:
        """Add the embedder."""
        given = super().definition()
        return {**given, "embedder": self.env.embedder} if self._embeds else given

    async def _compared(self, reply: Reply[Questions], asked: str) -> Opinion:
        """Return the similarity of a judge's questions to the one that was asked."""
        found = reply.found
        if found is None:
            return Opinion(vote=vote_of([reply]))
        details: dict[str, JsonValue] = {
            "noncommittal": found.is_noncommittal,
            "questions": list(found.texts),
        }
        if found.is_noncommittal:
            reason = say_in_each("metrics.noncommittal")
            vote = self.own_vote(reason, value=0.0)
            return Opinion(vote=vote_of([reply], vote), details=details)
        if self.env.embed is None:
            raise ConfigError(f'{self.id}: mode embedding needs pip install "LM-Eval-SO[embed]"')
        try:
            near = await cosines(self.env.embed, asked, found.texts)
        except EmbedError as error:
            vote = JudgeVote(label=None, code="embed_error", reason=str(error))
            return Opinion(vote=vote_of([reply], vote), details=details)
        details["cosines"] = [round(each, 6) for each in near]
        value = min(1.0, max(0.0, sum(near) / len(near)))
        return Opinion(vote=vote_of([reply], JudgeVote(label=None, value=value)), details=details)


def read_questions(output: str) -> Questions | Unusable:
    """Read the questions that a judge wrote from an answer."""
    found = read_object(output, "questions")
    if isinstance(found, Unusable):
        return found
    is_noncommittal = found.get("noncommittal")
    if not isinstance(is_noncommittal, bool):
        return Unusable(code="not_boolean", figures={"key": '"noncommittal"'})
    texts = tuple(text for text in map(one_line, found["questions"]) if text)
    if len(texts) != _QUESTIONS and not is_noncommittal:
        figures = {"n": str(len(texts)), "of": str(_QUESTIONS)}
        return Unusable(code="wrong_questions", figures=figures)
    return Questions(texts=texts, is_noncommittal=is_noncommittal)


def _last_message(sample: TestSample, run: RunResult) -> str:
    """Return the user's last message; in a played conversation, that of the last turn."""
    said = run.turns[-1].user if run.turns else sample.question
    return said or shown_input(sample, run)
