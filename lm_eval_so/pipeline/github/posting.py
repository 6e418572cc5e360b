"""The comment on an event's pull request."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from lm_eval_so.action.comment import Bodies, Published, publish
from lm_eval_so.action.event import Activity
from lm_eval_so.action.github import GitHub, RequestFailed, open_github
from lm_eval_so.action.inputs import Inputs
from lm_eval_so.action.marker import State
from lm_eval_so.action.outputs import add_to_summary
from lm_eval_so.action.target import Target, find_pull, suites_on
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.templates.safe import prose
from lm_eval_so.core.words import say
from lm_eval_so.core.words.verdicts import verdict_name

STAGE = "publish"
_COMMIT_DIGITS = 7


def comment_on(
    bodies: Bodies,
    resources: Resources,
    activity: Activity,
    inputs: Inputs,
    *,
    head: str | None,
    suite_id: str | None,
    verdict: Verdict | None,
    language: Language,
) -> Published:
    """Post the comment, where there is a pull request; what was measured before goes to the summary.

    Args:
        bodies: Its text.
        resources: Environment, listener and redactor.
        activity: What the event asks for.
        inputs: What the workflow asks for.
        head: The commit that was evaluated.
        suite_id: Whose comment it is; null: that is not known, and every one of this job is written.
        verdict: What was measured; null if nothing could be.
        language: Language of the texts.
    """
    # a workflow that is started by hand may check out another commit than the event's
    evaluated = head if activity.takes_pull_number else activity.head
    token = inputs.github_token or resources.environ.get("GITHUB_TOKEN")
    if not activity.repository or not evaluated:
        return Published()
    if not token:
        text = "no token, so no comment; the job summary says what it would"
        hint = "give the step github_token, and the job `permissions: {pull-requests: write}`"
        resources.listener(Warned(stage=STAGE, text=text, hint=hint))
        return Published(failed=True)
    with open_github(activity.repository, token=token, api_url=activity.api_url) as github:
        try:
            number = find_pull(activity, inputs.pr_number, github)
        except RequestFailed as error:
            resources.listener(Warned(stage=STAGE, text=f"no comment: {error}"))
            return Published(failed=True)
        if number is None:
            return Published(failed=activity.has_lost_number)
        target = Target(
            pull=number,
            head=evaluated,
            suite_id=suite_id or "",
            run_id=activity.run_id,
            run_attempt=activity.run_attempt,
            job=f"{activity.job} {activity.runner}",
            verdict=verdict,
            is_guess=suite_id is None,
            max_chars=inputs.comment_max_chars,
        )
        if suite_id is not None:
            published = post(bodies, target, github, resources)
        else:
            published = _post_to_all(bodies, target, github, resources, activity.suite_prefix)
    if verdict is None and (text := before_text(published.before, language)):
        to_summary(resources, inputs, partial(add_to_summary, text=f"\n{prose(text)}\n"))
    return published


def _post_to_all(
    bodies: Bodies, target: Target, github: GitHub, resources: Resources, prefix: str | None
) -> Published:
    """Post to every comment of this job, since one of them is of the suite that is not known."""
    try:
        suites = suites_on(target.pull, prefix, github) if prefix else ()
    except RequestFailed as error:
        resources.listener(Warned(stage=STAGE, text=f"no comment: {error}"))
        return Published(failed=True)
    if not suites:
        text = "no comment: nobody knows whose it is, since the config cannot be read"
        resources.listener(Noticed(stage=STAGE, text=text))
    told = [post(bodies, replace(target, suite_id=s), github, resources) for s in suites]
    first = next((each for each in told if each.url), Published())
    return replace(first, failed=any(each.failed for each in told))


def has_place(activity: Activity, inputs: Inputs) -> bool:
    """Return whether the event has, or should have, a pull request to comment on."""
    by_number = activity.takes_pull_number and inputs.pr_number is not None
    has_pull = activity.pull is not None or activity.has_lost_number
    return has_pull or activity.pull_branch is not None or by_number


def post(bodies: Bodies, target: Target, github: GitHub, resources: Resources) -> Published:
    """Post a comment and tell what happened."""
    suite_id = resources.redactor.redact(target.suite_id)  # a config may name it by a variable
    published = publish(bodies, replace(target, suite_id=suite_id), github)
    for text in published.notices:
        resources.listener(Noticed(stage=STAGE, text=text))
    for text in published.warnings:
        resources.listener(Warned(stage=STAGE, text=text))
    if published.url:
        resources.listener(Noticed(stage=STAGE, text=f"comment: {published.url}"))
    return published


def before_text(before: State | None, language: Language) -> str:
    """Say what was measured last, and of which commit; "" if that is not known."""
    if before is None or not before.verdict:
        return ""
    verdict = verdict_name(before.verdict, language)
    commit = before.at[:_COMMIT_DIGITS]
    return say("comment.before_at", language, {"commit": commit, "verdict": verdict})


def to_summary(resources: Resources, inputs: Inputs, write: Callable[[Path], object]) -> None:
    """Write to the job summary, where there is one and it is wanted."""
    file = resources.environ.get("GITHUB_STEP_SUMMARY")
    if not inputs.job_summary or not file:
        return
    try:
        write(Path(file))
    except OSError as error:  # the comment is still to come
        text = f"no job summary: {error.strerror or error}"
        resources.listener(Warned(stage=STAGE, text=text))
