"""The decision: findings to verdicts, verdicts to one, and what it means for the change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lm_eval_so.comparator.effect.finding import Finding
from lm_eval_so.comparator.gate.threshold import Threshold
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.config.model import GateSection
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.core.records.enums import Policy, Verdict
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
"""Verdicts of metrics in the order in which they decide the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A metric, decided."""

    finding: Finding
    threshold: Threshold | None
    gating: bool
    change: Verdict
    """What the change against the baseline gives."""
    change_code: Code | None
    p_adjusted: float | None
    family: int
    """How many p-values were adjusted together."""

    @property
    def verdict(self) -> Verdict:
        """The worse of change and threshold; a threshold that holds makes nothing worse."""
        bound = self.threshold.verdict if self.threshold else Verdict.PASS
        if bound is Verdict.PASS:
            is_silent = self.change is Verdict.REPORTED and self.threshold is not None
            return Verdict.PASS if is_silent else self.change
        return min(self.change, bound, key=WORST_FIRST.index)

    @property
    def code(self) -> Code | None:
        """Why it is that verdict; None where it speaks for itself."""
        return self.threshold.code if self._is_by_threshold and self.threshold else self.change_code

    @property
    def warnings(self) -> tuple[Reason, ...]:
        """What people should know of the data; of one code only what the change says."""
        told = {warning.code for warning in self.finding.warnings}
        more = self.threshold.warnings if self.threshold else ()
        return (*self.finding.warnings, *(w for w in more if w.code not in told))

    @property
    def _is_by_threshold(self) -> bool:
        return self.threshold is not None and self.verdict is not self.change


def judge(
    findings: Mapping[str, Finding],
    thresholds: Mapping[str, Threshold | None],
    gating: Sequence[str],
    *,
    alpha: float,
) -> dict[str, Judged]:
    """Decide every metric.

    Passing needs no correction for several metrics, since all must pass (Berger 1982,
    Technometrics 24(4), 295–300); a regression is claimed if any is worse, so the p-values of the
    gating metrics are adjusted together.
    """
    family = [key for key in gating if findings[key].is_testable]
    raw = [findings[key].p or 0.0 for key in family]
    adjusted = dict(zip(family, holm(raw), strict=True))
    judged = {}
    for key, finding in findings.items():
        threshold = thresholds[key]
        p = adjusted.get(key, finding.p)
        change, code = _decide(finding, p, alpha)
        is_judged = change is not Verdict.REPORTED or threshold is not None
        judged[key] = Judged(
            finding=finding,
            threshold=threshold,
            gating=key in gating and is_judged,
            change=change,
            change_code=code,
            p_adjusted=p,
            family=len(family) if key in adjusted else 1,
        )
    return judged


def _decide(finding: Finding, p: float | None, alpha: float) -> tuple[Verdict, Code | None]:
    if finding.verdict is not None:
        return finding.verdict, finding.code
    if finding.passes:
        return (Verdict.IMPROVED if finding.gained else Verdict.PASS), None
    if finding.is_accepted:
        return Verdict.PASS, Code.ACCEPTED
    if p is not None and p <= alpha:
        return Verdict.REGRESSION, None
    return Verdict.INCONCLUSIVE, _why_unclear(finding, alpha)


def _why_unclear(finding: Finding, alpha: float) -> Code:
    if finding.again is not None and finding.again.flaky:
        return Code.NOT_CONFIRMED
    if finding.passes_complete:
        return Code.MISSING
    if finding.p is not None and finding.p <= alpha:
        return Code.MULTIPLICITY
    return Code.TOO_NOISY


def whole_verdict(judged: Mapping[str, Judged], *, has_baseline: bool) -> Verdict:
    """Return the verdict of the run: the worst gating one; improved if all pass and one improved.

    Where nothing gates nothing was judged, so it is no pass.
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
    """Return the code of the whole verdict under the gate's policies."""
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
