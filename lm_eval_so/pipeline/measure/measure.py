"""Dataset to verdict: the stages in their order, and the reports that they leave."""

from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.pipeline.measure.answers import for_verdict, note_verdict, told_config
from lm_eval_so.pipeline.measure.ask_cases import ask_more
from lm_eval_so.pipeline.measure.further import AskedRun
from lm_eval_so.pipeline.measure.held_sources import prepare_dataset, with_cases
from lm_eval_so.pipeline.measure.plan import (
    Plan,
    cases_folder,
    find_first,
    own_baseline,
    tell_how_to_begin,
    with_main,
)
from lm_eval_so.pipeline.measure.until_decided import answer
from lm_eval_so.pipeline.measure.verdict import (
    More,
    compare_reports,
    unmeasured,
)
from lm_eval_so.pipeline.reports import Results, write_reports
from lm_eval_so.pipeline.rules.two_views import told_with_rules
from lm_eval_so.pipeline.scheduled import note_drift, quote_main
from lm_eval_so.reporter.first_screen import STAGE, tell_verdict

__all__ = ["Measured", "measure"]

_NO_BASELINE = frozenset({Verdict.ERROR, Verdict.REGRESSION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Result of the pipeline."""

    report: EvaluationReport
    comparison: Comparison
    files: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """Exit code of the verdict, or of a measurement that failed."""
        return self.comparison.exit_code


async def measure(
    config: Config, resources: Resources, plan: Plan, *, shortens: bool = True
) -> Measured:
    """Make the dataset if asked for, run, evaluate, compare, and write the reports.

    Args:
        config: The config.
        resources: Resources of the command.
        plan: The plan.
        shortens: Whether Markdown shortens long texts of cases.

    Raises:
        LMEvalError: As the stages do; answers that were paid for are on disk by then.
    """
    baseline = find_first(config, plan)
    staleness = prepare_dataset(config, resources, plan)
    config, plan = with_cases(config, resources.listener, plan, cases_folder(config))
    baseline = replace(baseline, rules=plan.rules)
    verdict = for_verdict(config, plan)
    config = await told_config(config, resources, plan, baseline, verdict)
    answered = await answer(config, resources, plan, baseline, verdict)
    config, report, rounds = answered.config, answered.report, answered.rounds
    more = More()
    if answered.failure is None:
        baseline = with_main(baseline, config, plan, report)
        run = AskedRun(plan=plan, verdict=verdict)
        asked = await ask_more(config, resources, report, baseline, run)
        more = More(asked=asked, rounds=rounds)
    comparison = compare_reports(config, resources, report, baseline, more)

    def by_own_rules(own: Config, seen: EvaluationReport) -> Comparison:
        return compare_reports(own, resources, seen, own_baseline(plan, baseline), more)

    comparison = told_with_rules(comparison, plan.rules, report, resources, by_own_rules)
    if answered.failure is not None:
        comparison = unmeasured(comparison, answered.failure, config.language)
    comparison = replace(comparison, forecast=plan.forecast, staleness=staleness)
    control = plan.control
    if control is not None and control.last is not None:
        comparison = quote_main(comparison, control.last, language=config.language)
    tell_verdict(comparison, report, config, resources.listener, redactor=resources.redactor)
    is_lucky = rounds is not None and rounds.asked < rounds.of
    is_worse = comparison.verdict in _NO_BASELINE or comparison.has_drifted
    if not plan.may_be_baseline or is_worse or is_lucky or comparison.is_cut_short:
        report = replace(report, experiment=replace(report.experiment, eligible=False))
    results = Results(report=report, comparison=comparison, shortens=shortens)
    files = write_reports(results, plan.reports, config, resources.redactor)
    note_verdict(plan.run, resources, broken=_for_good(comparison), stage=STAGE)
    is_main = control is not None and control.is_scheduled
    note_drift(comparison, config, resources, kept=is_main, reports=plan.reports)
    if baseline.report is None and baseline.ref.reason is None:
        tell_how_to_begin(report, config, plan, resources.listener)
    return Measured(report=report, comparison=comparison, files=files)


def _for_good(comparison: Comparison) -> int:
    """Return the number of cases proven to be wrong now, or required and right in all answers of the baseline."""
    cases = comparison.broken.cases if comparison.broken else ()
    found = {
        case.sample_id
        for case in cases
        if case.state == "proven"
        or (case.state == "must" and case.baseline and case.baseline[0] == case.baseline[1])
    }
    return len(found)
