"""Figures of one metric as its sentences show them, made once for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.gate.verdicts import Judged
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.stats.power import LEANS
from lm_eval_so.core.words import say
from lm_eval_so.core.words.formats import (
    MetricFigures,
    count,
    factor,
    p_value,
    reason_figures,
    round_up,
    usd,
)

UNKNOWN = "–"
_UNIT = (0.0, 1.0)
_MOST_ADVISED = 20
"""Answers to a question above which more questions are the better advice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Facts that the sentences of all metrics share."""

    language: Language
    alpha: float
    cost_per_sample: float | None
    """Price of a sample in US dollars, if it is known."""
    has_anchor: bool = False
    """Whether the family of p-values includes those against the anchor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTexts:
    """Texts of one metric, filled with its figures."""

    finding: Finding
    shown: MetricFigures
    setting: Setting
    figures: Mapping[str, str]
    """Figures of every sentence about the change, by slot."""

    def say(self, key: str, **figures: str) -> str:
        """Return a text of the topic `comparison`; figures given here win."""
        return say(f"comparison.{key}", self.setting.language, {**self.figures, **figures})

    def value(self, value: float | None) -> str:
        """Return a mean as people read it."""
        return UNKNOWN if value is None else self.shown.value(value)

    def ends(self, low: float, high: float) -> tuple[str, str]:
        """Return both ends of an interval, the lower first; the unit stands at the last."""
        return _ends(self.shown, low, high)

    def price(self, samples: float) -> str:
        """Return the price of some samples in brackets; empty if they are free."""
        cost = self.setting.cost_per_sample
        return self.say("price", usd=usd(samples * cost)) if cost else ""


def metric_texts(metric: str, judged: Judged, setting: Setting) -> MetricTexts:
    """Make the figures of a metric, once for all its sentences.

    Args:
        metric: Id of the metric.
        judged: Decided metric.
        setting: Language, level and price.
    """
    finding, language = judged.finding, setting.language
    shown = MetricFigures(
        kind=MetricKind.BINARY if finding.stability else finding.shape.kind,
        direction=finding.shape.direction,
        is_unit=finding.shape.support == _UNIT,
        language=language,
    )
    ruling = finding.ruling or finding.outcome.few
    figures = {
        "metric": metric,
        "sure": _short_percent(1 - setting.alpha),
        "level": _short_percent(1 - 2 * setting.alpha),
        "n": count(finding.n),
        "fall": say(f"comparison.fall_{finding.shape.direction.value}", language),
        **_change_figures(finding, shown),
        **_proof_figures(judged, setting),
        **_asked_figures(finding, language),
        **reason_figures(ruling.figures if ruling else {}, language),
    }
    texts = MetricTexts(finding=finding, shown=shown, setting=setting, figures=figures)
    match judged.change_code:
        case Code.TOO_NOISY | Code.WITHIN_MARGIN | Code.FEW_SAMPLES if finding.given is not None:
            advice = _advice_given(texts, judged.change_code)
        case Code.TOO_NOISY if is_unchanged(finding):
            needed = finding.outcome.needed_n or 0
            more = {"needed": count(needed), "price": texts.price(needed)}
            if finding.interval and finding.interval.provable_margin is not None:
                more["drop"] = shown.size(finding.interval.provable_margin)
            return replace(texts, figures={**figures, **more})
        case Code.TOO_NOISY | Code.NOT_CONFIRMED as code:
            advice = _advice(texts, code)
        case Code.WITHIN_MARGIN:
            advice = _advice_within(texts)
        case _:
            return texts
    return replace(texts, figures={**figures, "advice": advice})


def is_unchanged(finding: Finding) -> bool:
    """Return whether every sample has its score as before, and each counts for itself.

    Not of costs and times: even if all are as before, their percentiles are not well known.
    """
    paired = finding.paired
    if finding.shape.kind is MetricKind.RATIO or paired is None:
        return False
    if paired.groups is not None or any(paired.missing):
        return False
    return not (paired.moved.worse or paired.moved.better)


def _change_figures(finding: Finding, shown: MetricFigures) -> dict[str, str]:
    change, limits = finding.interval, finding.limits
    bottom, top = (change.low, change.high) if change else (0.0, 0.0)
    if change is not None and change.guard is not None:
        bottom = -change.guard  # Tango's bound is inside the margin, and would seem to prove it
    delta = _change_of_means(finding) if change is None else change.delta
    low, high = _ends(shown, bottom, top)
    told = {
        "b": UNKNOWN if finding.baseline is None else shown.value(finding.baseline),
        "c": UNKNOWN if finding.candidate is None else shown.value(finding.candidate),
        "low": low,
        "high": high,
        "d": UNKNOWN if delta is None else shown.change(delta),
        "q": count(sum(finding.missing)),
        "complete": count(len(finding.paired.complete.positions)) if finding.paired else UNKNOWN,
    }
    if shown.is_ratio:
        limit = factor(1 + (limits.max_increase or 0))
        return {**told, "rho": told["d"], "limit": limit, "margin": limit}
    margin = limits.margin or 0.0
    return {
        **told,
        "drop": shown.size(min(0.0, bottom)),
        "gain": shown.size(bottom),
        "margin": shown.size(margin),
        "limit": shown.change(-margin),
    }


