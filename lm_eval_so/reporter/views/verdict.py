"""View of a verdict: what people see first, the same on every surface."""

from collections.abc import Iterator

from lm_eval_so.core.records.comparison import ABOUT_THESE, BrokenCases, Comparison, Lost
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import say
from lm_eval_so.core.words.broken_cases import advice, footer, named_cases, slips_sentence
from lm_eval_so.core.words.first_cases import first_cases
from lm_eval_so.core.words.formats import count
from lm_eval_so.core.words.headline import headline_of
from lm_eval_so.core.words.phrases import lost_headline, lost_names, lost_reasons
from lm_eval_so.core.words.verdict_names import verdict_heading
from lm_eval_so.reporter.views.view import LostView, VerdictView


def verdict_view(
    comparison: Comparison, report: EvaluationReport | None, language: Language
) -> VerdictView:
    """Return the first screen of a comparison, which all surfaces show in this order.

    Args:
        comparison: Verdict and its evidence.
        report: Candidate's report, if it is at hand.
        language: Language of the texts.
    """
    broken = comparison.broken
    named = named_cases(broken)
    return VerdictView(
        headline=headline_of(comparison, report, language),
        word=verdict_heading(comparison.verdict, language),
        is_error=comparison.verdict is Verdict.ERROR,
        cases=first_cases(comparison, language),
        lines=tuple(after_cases(broken, language)),
        # the cases themselves are told beside it
        sentence=broken.mean if broken and named else comparison.sentence,
        footer=tuple(_limits(comparison, language)),
    )


def after_cases(broken: BrokenCases | None, language: Language) -> Iterator[str]:
    """Yield the sentences that stand after the cases of the first screen, on every surface."""
    if told := advice(broken, language):
        yield told
    if broken is not None and (slips := slips_sentence(broken, language)):
        yield slips


def _limits(comparison: Comparison, language: Language) -> Iterator[str]:
    """Yield which questions a verdict is about, and how often it calls a case broken by mistake."""
    sizes = [m.n for m in comparison.metrics.values() if m.gating and m.method in ABOUT_THESE]
    if sizes:
        yield say("comment.footer_claim", language, {"n": count(max(sizes))})
    broken = comparison.broken
    if broken is not None and broken.family and named_cases(broken):
        yield footer(broken, language)


def lost_view(lost: Lost | None, language: Language) -> LostView | None:
    """Return the cases that had an answer and have none now; None if there are none."""
    if lost is None:
        return None
    names = lost_names(lost)
    return LostView(
        headline=lost_headline(lost, language),
        reasons=lost_reasons(lost, language),
        names=names,
        has_more=lost.n > len(names),
    )
