"""The whole pipeline for one event of GitHub, or for a person at a desk."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from lm_eval_so.action.inputs import Generate, Inputs, ShowAnswers
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener, Warned
from lm_eval_so.core.files import folder_problems, leads_out
from lm_eval_so.errors import ExitCode, Interrupted, Problem, Where, refuse
from lm_eval_so.pipeline.baseline.by_workflow import (
    keep_baseline,
    makes_baseline,
    tell_other_checkout,
    update_problems,
    writes_file,
)
from lm_eval_so.pipeline.check import Stage, check
from lm_eval_so.pipeline.forecast.kept import file_of, fitting_note
from lm_eval_so.pipeline.github.baseline_place import (
    find_anchor_place,
    find_control,
    find_local_place,
    find_place,
    is_brought,
    with_own_cache,
)
from lm_eval_so.pipeline.github.matrix import (
    ask_and_tell,
    asked_part,
    matrix_problems,
    stop_problems,
)
from lm_eval_so.pipeline.github.publish import Job, tell_dry, tell_github, tell_skipped
from lm_eval_so.pipeline.github.surroundings import Surroundings, wanted_baseline
from lm_eval_so.pipeline.measure.measure import Measured, measure
from lm_eval_so.pipeline.measure.plan import (
    Origin,
    Plan,
    Rules,
    SourceCheck,
    again_folder,
    cases_folder,
    main_folder,
    run_folder,
)
from lm_eval_so.pipeline.permits.permits import host_problems, tell_permits

_OWN_BASELINE = (
    "git does not know the base commit here, so the baseline is read from the checkout itself"
)
_OWN_CACHE = (
    "{} is not used: the commit under test contains it, and answers of judges could stand there"
)
_INSIDE = (
    "write into a folder of the workspace that is not git's; remove a link that leads elsewhere"
)
_DEEPER = "give actions/checkout `fetch-depth: 2`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that `ci` alone has."""

    baseline: Path | None
    reports: Path | None
    fresh: bool
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Result of `ci`."""

    measured: Measured | None
    """Null if there was nothing to measure."""
    annotations: tuple[str, ...] = ()
    """Workflow commands for the log, on GitHub."""
    exit_code: int


def find_problems(config: Config, around: Surroundings, options: Options) -> Iterator[Problem]:
    """Find all problems of the config and of the folders that are written to.

    Args:
        config: The valid part of the config.
        around: The surroundings.
        options: The options.
    """
    needs: set[Stage] = {*asked_part(around.inputs).stages}
    needs |= {"generate"} if _makes_dataset(config, around.inputs) else set()
    yield from check(config, around.environ, needs=needs)
    yield from update_problems(config, around)
    if config.backend is None:  # told by now, and there is no run to write
        return
    yield from matrix_problems(config, around)
    run, reports = _folders(config, around, options)
    yield from host_problems(config, around)
    folders = [run, again_folder(run), main_folder(run), cases_folder(config)]
    outside = _outside_problems(config, around, [*folders, reports])
    yield from outside
    if around.inputs and around.inputs.publishing.answers is ShowAnswers.NONE:
        yield from _answer_problems(config, run, reports)
    if not options.dry_run and not outside:  # a folder outside is not even tried
        yield from folder_problems([run, reports])


def make_plan(
    config: Config,
    around: Surroundings,
    options: Options,
    listener: Listener,
    rules: Rules | None = None,
) -> Plan:
    """Plan the measurement of a config without problems.

    Args:
        config: Config by which it is measured.
        around: The surroundings.
        options: The options.
        listener: Hears where the baseline was looked for.
        rules: The rules of the base.

    Raises:
        ConfigError: If the gate that decides asks in rounds, and the step asks a shard; if main's
            judges are asked at hosts that the workflow does not allow.
    """
    activity, inputs = around.activity, around.inputs
    part = asked_part(inputs)
    # of main's gate and judges, which are others than the config's
    refuse([*stop_problems(config, part), *host_problems(config, around)])
    run, reports = _folders(config, around, options)
    base, makes_one = around.base(config.folder), makes_baseline(config, around)
    origin = Origin(commit=base.here, base_ref=activity.base.ref)
    if inputs is None:
        place = find_local_place(config, activity, explicit=options.baseline)
    else:
        wanted = wanted_baseline(config, around, base, options.baseline, listener)
        place = find_place(config, activity, base, wanted)
        origin = Origin(
            suite_id=around.suite_id(config.suite),
            commit=origin.commit or activity.commit,
            base_ref=origin.base_ref,
        )
    is_foretold = not is_brought(file_of(config), activity, cwd=config.folder)
    return Plan(
        run=run,
        reports=reports,
        make_dataset=_makes_dataset(config, inputs),
        fresh=options.fresh,
        part=part,
        baseline=place,
        anchor=find_anchor_place(config, activity, base) if inputs else None,
        may_be_baseline=inputs is None or makes_one == "always",
        makes_baseline=makes_one,
        origin=origin,
        forecast=fitting_note(config, around.environ) if is_foretold else None,
        control=find_control(activity, around.source, config, base) if around.source else None,
        rules=rules,
        sources=SourceCheck(
            base=base.commit if activity.is_proposal else None,
            workspace=around.workspace if inputs else None,
        ),
    )


def skip(config: Config, resources: Resources, around: Surroundings, reason: str) -> Done:
    """Tell that nothing was measured, and why; no comment is written."""
    inputs = around.inputs
    notices = (tell_skipped(config, resources, inputs, reason),) if inputs else ()
    return Done(measured=None, annotations=notices, exit_code=ExitCode.DONE)


def foretell(config: Config, resources: Resources, plan: Plan, around: Surroundings) -> str | None:
    """Return where a measurement would be told on GitHub; None outside of it."""
    return tell_dry(config, resources, _job(around, around.inputs, plan)) if around.inputs else None


async def measure_and_tell(
    config: Config, resources: Resources, plan: Plan, around: Surroundings, has_result: Event
) -> Done:
    """Measure and write reports; on GitHub tell the result.

    Args:
        config: The config.
        resources: Environment, listener and stop.
        plan: The plan.
        around: The surroundings.
        has_result: Set once there is a result.

    Raises:
        LMEvalError: As `measure`; the outputs say `error` then.
        Interrupted: If it was stopped before GitHub is told.
    """
    activity, inputs, place = around.activity, around.inputs, plan.baseline
    if inputs is None:
        measured = await measure(config, resources, plan)
        return Done(measured=measured, exit_code=measured.exit_code)
    resources = replace(resources, hosts=inputs.secrets.hosts)
    for event in tell_permits(config, around):
        resources.listener(event)
    for text in (*activity.warnings, *inputs.warnings):
        resources.listener(Warned(stage="ci", text=text))
    is_own = not (place.report or place.files or place.ref or config.baseline.ref)
    if is_own and place.in_repository and not activity.is_proposal:
        resources.listener(Warned(stage="ci", text=_OWN_BASELINE, hint=_DEEPER))
    tell_other_checkout(plan, around, resources)
    given, config = config, with_own_cache(config, activity)
    if config is not given:
        resources.listener(Warned(stage="ci", text=_OWN_CACHE.format(given.run.cache)))
    if plan.part.shard is not None:
        await ask_and_tell(config, resources, plan)
        has_result.set()
        return Done(measured=None, exit_code=ExitCode.DONE)
    measured = await measure(config, resources, plan, shortens=inputs.publishing.shortens)
    has_result.set()
    await asyncio.sleep(0)  # a signal that came while reports were made is heard now
    if resources.stop.is_set():
        raise Interrupted("interrupted; the reports are written, and GitHub is not told")
    job = _job(around, inputs, plan)
    is_kept = keep_baseline(config, resources, plan, around, measured)
    told = tell_github(config, resources, measured, job)
    code = measured.exit_code
    has_failed = told.comment_failed and inputs.publishing.is_comment_required
    if not code and (has_failed or not is_kept):
        code = ExitCode.PUBLISH
    return Done(measured=measured, annotations=told.annotations, exit_code=code)


def _job(around: Surroundings, inputs: Inputs, plan: Plan) -> Job:
    head, workspace = plan.origin.commit, around.workspace
    return Job(activity=around.activity, inputs=inputs, workspace=workspace, head=head)


def _folders(config: Config, around: Surroundings, options: Options) -> tuple[Path, Path]:
    """Return the folders of the run and of the reports."""
    if around.inputs:
        reports = around.inputs.report_dir
        has_answers = around.inputs.publishing.answers is not ShowAnswers.NONE
        return reports / "run" if has_answers else run_folder(config), reports
    return run_folder(config), options.reports or config.resolve(config.report.out)


def _answer_problems(config: Config, run: Path, reports: Path) -> Iterator[Problem]:
    """Find answers that would stand among the reports although none may."""
    kept = reports / "run"
    if not leads_out(run, reports):
        what = f"show_answers: none keeps answers out of {reports}, and run.out leads there"
        yield Problem(what=what, where=config.where("run", "out"), hint="name another run.out")
    elif any(folder.exists() for folder in (kept, again_folder(kept), main_folder(kept))):
        what = f"show_answers: none, and {kept} has answers of an earlier step"
        yield Problem(what=what, where=Where(file=str(kept)), hint="choose another report_dir")


def _outside_problems(config: Config, around: Surroundings, folders: list[Path]) -> list[Problem]:
    """Find paths that would be written outside the workspace or into git's own folder, as by a link.

    At a desk paths may lead anywhere.
    """
    if around.inputs is None:
        return []
    places: list[tuple[Path, Where]] = [(path, Where(file=str(path))) for path in folders]
    if _makes_dataset(config, around.inputs):
        places.append((config.resolve(config.dataset.path), config.where("dataset", "path")))
    if config.baseline.path and writes_file(config, around):
        places.append((config.resolve(config.baseline.path), config.where("baseline", "path")))
    if config.run.cache:
        places.append((config.resolve(config.run.cache), config.where("run", "cache")))
    return [
        Problem(what=f"{path} leads {to}", where=where, hint=_INSIDE)
        for path, where in places
        if (to := _leads_to(path, around.workspace))
    ]


def _leads_to(path: Path, workspace: Path) -> str | None:
    """Return where a path leads that must not be written; None if it may be."""
    if leads_out(path, workspace):
        return "out of the workspace"
    inner = Path(os.path.realpath(path)).relative_to(os.path.realpath(workspace))
    # later steps of the job run git there
    is_git = any(part.casefold() == ".git" for part in inner.parts)
    return "into git's own folder" if is_git else None


def _makes_dataset(config: Config, inputs: Inputs | None) -> bool:
    """Return whether the dataset is made first; outside GitHub if there is none yet."""
    when = inputs.generate if inputs else Generate.MISSING
    if config.generator is None or when is Generate.NEVER:
        return False
    return when is Generate.ALWAYS or not config.resolve(config.dataset.path).exists()
