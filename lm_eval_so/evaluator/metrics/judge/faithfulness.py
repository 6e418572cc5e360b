"""`faithfulness`: how far the answer rests on its context."""

from typing import ClassVar, Literal

from pydantic import JsonValue

from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.env import Judge
from lm_eval_so.evaluator.metrics.judge.grounding import (
    TEMPLATES,
    Source,
    claims_request,
    find_passages,
    hold_against,
    list_claims,
)
from lm_eval_so.evaluator.metrics.judge.opinion import (
    Opinion,
    gather_opinions,
    is_blank,
    judged_definition,
    settle,
)
from lm_eval_so.evaluator.transcript import sample_passages, shown_input

__all__ = ["Faithfulness"]


class Faithfulness(Metric):
    """How much of what the answer claims is supported by its context.

    Definition: supported claims / claims with a verdict. The judge lists at most 30 claims of the
        answer, each with a quote; a claim whose quote does not stand in the answer (partial
        ratio under 80 on `basic` texts) is dropped and counted. It then holds all claims against
        the context in one request: supported, contradicted, absent or UNKNOWN. The context is what
        the chatbot reports, else the sample's `given` and `gold` passages; `context: bot` or
        `sample` takes only the one. No claims, as in a refusal or a greeting: 1, vacuous. Of a
        panel each judge does all of it, and the median of their values counts.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: more than 20 % of the claims are UNKNOWN (`judge_unknown`), no quote of the judge
        stands in the answer or its output is unusable twice (`judge_invalid`), it refuses or cannot
        be reached, or no context is reported (`not_reported`). Not applicable to a sample without
        passages, unless `context: bot`.
    Language notes: quotes are compared in NFC and without differences of width or spaces; claims
        are written in the language of the answer.
    Source: Es et al. (2024), RAGAS, EACL demonstrations; Min et al. (2023), FActScore, EMNLP.
    """

    category: ClassVar[Literal["rule", "heuristic", "model"]] = "model"
    normalises = True
    vote_level: Literal["nominal", "ordinal", "interval"] = "interval"
    requires = frozenset({"judge"})

    class Params(Metric.Params):
        """Which context the answer is held against."""

        context: Source = "auto"

    def applies(self, sample: TestSample) -> bool:
        """Return whether there is a context, as far as the sample tells."""
        return self.params_for(sample).context == "bot" or bool(sample_passages(sample))

    def calls(self, sample: TestSample, run: RunResult) -> int:
        """Return 2, or 0 for an empty answer or without a context."""
        passages = find_passages(sample, run, self.params_for(sample).context)
        return 2 if passages.texts and not is_blank(run.text) else 0

    def first_prompt(self, sample: TestSample, run: RunResult) -> str | None:
        """Return what a judge is asked first; None if it is not asked."""
        return self.request(sample, run).messages[0].content if self.calls(sample, run) else None

    async def score(self, sample: TestSample, run: RunResult) -> Score:
        """Let each judge list the claims of the answer and hold them against the context."""
        passages = find_passages(sample, run, self.params_for(sample).context)
        if not passages.texts:
            return self.unscored(sample, "not_reported")
        details: dict[str, JsonValue] = {"context": passages.source}
        if is_blank(run.text):
            return self.make_score(
                sample,
                value=1,
                vacuous=True,
                reason=say("metrics.claims_none", self.env.language),
                code="empty_answer",
                details={**details, "claims": 0, "dropped": 0},
            )
        request = self.request(sample, run)

        async def ask(judge: Judge) -> Opinion:
            listed = await list_claims(self.env, judge, request, run.text)
            return await hold_against(
                self.env,
                judge,
                listed,
                passages.texts,
                seed=self._seed(sample, run),
                sample_id=sample.id,
                repeat=run.repeat,
            )

        opinions = await gather_opinions(self, ask)
        return settle(self, sample, opinions, answer=run.text, details=details)

    def request(self, sample: TestSample, run: RunResult) -> ChatRequest:
        """Return what a judge is asked first about an answer."""
        return claims_request(
            self.env.template,
            asked=shown_input(sample, run),
            text=run.text,
            seed=self._seed(sample, run),
            sample_id=sample.id,
            repeat=run.repeat,
        )

    def definition(self) -> dict[str, JsonValue]:
        """Add the digest of what the judges are told."""
        return judged_definition(super().definition(), self.env, *TEMPLATES)

    def _seed(self, sample: TestSample, run: RunResult) -> str:
        return f"{self.id}:{sample.id}:{run.repeat}"
