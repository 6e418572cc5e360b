"""A baseline made by a workflow: the report of a run on the default branch is kept as one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from lm_eval_so.action.inputs import BaselineStore, UpdateBaseline
from lm_eval_so.comparator.baseline.eligibility import find_refusals
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.errors import Problem, PublishError
from lm_eval_so.pipeline.baseline.update import update_baseline
from lm_eval_so.pipeline.github.baseline_place import is_of_event
from lm_eval_so.pipeline.github.surroundings import Surroundings
from lm_eval_so.pipeline.measure.measure import Measured
from lm_eval_so.pipeline.measure.plan import Plan, how_to_name_one
from lm_eval_so.pipeline.reports import write_report

_STAGE = "baseline"
_STAYS = "the baseline stays as it is"
_OTHER_CHECKOUT = f"{_STAYS}: another commit is checked out than that of the event"
_OWN_CHECKOUT = "update it in a job that checks out the default branch"


def makes_baseline(
    config: Config, around: Surroundings
) -> Literal["never", "if_missing", "always"]:
    """Return the condition under which the run is to be the baseline.

    Args:
        config: The config.
        around: The surroundings; a report of GitHub is one if the workflow wants it, on an event of
            the default branch whose own commit is checked out.
    """
    if around.inputs is None:
        return "if_missing" if config.baseline.path else "never"
    is_one = _may_make_one(around) and is_of_event(around.activity, cwd=config.folder)
    return "always" if is_one else "never"


def writes_file(config: Config, around: Surroundings) -> bool:
    """Return whether the baseline's file in the checkout is written."""
    makes_one = around.inputs is not None and makes_baseline(config, around) == "always"
    return makes_one and _store(config, around) is BaselineStore.FILE


def update_problems(config: Config, around: Surroundings) -> Iterator[Problem]:
    """Find what is wrong with keeping a baseline, before anything is asked."""
    if writes_file(config, around) and config.baseline.path is None:
        what = "update_baseline writes the baseline, and the config names none"
        yield Problem(what=what, where=config.where("baseline"), hint=how_to_name_one(config))


def tell_other_checkout(plan: Plan, around: Surroundings, resources: Resources) -> None:
    """Warn if the event may make a baseline, and its own commit is not what is measured."""
    if _may_make_one(around) and plan.makes_baseline == "never":
        resources.listener(Warned(stage=_STAGE, text=_OTHER_CHECKOUT, hint=_OWN_CHECKOUT))


def keep_baseline(
    config: Config, resources: Resources, plan: Plan, around: Surroundings, measured: Measured
) -> bool:
    """Keep the report as the baseline if the workflow wants it.

    Args:
        config: The config.
        resources: Environment, listener and redactor.
        plan: The plan that was measured.
        around: The surroundings.
        measured: The result; its report.json says afterwards whether it may be a baseline.

    Returns:
        Whether all that was demanded is done: False if `always` keeps none.
    """
    if around.inputs is None or around.inputs.baseline.update is UpdateBaseline.NEVER:
        return True
    is_demanded = around.inputs.baseline.update is UpdateBaseline.ALWAYS
    if plan.makes_baseline != "always":
        if is_demanded and not around.activity.may_be_baseline:
            text = f"{_STAYS}: the event {around.activity.event} makes none"
            hint = "update_baseline: auto keeps one only on events of the default branch"
            resources.listener(Warned(stage=_STAGE, text=text, hint=hint))
        return not is_demanded
    if refusals := find_refusals(measured.report, config, comparison=measured.comparison):
        _mark_unfit(measured, plan, resources)
        causes = [each.problem.what for each in refusals]
    elif _store(config, around) is BaselineStore.ARTIFACT:
        name = config.baseline.artifact_name(config.suite)
        text = f"report.json may be a baseline; a later step uploads {plan.reports} as {name}"
        resources.listener(Noticed(stage=_STAGE, text=text))
        return True
    else:
        causes = _write(config, resources, plan, around)
    if causes:
        resources.listener(Warned(stage=_STAGE, text=f"{_STAYS}: {'; '.join(causes)}"))
    return not (causes and is_demanded)


def _mark_unfit(measured: Measured, plan: Plan, resources: Resources) -> None:
    """Write that a refused report is none, since nobody looks at it again before it is compared with."""
    report = measured.report
    if report.experiment.eligible:
        unfit = replace(report, experiment=replace(report.experiment, eligible=False))
        write_report(plan.reports / "report.json", unfit, resources.redactor)


def _write(config: Config, resources: Resources, plan: Plan, around: Surroundings) -> list[str]:
    """Write the baseline's file; return what is against it."""
    reason = f"update_baseline: {around.activity.event} at {plan.origin.commit or 'no commit'}"
    try:
        update = update_baseline(config, resources, plan.reports, reason=reason, is_forced=False)
    except PublishError as error:
        return [problem.what for problem in error.problems]
    text = f"{update.path} is the baseline now; a later step commits it"
    resources.listener(Noticed(stage=_STAGE, text=text))
    return []


def _may_make_one(around: Surroundings) -> bool:
    """Return whether the step wants a baseline kept, and the event may make one."""
    inputs = around.inputs
    wanted = inputs is not None and inputs.baseline.update is not UpdateBaseline.NEVER
    return wanted and around.activity.may_be_baseline


def _store(config: Config, around: Surroundings) -> BaselineStore:
    given = around.inputs.baseline.store if around.inputs else None
    return given or (BaselineStore.FILE if config.baseline.path else BaselineStore.ARTIFACT)
