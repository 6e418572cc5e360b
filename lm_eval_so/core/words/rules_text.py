"""Rules that a pull request changes in words, and both verdicts: the same in reports, comments and on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.measured_with import RuleChange
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import count
from lm_eval_so.core.words.verdict_names import verdict_name

_MOST_NAMED = 5
_NO_BASE_CONFIG = "no_config"
_NOT_COMPARED = ("edited", "gone")
"""Kinds of differences by which cases of main are compared no more."""
_COMPARED = frozenset({Verdict.PASS, Verdict.IMPROVED, Verdict.INCONCLUSIVE})
_GATE_METRICS = "gate.metrics"
"""Setting that stands for a default where it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesText:
    """Rules of main and of a pull request, in words."""

    title: str
    """Number of rules that differ."""
    verdicts: str
    """Verdicts by main's rules and by the pull request's own."""
    changes: tuple[str, ...]
    """Differences, the looser first."""
    notes: tuple[str, ...]
    is_open: bool
    """Whether the two verdicts differ, so that both are told at once."""

    @property
    def line(self) -> str:
        """The differences in one line."""
        return f"{self.title}: {'; '.join(self.changes)}"


def rules_text(comparison: Comparison, language: Language) -> RulesText | None:
    """Return the rules that differ, in words; None if none do.

    Args:
        comparison: The comparison.
        language: Language of the texts.
    """
    rules = comparison.rules
    if rules is None or not rules.changes:
        return None
    changes = [change_text(change, language) for change in rules.changes]
    own, is_open = rules.own, False
    told = [_say("by_main", language, verdict=verdict_name(comparison.verdict, language))]
    notes = []
    if own is not None:
        is_open = (own.verdict, own.exit_code) != (comparison.verdict, comparison.exit_code)
        figures = {"verdict": verdict_name(own.verdict, language)}
        if is_open:
            figures["changes"] = _some(changes, language)
        told.append(_say("by_own_changes" if is_open else "by_own", language, **figures))
        if own.not_asked:
            notes.append(_say("not_asked", language, metrics=", ".join(own.not_asked)))
    return RulesText(
        title=_say("title", language, n=count(len(changes))),
        verdicts=" ".join(told),
        changes=tuple(changes),
        notes=tuple(notes),
        is_open=is_open,
    )


def own_rules_headline(text: str, comparison: Comparison, language: Language) -> str:
    """Return the text of a headline, with whose rules hold where main's could not be read.

    Where main has neither a config nor a baseline, nothing can be loosened, and nothing is said. What
    fails nobody says how many of main's cases it does not speak of.
    """
    rules = comparison.rules
    if rules is not None and comparison.verdict in _COMPARED:
        text = _told_of_cases(text, comparison, rules.changes, language)
    is_first = comparison.baseline.source == "none" and rules and rules.why == _NO_BASE_CONFIG
    if rules is None or rules.why is None or is_first:
        return text
    return _say("own_hold", language, text=text)


def _told_of_cases(
    text: str, comparison: Comparison, changes: Sequence[RuleChange], language: Language
) -> str:
    found = {each.kind: each.n for each in changes if each.kind in _NOT_COMPARED}
    if not found:
        return text
    pairing = comparison.pairing
    of = pairing.paired + len(pairing.changed) + len(pairing.removed)
    key = "gone_hold" if "gone" in found else "edited_hold"
    told = {"x": count(sum(found.values())), "n": count(max(of, sum(found.values())))}
    return _say(key, language, text=text, **told)


def change_text(change: RuleChange, language: Language) -> str:
    """Return one difference, as "margin of exact_match 0.05 → 0.2"."""
    text: str = change.kind
    if text == "setting":
        is_shown = change.base is not None or change.head is not None
        removed = "no_gate" if change.key.startswith("gate.metrics") else "setting_hidden"
        text = ("setting_of" if change.metric else "setting") if is_shown else removed
    none = _say("default" if change.key == _GATE_METRICS else "none", language)
    figures = {
        "key": change.key,
        "metric": change.metric or "",
        "n": count(change.n),
        "base": none if change.base is None else change.base,
        "head": none if change.head is None else change.head,
    }
    return _say(text, language, **figures)


def _some(changes: Sequence[str], language: Language) -> str:
    shown = [*changes[:_MOST_NAMED]]
    if rest := len(changes) - len(shown):
        shown.append(_say("more", language, n=count(rest)))
    return "; ".join(shown)


def _say(code: str, language: Language, /, **figures: str) -> str:
    return say(f"rules.{code}", language, figures)
