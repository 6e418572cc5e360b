"""`chrf`: runs of characters that answer and reference share."""

from collections import Counter
from operator import add

from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.core.text.units import cut
from lm_eval_so.evaluator.metrics.base import Metric

__all__ = ["Chrf"]

_LONGEST = 6


class Chrf(Metric):
    """chrF2: runs of characters that answer and reference share.

    Definition: (1+4)PR/(4P+R), P and R the shares of shared runs of n characters, averaged over
        those n of 1 … 6 that both texts are long enough for; texts after the profile `basic`,
        without spaces; the best over all references; both empty 1, one empty 0.
    Range: 0 … 1 (a hundredth of the usual figure).
    Direction: higher is better.
    Unscored when: never, for an answered row; not applicable without a reference.
    Language notes: spacing costs nothing, nor does the Unicode form, thanks to `basic`.
    Source: Popović (2015), chrF, WMT, 392–395; equal to sacrebleu's `chrF2`, but for two empty texts.
    """

    measures_overlap = True
    normalises = True
    requires = frozenset({"expected"})

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the best chrF over the references."""
        said = "".join(cut(basic(run.text), "char"))
        value = max(chrf(said, "".join(cut(basic(text), "char"))) for text in sample.answers)
        return self.make_score(sample, value=value, details={"unit": "char"})


def chrf(answer: str, reference: str) -> float:
    """Return chrF2, 0 … 1, of two texts without spaces."""
    if answer == reference:
        return 1.0
    said, known = list(answer), list(reference)
    orders = min(_LONGEST, len(said), len(known))
    precision = recall = 0.0
    for n in range(orders):
        if n:  # each run of n+1 characters is one of n and the next character
            said = [*map(add, said, answer[n:])]
            known = [*map(add, known, reference[n:])]
        left = Counter(known)
        shared = 0
        for run in said:
            if left.get(run):
                left[run] -= 1
                shared += 1
        if not shared:
            break  # so nothing longer is shared either
        precision += shared / len(said)
        recall += shared / len(known)
    if not precision:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return 5 * precision * recall / (4 * precision + recall)
