"""`answer_relevancy`: how far the answer addresses what was asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.words import say
from lm_eval_so.errors import ConfigError, Problem
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.embedding import cosine
from lm_eval_so.evaluator.metrics.env import EmbedError, Judge
from lm_eval_so.evaluator.metrics.extras import extra_problems
from lm_eval_so.evaluator.metrics.judge.claims import one_line, read_object
from lm_eval_so.evaluator.metrics.judge.labels import Labels
from lm_eval_so.evaluator.metrics.judge.opinion import (
    Opinion,
    ask_one,
    gather_opinions,
    is_blank,
    judged_definition,
    make_request,
    settle,
    vote_of,
)
from lm_eval_so.evaluator.metrics.judge.panel import Reply
from lm_eval_so.evaluator.metrics.judge.prompt import fill, verdict_schema
from lm_eval_so.evaluator.metrics.judge.rubric import steering_flags
from lm_eval_so.evaluator.metrics.judge.verdicts import ask_labels, label_score
from lm_eval_so.evaluator.transcript import shown_input

__all__ = ["AnswerRelevancy"]

_LABELS = Labels(values={"full": 1.0, "partial": 0.5, "none": 0.0})
_VERDICT = verdict_schema(_LABELS.names)
_QUESTIONS = 3
_SCHEMA: dict[str, JsonValue] = {
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
    """What an answer answers, as a judge reads it."""

    texts: tuple[str, ...]
    is_noncommittal: bool


class AnswerRelevancy(Metric):
    """How far the answer addresses what was asked, right or wrong.

    Definition: `mode: judge`: the judge's label, full 1, partial 0.5, none 0. `mode: embedding`:
        the judge writes 3 questions from the answer alone; the mean cosine of their vectors and
        that of the user's last message, at least 0; 0 if the answer is noncommittal. Of a panel
        the median.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: the judge says UNKNOWN (`judge_unknown`), gives no usable output twice
        (`judge_invalid`), refuses or cannot be reached, or a question has no vector
        (`embed_error`). An empty answer is 0 without a call.
    Language notes: `mode: embedding` compares in any language that the embedder knows; the
        questions are written in the language of the answer.
    Source: Es et al. (2024), RAGAS, EACL demonstrations, for `embedding`.
    """

    category: ClassVar[Literal["rule", "heuristic", "model"]] = "model"
    normalises = True
    requires = frozenset({"judge"})

    class Params(Metric.Params):
        """How it is measured."""

        mode: Literal["judge", "embedding"] = "judge"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._embeds = self.params.mode == "embedding"
        self.vote_level = "interval" if self._embeds else "ordinal"

    def check_params(self) -> list[Problem]:
        """Find whether an embedder is missing."""
        return extra_problems(f"{self.id}: mode embedding", ["embed"] if self._embeds else [])

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find parameters that cannot differ by sample."""
        if "mode" in self.own_params(sample):
            return [Problem(what=f"{self.place_in(sample)}: mode cannot differ by sample")]
        return super().check_sample(sample)

    def calls(self, sample: TestSample, run: RunResult) -> int:  # noqa: ARG002 - as of all metrics
        """Return 1, or 0 for an empty answer."""
        return 0 if is_blank(run.text) else 1

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return what the judge is asked; None for an empty answer."""
        return self.request(sample, run).messages[0].content if self.calls(sample, run) else None

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Ask the judges for a label, or for questions to compare."""
        if is_blank(run.text):
            label = None if self._embeds else _LABELS.lowest
            return self.make_score(sample, value=0, label=label, code="empty_answer")
        request = self.request(sample, run)
        if not self._embeds:
            votes = await ask_labels(self, _LABELS, request)
            return label_score(self, sample, _LABELS, votes, details=steering_flags(run.text))

        async def ask(judge: Judge) -> Opinion:
            reply = await ask_one(self.env, judge, request, read_questions)
            return await self._opinion(reply, _last_message(sample, run))

        opinions = await gather_opinions(self, ask)
        return settle(self, sample, opinions, answer=run.text)

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return what a judge is asked about an answer."""
        seed = f"{self.id}:{sample.id}:{run.repeat}"
        if self._embeds:
            material, schema = {"ANSWER": run.text}, _SCHEMA
            prompt = fill(self.env.template, "questions", material, seed, count=str(_QUESTIONS))
        else:
            material, schema = {"INPUT": shown_input(sample, run), "ANSWER": run.text}, _VERDICT
            prompt = fill(self.env.template, "relevancy", material, seed)
        return make_request(prompt, schema, session=seed, sample_id=sample.id, repeat=run.repeat)

    def definition(self) -> dict[str, JsonValue]:
        """Add the digest of what the judges are told, and the embedder."""
        template = "questions" if self._embeds else "relevancy"
        given = judged_definition(super().definition(), self.env, template)
        return {**given, "embedder": self.env.embedder} if self._embeds else given

    async def _opinion(self, reply: Reply[Questions], asked: str) -> Opinion:
        found = reply.found
        if found is None:
            return Opinion(vote=vote_of([reply]))
        details: dict[str, JsonValue] = {
            "noncommittal": found.is_noncommittal,
            "questions": list(found.texts),
        }
        if found.is_noncommittal:
            reason = say("metrics.noncommittal", self.env.language)
            return Opinion(vote=vote_of([reply], value=0.0, reason=reason), details=details)
        try:
            cosines = await self._cosines(asked, found.texts)
        except EmbedError as error:
            vote = vote_of([reply], code="embed_error", reason=str(error))
            return Opinion(vote=vote, details=details)
        details["cosines"] = [round(each, 6) for each in cosines]
        value = min(1.0, max(0.0, sum(cosines) / len(cosines)))
        return Opinion(vote=vote_of([reply], value=value), details=details)

    async def _cosines(self, asked: str, questions: Sequence[str]) -> list[float]:
        embed = self.env.embed
        if embed is None:
            self._refuse_without_embedder()
        texts = [basic(text) for text in (asked, *questions)]
        first, *others = await asyncio.gather(*map(embed, texts))
        return [cosine(first, other) for other in others]

    def _refuse_without_embedder(self) -> NoReturn:
        raise ConfigError(f'{self.id}: mode embedding needs pip install "LM-Eval-SO[embed]"')


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
    """Return the user's last message, of a conversation that was played as it was played."""
    said = run.turns[-1].user if run.turns else sample.question
    return said or shown_input(sample, run)