def _change_of_means(finding: Finding) -> float | None:
    """Return the change of a metric that has too few samples for an interval."""
    before, now, shape = finding.baseline, finding.candidate, finding.shape
    if before is None or now is None or shape.kind is MetricKind.RATIO:
        return None
    return now - before if shape.direction is Direction.HIGHER else before - now


def _proof_figures(judged: Judged, setting: Setting) -> dict[str, str]:
    finding, language, m = judged.finding, setting.language, count(judged.family)
    adjusted = "adjusted_anchor" if setting.has_anchor else "adjusted"
    p = finding.p if judged.change_code is Code.MULTIPLICITY else judged.p_adjusted
    several = judged.family > 1
    return {
        "w": count(finding.worse),
        "w0": count(len(finding.again.worse)) if finding.again else UNKNOWN,
        "g": count(finding.better),
        "p": p_value(p or 0.0, language),
        "m": m,
        "adjusted": say(f"comparison.{adjusted}", language, {"m": m}) if several else "",
    }


def _advice(texts: MetricTexts, code: Code) -> str:
    """Return the way to a verdict: more samples, or a look at those that got worse."""
    finding = texts.finding
    needed, n = finding.outcome.needed_n or 0, finding.n
    if code is Code.TOO_NOISY and _leans_worse(finding):
        return texts.say("advice_leans", p=p_value(finding.p or 0.0, texts.setting.language))
    if needed <= n:
        if _fell(finding):
            key = f"advice_{finding.shape.direction.value}"
            return texts.say(key, twice=count(2 * n))
        needed = 2 * n
    rounded = round_up(needed)
    key = "advice_more_ratio" if texts.shown.is_ratio else "advice_more"
    return texts.say(key, needed=count(rounded), n=count(n), price=texts.price(rounded))


def _asked_figures(finding: Finding, language: Language) -> dict[str, str]:
    """Return how often given samples were asked, and how often they should be."""
    given = finding.given
    if given is None:
        return {}
    kb, k = given.asked
    told = {"k": count(k), "kb": count(kb)}
    times = say(f"comparison.times_each{'' if k == kb else '_unequal'}", language, told)
    return {**told, "times": times}


def _advice_given(texts: MetricTexts, code: Code) -> str:
    """Return the way to a verdict on given samples: more answers, or a look at those that got worse."""
    finding = texts.finding
    if code is not Code.WITHIN_MARGIN and _leans_worse(finding):
        return texts.say("advice_leans", p=p_value(finding.p or 0.0, texts.setting.language))
    given, needed = finding.given, round_up(finding.outcome.needed_repeats or 0)
    asked = given.asked if given else (1, 1)
    key = "" if asked[0] == asked[1] else "_unequal"
    if needed <= min(asked):
        needed, key = 2 * min(asked), f"_{finding.shape.direction.value}" if _fell(finding) else key
    elif needed > _MOST_ADVISED:
        key = "_many"
    price = texts.price(finding.n * needed / asked[1])
    return texts.say(f"advice_these{key}", k2=count(needed), price=price)


def _advice_within(texts: MetricTexts) -> str:
    """Return the way to a verdict for a fall that is proven, but smaller than the margin."""
    needed, n = texts.finding.outcome.needed_n or 0, texts.finding.n
    if needed <= n:
        return texts.say("advice_look", twice=count(round_up(2 * n)))
    rounded = round_up(needed)
    return texts.say("advice_within", needed=count(rounded), price=texts.price(rounded))


def _leans_worse(finding: Finding) -> bool:
    """Return whether a score fell by the margin, though by chance perhaps; a ratio has no such cases."""
    is_ratio, p = finding.shape.kind is MetricKind.RATIO, finding.p
    return finding.outcome.falls_by_limit and not is_ratio and p is not None and p <= LEANS


def _fell(finding: Finding) -> bool:
    delta = finding.interval.delta if finding.interval else None
    if delta is None:
        return False
    return delta > 1 if finding.shape.kind is MetricKind.RATIO else delta < 0


def _ends(shown: MetricFigures, low: float, high: float) -> tuple[str, str]:
    low, high = shown.ends(low, high)
    return shown.change(low) if shown.is_ratio else shown.bare(low), shown.change(high)


def _short_percent(share: float) -> str:
    return f"{100 * share:.3g}%"
