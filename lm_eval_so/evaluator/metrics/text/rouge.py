"""`rouge_l`: longest common subsequence of answer and reference."""

from collections.abc import Sequence
from typing import Any, Literal

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.edits import common_length
from lm_eval_so.core.text.profiles import korquad
from lm_eval_so.core.text.units import Tokenizer, Unit, cut, has_hangul, unit_name
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.metrics.extras import Need, morpheme_need

__all__ = ["RougeL"]


class RougeL(Metric):
    """ROUGE-L: longest common subsequence of answer and reference.

    Definition: 2PR/(P+R) (β = 1) of the longest common subsequence of units after the profile
        `korquad`, the best over all references; both empty 1, one empty 0. Units are characters
        without spaces (`char`), words (`space`) or morphemes (`morph`, by `tokenizer`); `auto`
        takes characters if a reference has Hangul, else words.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference.
    Language notes: no stemming. The package rouge-score is not used: it keeps only [a-z0-9], so
        that identical Korean sentences would get 0. Morphemes need the extra `ko` (mecab-ko) or
        `kiwi`.
    Source: Lin (2004), ROUGE, ACL Workshop "Text Summarization Branches Out", §3.
    """

    measures_overlap = True
    normalises = True
    requires = frozenset({"expected"})

    class Params(Metric.Params):
        """Unit of the subsequence."""

        unit: Literal["auto", "char", "space", "morph"] = "auto"
        tokenizer: Tokenizer = "mecab-ko"

    def needs(self, params: Any) -> Need | None:
        """Return the tokenizer that morphemes need."""
        return morpheme_need(params)

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the best F1 over the references."""
        params = self.params_for(sample)
        references = [korquad(text) for text in sample.answers]
        unit: Unit = params.unit
        if params.unit == "auto":
            unit = "char" if any(map(has_hangul, references)) else "space"
        said = cut(korquad(run.text), unit, tokenizer=params.tokenizer)
        value = max(lcs_f1(said, cut(r, unit, tokenizer=params.tokenizer)) for r in references)
        details = {"unit": unit_name(unit, params.tokenizer)}
        return self.make_score(sample, value=value, details=details)


def lcs_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """Return F1 of the longest common subsequence: 2·LCS/(m+n); both empty 1."""
    units = len(answer) + len(reference)
    return 2 * common_length(answer, reference) / units if units else 1.0
