"""The verdict of the run in plain sentences, the deciding metrics' first."""

from collections.abc import Mapping

from lm_eval_so.comparator.gate.verdicts import WORST_FIRST, Judged
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.comparison import MetricComparison, Reason
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.words import say
from lm_eval_so.core.words.numbers import count

_MOST_SENTENCES = 3
_SHARED = frozenset({Verdict.ERROR, Verdict.INCOMPARABLE})
"""Verdicts whose cause is most often the same for all metrics, and told once."""


def in_order(judged: Mapping[str, Judged]) -> dict[str, Judged]:
    """Put gating metrics first, the worst of them at the top; the others keep their order."""

    def rank(item: tuple[str, Judged]) -> tuple[bool, int, float]:
        metric = item[1]
        if not metric.gating:
            return True, 0, 0.0
        p = -1.0 if metric.p_adjusted is None else metric.p_adjusted
        return False, WORST_FIRST.index(metric.verdict), p

    return dict(sorted(judged.items(), key=rank))


def whole_reasons(judged: Mapping[str, Judged], *, has_baseline: bool) -> tuple[Reason, ...]:
    """Return the codes of all gating metrics that do not pass, the worst first."""
    gating = {key: metric for key, metric in judged.items() if metric.gating}
    reasons = [] if has_baseline else [Reason(code=Code.NO_BASELINE)]
    if not gating:
        reasons.append(Reason(code=Code.NOTHING_GATES))
    for key, metric in gating.items():
        is_told = metric.code is Code.NO_BASELINE
        if metric.verdict not in {Verdict.PASS, Verdict.IMPROVED} and not is_told:
            code = metric.code or metric.verdict.value
            reasons.append(Reason(code=code, figures={"metric": key}))
    return tuple(reasons)


def whole_sentence(
    verdict: Verdict,
    judged: Mapping[str, Judged],
    records: Mapping[str, MetricComparison],
    *,
    has_baseline: bool,
    language: Language,
    where: Mapping[str, str] | None = None,
    none: Reason | None = None,
) -> str:
    """Say the whole verdict.

    Args:
        verdict: It.
        judged: The metrics, the worst first.
        records: What is written of each, its sentence included.
        has_baseline: Whether there was anything to compare with.
        language: Language of the texts.
        where: By metric where it is proven to have got worse, as a sentence by itself.
        none: Why no baseline could be read; said first, whatever the verdict.
    """
    gating = {key: metric for key, metric in judged.items() if metric.gating}
    deciding = [key for key, metric in gating.items() if metric.verdict is verdict]
    if verdict is Verdict.INCOMPARABLE and not has_baseline:
        parts = [_without_baseline(gating, records, language, none)]
        return " ".join(parts if gating else [*parts, _nothing_judged(judged, language)])
    first = [_why(none, language)] if none else []
    if not gating:
        return " ".join([*first, _nothing_judged(judged, language)])
    return " ".join([*first, *_sentences(verdict, gating, deciding, records, language, where)])


def _sentences(
    verdict: Verdict,
    gating: Mapping[str, Judged],
    deciding: list[str],
    records: Mapping[str, MetricComparison],
    language: Language,
    where: Mapping[str, str] | None,
) -> list[str]:
    lead = gating[deciding[0]]
    if lead.code is Code.OTHER_SUITE:
        return [say("comparison.whole_other_suite", language, lead.finding.figures)]
    if verdict is Verdict.PASS:
        parts = [records[deciding[0]].sentence]
        if len(gating) > 1:
            parts.append(say("comparison.all_pass", language, {"m": count(len(gating))}))
        return parts + [text for key, text in (where or {}).items() if key != deciding[0]][:1]
    shown = _shown(deciding, gating, is_shared=verdict in _SHARED)
    parts = [records[key].sentence for key in shown]
    if rest := ", ".join(key for key in deciding if key not in shown):
        parts.append(say("comparison.and_more", language, {"metrics": rest}))
    if not any(key in shown for key in where or {}):
        parts += list((where or {}).values())[:1]
    return parts


def _without_baseline(
    gating: Mapping[str, Judged],
    records: Mapping[str, MetricComparison],
    language: Language,
    none: Reason | None,
) -> str:
    usual = ("whole_no_baseline", "take_baseline")
    parts = [_why(none, language)] if none else [say(f"comparison.{k}", language) for k in usual]
    bounds = {key: metric.threshold for key, metric in gating.items() if metric.threshold}
    unclear = [key for key, bound in bounds.items() if bound.verdict is not Verdict.PASS]
    if bounds and not unclear:
        parts.append(say("comparison.thresholds_hold", language, {"m": count(len(bounds))}))
    return " ".join([*parts, *(records[key].sentence for key in unclear)])


def _nothing_judged(judged: Mapping[str, Judged], language: Language) -> str:
    """Say that no metric gates, and what to write so that one does."""
    wording = {key: metric.finding for key, metric in judged.items() if metric.finding.is_wording}
    if not wording:
        return say("comparison.nothing_gates", language)
    key, finding = next(iter(wording.items()))
    figures = {
        "metrics": ", ".join(wording),
        "gate": f"gate.metrics.{key}.margin: {finding.shape.default_margin:g}",
    }
    return say("comparison.nothing_gates_wording", language, figures)


def _why(none: Reason, language: Language) -> str:
    return say(f"comparison.whole_{none.code}", language, none.figures)


def _shown(deciding: list[str], gating: Mapping[str, Judged], *, is_shared: bool) -> list[str]:
    if not is_shared:
        return deciding[:_MOST_SENTENCES]
    first_by_code: dict[Code | None, str] = {}
    for key in deciding:
        first_by_code.setdefault(gating[key].code, key)
    return list(first_by_code.values())
