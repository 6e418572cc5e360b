"""`faithfulness`: the share of the answer's claims that its context supports."""

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import say_in_each
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.judge.panel import is_blank
from lm_eval_so.evaluator.metrics.judge.passages import GroundedMetric, Source
from lm_eval_so.evaluator.sample_text import shown_input

__all__ = ["Faithfulness"]


class Faithfulness(GroundedMetric):
    """Share of the answer's claims that its context supports.

    Definition: supported claims / claims with a verdict. The judge lists at most 30 claims of the
        answer, each with a quote; a claim whose quote is not in the answer (partial
        ratio under 80 on `basic` texts) is dropped and counted. It then checks all claims against
        the context in one request: supported, contradicted, absent or UNKNOWN. The context is what
        the chatbot reports, else the sample's `given` and `gold` passages; `context: bot` or
        `sample` takes only the one. No claims, as in a refusal or a greeting: 1, vacuous;
        of an answer with a figure, and support whose evidence is not in the context, the judge's health tells. With a
        panel, each judge does all of it, and the median of their values counts.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: more than 20 % of the claims are UNKNOWN (`judge_unknown`), none of the judge's quotes
        is in the answer or its output is unusable twice (`judge_invalid`), it refuses or cannot
        be reached, or no context is reported (`not_reported`). Not applicable to a sample without
        passages, unless `context: bot`.
    Language notes: quotes are compared in NFC and without differences of width or spaces; claims
        are written in the language of the answer.
    Source: Es et al. (2024), RAGAS, EACL demonstrations; Min et al. (2023), FActScore, EMNLP.
    """

    class Params(Metric.Params):
        """Source of the context that the answer is held against."""

        context: Source = "auto"

    def claimed(self, sample: TestSample, run: RunResult) -> tuple[str, str]:
        """Return input and answer."""
        return shown_input(sample, run), run.text

    def decided(self, sample: TestSample, run: RunResult) -> Score | None:
        """Return no score without a context, and 1 of an answer without content."""
        if (missing := super().decided(sample, run)) is not None:
            return missing
        if not is_blank(run.text):
            return None
        return self.make_score(
            sample,
            value=1,
            vacuous=True,
            reason=say_in_each("metrics.claims_none"),
            code="empty_answer",
            details={**self.facts(sample, run), "claims": 0, "dropped": 0},
        )
