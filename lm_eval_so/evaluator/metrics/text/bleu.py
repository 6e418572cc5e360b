"""`bleu`, by the optional library sacrebleu, which only this module imports."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.text.units import has_hangul, sendable
from lm_eval_so.evaluator.metrics.base import CorpusScore, Metric
from lm_eval_so.evaluator.metrics.extras import Need

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU, BLEUScore

__all__ = ["Bleu"]

_ORDERS = 4


class Bleu(Metric):
    """BLEU: runs of up to four units that answer and reference share.

    Definition: sacrebleu's sentence BLEU / 100 with effective order, texts after the profile
        `basic`, the best over all references; both empty 1. `tokenize: auto` cuts into characters
        if a reference has Hangul, else as `13a`. The report adds `corpus_score`: sacrebleu's
        corpus BLEU / 100 over all rows and references, as far as all were cut in the same way.
    Range: 0 … 1 (a hundredth of the usual figure).
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference.
    Language notes: needs the extra `bleu`, and `tokenize: ko-mecab` the extra `ko` too. `13a` cuts
        Korean at spaces, so that a particle makes another word. Made for whole corpora: for single
        short answers use `chrf` or `char_f1`.
    Source: Papineni et al. (2002), ACL, 311–318; Post (2018), sacrebleu, WMT, 186–191.
    """

    measures_overlap = True
    normalises = True
    requires = frozenset({"expected"})

    class Params(Metric.Params):
        """Tokenizer."""

        tokenize: Literal["auto", "char", "13a", "ko-mecab"] = "auto"

    def needs(self, params: Any) -> Need:
        """Return sacrebleu, and the tokenizer of ko-mecab."""
        if params.tokenize == "ko-mecab":
            return Need("tokenize ko-mecab", ("bleu", "ko"))
        return Need("sacrebleu", ("bleu",))

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the best sentence BLEU over the references, and the counts of all of them."""
        answer, references = basic(run.text), [basic(text) for text in sample.answers]
        tokenize = self.params_for(sample).tokenize
        if tokenize == "auto":
            tokenize = "char" if any(map(has_hangul, references)) else "13a"
        if tokenize == "ko-mecab":
            answer, references = sendable(answer), [sendable(text) for text in references]
        bleu = _bleu(tokenize)
        joint = bleu.sentence_score(answer, references)
        alone = (
            [joint]
            if len(references) == 1
            else [bleu.sentence_score(answer, [r]) for r in references]
        )
        _forget_texts()
        value = 1.0 if answer in references else max(map(_value, alone))
        counts = [1, len(references), len(references) ** 2, joint.sys_len, joint.ref_len]
        details: dict[str, JsonValue] = {
            "unit": tokenize,
            "corpus_counts": [*counts, *joint.counts, *joint.totals],
        }
        return self.make_score(sample, value=value, details=details)

    def corpus_score(self, counts: Sequence[int], units: Sequence[str]) -> CorpusScore | None:
        """Return corpus BLEU with sacrebleu's signature.

        None if rows were cut in different ways.
        """
        if len(units) != 1:
            return None
        rows, references, squares, sys_len, ref_len, *grams = counts
        bleu = _new_bleu(units[0], effective_order=False)
        found = bleu.compute_bleu(
            grams[:_ORDERS], grams[_ORDERS:], sys_len, ref_len, smooth_method=bleu.smooth_method
        )
        # Without variance, every sample has as many references as the mean says.
        bleu.num_refs = references // rows if rows * squares == references**2 else -1
        return CorpusScore(value=_value(found), signature=str(bleu.get_signature()))


def _value(found: "BLEUScore") -> float:
    """Return a score of sacrebleu as 0 … 1; equal texts have 100.00000000000004."""
    is_full = found.score > 0 and found.counts == found.totals and found.bp == 1
    return 1.0 if is_full else min(found.score / 100, 1.0)


def _new_bleu(tokenize: str, *, effective_order: bool) -> "BLEU":
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - optional

    return BLEU(tokenize=tokenize, effective_order=effective_order)


@cache
def _bleu(tokenize: str) -> "BLEU":
    return _new_bleu(tokenize, effective_order=True)


def _forget_texts() -> None:
    """Empty the caches of sacrebleu's tokenizers, which keep 65,536 texts each."""
    from sacrebleu.tokenizers.tokenizer_base import BaseTokenizer  # noqa: PLC0415 - optional

    for tokenizer in BaseTokenizer.__subclasses__():
        if hasattr(tokenizer.__call__, "cache_clear"):
            tokenizer.__call__.cache_clear()
