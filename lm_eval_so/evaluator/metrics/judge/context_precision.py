"""`context_precision`: relevant passages ranked before the others."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.words import say_in_each
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.panel import (
    UNKNOWN,
    Labels,
    Opinion,
    Prompt,
    Reply,
    Verdict,
    vote_of,
)
from lm_eval_so.evaluator.metrics.judge.passages import PassageMetric, reference
from lm_eval_so.evaluator.sample_text import shown_input

__all__ = ["ContextPrecision"]

_LABELS = Labels(values={"relevant": 1.0, "irrelevant": 0.0})


class ContextPrecision(PassageMetric):
    """Precision of the ranking of the passages.

    Definition: average precision of the passages in their order, Σₖ(P@k·relₖ)/Σrelₖ; none relevant
        0. The judge says of each passage, in a request of its own, whether it is relevant to the
        question and, where there is one, the reference. Judged are the passages that the chatbot
        reports, with `context: sample` the sample's `given` and `gold` ones. With a panel, the
        median of the judges' values counts.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: no passages are reported (`not_reported`), one is UNKNOWN (`judge_unknown`), or
        the judge's output on one is unusable twice (`judge_invalid`), refused or missing.
    Language notes: passages may be in another language than the question.
    Source: Es et al. (2024), RAGAS, EACL demonstrations, and its documentation; average precision
        as in Manning et al. (2008), Introduction to Information Retrieval, §8.4.
    """

    templates: tuple[str, ...] = ("chunk",)

    class Params(Metric.Params):
        """Source of the passages."""

        context: Literal["bot", "sample"] = "bot"

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return 1 per passage."""
        return len(self.passages(sample, run).texts)

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return the request about the first passage."""
        return self.requests(sample, run)[0]

    def requests(self, sample: TestSample, run: RunResult) -> list[ChatRequest]:
        """Return the requests to a judge, one per passage."""
        gold = reference(sample)
        shown = {"INPUT": shown_input(sample, run), **({"REFERENCE": gold} if gold else {})}
        found = []
        for place, text in enumerate(self.passages(sample, run).texts, 1):
            material = {**shown, "PASSAGE": text}
            prompt = Prompt(template="chunk", schema=_LABELS.schema, material=material)
            found.append(self.request_of(prompt, self.row(sample, run, f":{place}")))
        return found

    async def opinion(self, judge: Judge, sample: TestSample, run: RunResult) -> Opinion:
        """Ask one judge about each passage."""
        requests = self.requests(sample, run)
        asked = (self.ask(judge, request, _LABELS.read) for request in requests)
        return self._opinion(await asyncio.gather(*asked))

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
            reason = say_in_each("metrics.passages_unknown", figures)
            vote = self.own_vote(reason, code="judge_unknown")
            return Opinion(vote=vote_of(replies, vote), details=details)
        missed = [str(at) for at, is_relevant in enumerate(relevant, 1) if not is_relevant]
        code = "metrics.passages_irrelevant" if missed else "metrics.passages_relevant"
        figures = {"places": ", ".join(missed), "of": len(verdicts)}
        reason = say_in_each(code, figures)
        vote = self.own_vote(reason, value=average_precision(relevant))
        return Opinion(vote=vote_of(replies, vote), details=details)


def average_precision(relevant: Sequence[bool]) -> float:
    """Return Σₖ(P@k·relₖ)/Σrelₖ; 0 if none is relevant.

    Args:
        relevant: Whether each passage is relevant, in their order.
    """
    places = [at for at, is_relevant in enumerate(relevant, 1) if is_relevant]
    precisions = [nth / at for nth, at in enumerate(places, 1)]
    return sum(precisions) / len(precisions) if precisions else 0.0
