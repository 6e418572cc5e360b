"""Cases that had an answer in the baseline and have none now, as they are shown."""

from dataclasses import dataclass

from lm_eval_so.core.records.comparison import Comparison, Lost
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.words.phrases import lost_headline, lost_names, lost_reasons

_GOOD = frozenset({Verdict.PASS, Verdict.IMPROVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class LostView:
    """Cases that lost their answer."""

    headline: str
    reasons: str
    names: tuple[str, ...]
    """Of the first ones."""
    has_more: bool


def lost_view(lost: Lost | None, language: Language) -> LostView | None:
    """Make the view of such cases; None if there are none."""
    if lost is None:
        return None
    names = lost_names(lost)
    return LostView(
        headline=lost_headline(lost, language),
        reasons=lost_reasons(lost, language),
        names=names,
        has_more=lost.n > len(names),
    )


def is_good_but_lost(comparison: Comparison) -> bool:
    """Return whether a verdict that is good by its scores must not look as if all were well."""
    return comparison.lost is not None and comparison.verdict in _GOOD
