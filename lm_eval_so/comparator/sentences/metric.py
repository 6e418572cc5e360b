"""Sentences of one metric: the reason code chooses the text, the figures are filled in."""

from collections.abc import Iterator, Mapping

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.effect.judge_error import corrected
from lm_eval_so.comparator.gate.threshold import Threshold
from lm_eval_so.comparator.gate.verdicts import Judged
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.sentences.figures import MetricTexts, is_unchanged
from lm_eval_so.core.records.changes import SliceComparison
from lm_eval_so.core.records.enums import MetricKind, Verdict
from lm_eval_so.core.stats.power import LEAST_SAMPLES, needed_without_change_t
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.core.words.formats import count, reason_figures, reason_key

_OF_RATIOS = frozenset(
    {
        "pass",
        "improved",
        "regression",
        "too_noisy",
        "within_margin",
        "multiplicity",
        "multiplicity_anchor",
        "few_samples",
        "few_groups",
    }
)
"""Texts that ratios have in a form of their own."""
_OF_GIVEN = frozenset(
    {"pass", "improved", "regression", "too_noisy", "within_margin", "few_samples"}
)
"""Texts that given samples have in a form of their own."""
_OF_BOUNDS = {
    None: "met",
    Code.THRESHOLD: "missed",
    Code.THRESHOLD_UNPROVEN: "unproven",
    Code.MISSING: "missing",
}
"""Ends of the texts about a fixed bound, by its code."""
_FEW = frozenset({Code.FEW_SAMPLES, Code.FEW_GROUPS, Code.FEW_TIMES, Code.FEW_FOR_PERCENTILE})
_ABOUT_MISSING = frozenset({Code.MISSING, Code.MISSING_UNBOUNDED, Code.ERROR_RATE, Code.BUDGET})
"""Codes whose sentence tells of the missing rows already."""
_NOT_OURS = frozenset({Code.NOTHING_DIFFERS, Code.PROVIDER_MOVED})
"""Codes of a proven fall that is none of the pull request."""
_LONGEST_NAME = 60
_BUILT_IN = frozenset({"tag", "language", "length"})


def metric_sentence(
    judged: Judged, texts: MetricTexts, worst: SliceComparison | None = None
) -> str:
    """Return the sentences of a metric: its bound's first if that decides, warnings last.

    Args:
        judged: Decided metric.
        texts: Texts with the metric's figures.
        worst: Slice with the largest proven drop, if there is one.
    """
    parts = [
        _change_sentence(judged, texts),
        *_ways_out(judged, texts),
        *_judge_sentences(judged.finding, texts),
    ]
    is_worse = judged.change is Verdict.REGRESSION or judged.change_code in _NOT_OURS
    if judged.finding.again is not None and is_worse:
        parts.append(texts.say("confirmed"))
    if judged.threshold is not None:
        bound = _bound_sentence(judged.threshold, texts)
        parts.insert(1 if judged.threshold.verdict is Verdict.PASS else 0, bound)
    if worst is not None:
        parts.append(slice_sentence(worst, texts))
    codes = {judged.change_code, judged.code}
    parts += [
        texts.say(
            reason_key(warning.code, warning.figures),
            **reason_figures(warning.figures, texts.setting.language),
        )
        for warning in judged.warnings
        if warning.code != Code.MISSING_ROWS or codes.isdisjoint(_ABOUT_MISSING)
    ]
    return " ".join(dict.fromkeys(parts))


def slice_sentence(worst: SliceComparison, texts: MetricTexts, *, key: str = "worst_slice") -> str:
    """Return where a metric got worse; the key "worst_slice_of" names the metric, too."""
    by, value = (" ".join(cut(text, _LONGEST_NAME).split()) for text in (worst.by, worst.value))
    name = texts.say(f"slice_{by}", value=value) if by in _BUILT_IN else f"{by} {value}"
    baseline, candidate = texts.value(worst.baseline), texts.value(worst.candidate)
    return texts.say(key, slice=name, b=baseline, c=candidate, n=count(worst.n))


def _change_sentence(judged: Judged, texts: MetricTexts) -> str:
    """Return the verdict on the change, and a remark if the means seem to contradict it."""
    if judged.change_code is Code.NO_SAMPLES:
        return _code_sentence(Code.NO_SAMPLES, texts, {})
    finding, change = judged.finding, judged.change
    keys = [_key_of(judged)]
    if change is Verdict.PASS and judged.change_code is None and _is_real_fall(finding, texts):
        keys.append("real_fall")
    return " ".join(map(texts.say, keys))


