"""Dataset to verdict: the stages in their order, and the reports they leave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval_so.comparator import compare as comparing
from lm_eval_so.comparator.baseline.find import Place, find_baseline
from lm_eval_so.comparator.gate.confirm import Answers
from lm_eval_so.comparator.terms import Terms, read_terms
from lm_eval_so.core import git
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.files import Text, write_all
from lm_eval_so.core.records.comparison import BaselineRef, Comparison, Reason
from lm_eval_so.core.records.enums import ReportFormat, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import Checkout
from lm_eval_so.errors import BudgetSpent, InputError, Problem, TooManyErrors, refuse
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.evaluator.binding.baseline import baseline_problems, needs_baseline
from lm_eval_so.generator import generate as generating
from lm_eval_so.pipeline.confirm import again_folder, ask_again
from lm_eval_so.pipeline.telling import STAGE, how_to_begin, tell_verdict, unmeasured
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.json_report import json_pieces
from lm_eval_so.reporter.render import render
from lm_eval_so.runner import run as running
from lm_eval_so.runner.for_verdict import ForVerdict, note_verdict
from lm_eval_so.runner.store.run_dir import RUN_FILES

__all__ = [
    "Measured",
    "Plan",
    "compare_reports",
    "for_verdict",
    "measure",
    "wanted_baseline",
    "write_report",
]


_NO_BASELINE = frozenset({Verdict.ERROR, Verdict.REGRESSION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the pipeline reads and writes, and what it measures against."""

    run: Path
    """Folder of the run."""
    reports: Path
    """Folder of reports."""
    make_dataset: bool = False
    """Make the dataset first."""
    baseline: Path | None = None
    """A report that wins over the config's baseline."""
    baseline_path: Path | None = None
    """A file to read from that revision, instead of the config's."""
    baseline_ref: str | None = None
    """Git revision that the config's baseline is read from; None: the file itself is read."""
    baseline_else_file: bool = False
    """Read the file itself where that revision has none."""
    no_baseline: Reason | None = None
    """Why none can be read."""
    may_be_baseline: bool = True
    """Whether the report may become a baseline, if it is complete and did not get worse."""
    fresh: bool = False
    """Put an earlier run in that folder aside, even one that was begun for this verdict."""
    suite_id: str | None = None
    commit: str | None = None
    base_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the pipeline found."""

    report: EvaluationReport
    comparison: Comparison
    files: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """What the process tells: the verdict's code, or that it could not be measured."""
        return self.comparison.exit_code


async def measure(config: Config, resources: Resources, plan: Plan) -> Measured:
    """Make the dataset if asked for, run, evaluate, compare, and write the reports.

    Raises:
        LMEvalError: As the stages do; what was paid for is on disk by then.
    """
    # early: a baseline that is demanded and missing must not cost a run
    place = Place(
        report=plan.baseline,
        path=plan.baseline_path,
        ref=plan.baseline_ref,
        else_file=plan.baseline_else_file,
        unreadable=plan.no_baseline,
    )
    baseline, found = find_baseline(config, place, is_demanded=True)
    refuse([*baseline_problems(config, baseline)])  # early, as above
    if plan.make_dataset:
        generating.generate(config, resources)
    verdict = for_verdict(config, plan)
    failure = await _run(config, resources, plan, verdict)
    report = await evaluating.evaluate(
        config,
        resources,
        evaluating.EvaluationInputs(
            runs=[plan.run],
            baseline=baseline,
            origin=evaluating.Origin(
                suite_id=plan.suite_id, commit=plan.commit, base_ref=plan.base_ref
            ),
        ),
    )
    again: dict[str, Answers] = {}
    if config.gate.confirm and baseline is not None and failure is None:
        changed = comparing.changed_samples(report, baseline, _terms(config, resources))
        again = await ask_again(
            config, resources, changed, run=plan.run, fresh=plan.fresh, verdict=verdict
        )
    comparison = compare_reports(
        config, resources, report, baseline, found, again=again, failure=failure
    )
    if not plan.may_be_baseline or comparison.verdict in _NO_BASELINE:
        report = replace(report, experiment=replace(report.experiment, eligible=False))
    files = write_report(config, resources, report, comparison, folder=plan.reports)
    _note_verdict(plan.run, resources)
    if baseline is None and found.reason is None:
        text = how_to_begin(
            report, config, folder=plan.reports, may_be_baseline=plan.may_be_baseline
        )
        resources.listener(Noticed(stage=STAGE, text=f"no baseline yet: {text}"))
    return Measured(report=report, comparison=comparison, files=files)


