"""Metrics of the passages that a chatbot was given or says it used."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, Literal
from weakref import WeakValueDictionary

from pydantic import JsonValue

from lm_eval_so.core.asking.answer.json_answer import Unusable
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.grounding import (
    TEMPLATES,
    claims_request,
    find_passages,
    hold_against,
    list_claims,
)
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
from lm_eval_so.evaluator.metrics.judge.prompt import UNKNOWN, fill, verdict_schema
from lm_eval_so.evaluator.metrics.judge.verdict import Verdict, read_verdict
from lm_eval_so.evaluator.transcript import sample_passages, shown_input

__all__ = ["ContextPrecision", "ContextRecall"]

_LABELS = Labels(values={"relevant": 1.0, "irrelevant": 0.0})
_VERDICT = verdict_schema(_LABELS.names)
_KNOWN = _LABELS.by_key()


class ContextParams(Metric.Params):
    """Whose passages are judged."""

    context: Literal["bot", "sample"] = "bot"


class ContextRecall(Metric):
    """How much of the reference the context has.

    Definition: claims of the reference that the context supports / claims with a verdict. The judge
        lists the claims of the first reference, as `faithfulness` does those of the answer, by a
        request that depends on question and reference alone, so that all answers are measured by
        one list; it then holds them against the passages that the chatbot reports (`context:
        sample`: the sample's `given` and `gold` ones). No claims: 1, vacuous. Of a panel the
        median of the judges' values counts.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: no passages are reported (`not_reported`), more than 20 % of the claims are
        UNKNOWN (`judge_unknown`), no quote of the judge stands in the reference or its output is
        unusable twice (`judge_invalid`), it refuses or cannot be reached. Not applicable without a
        reference.
    Language notes: as of `faithfulness`; passages may be in another language than the reference.
    Source: Es et al. (2024), RAGAS, EACL demonstrations, and its documentation.
    """

    category: ClassVar[Literal["rule", "heuristic", "model"]] = "model"
    normalises = True
    vote_level: Literal["nominal", "ordinal", "interval"] = "interval"
    requires = frozenset({"expected", "judge"})
    Params = ContextParams

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def applies(self, sample: TestSample) -> bool:
        """Whether there is something to hold against something, as far as the sample tells."""
        return bool(_reference(sample)) and _may_have_passages(self, sample)

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return 2, or 1 for a repeat, which finds the claims in the cache; 0 without passages."""
        if not find_passages(sample, run, self.params_for(sample).context).texts:
            return 0
        return 1 if run.repeat else 2

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return what a judge is asked first; None without passages."""
        return self.request(sample).messages[0].content if self.calls(sample, run) else None

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Let each judge list the claims of the reference and hold them against the passages."""
        passages = find_passages(sample, run, self.params_for(sample).context)
        if not passages.texts:
            return self.unscored(sample, "not_reported")
        request = self.request(sample)

        async def ask(judge: Judge) -> Opinion:
            # one after the other, so that the repeats of a sample find the list in the cache
            key = f"{id(judge)}:{request.session}"
            turn = self._turns.setdefault(key, asyncio.Lock())
            async with turn:
                listed = await list_claims(self.env, judge, request, _reference(sample))
            return await hold_against(
                self.env,
                judge,
                listed,
                passages.texts,
                seed=f"{self.id}:{sample.id}:{run.repeat}",
                sample_id=sample.id,
                repeat=run.repeat,
            )

        opinions = await gather_opinions(self, ask)
        return settle(self, sample, opinions, details={"context": passages.source})

    def request(self, sample: TestSample) -> ChatRequest:
        """Return what a judge is asked first: the same, whatever the answer."""
        asked, text = shown_input(sample), _reference(sample)
        seed = digest([asked, text])
        return claims_request(
            self.env.template, asked=asked, text=text, seed=seed, sample_id=sample.id
        )

    def definition(self) -> dict[str, JsonValue]:
        """Add the digest of what the judges are told."""
        return judged_definition(super().definition(), self.env, *TEMPLATES)


class ContextPrecision(Metric):
    """How far the relevant passages come before the others.

    Definition: average precision of the passages in their order, Σₖ(P@k·relₖ)/Σrelₖ; none relevant
        0. The judge says of each passage, in a request of its own, whether it is relevant to the
        question and, where there is one, the reference. Judged are the passages that the chatbot
        reports, with `context: sample` the sample's `given` and `gold` ones. Of a panel the
        median of the judges' values counts.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: no passages are reported (`not_reported`), one is UNKNOWN (`judge_unknown`), or
        the judge's output on one is unusable twice (`judge_invalid`), refused or missing.
    Language notes: passages may be in another language than the question.
    Source: Es et al. (2024), RAGAS, EACL demonstrations, and its documentation; average precision
        as in Manning et al. (2008), Introduction to Information Retrieval, §8.4.
    """

    category: ClassVar[Literal["rule", "heuristic", "model"]] = "model"
    vote_level: Literal["nominal", "ordinal", "interval"] = "interval"
    requires = frozenset({"judge"})
    Params = ContextParams

    def applies(self, sample: TestSample) -> bool:
        """Return whether there can be passages, as far as the sample tells."""
        return _may_have_passages(self, sample)

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return 1 for each passage."""
        return len(find_passages(sample, run, self.params_for(sample).context).texts)

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return what a judge is asked of the first passage; None if there is none."""
        requests = self.requests(sample, run)
        return requests[0].messages[0].content if requests else None

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Ask the judges of each passage, and give the average precision."""
        passages = find_passages(sample, run, self.params_for(sample).context)
        if not passages.texts:
            return self.unscored(sample, "not_reported")
        requests = self.requests(sample, run)

        async def ask(judge: Judge) -> Opinion:
            replies = await asyncio.gather(
                *(ask_one(self.env, judge, request, _read_relevance) for request in requests)
            )
            return self._opinion(replies)

        opinions = await gather_opinions(self, ask)
        return settle(self, sample, opinions, details={"context": passages.source})

    def requests(self, sample: TestSample, run: RunResult) -> list[ChatRequest]:
        """Return what a judge is asked, a request for each passage."""
        passages = find_passages(sample, run, self.params_for(sample).context)
        reference = _reference(sample)
        shown = {
            "INPUT": shown_input(sample, run),
            **({"REFERENCE": reference} if reference else {}),
        }
        found = []
        for place, text in enumerate(passages.texts, 1):
            seed = f"{self.id}:{sample.id}:{run.repeat}:{place}"
            prompt = fill(self.env.template, "chunk", {**shown, "PASSAGE": text}, seed)
            found.append(
                make_request(prompt, _VERDICT, session=seed, sample_id=sample.id, repeat=run.repeat)
            )
        return found

    def definition(self) -> dict[str, JsonValue]:
        """Add the digest of what the judges are told."""
        return judged_definition(super().definition(), self.env, "chunk")

    def _opinion(self, replies: Sequence[Reply[Verdict]]) -> Opinion:
        verdicts = [reply.found for reply in replies if reply.found]
        if len(verdicts) < len(replies):
            return Opinion(vote=vote_of(replies))
        relevant = [verdict.label == "relevant" for verdict in verdicts]
        places = [at for at, verdict in enumerate(verdicts, 1) if verdict.label == UNKNOWN]
        details: dict[str, JsonValue] = {
            "passages": len(verdicts),
            "relevant": [at for at, is_relevant in enumerate(relevant, 1) if is_relevant],
            "unknown": list(places),
        }
        if places:
            figures = {"places": ", ".join(map(str, places)), "of": len(verdicts)}
            reason = say("metrics.passages_unknown", self.env.language, figures)
            vote = vote_of(replies, code="judge_unknown", reason=reason)
            return Opinion(vote=vote, details=details)
        missed = [str(at) for at, is_relevant in enumerate(relevant, 1) if not is_relevant]
        code = "metrics.passages_irrelevant" if missed else "metrics.passages_relevant"
        figures = {"places": ", ".join(missed), "of": len(verdicts)}
        reason = say(code, self.env.language, figures)
        vote = vote_of(replies, value=average_precision(relevant), reason=reason)
        return Opinion(vote=vote, details=details)


def average_precision(relevant: Sequence[bool]) -> float:
    """Return Σₖ(P@k·relₖ)/Σrelₖ; 0 if none is relevant.

    Args:
        relevant: Whether each passage is relevant, in their order.
    """
    places = [at for at, is_relevant in enumerate(relevant, 1) if is_relevant]
    precisions = [nth / at for nth, at in enumerate(places, 1)]
    return sum(precisions) / len(precisions) if precisions else 0.0


def _read_relevance(output: str) -> Verdict | Unusable:
    return read_verdict(output, _KNOWN)


def _reference(sample: TestSample) -> str:
    """Return the first reference; "" if there is none."""
    return next((text for text in sample.answers if not is_blank(text)), "")


def _may_have_passages(metric: Metric, sample: TestSample) -> bool:
    return metric.params_for(sample).context == "bot" or bool(sample_passages(sample))
