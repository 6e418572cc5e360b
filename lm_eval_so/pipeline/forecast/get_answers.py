"""Answers for a forecast: those at hand, and those that are asked, run after run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.config.gate import GateMetricSection
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed
from lm_eval_so.core.files import write_atomic
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.core.words import counted
from lm_eval_so.errors import BudgetSpent, CannotMeasure, ConfigError
from lm_eval_so.pipeline.check import gate_problems
from lm_eval_so.pipeline.forecast.known_answers import (
    FOLDER,
    REPORT_FILE,
    STAGE,
    Known,
    Subject,
    asked_folders,
    find_answers,
    score,
    subject_of,
)
from lm_eval_so.pipeline.reports import write_report
from lm_eval_so.runner import run as running
from lm_eval_so.runner.plan.selection import backend_section
from lm_eval_so.runner.store.run_dir import read_info


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that `forecast` alone has."""

    runs: tuple[Path, ...] = ()
    """Reports and runs to count; none: those at hand."""
    ask: bool = False
    """Whether to ask the answers that are missing."""
    most_requests: int | None = None
    margin: float | None = None
    """Margin over that of the config."""


async def get_answers(config: Config, resources: Resources, options: Options) -> Known:
    """Return the answers that a forecast of a config rests on.

    Args:
        config: A config without problems.
        resources: Environment, listener, stop event.
        options: Answers to count, and whether to ask more.

    Raises:
        InputError: If dataset, margin or a given report cannot be used.
        LMEvalError: If answers were to be asked and did not come; as of the stage `run`.
    """
    subject = subject_of(config, resources)
    if options.margin is not None:
        subject = with_margins(subject, options.margin, resources)
    if not options.ask:
        return await find_answers(subject, resources, options.runs)
    wanted = Wanted(
        answers=subject.sides.total + 1,
        of_run=subject.sides.candidate,
        most=options.most_requests,
    )
    return await ask_missing(subject, resources, options.runs, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Answers that a forecast needs."""

    answers: int
    """Answers to each sample."""
    of_run: int
    """Answers to each sample that one run asks for: `run.repeats`."""
    most: int | None
    """Most requests; None: those of the config."""


async def ask_missing(
    subject: Subject, resources: Resources, given: Sequence[Path], wanted: Wanted
) -> Known:
    """Ask the answers that are missing, and return all that are known then.

    Each run asks what a run of `ci` would, in a folder of its own, with the same seeds: so its answers
    stand to those of another as candidate and baseline do. What was begun is gone on with.

    Args:
        subject: Samples and metrics.
        resources: Environment, listener, stop event.
        given: Reports and runs to count; none: those at hand.
        wanted: Answers that are needed.

    Raises:
        LMEvalError: As of the stages `run` and `evaluate`; answers that came back are kept.
    """
    known = await find_answers(subject, resources, given, only_now=True)
    missing = wanted.answers - known.reached
    if missing <= 0:
        return known
    _refuse_recorded(subject)
    n = len(subject.revs)
    text = f"asking {counted(n, 'question')} {missing}× more: {counted(n * missing, 'request')}"
    judged = " and those of the judge" if subject.has_judges else ""
    resources.listener(Noticed(stage=STAGE, text=f"{text}{judged}"))
    keep_out_of_git(subject.config.resolve(FOLDER))
    while missing > 0:
        await _ask_run(subject, resources, min(wanted.of_run, missing), wanted.most)
        own = [folder / REPORT_FILE for folder in asked_folders(subject)] if given else []
        before, known = known, await find_answers(subject, resources, [*given, *own], only_now=True)
        missing = wanted.answers - known.reached
        if known.reached <= before.reached:
            raise CannotMeasure("the further answers cannot be counted", hint="see the warnings")
    return known


async def _ask_run(subject: Subject, resources: Resources, repeats: int, most: int | None) -> None:
    """Ask one run, or the rest of one that was begun, and write its report."""
    folder, begun = _next_folder(subject)
    update: dict[str, object] = {"repeats": begun.repeats if begun else repeats}
    if most is not None:
        update["max_requests"] = most
    run = subject.config.run.model_copy(update=update)
    config = subject.config.model_copy(update={"run": run})
    asking = replace(resources, refreshes_cache=True)
    info = await running.run(config, asking, running.RunOptions(out=folder))
    if info.state != "complete":
        raise BudgetSpent(
            f"the budget was spent before all were asked: {folder}",
            hint="the same command goes on; give it more with --max-requests",
        )
    report = await score(subject, resources, folder)
    write_report(folder / REPORT_FILE, report, resources.redactor)


def _next_folder(subject: Subject) -> tuple[Path, RunInfo | None]:
    """Return the folder of a run to go on with, or of a new one."""
    folders = asked_folders(subject)
    for folder in folders:
        info = read_info(folder)
        is_whole = (folder / REPORT_FILE).is_file()
        if info is not None and info.fingerprint == subject.chatbot and not is_whole:
            return folder, info
    number = int(folders[-1].name) + 1 if folders else 1
    return subject.folder / str(number), None


def keep_out_of_git(folder: Path) -> None:
    """Write the file that keeps a folder out of git."""
    file = folder / ".gitignore"
    if not file.is_file():
        write_atomic(file, "*\n")


def _refuse_recorded(subject: Subject) -> None:
    section = backend_section(subject.config)
    if backends.resolve(section.name).capabilities.recorded:
        what = f"{section.name} reads answers from a record: asked again, it gives the same ones"
        raise CannotMeasure(what, hint="name runs of the chatbot itself with --run")


def with_margins(subject: Subject, margin: float, resources: Resources) -> Subject:
    """Return a subject whose deciding metrics all have a margin, except costs, times and counts.

    Raises:
        ConfigError: If the margin does not fit a metric.
    """
    config = subject.config
    named = config.gate.metrics
    if named is None:
        named = {each.id: GateMetricSection() for each in subject.metrics}
    scores = {each.id for each in subject.metrics if each.metric.kind is not MetricKind.RATIO}
    changed = {
        key: section.model_copy(update={"margin": margin}) if key in scores else section
        for key, section in named.items()
    }
    gate = config.gate.model_copy(update={"metrics": changed})
    config = config.model_copy(update={"gate": gate})
    problems = list(gate_problems(config, resources.environ))
    if problems:
        raise ConfigError.of(problems)
    return replace(subject, config=config)
