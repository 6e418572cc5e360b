"""View of a verdict: the first screen of every surface, and the cases that lost their answer."""

from collections.abc import Iterator

from lm_eval_so.core.records.changes import Exemption, Lost
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.broken_cases import limit_sentences, named_cases, warning_sentences
from lm_eval_so.core.words.first_cases import (
    after_cases,
    first_cases,
    look_first,
    low_cases,
    unreviewed,
)
from lm_eval_so.core.words.headline import headline_of
from lm_eval_so.core.words.phrases import (
    anchor_warnings,
    control_warning,
    exemption_warning,
    lost_headline,
    lost_names,
    lost_reasons,
)
from lm_eval_so.core.words.rules_text import rules_text
from lm_eval_so.core.words.verdict_names import verdict_heading
from lm_eval_so.reporter.views.view import LostView, VerdictView, Words, words_of


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
    named, rules = named_cases(broken), rules_text(comparison, language)
    return VerdictView(
        headline=headline_of(comparison, report, language),
        word=verdict_heading(comparison.verdict, language),
        is_error=comparison.verdict is Verdict.ERROR,
        cases=first_cases(comparison, language),
        low=low_cases(comparison, report, language),
        accepted=tuple(
            _accepted(each, words_of("comment", language)) for each in comparison.accepted_here
        ),
        lines=(
            *after_cases(comparison, language),
            *([rules.verdicts] if rules and rules.is_open else []),
            *look_first(comparison, report, language),
            *unreviewed(report, language),
        ),
        rules=rules,
        warnings=tuple(_warnings(comparison, language)),
        # the cases themselves are told beside it
        sentence=broken.mean if broken and named else comparison.sentence,
        footer=tuple(limit_sentences(comparison, language)),
    )


def _warnings(comparison: Comparison, language: Language) -> Iterator[str]:
    """Yield what kept the gate from looking at all that it was asked to look at."""
    yield from warning_sentences(comparison.broken, language)
    if told := control_warning(comparison.control, language):
        yield told
    yield from anchor_warnings(comparison.anchor, language)
    for exemption in (*comparison.quarantine, *comparison.accept):
        if told := exemption_warning(exemption, language):
            yield told


def _accepted(entry: Exemption, words: Words) -> tuple[str, str, str]:
    name = " · ".join(filter(None, (entry.sample_id, entry.metric)))
    limit = f"{entry.max_drop or 0.0:g}"
    drop = f"{max(entry.drop or 0.0, 0.0):.3g}"
    told = words("accepted_here", drop=drop, limit=limit, until=entry.until)
    return name, told, entry.reason


def lost_view(lost: Lost | None, language: Language) -> LostView | None:
    """Return the cases that lost their answer, with why; None if there are none."""
    if lost is None:
        return None
    names = lost_names(lost)
    return LostView(
        headline=lost_headline(lost, language),
        reasons=lost_reasons(lost, language),
        names=names,
        has_more=lost.n > len(names),
    )
