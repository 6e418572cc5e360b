"""What is said where a metric is neither judged to hold nor to be worse: why, and the way out."""

from collections.abc import Iterator, Mapping

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.gate.verdicts import Judged
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.sentences.figures import Speaker
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.stats.power import LEAST_SAMPLES, needed_without_change_t
from lm_eval_so.core.words.figures import reason_figures
from lm_eval_so.core.words.numbers import count, round_up, usd

_FEW = frozenset({Code.FEW_SAMPLES, Code.FEW_GROUPS, Code.FEW_TIMES, Code.FEW_FOR_PERCENTILE})


def unclear_sentence(judged: Judged, speaker: Speaker, told: Mapping[str, str]) -> str:
    """Say why a metric cannot be judged.

    Args:
        judged: The metric.
        speaker: How its figures are told.
        told: The figures that all sentences share.
    """
    finding = judged.finding
    prefix = "ratio_" if speaker.shown.is_ratio else ""
    match judged.change_code:
        case Code.TOO_NOISY:
            return speaker.say(f"{prefix}too_noisy", **told, advice=_advice(finding, speaker))
        case Code.MULTIPLICITY:
            return speaker.say(f"{prefix}multiplicity", **told)
        case code:
            return code_sentence(code, finding.figures, speaker, told)


def code_sentence(
    code: Code | None, figures: Mapping[str, object], speaker: Speaker, told: Mapping[str, str]
) -> str:
    """Say what a reason code means; samples that people took out are not simply absent."""
    given = {**told, **reason_figures(figures, speaker.language)}
    if code is Code.NO_SAMPLES and speaker.finding.left_out:
        given["n"] = count(speaker.finding.left_out)
        return speaker.say("no_samples_left", **given)
    return speaker.say(str(code), **given)


def way_out(judged: Judged, speaker: Speaker) -> Iterator[str]:
    """Say what would settle it, where the sentence about the reason does not."""
    finding, code = judged.finding, judged.change_code
    if code is Code.NOT_CONFIRMED:
        yield _advice(finding, speaker)
    if code is Code.ERROR_RATE:
        yield speaker.say(f"mend_{finding.figures['side']}")
    if judged.threshold is not None and judged.threshold.code is Code.ERROR_RATE:
        yield speaker.say("mend_candidate")
    if code in {Code.FEW_SAMPLES, Code.FEW_GROUPS}:
        yield from _least(finding, speaker)
    if code in _FEW and finding.left_out:
        yield speaker.say("left_out", n=count(finding.left_out))


def _least(finding: Finding, speaker: Speaker) -> Iterator[str]:
    """Say how many would pass at the least, where the ten that are enough to judge are not."""
    margin, width = finding.margin, finding.shape.width
    if margin is None or width is None:
        return
    least = needed_without_change_t(margin, width=width, alpha=speaker.alpha)
    if least <= LEAST_SAMPLES:  # a wide margin; the sentence has said that ten are needed
        return
    told = {"least": count(least), "margin": speaker.shown.size(margin)}
    if finding.groups is not None:
        yield speaker.say("least_groups", **told)
    else:
        yield speaker.say("least_samples", **told, price=_price(least, speaker))


def _advice(finding: Finding, speaker: Speaker) -> str:
    needed, n = finding.needed_n or 0, finding.n
    if needed <= n:
        if _fell(finding):
            key = f"advice_{finding.shape.direction.value}"
            return speaker.say(key, twice=count(2 * n))
        needed = 2 * n
    rounded = round_up(needed)
    told = {"needed": count(rounded), "n": count(n), "price": _price(rounded, speaker)}
    if speaker.shown.is_ratio:
        return speaker.say("advice_more_ratio", **told)
    return speaker.say("advice_more", **told, drop=speaker.shown.size(min(0.0, finding.low or 0.0)))


def _price(samples: int, speaker: Speaker) -> str:
    if not speaker.cost_per_sample:  # a free one needs no price
        return ""
    return speaker.say("price", usd=usd(samples * speaker.cost_per_sample))


def _fell(finding: Finding) -> bool:
    if finding.delta is None:
        return False
    return finding.delta > 1 if finding.shape.kind is MetricKind.RATIO else finding.delta < 0