def _key_of(judged: Judged) -> str:
    """Look up the text of a change: by its code, else by its verdict."""
    finding, key = judged.finding, (judged.change_code or judged.change).value
    if judged.change_code in _NOT_OURS:  # the run's sentence says whose change it is
        key = Verdict.REGRESSION.value
    if judged.change_code is Code.MULTIPLICITY and judged.anchor is not None:
        key = "multiplicity_anchor"
    if finding.outcome.few is not None and "effective" in finding.outcome.few.figures:
        key = {"few_groups": "few_groups_unequal"}.get(key, key)
    if finding.shape.kind is MetricKind.RATIO:
        return f"ratio_{key}" if key in _OF_RATIOS else key
    if finding.given is not None and key in _OF_GIVEN:
        return f"these_{key}"
    if judged.change_code is Code.TOO_NOISY and is_unchanged(finding):
        return "unchanged"
    if key != "regression":
        return key
    is_binary = finding.interval is not None and finding.interval.method == "tango_midp"
    return "regression_binary" if is_binary else "regression_scores"


def _code_sentence(code: Code, texts: MetricTexts, figures: Mapping[str, object]) -> str:
    """Return the text of a reason code; samples that people took out are not simply absent."""
    given = reason_figures(figures, texts.setting.language)
    left_out = texts.finding.exempted.left_out
    if code is Code.NO_SAMPLES and left_out:
        return texts.say("no_samples_left", **{**given, "n": count(left_out)})
    return texts.say(code.value, **given)


def _ways_out(judged: Judged, texts: MetricTexts) -> Iterator[str]:
    """Yield what would settle the metric, unless the sentence about the reason says it."""
    finding, code = judged.finding, judged.change_code
    if code is Code.NOT_CONFIRMED:
        yield texts.figures["advice"]
    if code is Code.ERROR_RATE and finding.ruling is not None:
        yield texts.say(f"mend_{finding.ruling.figures['side']}")
    if judged.threshold is not None and judged.threshold.code is Code.ERROR_RATE:
        yield texts.say("mend_candidate")
    if code in {Code.FEW_SAMPLES, Code.FEW_GROUPS} and finding.given is None:
        yield from _least(finding, texts)
    if code in _FEW and finding.exempted.left_out:
        yield texts.say("left_out", n=count(finding.exempted.left_out))


def _least(finding: Finding, texts: MetricTexts) -> Iterator[str]:
    """Yield the least samples that could pass, if more than the ten needed to judge."""
    margin, width = finding.limits.margin, finding.shape.width
    if margin is None or width is None:
        return
    least = needed_without_change_t(margin, width=width, alpha=texts.setting.alpha)
    if least <= LEAST_SAMPLES:  # a wide margin; the sentence has said that ten are needed
        return
    is_grouped = finding.paired is not None and finding.paired.groups is not None
    key = "least_groups" if is_grouped else "least_samples"
    yield texts.say(key, least=count(least), price=texts.price(least))


def _judge_sentences(finding: Finding, texts: MetricTexts) -> Iterator[str]:
    true, shown = corrected(finding), texts.shown
    if true is None:
        return
    low, high = texts.ends(*true.ci90)
    yield texts.say(
        "judge_corrected",
        j=f"{finding.limits.shrunk_by:.2f}",
        margin=shown.size(true.margin),
        shrunk=shown.size(finding.limits.margin or 0.0),
        d=shown.change(true.delta),
        low=low,
        high=high,
    )


def _is_real_fall(finding: Finding, texts: MetricTexts) -> bool:
    """Return whether the mean is proven to have fallen, though by no more than is allowed."""
    change = finding.interval
    if change is None or change.p > texts.setting.alpha:
        return False
    return change.low > 1 if finding.shape.kind is MetricKind.RATIO else change.high < 0


def _bound_sentence(threshold: Threshold, texts: MetricTexts) -> str:
    told = {
        "c": texts.value(threshold.value),
        "limit": texts.value(threshold.limit),
        "bound": texts.value(threshold.bound),
        **reason_figures(threshold.figures, texts.setting.language),
    }
    code = threshold.code
    if code is not None and code not in _OF_BOUNDS:
        return _code_sentence(code, texts, threshold.figures)
    # a missed bound is missed by the mean itself, whatever the rule
    rule = texts.say(f"rule_{threshold.rule if code is None else 'point'}", **told)
    return texts.say(f"threshold_{threshold.end}_{_OF_BOUNDS[code]}", **{**told, "rule": rule})
