"""The whole pipeline for one event of GitHub, or for a person at a desk."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Literal

from lm_eval_so.action.inputs import Generate, Inputs, ShowAnswers, UpdateBaseline
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.files import folder_problems, leads_out
from lm_eval_so.errors import ExitCode, Interrupted, Problem, PublishError, Where, refuse
from lm_eval_so.pipeline.baseline.update import update_baseline
from lm_eval_so.pipeline.check import Stage, check
from lm_eval_so.pipeline.forecast.kept import file_of, fitting_note
from lm_eval_so.pipeline.github.baseline_place import (
    Wanted,
    find_anchor_place,
    find_control,
    find_local_place,
    find_place,
    is_brought,
    is_of_event,
)
from lm_eval_so.pipeline.github.matrix import (
    ask_and_tell,
    asked_part,
    matrix_problems,
    stop_problems,
)
from lm_eval_so.pipeline.github.publish import Job, Told, tell_github, write_skipped
from lm_eval_so.pipeline.github.surroundings import Surroundings
from lm_eval_so.pipeline.measure.measure import Measured, measure
from lm_eval_so.pipeline.measure.plan import (
    Origin,
    Plan,
    Rules,
    SourceCheck,
    again_folder,
    cases_folder,
    how_to_name_one,
    main_folder,
    run_folder,
)
from lm_eval_so.pipeline.permits.permits import host_problems, tell_permits

_OWN_BASELINE = (
    "git does not know the base commit here, so the baseline is read from the checkout itself"
)
_OTHER_CHECKOUT = (
    "the baseline stays as it is: another commit is checked out than that of the event"
)
_OWN_CHECKOUT = "update it in a job that checks out the default branch"
_INSIDE = "write inside the workspace; if a link leads out of it, remove the link"
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
    told: Told | None
    """Null outside GitHub."""
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
    if _updates_baseline(config, around) and config.baseline.path is None:
        what = "update_baseline writes the baseline, and the config names none"
        yield Problem(what=what, where=config.where("baseline"), hint=how_to_name_one(config))
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
    config: Config, around: Surroundings, options: Options, rules: Rules | None = None
) -> Plan:
    """Plan the measurement of a config without problems.

    Args:
        config: Config by which it is measured.
        around: The surroundings.
        options: The options.
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
    base = around.base(config.folder)
    origin = Origin(commit=base.here, base_ref=activity.base.ref)
    if inputs is None:
        place = find_local_place(config, activity, explicit=options.baseline)
        may_be_baseline = True
    else:
        wanted = Wanted(explicit=options.baseline or inputs.baseline)
        place = find_place(config, activity, base, wanted)
        may_be_baseline = activity.may_be_baseline and not activity.is_proposal
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
        may_be_baseline=may_be_baseline,
        makes_baseline=_makes_baseline(config, around),
        origin=origin,
        forecast=fitting_note(config, around.environ) if is_foretold else None,
        control=find_control(activity, around.source, config, base) if around.source else None,
        rules=rules,
        sources=SourceCheck(
            base=base.commit if activity.is_proposal else None,
            workspace=around.workspace if inputs else None,
        ),
    )


