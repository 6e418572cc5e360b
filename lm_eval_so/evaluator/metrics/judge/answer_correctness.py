"""`answer_correctness`: the claims of the answer and of the reference, held against each other."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import JsonValue

from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.costs import add_costs, add_usage
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.words import Wording, joined, say_in_each
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.context_recall import ContextRecall
from lm_eval_so.evaluator.metrics.judge.faithfulness import Faithfulness
from lm_eval_so.evaluator.metrics.judge.panel import JudgedMetric, Opinion, is_blank, shown
from lm_eval_so.evaluator.metrics.judge.passages import GroundedMetric, Passages, reference

__all__ = ["AnswerCorrectness"]


class _Precision(Faithfulness):
    """Claims of the answer that the references support."""

    def passages(self, sample: TestSample, run: RunResult) -> Passages:  # noqa: ARG002
        """Return the references: each is right, so that any of them may support a claim."""
        return Passages(source="sample", texts=sample.answers)


class _Recall(ContextRecall):
    """Claims of the reference that the answer supports."""

    def passages(self, sample: TestSample, run: RunResult) -> Passages:  # noqa: ARG002
        """Return the answer."""
        return Passages(source="bot", texts=(run.text,))


class AnswerCorrectness(JudgedMetric):
    """Agreement of the answer with the reference, claim by claim.

    Definition: F1 = 2·P·R/(P + R), 0 if both are 0. P is the share of the answer's claims that the
        references support, any of them, R the share of the first reference's claims that the
        answer supports; `measure: precision` or `recall` is the one alone. Claims are listed and
        held as by `faithfulness` and `context_recall`, the references in place of the passages. A
        reference without claims counts by P alone. With a panel, each judge does all of it, and
        the median of their values counts.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: either of the two is, with the codes of `faithfulness`. An empty answer is 0
        without a call. Not applicable without a reference.
    Language notes: as of `faithfulness`; the reference may be in another language than the answer.
    Source: Es et al. (2024), RAGAS, EACL demonstrations, and its documentation (factual
        correctness); Min et al. (2023), FActScore, EMNLP.
    """

    normalises = True
    requires = frozenset({"expected", "judge"})
    templates: tuple[str, ...] = ("claims", "verify")
    fixed_params: ClassVar[tuple[str, ...]] = ("measure",)

    class Params(Metric.Params):
        """Figure that counts."""

        measure: Literal["f1", "precision", "recall"] = "f1"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        kinds: dict[str, type[GroundedMetric]] = {"precision": _Precision, "recall": _Recall}
        self._parts = {
            name: kind(metric_id=f"{self.id}:{name}", env=self.env)
            for name, kind in kinds.items()
            if self.params.measure in {"f1", name}
        }

    def applies(self, sample: TestSample) -> bool:
        """Return whether there is a reference to hold against."""
        return bool(reference(sample))

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return 0 of an answer without content."""
        if not is_blank(run.text):
            return None
        return self.make_score(sample, value=0, code="empty_answer")

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return the calls of both parts, or 0 if the answer takes no judge."""
        if not super().calls(sample, run):
            return 0
        return sum(part.calls(sample, run) for part in self._parts.values())

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return the request that lists the claims first."""
        return next(iter(self._parts.values())).request(sample, run)

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask one judge for the claims of both texts, and hold each against the other."""
        asked = (part.opinion(judge, sample, run) for part in self._parts.values())
        found = await asyncio.gather(*asked)
        opinions = dict(zip(self._parts, found, strict=True))
        details: dict[str, JsonValue] = {key: {**each.details} for key, each in opinions.items()}
        lost = next((each.vote for each in found if each.vote.value is None), None)
        vote = lost or self.own_vote(_why(opinions), value=_value(opinions))
        spent = _with_costs(vote, [each.vote for each in found])
        is_vacuous = lost is None and all(each.vacuous for each in found)
        return Opinion(vote=spent, details=details, vacuous=is_vacuous)


def _value(opinions: dict[str, Opinion]) -> float:
    values = {key: each.vote.value or 0.0 for key, each in opinions.items()}
    if len(values) == 1:
        return next(iter(values.values()))
    precision, recall = values["precision"], values["recall"]
    if opinions["recall"].vacuous:
        return precision
    both = precision + recall
    return 2 * precision * recall / both if both else 0.0


def _why(opinions: dict[str, Opinion]) -> Wording:
    """Name the claims that only one of the texts makes."""
    reasons = []
    for key, opinion in opinions.items():
        unsupported = opinion.details.get("unsupported")
        claims = unsupported if isinstance(unsupported, list) else []
        texts = [str(each["claim"]) for each in claims if isinstance(each, dict)]
        if texts:
            reasons.append(say_in_each(f"metrics.correct_{key}", {"texts": shown(texts)}))
    return joined("; ", reasons) if reasons else say_in_each("metrics.correct_all")


def _with_costs(vote: JudgeVote, votes: Sequence[JudgeVote]) -> JudgeVote:
    """Return a vote with what all requests behind it took."""
    return replace(
        vote,
        model=votes[-1].model,
        calls=sum(each.calls for each in votes),
        repaired=any(each.repaired for each in votes),
        usage=add_usage(each.usage for each in votes),
        cost_usd=add_costs(each.cost_usd for each in votes),
    )
