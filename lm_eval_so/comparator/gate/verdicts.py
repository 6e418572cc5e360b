"""Turn findings into metric verdicts, the run verdict and the exit code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.effect.judge_error import corrected, youden_of
from lm_eval_so.comparator.gate.threshold import Threshold
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.config.gate import GateSection
from lm_eval_so.core.records.comparison import AskedAgain, MetricComparison, Reason
from lm_eval_so.core.records.enums import Language, Policy, Verdict
from lm_eval_so.core.stats.multiple import holm
from lm_eval_so.errors import ExitCode

WORST_FIRST = (
    Verdict.ERROR,
    Verdict.REGRESSION,
    Verdict.INCOMPARABLE,
    Verdict.INCONCLUSIVE,
    Verdict.PASS,
    Verdict.IMPROVED,
    Verdict.REPORTED,
)
"""Verdicts of metrics, in the order in which they decide the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A metric, decided."""

    finding: Finding
    threshold: Threshold | None
    gating: bool
    change: Verdict
    """Verdict of the change against the baseline."""
    change_code: Code | None
    p_adjusted: float | None
    family: int
    """Number of p-values that were adjusted together."""
    anchor: "Judged | None" = None
    """The metric against the anchor, decided; None if it is not compared with one."""

    @property
    def verdict(self) -> Verdict:
        """Worst verdict of change, threshold and anchor; of the anchor only a regression counts."""
        return Verdict.REGRESSION if self.is_by_anchor else self._own_verdict

    @property
    def is_by_anchor(self) -> bool:
        """Whether the metric is a regression against the anchor alone."""
        if self.anchor is None or self.anchor.change is not Verdict.REGRESSION:
            return False
        return self._own_verdict not in {Verdict.ERROR, Verdict.REGRESSION}

    @property
    def _own_verdict(self) -> Verdict:
        """Worse verdict of change and threshold; a threshold that holds makes nothing worse."""
        bound = self.threshold.verdict if self.threshold else Verdict.PASS
        if bound is Verdict.PASS:
            is_silent = self.change is Verdict.REPORTED and self.threshold is not None
            return Verdict.PASS if is_silent else self.change
        return min(self.change, bound, key=WORST_FIRST.index)

    @property
    def code(self) -> Code | None:
        """Reason code of the verdict; None if the verdict speaks for itself."""
        if self.is_by_anchor:
            return Code.ANCHOR
        return self.threshold.code if self._is_by_threshold and self.threshold else self.change_code

    @property
    def warnings(self) -> tuple[Reason, ...]:
        """Warnings about the data; of a code that both have, only that of the change."""
        told = {warning.code for warning in self.finding.warnings}
        more = self.threshold.warnings if self.threshold else ()
        return (*self.finding.warnings, *(w for w in more if w.code not in told))

    @property
    def _is_by_threshold(self) -> bool:
        return self.threshold is not None and self._own_verdict is not self.change


def judge(
    findings: Mapping[str, Finding],
    thresholds: Mapping[str, Threshold | None],
    gating: Sequence[str],
    *,
    alpha: float,
    anchored: Mapping[str, Finding] | None = None,
) -> dict[str, Judged]:
    """Decide every metric.

    Passing needs no correction for several metrics, since all must pass (Berger 1982,
    Technometrics 24(4), 295–300); a regression is claimed if any is worse, so the p-values of the
    gating metrics are adjusted together, those against the anchor included.

    Args:
        findings: Changes against the baseline, by metric.
        thresholds: Fixed bounds, by metric.
        gating: Metrics that decide.
        alpha: One-sided error rate.
        anchored: Changes of gating metrics against the anchor.
    """
    since = anchored or {}
    family = [key for key in gating if findings[key].is_testable]
    tested = [*(findings[key] for key in family), *(f for f in since.values() if f.is_testable)]
    adjusted = iter(holm([finding.p or 0.0 for finding in tested]))
    own = {key: next(adjusted) for key in family}
    of_anchor = {key: next(adjusted) for key, found in since.items() if found.is_testable}

    def decided(finding: Finding, p: float | None, *, is_adjusted: bool) -> Judged:
        change, code = _decide(finding, p, alpha)
        return Judged(
            finding=finding,
            threshold=None,
            gating=False,
            change=change,
            change_code=code,
            p_adjusted=p,
            family=len(tested) if is_adjusted else 1,
        )

    judged = {}
    for key, finding in findings.items():
        threshold = thresholds[key]
        found = decided(finding, own.get(key, finding.p), is_adjusted=key in own)
        is_judged = found.change is not Verdict.REPORTED or threshold is not None
        anchor = since.get(key)
        judged[key] = replace(
            found,
            threshold=threshold,
            gating=key in gating and is_judged,
            anchor=decided(anchor, of_anchor.get(key), is_adjusted=key in of_anchor)
            if anchor
            else None,
        )
    return judged


def _decide(finding: Finding, p: float | None, alpha: float) -> tuple[Verdict, Code | None]:
    if finding.ruling is not None:
        return finding.ruling.verdict, finding.ruling.code
    if finding.outcome.passes:
        return (Verdict.IMPROVED if finding.outcome.gained else Verdict.PASS), None
    if finding.exempted.is_accepted:
        return Verdict.PASS, Code.ACCEPTED
    is_proven = p is not None and p <= alpha
    if is_proven and finding.outcome.falls_by_limit:
        return Verdict.REGRESSION, None
    return Verdict.INCONCLUSIVE, _why_unclear(finding, alpha, is_proven=is_proven)


def _why_unclear(finding: Finding, alpha: float, *, is_proven: bool) -> Code | None:
    if finding.again is not None and finding.again.flaky:
        return Code.NOT_CONFIRMED
    if finding.outcome.few is not None:
        return finding.outcome.few.code
    if is_proven:
        return Code.WITHIN_MARGIN
    if finding.outcome.passes_complete:
        return Code.MISSING
    if finding.p is not None and finding.p <= alpha:
        return Code.MULTIPLICITY
    return Code.TOO_NOISY


def not_ours(judged: Mapping[str, Judged], code: Code, *, fails: bool) -> dict[str, Judged]:
    """Return the metrics with a proven fall named as none of the pull request.

    A fall behind the anchor goes with it; alone it stays, and so does a fixed bound that is missed.

    Args:
        judged: Decided metrics.
        code: Code of whose change it is.
        fails: Whether it is a regression all the same.
    """
    verdict = Verdict.REGRESSION if fails else Verdict.INCONCLUSIVE

    def renamed(metric: Judged) -> Judged:
        if metric.change is not Verdict.REGRESSION:
            return metric
        anchor = metric.anchor and renamed(metric.anchor)
        return replace(metric, change=verdict, change_code=code, anchor=anchor)

    return {key: renamed(metric) for key, metric in judged.items()}


def in_order(judged: Mapping[str, Judged]) -> dict[str, Judged]:
    """Put gating metrics first, the worst of them at the top; the others keep their order.

    Of one verdict, metrics without a p-value come first, then the smallest p-value.
    """

    def rank(item: tuple[str, Judged]) -> tuple[bool, int, float]:
        metric = item[1]
        if not metric.gating:
            return True, 0, 0.0
        p = -1.0 if metric.p_adjusted is None else metric.p_adjusted
        return False, WORST_FIRST.index(metric.verdict), p

    return dict(sorted(judged.items(), key=rank))


def run_reasons(judged: Mapping[str, Judged], *, has_baseline: bool) -> tuple[Reason, ...]:
    """Return the codes of all gating metrics that do not pass, in their order."""
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


def run_verdict(judged: Mapping[str, Judged], *, has_baseline: bool) -> Verdict:
    """Return the verdict of the run: the worst gating one; improved if all pass and one improved.

    If no metric gates, nothing was judged: the run is inconclusive.
    """
    verdicts = {metric.verdict for metric in judged.values() if metric.gating}
    if not has_baseline:
        verdicts.add(Verdict.INCOMPARABLE)
    worst = min(verdicts, key=WORST_FIRST.index, default=Verdict.INCONCLUSIVE)
    is_improved = worst is Verdict.PASS and Verdict.IMPROVED in verdicts
    return Verdict.IMPROVED if is_improved else worst


def exit_code(
    verdict: Verdict, judged: Mapping[str, Judged], gate: GateSection, *, has_baseline: bool
) -> ExitCode:
    """Return the exit code of the run's verdict under the gate's policies."""
    if verdict is Verdict.ERROR:
        return ExitCode.CANNOT_MEASURE
    if verdict is Verdict.REGRESSION:
        return ExitCode.FAILED_CHECK
    is_blocked = not has_baseline and gate.on_missing_baseline is Policy.FAIL
    if has_baseline and not any(metric.gating for metric in judged.values()):
        is_blocked = _blocks(verdict, Code.NOTHING_GATES, gate)
    for metric in judged.values():
        if metric.gating:
            is_blocked |= _blocks(metric.change, metric.change_code, gate)
            is_blocked |= metric.threshold is not None and _blocks(
                metric.threshold.verdict, metric.threshold.code, gate
            )
    return ExitCode.CANNOT_MEASURE if is_blocked else ExitCode.DONE


def _blocks(verdict: Verdict, code: Code | None, gate: GateSection) -> bool:
    if verdict is Verdict.INCONCLUSIVE:
        return gate.on_inconclusive is Policy.FAIL
    if verdict is Verdict.INCOMPARABLE and code is not Code.NO_BASELINE:
        # a metric that the baseline lacks is new, and a new metric has no past
        return code is not Code.METRIC_MISSING_BASELINE and gate.on_incomparable is Policy.FAIL
    return False


def metric_record(
    metric: Judged,
    language: Language,
    *,
    sentence: Mapping[str, str],
    cost_per_sample: float | None,
) -> MetricComparison:
    """Return the record of a decided metric.

    Args:
        metric: Decided metric.
        language: Language of the comparison.
        sentence: Sentences of the metric, in every language.
        cost_per_sample: Price of a sample in US dollars, if it is known.
    """
    finding, change, limits = metric.finding, metric.finding.interval, metric.finding.limits
    needed, cost = needed_of(finding), cost_per_sample
    return MetricComparison(
        verdict=metric.verdict,
        reason=metric.code,
        gating=metric.gating,
        kind=finding.shape.kind,
        direction=finding.shape.direction,
        baseline=finding.baseline,
        candidate=finding.candidate,
        delta=change.delta if change else None,
        ci90=(change.low, change.high) if change else None,
        margin=limits.margin,
        threshold=_limits(metric) or None,
        n=finding.n,
        missing=finding.missing,
        worse=finding.worse,
        better=finding.better,
        p_worse=metric.p_adjusted,
        p_raw=finding.p,
        needed_n=finding.outcome.needed_n,
        needed_repeats=finding.outcome.needed_repeats,
        needed_cost_usd=None if needed is None or cost is None else needed * cost,
        provable_margin=change.provable_margin if change else None,
        method=change.method if change else None,
        judge_j=youden_of(finding.judge),
        corrected=corrected(finding),
        left_out=finding.exempted.left_out,
        asked_again=_asked_again(finding),
        stability=finding.stability,
        warnings=metric.warnings,
        sentence=sentence[language],
        sentence_in=sentence,
    )


def needed_of(finding: Finding) -> float | None:
    """Return the needed samples at the price of those there are; None if they are not known.

    Further answers to given samples count as so many samples more.
    """
    repeats, given = finding.outcome.needed_repeats, finding.given
    if repeats is None or given is None:
        return finding.outcome.needed_n
    return given.worst.n * repeats / given.asked[1]


def _asked_again(finding: Finding) -> AskedAgain | None:
    again = finding.again
    if again is None:
        return None
    return AskedAgain(times=again.times, samples=len(again.worse), confirmed=again.confirmed)


def _limits(metric: Judged) -> dict[str, JsonValue]:
    limits: dict[str, JsonValue] = {}
    if metric.finding.limits.max_increase is not None:
        limits["max_increase"] = metric.finding.limits.max_increase
        limits["statistic"] = metric.finding.limits.statistic
    bound = metric.threshold
    if bound is not None:
        is_clear = bound.verdict in {Verdict.PASS, Verdict.REGRESSION}
        limits |= dict(bound.limits.items())
        limits["rule"] = bound.rule
        limits["value"] = bound.value
        limits["bound"] = bound.bound
        limits["held"] = bound.verdict is Verdict.PASS if is_clear else None
    return limits
