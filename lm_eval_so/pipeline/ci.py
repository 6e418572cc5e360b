"""`ci`: the whole pipeline for one event of GitHub, or for a person at a desk."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from lm_eval_so.action.event import Activity, find_activity, plain_suite_id, read_event
from lm_eval_so.action.inputs import Generate, Inputs, MissingSecrets, read_inputs
from lm_eval_so.action.outputs import Outputs
from lm_eval_so.core import git
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.backends.config_secrets import missing_variables
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.files import leads_out
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.errors import ExitCode, Interrupted, Problem, Where
from lm_eval_so.pipeline.confirm import again_folder
from lm_eval_so.pipeline.github.base import find_base, find_place
from lm_eval_so.pipeline.github.publish import Told, tell_github, write_last, write_to
from lm_eval_so.pipeline.measure import Measured, Plan, measure

_OWN_BASELINE = (
    "git does not know the base commit here, so the baseline is read from the checkout itself"
)
_INSIDE = "write inside the workspace; if a link leads out of it, remove the link"
_DEEPER = "give actions/checkout `fetch-depth: 2`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How `ci` ended."""

    measured: Measured | None
    """Null if there was nothing to measure."""
    told: Told | None
    """Null outside GitHub."""
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What `ci` runs in: a person's desk, or an event of GitHub."""

    environ: Mapping[str, str] = field(repr=False)
    activity: Activity
    inputs: Inputs | None
    """What the workflow asks for; null outside GitHub."""
    workspace: Path
    """Root of the checkout."""


def read_surroundings(environ: dict[str, str]) -> Surroundings:
    """Read inputs and event; on GitHub the outputs say `error` until there is a result.

    Raises:
        UsageError: If an input is bad or the event is not supported.
    """
    workspace = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())
    inputs = None
    if environ.get("GITHUB_ACTIONS") == "true":
        write_to(environ, Outputs())
        inputs = read_inputs(environ, workspace=workspace)
        if inputs.openai_api_key and not environ.get("OPENAI_API_KEY"):
            environ = {**environ, "OPENAI_API_KEY": inputs.openai_api_key}
    activity = find_activity(environ, read_event(environ))
    return Surroundings(environ=environ, activity=activity, inputs=inputs, workspace=workspace)


def local_plan(
    config: Config,
    event: Surroundings,
    *,
    run: Path,
    reports: Path | None,
    baseline: Path | None,
    fresh: bool,
) -> Plan:
    """Plan `ci` for a person at a desk."""
    return Plan(
        run=run,
        reports=reports or config.resolve(config.report.out),
        fresh=fresh,
        make_dataset=makes_dataset(config, None),
        baseline=baseline,
        baseline_ref=None if config.baseline.ref else find_base(event.activity, cwd=config.folder),
        baseline_else_file=True,
        commit=git.head(config.folder),
        base_ref=event.activity.base.ref,
    )


def action_plan(config: Config, event: Surroundings, *, baseline: Path | None, fresh: bool) -> Plan:
    """Plan `ci` for an event of GitHub."""
    activity, inputs = event.activity, event.inputs
    if inputs is None:
        raise ValueError("no inputs outside GitHub")
    place = find_place(config, activity, explicit=baseline or inputs.baseline)
    return Plan(
        run=inputs.report_dir / "run",
        reports=inputs.report_dir,
        fresh=fresh,
        may_be_baseline=activity.may_be_baseline,
        make_dataset=makes_dataset(config, inputs),
        baseline=place.file,
        baseline_path=place.path,
        baseline_ref=place.ref,
        baseline_else_file=place.else_file,
        no_baseline=place.none,
        suite_id=plain_suite_id(inputs.suite_id or activity.suite_id(config.suite)),
        commit=git.head(config.folder) or activity.commit,
        base_ref=activity.base.ref,
    )


def may_run_code(event: Surroundings) -> bool:
    """Whether code that the config names may run before it is known whether the event is skipped."""
    return event.inputs is None or not (event.activity.skip or _lacks_keys_by_right(event))


