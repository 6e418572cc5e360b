"""The comparison: two reports and a gate to a verdict; pure."""

from typing import Literal

from lm_eval_so.comparator.baseline.rerun import rerun_commands
from lm_eval_so.comparator.broken.judge import NOTHING_ASKED, Asked, judge_whole
from lm_eval_so.comparator.cases import changed_cases, flaky_cases, lost_cases, reworded_cases
from lm_eval_so.comparator.gate.decide import decide, early_end
from lm_eval_so.comparator.pairing import pair_reports
from lm_eval_so.comparator.sentences.run import word_run
from lm_eval_so.comparator.settings import differing_settings
from lm_eval_so.comparator.slices.compare import compare_slices
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.records.comparison import BaselineRef, Comparison, Pairing
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import digest_report

_NOTHING_PAIRED = Pairing(paired=0, added=(), removed=(), changed=())


def compare(
    candidate: EvaluationReport,
    baseline: EvaluationReport | None,
    terms: Terms,
    *,
    baseline_ref: BaselineRef,
    asked: Asked = NOTHING_ASKED,
) -> Comparison:
    """Compare a report with a baseline and decide whether the change may go in.

    Without a baseline only fixed bounds are judged.

    Args:
        candidate: Report under test.
        baseline: Report to compare with.
        terms: Gate, exceptions, day and language of the comparison.
        baseline_ref: Place where the baseline is from.
        asked: Further answers to samples that changed or may have broken.

    Raises:
        ConfigError: If the gate names a metric that neither report has, or asks of a metric what
            does not fit it; lists every problem.
    """
    redact = terms.redact
    if not terms.keeps_texts:
        candidate, baseline = candidate.without_texts(), baseline and baseline.without_texts()
    reports = pair_reports(candidate, baseline, alpha=terms.gate.alpha, redact=redact)
    decision = decide(reports, terms, again=asked.changed)
    slices = compare_slices(decision.sliced, reports)
    worded = word_run(decision, reports, slices, no_baseline=baseline_ref.reason)
    whole = judge_whole(decision, reports, terms, asked.cases, mean=worded.sentence)
    settings = differing_settings(baseline, candidate, redact=redact) if baseline else ()
    changed = changed_cases(decision.gating, reports, slices)
    return Comparison(
        suite=candidate.experiment.suite,
        suite_id=candidate.experiment.suite_id,
        verdict=whole.verdict,
        passed=whole.exit_code == 0,
        exit_code=whole.exit_code,
        sentence=whole.sentence[terms.language],
        sentence_in=whole.sentence,
        reasons=whole.reasons,
        metrics=decision.records(
            worded.metrics, terms.language, cost_per_sample=worded.cost_per_sample
        ),
        changed=changed.cases,
        changed_samples=changed.samples if baseline else None,
        reworded=tuple(reworded_cases(changed.cases, reports)),
        slices=slices.records,
        slices_tested=slices.tested,
        flaky=tuple(flaky_cases(decision.findings, reports.side)),
        quarantine=decision.quarantine,
        accept=decision.accept,
        lost=lost_cases(reports, decision.quarantine),
        broken=whole.broken,
        control=whole.control,
        anchor=decision.anchor,
        pairing=reports.pairs.record if reports.pairs else _NOTHING_PAIRED,
        baseline=baseline_ref,
        differences=tuple(s.text for s in settings if s.about != "metric"),
        settings=settings,
        rerun=rerun_commands(decision.judged, baseline, candidate, baseline_ref, redact=redact)
        if baseline
        else None,
        rounds=terms.rounds,
        claim=terms.gate.claim,
        alpha=terms.gate.alpha,
        compared_at=terms.compared_at,
        candidate_digest=digest_report(candidate),
    )


def end_of_rounds(
    candidate: EvaluationReport, baseline: EvaluationReport, terms: Terms
) -> Literal["passed", "failed"] | None:
    """Return what is proven before the last round, so that nothing more need be asked; None if not.

    Args:
        candidate: Report of the rounds that were asked.
        baseline: Report to compare with.
        terms: Gate, exceptions and day, and the rounds as if they ended here.

    Raises:
        ConfigError: If the gate does not fit the reports; lists every problem.
    """
    return early_end(pair_reports(candidate, baseline, alpha=terms.gate.alpha), terms)


def changed_samples(
    candidate: EvaluationReport, baseline: EvaluationReport, terms: Terms
) -> dict[str, tuple[str, ...]]:
    """Return the samples to ask again before a regression counts, by metric.

    Args:
        candidate: Report under test.
        baseline: Report to compare with.
        terms: Gate, exceptions and day of the comparison.

    Raises:
        ConfigError: If the gate does not fit the reports; lists every problem.
    """
    reports = pair_reports(candidate, baseline, alpha=terms.gate.alpha)
    return decide(reports, terms).to_ask_again
