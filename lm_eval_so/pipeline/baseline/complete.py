"""Completion of a report before it becomes the baseline: the answers that it lacks are asked."""

from dataclasses import replace
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import fewest_answers, read_report
from lm_eval_so.core.words import counted
from lm_eval_so.errors import BudgetSpent, InputError, UsageError
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.pipeline.measure.plan import Origin, read_baseline
from lm_eval_so.pipeline.measure.verdict import compare_reports
from lm_eval_so.pipeline.reports import Results, write_reports
from lm_eval_so.reporter.first_screen import tell_verdict
from lm_eval_so.runner import run as running
from lm_eval_so.runner.dry_run import plan_run
from lm_eval_so.runner.store.run_dir import read_info

_STAGE = "baseline"
_NO_BASELINE = frozenset({Verdict.ERROR, Verdict.REGRESSION})
_ANEW = "run and evaluate anew with this number of answers, or take the report as it is"


async def complete_report(config: Config, resources: Resources, source: Path) -> None:
    """Ask the answers that a report lacks to `baseline.repeats`, and score and compare it anew.

    The run of the report is continued, past the cache; nothing is asked twice. Report and comparison
    are written only once all answers are there.

    Args:
        config: The config that the report was made with.
        resources: Environment, listener, stop and redactor.
        source: The report.json.

    Raises:
        UsageError: If the file has another name, since it is written anew.
        InputError: If the run of the report is not here, or this config would not continue it.
        LMEvalError: As the stages `run` and `evaluate`; answers that came back are kept.
    """
    report = read_report(source)
    asked = config.with_repeats(config.baseline_repeats)
    if fewest_answers(report) >= asked.run.repeats:
        return
    if source.name != "report.json":
        hint = "name a folder of reports, where the comparison stands, too"
        raise UsageError(f"--ask makes the report anew, and {source} is no report.json", hint=hint)
    options = running.RunOptions(out=_run_of(report, config))
    fresh = replace(resources, refreshes_cache=True)
    planned = await plan_run(asked, fresh, options)
    if not planned.done:
        what = "the chatbot or its settings are not those of the report, so all would be asked anew"
        raise InputError(what, hint=_ANEW)
    text = f"asking what the report lacks to {asked.run.repeats} answers a sample"
    text = f"{text} (baseline.repeats): {counted(planned.to_ask, 'request')}"
    resources.listener(Noticed(stage=_STAGE, text=text))
    info = await running.run(asked, fresh, options)
    if info.state != "complete":
        hint = "the same command asks the rest, with a larger budget if it is spent"
        raise BudgetSpent("not all answers came, so the report stays as it is", hint=hint)
    await _make_anew(asked, resources, report, source.parent, options.folder(asked))


async def _make_anew(
    config: Config, resources: Resources, report: EvaluationReport, folder: Path, run: Path
) -> None:
    """Score and compare the completed run, and write report and comparison."""
    baseline, was = read_baseline(config), report.experiment
    origin = Origin(suite_id=was.suite_id, commit=was.commit, base_ref=was.base_ref)
    inputs = evaluating.EvaluationInputs(runs=[run], baseline=baseline.report, origin=origin)
    made = await evaluating.evaluate(config, resources, inputs)
    comparison = compare_reports(config, resources, made, baseline)
    tell_verdict(comparison, made, config, resources.listener, redactor=resources.redactor)
    is_eligible = was.eligible and comparison.verdict not in _NO_BASELINE
    if not is_eligible:
        made = replace(made, experiment=replace(made.experiment, eligible=False))
    results = Results(report=made, comparison=comparison)
    write_reports(results, folder, config, resources.redactor)


def _run_of(report: EvaluationReport, config: Config) -> Path:
    """Return the folder of the run that a report was made of.

    Raises:
        InputError: If it is not here, or holds other answers.
    """
    runs = report.experiment.runs
    folder = config.resolve(Path(runs[0])) if len(runs) == 1 else None
    info = read_info(folder) if folder else None
    if folder is None or info is None:
        named = ", ".join(runs) or "none is named"
        raise InputError(f"the run of this report is not here ({named})", hint=_ANEW)
    experiment = report.experiment
    known = (experiment.fingerprints.get("run"), experiment.started_at)
    if (info.fingerprint, info.started_at) != known:
        raise InputError(f"{folder} was asked anew since this report was made", hint=_ANEW)
    return folder