def skip_reason(config: Config, event: Surroundings) -> str | None:
    """Say why there is nothing to measure, or None; at a desk there always is."""
    if event.inputs is None or event.activity.skip:
        return event.activity.skip
    if not _lacks_keys_by_right(event):
        return None
    missing = missing_variables(config, event.environ)
    if missing:
        return f"{' and '.join(missing)} is empty: a fork's or Dependabot's event gets no secrets"
    known = backends.names()
    own = sorted({each.name for _, each in config.backend_sections() if each.name not in known})
    if own:  # without its code nobody can tell, and a fork's is not run for that
        return f"the keys of {' and '.join(own)} are known to its own code alone, which is a fork's"
    return None


def _lacks_keys_by_right(event: Surroundings) -> bool:
    """Return whether the event gets no secrets, and is to be skipped for that."""
    inputs, is_foreign = event.inputs, event.activity.is_foreign
    return is_foreign and inputs is not None and inputs.on_missing_secrets is MissingSecrets.SKIP


def outside_problems(config: Config, plan: Plan, event: Surroundings) -> list[Problem]:
    """Find what would be written outside the workspace, as by a link that is committed.

    At a desk paths may lead anywhere.
    """
    if event.inputs is None:
        return []
    places: list[tuple[Path, Where]] = [
        (path, Where(file=str(path))) for path in (plan.run, again_folder(plan.run), plan.reports)
    ]
    if plan.make_dataset:
        places.append((config.resolve(config.dataset.path), config.where("dataset", "path")))
    if config.run.cache:
        places.append((config.resolve(config.run.cache), config.where("run", "cache")))
    return [
        Problem(what=f"{path} leads out of the workspace", where=where, hint=_INSIDE)
        for path, where in places
        if leads_out(path, event.workspace)
    ]


def tell_skipped(resources: Resources, reason: str) -> Done:
    """Tell that nothing was measured, and why; no comment is written."""
    resources.listener(Noticed(stage="ci", text=f"skipped: {reason}"))
    write_last(resources, Outputs(verdict=Verdict.SKIPPED, passed=True))
    return Done(measured=None, told=None, exit_code=ExitCode.DONE)


async def measure_and_tell(
    config: Config, resources: Resources, plan: Plan, event: Surroundings, has_result: Event
) -> Done:
    """Measure and write reports; on GitHub tell what was found.

    Args:
        config: The config.
        resources: Environment, listener and stop.
        plan: Where to read and write.
        event: What it runs in.
        has_result: Set once there is a result.

    Raises:
        LMEvalError: As `measure`; the outputs say `error` then.
        Interrupted: If it was stopped before GitHub is told.
    """
    activity, inputs, workspace = event.activity, event.inputs, event.workspace
    if inputs is None:
        measured = await measure(config, resources, plan)
        return Done(measured=measured, told=None, exit_code=measured.exit_code)
    for text in (*activity.warnings, *inputs.warnings):
        resources.listener(Warned(stage="ci", text=text))
    is_own = plan.baseline_ref is None and plan.baseline is None and not config.baseline.ref
    if is_own and not activity.is_proposal:
        resources.listener(Warned(stage="ci", text=_OWN_BASELINE, hint=_DEEPER))
    measured = await measure(config, resources, plan)
    has_result.set()
    await asyncio.sleep(0)  # a signal that came while reports were made is heard now
    if resources.stop.is_set():
        raise Interrupted("interrupted; the reports are written, and GitHub is not told")
    told = tell_github(
        config,
        resources,
        measured,
        activity=activity,
        inputs=inputs,
        workspace=workspace,
        head=plan.commit,
    )
    code = measured.exit_code
    if not code and told.comment_failed and inputs.comment_required:
        code = ExitCode.PUBLISH
    return Done(measured=measured, told=told, exit_code=code)


def makes_dataset(config: Config, inputs: Inputs | None) -> bool:
    """Return whether the dataset is made first; outside GitHub if it is not there."""
    when = inputs.generate if inputs else Generate.MISSING
    if config.generator is None or when is Generate.NEVER:
        return False
    return when is Generate.ALWAYS or not config.resolve(config.dataset.path).exists()
