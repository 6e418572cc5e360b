"""The answers for a verdict: asked for this checkout, and marked once the verdict is made."""

from pathlib import Path
from tempfile import TemporaryDirectory

from lm_eval_so.core import git
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.enums import ReportFormat
from lm_eval_so.core.records.run import Checkout, RunInfo
from lm_eval_so.core.words import counted
from lm_eval_so.errors import BudgetSpent, InputError, Problem, TooManyErrors
from lm_eval_so.pipeline.measure.held_sources import prepare_dataset, with_cases
from lm_eval_so.pipeline.measure.plan import (
    Baseline,
    Plan,
    again_folder,
    asked_config,
    cases_folder,
    main_folder,
    read_baseline,
)
from lm_eval_so.runner import run as running
from lm_eval_so.runner.dry_run import RunPlan, plan_run
from lm_eval_so.runner.merge.shards import take_shards
from lm_eval_so.runner.store.for_verdict import ForVerdict
from lm_eval_so.runner.store.for_verdict import note_verdict as note_in_run
from lm_eval_so.runner.store.run_dir import RESULTS_FILE, RUN_FILES

_STAGE = "ci"


def for_verdict(config: Config, plan: Plan) -> ForVerdict:
    """Return the purpose of the answers: a verdict on the checkout as it is now."""
    further = again_folder(plan.run)
    # files that `ci` writes do not change the chatbot, even where git tracks them
    folders = (plan.run, further, main_folder(plan.run))
    own = [folder / name for folder in folders for name in RUN_FILES]
    for name in ("report", "comparison"):
        own += (plan.reports / each.file_name(name) for each in ReportFormat)
    changes = git.changes(config.folder, without=own)
    return ForVerdict(
        checkout=Checkout(commit=plan.origin.commit, changes=changes),
        beside=further,
    )


async def plan_answers(config: Config, resources: Resources, plan: Plan) -> RunPlan:
    """Plan what would be asked for a verdict; nothing is sent or written.

    Raises:
        InputError: If config, dataset, folder or baseline cannot be used.
    """
    with TemporaryDirectory() as folder:  # for main's cases, if they are asked, too
        config, plan = with_cases(config, resources.listener, plan, Path(folder))
        return await _plan_answers(config, resources, plan)


async def _plan_answers(config: Config, resources: Resources, plan: Plan) -> RunPlan:
    asked = config
    if config.baseline_repeats != config.run.repeats:
        asked = asked_config(config, plan, read_baseline(config, plan.baseline))
    verdict = for_verdict(config, plan)
    planned = await plan_run(asked, resources, plan.run_options, verdict=verdict)
    if asked is not config:
        _tell_repeats(asked, resources, plan, planned)
    return planned


async def told_config(
    config: Config, resources: Resources, plan: Plan, baseline: Baseline, verdict: ForVerdict
) -> Config:
    """Return the config as a plan asks; what it asks more than `run.repeats` is told first.

    Args:
        config: The config.
        resources: Environment and listener.
        plan: The plan.
        baseline: The baseline that was looked for.
        verdict: Purpose of the answers.

    Raises:
        InputError: If config, dataset or folder cannot be used.
    """
    asked = asked_config(config, plan, baseline)
    if asked is not config and plan.part.folders is None:
        planned = await plan_run(asked, resources, plan.run_options, verdict=verdict)
        _tell_repeats(asked, resources, plan, planned)
    return asked


def _tell_repeats(config: Config, resources: Resources, plan: Plan, planned: RunPlan) -> None:
    why = "this run makes the baseline" if plan.makes_baseline == "always" else "no baseline yet"
    requests = f"{'at least ' if planned.conversations else ''}{counted(planned.to_ask, 'request')}"
    text = f"{why}, so each sample is asked {config.run.repeats}× (baseline.repeats): {requests}"
    resources.listener(Noticed(stage=_STAGE, text=text))


async def ask(
    config: Config, resources: Resources, plan: Plan, verdict: ForVerdict
) -> Problem | None:
    """Run the stage `run`, or take the shards that other jobs asked.

    Returns:
        The reason why too few rows have an answer for a verdict, if so; None otherwise. A budget that
        ended is none: the verdict tells of it.

    Raises:
        BudgetSpent: If it ended before the first answer.
    """
    shards = plan.part.folders
    try:
        if shards is None:
            await running.run(config, resources, plan.run_options, verdict=verdict)
        else:
            take_shards(config, resources, shards, out=plan.run, verdict=verdict)
    except (TooManyErrors, BudgetSpent) as error:  # the verdict will say so, and be published
        if not (plan.run / RESULTS_FILE).exists():
            raise
        warned = Warned(stage="run", text=str(error), hint=error.problems[0].hint)
        resources.listener(warned)
        return error.problems[0] if isinstance(error, TooManyErrors) else None
    return None


async def ask_shard(config: Config, resources: Resources, plan: Plan) -> RunInfo:
    """Make the dataset if the plan wants it, and ask the chatbot a shard of it; no verdict is made.

    Args:
        config: The config.
        resources: Resources of the run.
        plan: The plan, with the shard.

    Returns:
        `run.json` of the shard.

    Raises:
        LMEvalError: As the stages `generate` and `run`; answers that were paid for are on disk by then.
    """
    prepare_dataset(config, resources, plan)
    config, plan = with_cases(config, resources.listener, plan, cases_folder(config))
    verdict = for_verdict(config, plan)
    asked = await told_config(config, resources, plan, Baseline.none(), verdict)
    return await running.run(asked, resources, plan.run_options, verdict=verdict)


def note_verdict(run: Path, resources: Resources, *, broken: int, stage: str) -> None:
    """Note in a run and its further answers that their verdict is made.

    Args:
        run: Folder of the run.
        broken: Cases that broke for good.
        resources: Environment and listener.
        stage: Name of the stage in a warning.
    """
    for folder in (run, again_folder(run), main_folder(run)):
        try:
            note_in_run(folder, now_text(resources.environ), broken=broken)
        except InputError as error:  # the verdict is worth more than the note
            text = f"the verdict is not noted in {folder}: {error}"
            resources.listener(Warned(stage=stage, text=text))