def for_verdict(config: Config, plan: Plan) -> ForVerdict:
    """Return what the answers are for: a verdict on the checkout as it is now."""
    further = again_folder(plan.run)
    # what `ci` writes does not change the chatbot, even where git tracks it
    own = [folder / name for folder in (plan.run, further) for name in RUN_FILES]
    for name in ("report", "comparison"):
        own += (plan.reports / f"{name}.{each.value}" for each in ReportFormat)
    changes = git.changes(config.folder, without=own)
    return ForVerdict(
        checkout=Checkout(commit=plan.commit, changes=changes),
        beside=further,
    )


async def _run(
    config: Config, resources: Resources, plan: Plan, verdict: ForVerdict
) -> Problem | None:
    """Run, and return why so few rows have an answer that no verdict can rest on them, if so."""
    try:
        await running.run(config, resources, out=plan.run, fresh=plan.fresh, verdict=verdict)
    except (TooManyErrors, BudgetSpent) as error:  # the verdict will say so, and be published
        warned = Warned(stage="run", text=str(error), hint=error.problems[0].hint)
        resources.listener(warned)
        return error.problems[0]
    return None


def _note_verdict(run: Path, resources: Resources) -> None:
    """Note in the run and its further answers that their verdict is made."""
    for folder in (run, again_folder(run)):
        try:
            note_verdict(folder, now_text(resources.environ))
        except InputError as error:  # the verdict is worth more than the note
            text = f"the verdict is not noted in {folder}: {error}"
            resources.listener(Warned(stage=STAGE, text=text))


def wanted_baseline(config: Config) -> EvaluationReport | None:
    """Return the config's baseline if a metric compares answers with it; None if there is none yet.

    Raises:
        InputError: If it cannot be read.
    """
    return find_baseline(config)[0] if needs_baseline(config) else None


def compare_reports(
    config: Config,
    resources: Resources,
    candidate: EvaluationReport,
    baseline: EvaluationReport | None,
    found: BaselineRef,
    *,
    again: Mapping[str, Answers] | None = None,
    failure: Problem | None = None,
) -> Comparison:
    """Compare two reports under the config's gate, and tell the verdict.

    Args:
        config: The config.
        resources: Environment and listener.
        candidate: The report under test.
        baseline: What it is compared with.
        found: Where the baseline is from.
        again: Scores of further answers to samples that changed, by metric.
        failure: Why no verdict can rest on the candidate.

    Raises:
        InputError: If the quarantine or accept file cannot be used.
    """
    comparison = comparing.compare(
        candidate, baseline, _terms(config, resources), baseline_ref=found, again=again
    )
    if failure is not None:
        comparison = unmeasured(comparison, failure, config.language)
    tell_verdict(comparison, config, resources.listener, redactor=resources.redactor)
    return comparison


def _terms(config: Config, resources: Resources) -> Terms:
    now = now_text(resources.environ)
    return read_terms(config, now=now, redact=resources.redactor.redact)


def _report_files(
    config: Config,
    resources: Resources,
    report: EvaluationReport | None,
    comparison: Comparison | None,
    *,
    formats: Sequence[ReportFormat] | None = None,
    candidate: EvaluationReport | None = None,
) -> dict[str, Text]:
    """Render what is there in the formats asked for: name of each file to its text."""
    wanted = {ReportFormat.JSON, *(formats or config.report.formats)}
    redactor = resources.redactor
    style = Style(
        language=config.language, examples=config.report.examples, redactor=resources.redactor
    )
    texts: dict[str, Text] = {}
    if report is not None:
        texts["report.json"] = json_pieces(report, redactor)
    if comparison is not None:
        texts["comparison.json"] = json_pieces(comparison, redactor)
    name = "report" if report is not None else "comparison"
    for each, scores in ((ReportFormat.MD, report), (ReportFormat.HTML, report or candidate)):
        if each not in wanted or (scores is None and each is ReportFormat.HTML):
            continue
        texts[f"{name}.{each.value}"] = render(
            scores,
            comparison,
            format=each,
            style=style,
        )
    return texts


def write_report(
    config: Config,
    resources: Resources,
    report: EvaluationReport | None,
    comparison: Comparison | None,
    *,
    folder: Path,
    formats: Sequence[ReportFormat] | None = None,
    candidate: EvaluationReport | None = None,
) -> tuple[Path, ...]:
    """Write what is there into a folder, and give the paths.

    A page shows the scores too: those of `candidate` where the report itself is not to be written.
    """
    texts = _report_files(
        config, resources, report, comparison, formats=formats, candidate=candidate
    )
    return write_all({folder / name: text for name, text in texts.items()})
