"""Verdicts as plain sentences."""

from collections.abc import Iterator

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.effect.judge_error import corrected
from lm_eval_so.comparator.gate.threshold import Threshold
from lm_eval_so.comparator.gate.verdicts import Judged
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.sentences.figures import UNKNOWN, Speaker
from lm_eval_so.comparator.sentences.inconclusive import code_sentence, unclear_sentence, way_out
from lm_eval_so.core.records.comparison import SliceComparison
from lm_eval_so.core.records.enums import MetricKind, Verdict
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.core.words.figures import reason_figures
from lm_eval_so.core.words.numbers import count, factor, p_value

_LONGEST_NAME = 60
_BUILT_IN = frozenset({"tag", "language", "length"})
_ABOUT_MISSING = frozenset({Code.MISSING, Code.MISSING_UNBOUNDED, Code.ERROR_RATE})
"""Codes whose sentence tells of the missing rows already."""


def metric_sentence(judged: Judged, speaker: Speaker, worst: SliceComparison | None = None) -> str:
    """Return the sentences of a metric: its bound's first if that decides, warnings last.

    Args:
        judged: The metric.
        speaker: How its figures are told.
        worst: The slice with the largest drop among the proven ones, if there is one.
    """
    parts = [
        _change_sentence(judged, speaker),
        *way_out(judged, speaker),
        *_corrected_sentences(judged.finding, speaker),
        *_again_sentences(judged, speaker),
    ]
    if judged.threshold is not None:
        bound = _threshold_sentence(judged.threshold, speaker)
        parts.insert(1 if judged.threshold.verdict is Verdict.PASS else 0, bound)
    if worst is not None:
        parts.append(slice_sentence(worst, speaker))
    codes = {judged.change_code, judged.code}
    parts += [
        speaker.say(warning.code, **reason_figures(warning.figures, speaker.language))
        for warning in judged.warnings
        if warning.code != Code.MISSING_ROWS or codes.isdisjoint(_ABOUT_MISSING)
    ]
    return " ".join(dict.fromkeys(parts))


def slice_sentence(worst: SliceComparison, speaker: Speaker, *, key: str = "worst_slice") -> str:
    """Say where a metric got worse; the key "worst_slice_of" names the metric, too."""
    return speaker.say(
        key,
        slice=_slice_name(worst, speaker),
        b=speaker.value(worst.baseline),
        c=speaker.value(worst.candidate),
        n=count(worst.n),
    )


def _change_sentence(judged: Judged, speaker: Speaker) -> str:
    finding = judged.finding
    told = _common(finding, speaker)
    prefix = "ratio_" if speaker.shown.is_ratio else ""
    match judged.change:
        case Verdict.PASS if judged.change_code is Code.ACCEPTED:
            return speaker.say("accepted", **told)
        case Verdict.PASS:
            text = speaker.say(f"{prefix}pass", **told)
            is_real = _is_real_fall(finding, speaker.alpha)
            return f"{text} {speaker.say('real_fall', fall=speaker.fall)}" if is_real else text
        case Verdict.IMPROVED:
            return speaker.say(f"{prefix}improved", **told)
        case Verdict.REGRESSION:
            kind = prefix + "regression"
            if not prefix:
                kind += "_binary" if finding.method == "tango_midp" else "_scores"
            text = speaker.say(kind, **told, **_proof(judged, speaker))
            is_within = _is_within_margin(finding)
            return f"{text} {speaker.say('within_margin', **told)}" if is_within else text
        case Verdict.REPORTED:
            return speaker.say(judged.change_code or "reported", **told)
        case _:
            return unclear_sentence(judged, speaker, {**told, **_proof(judged, speaker)})


def _corrected_sentences(finding: Finding, speaker: Speaker) -> Iterator[str]:
    true = corrected(finding)
    if true is None:
        return
    low, high = speaker.ends(*true.ci90)
    yield speaker.say(
        "judge_corrected",
        j=f"{finding.shrunk_by:.2f}",
        margin=speaker.shown.size(true.margin),
        shrunk=speaker.shown.size(finding.margin or 0.0),
        d=speaker.shown.change(true.delta),
        low=low,
        high=high,
    )


def _again_sentences(judged: Judged, speaker: Speaker) -> Iterator[str]:
    again = judged.finding.again
    if again is not None and judged.change is Verdict.REGRESSION:
        told = {"w": again.confirmed, "w0": len(again.worse)}
        yield speaker.say("confirmed", **reason_figures(told, speaker.language))


def _common(finding: Finding, speaker: Speaker) -> dict[str, str]:
    low, high = speaker.bounds()
    told = {
        "b": speaker.value(finding.baseline),
        "c": speaker.value(finding.candidate),
        "low": low,
        "high": high,
        "q": count(sum(finding.missing)),
        "fall": speaker.fall,
    }
    if speaker.shown.is_ratio:
        rho = UNKNOWN if finding.delta is None else factor(finding.delta)
        limit = factor(1 + (finding.max_increase or 0))
        return {**told, "rho": rho, "d": rho, "limit": limit, "margin": limit}
    margin = finding.margin or 0.0
    return {
        **told,
        "d": UNKNOWN if finding.delta is None else speaker.shown.change(finding.delta),
        "drop": speaker.shown.size(min(0.0, finding.low or 0.0)),
        "gain": speaker.shown.size(finding.low or 0.0),
        "margin": speaker.shown.size(margin),
        "limit": speaker.shown.change(-margin),
    }


def _is_real_fall(finding: Finding, alpha: float) -> bool:
    if finding.p is None or finding.high is None or finding.low is None or finding.p > alpha:
        return False
    return finding.low > 1 if finding.shape.kind is MetricKind.RATIO else finding.high < 0


def _is_within_margin(finding: Finding) -> bool:
    """Return whether the mean fell by no more than is allowed, which seems no reason to fail."""
    if finding.shape.kind is MetricKind.RATIO or finding.delta is None or finding.margin is None:
        return False
    return -finding.delta <= finding.margin


def _proof(judged: Judged, speaker: Speaker) -> dict[str, str]:
    several = judged.family > 1
    shown = judged.finding.p if judged.change_code is Code.MULTIPLICITY else judged.p_adjusted
    return {
        "w": count(judged.finding.worse),
        "g": count(judged.finding.better),
        "p": p_value(shown or 0.0, speaker.language),
        "m": count(judged.family),
        "adjusted": speaker.say("adjusted", m=count(judged.family)) if several else "",
    }


def _threshold_sentence(threshold: Threshold, speaker: Speaker) -> str:
    told = {
        "c": speaker.value(threshold.value),
        "limit": speaker.value(threshold.limit),
        "bound": speaker.value(threshold.bound),
    }
    end = f"threshold_{threshold.end}"
    match threshold.code:
        case None:
            rule = speaker.say(f"rule_{threshold.rule}", **told)
            return speaker.say(f"{end}_met", **told, rule=rule)
        case Code.THRESHOLD:
            return speaker.say(f"{end}_missed", **told, rule=speaker.say("rule_point"))
        case Code.THRESHOLD_UNPROVEN:
            return speaker.say(f"{end}_unproven", **told)
        case Code.MISSING:
            return speaker.say(
                f"{end}_missing", **told, **reason_figures(threshold.figures, speaker.language)
            )
        case code:
            return code_sentence(code, threshold.figures, speaker, told)


def _slice_name(each: SliceComparison, speaker: Speaker) -> str:
    by, value = (" ".join(cut(text, _LONGEST_NAME).split()) for text in (each.by, each.value))
    return speaker.say(f"slice_{by}", value=value) if by in _BUILT_IN else f"{by} {value}"