def tell_skipped(resources: Resources, reason: str) -> Done:
    """Tell that nothing was measured, and why; no comment is written."""
    resources.listener(Noticed(stage="ci", text=f"skipped: {reason}"))
    write_skipped(resources)
    return Done(measured=None, told=None, exit_code=ExitCode.DONE)


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
        return Done(measured=measured, told=None, exit_code=measured.exit_code)
    resources = replace(resources, hosts=inputs.secrets.hosts)
    for event in tell_permits(config, around):
        resources.listener(event)
    for text in (*activity.warnings, *inputs.warnings):
        resources.listener(Warned(stage="ci", text=text))
    is_own = not (place.report or place.files or place.ref or config.baseline.ref)
    if is_own and place.in_repository and not activity.is_proposal:
        resources.listener(Warned(stage="ci", text=_OWN_BASELINE, hint=_DEEPER))
    if _wants_update(around) and plan.makes_baseline == "never":
        resources.listener(Warned(stage="baseline", text=_OTHER_CHECKOUT, hint=_OWN_CHECKOUT))
    if plan.part.shard is not None:
        await ask_and_tell(config, resources, plan)
        has_result.set()
        return Done(measured=None, told=None, exit_code=ExitCode.DONE)
    measured = await measure(config, resources, plan, shortens=inputs.publishing.shortens)
    has_result.set()
    await asyncio.sleep(0)  # a signal that came while reports were made is heard now
    if resources.stop.is_set():
        raise Interrupted("interrupted; the reports are written, and GitHub is not told")
    job = Job(activity=activity, inputs=inputs, workspace=around.workspace, head=plan.origin.commit)
    is_updated = _update_baseline(config, resources, plan, around)
    told = tell_github(config, resources, measured, job)
    code = measured.exit_code
    has_failed = told.comment_failed and inputs.publishing.is_comment_required
    has_failed |= not is_updated and inputs.update_baseline is UpdateBaseline.ALWAYS
    if not code and has_failed:
        code = ExitCode.PUBLISH
    return Done(measured=measured, told=told, exit_code=code)


def _wants_update(around: Surroundings) -> bool:
    """Return whether the step wants the baseline written, and the event may make one."""
    wanted = around.inputs and around.inputs.update_baseline is not UpdateBaseline.NEVER
    return bool(wanted) and around.activity.may_be_baseline


def _updates_baseline(config: Config, around: Surroundings) -> bool:
    """Return whether the baseline is written: where the event's own commit is what is measured."""
    return _wants_update(around) and is_of_event(around.activity, cwd=config.folder)


def _makes_baseline(
    config: Config, around: Surroundings
) -> Literal["never", "if_missing", "always"]:
    if around.inputs:
        return "always" if _updates_baseline(config, around) else "never"
    return "if_missing" if config.baseline.path else "never"


def _update_baseline(
    config: Config, resources: Resources, plan: Plan, around: Surroundings
) -> bool:
    """Write the baseline if the step wants it; return False if the report is refused."""
    if plan.makes_baseline != "always":
        return True
    reason = f"update_baseline: {around.activity.event} at {plan.origin.commit or 'no commit'}"
    try:
        update = update_baseline(config, resources, plan.reports, reason=reason, is_forced=False)
    except PublishError as error:
        causes = "; ".join(problem.what for problem in error.problems)
        text = f"the baseline stays as it is: {causes}"
        resources.listener(Warned(stage="baseline", text=text))
        return False
    text = f"{update.path} is the baseline now; a later step commits it"
    resources.listener(Noticed(stage="baseline", text=text))
    return True


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
    """Find paths that would be written outside the workspace, as by a link that is committed.

    At a desk paths may lead anywhere.
    """
    if around.inputs is None:
        return []
    places: list[tuple[Path, Where]] = [(path, Where(file=str(path))) for path in folders]
    if _makes_dataset(config, around.inputs):
        places.append((config.resolve(config.dataset.path), config.where("dataset", "path")))
    if _updates_baseline(config, around) and config.baseline.path:
        places.append((config.resolve(config.baseline.path), config.where("baseline", "path")))
    if config.run.cache:
        places.append((config.resolve(config.run.cache), config.where("run", "cache")))
    return [
        Problem(what=f"{path} leads out of the workspace", where=where, hint=_INSIDE)
        for path, where in places
        if leads_out(path, around.workspace)
    ]


def _makes_dataset(config: Config, inputs: Inputs | None) -> bool:
    """Return whether the dataset is made first; outside GitHub if there is none yet."""
    when = inputs.generate if inputs else Generate.MISSING
    if config.generator is None or when is Generate.NEVER:
        return False
    return when is Generate.ALWAYS or not config.resolve(config.dataset.path).exists()
