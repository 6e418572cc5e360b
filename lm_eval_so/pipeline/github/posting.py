"""The comment on an event's pull request."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lm_eval_so.action.comment import Bodies, Published, publish
from lm_eval_so.action.event import Activity
from lm_eval_so.action.github.connection import open_github
from lm_eval_so.action.github.failures import RequestFailed
from lm_eval_so.action.github.pulls import Pulls
from lm_eval_so.action.inputs import CommentMode, Inputs
from lm_eval_so.action.marker import State
from lm_eval_so.action.outputs import add_to_summary
from lm_eval_so.action.target import Target, find_pull, suites_on
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.templates.safe import prose
from lm_eval_so.core.words import say
from lm_eval_so.core.words.verdict_names import verdict_name

STAGE = "publish"
_COMMIT_DIGITS = 7
_OF_FORKS = (
    "a fork's or Dependabot's run may not comment; a workflow on workflow_run with "
    "command: comment tells its result"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Job of a workflow that measures."""

    activity: Activity
    """The task that the event sets."""
    inputs: Inputs
    workspace: Path
    """Root of the checkout."""
    head: str | None
    """Commit that was evaluated."""

    @property
    def has_place(self) -> bool:
        """Whether the event has, or should have, a pull request to comment on."""
        activity, number = self.activity, self.inputs.publishing.pr_number
        by_number = activity.takes_pull_number and number is not None
        has_pull = activity.pull is not None or activity.has_lost_number
        return has_pull or activity.pull_branch is not None or by_number

    @property
    def place(self) -> str:
        """Place of the comment in words, found without a request."""
        activity, publishing = self.activity, self.inputs.publishing
        if publishing.comment is CommentMode.NEVER or self.inputs.matrix.shard is not None:
            return "none is written by this step"
        if not self.has_place:
            return "none: the event has no pull request"
        number = activity.pull or (publishing.pr_number if activity.takes_pull_number else None)
        if number is None:
            return f"on the open pull request of {activity.pull_branch}"
        return f"on #{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Subject of a comment."""

    suite_id: str | None
    """Owner of the comment; null if not known: then every comment of this job is written."""
    verdict: Verdict | None
    """The measured verdict; null if nothing could be measured."""
    regressed: str = ""
    """Digest of what got worse."""
    language: Language


def comment_on(bodies: Bodies, resources: Resources, job: Job, about: About) -> Published:
    """Post the comment if there is a pull request.

    If nothing could be measured, the last measured verdict goes to the job summary.

    Args:
        bodies: Text of the comment.
        resources: Environment, listener and redactor.
        job: The job that measured.
        about: The subject.
    """
    activity, inputs = job.activity, job.inputs
    # a workflow that is started by hand may check out another commit than the event's
    evaluated = job.head if activity.takes_pull_number else activity.head
    token = inputs.secrets.github_token or resources.environ.get("GITHUB_TOKEN")
    if not activity.repository or not evaluated:
        return Published()
    if not token:
        text = "no token, so no comment; the job summary says what it would"
        hint = "give the step github_token, and the job `permissions: {pull-requests: write}`"
        resources.listener(Warned(stage=STAGE, text=text, hint=hint))
        return Published(failed=True)
    with open_github(activity.repository, token=token, api_url=activity.workflow.api_url) as github:
        try:
            number = find_pull(activity, inputs.publishing.pr_number, github.pulls)
        except RequestFailed as error:
            resources.listener(Warned(stage=STAGE, text=f"no comment: {error}"))
            return Published(failed=True)
        if number is None:
            return Published(failed=activity.has_lost_number)
        target = Target(
            pull=number,
            head=evaluated,
            suite_id=about.suite_id or "",
            run_id=activity.workflow.id,
            run_attempt=activity.workflow.attempt,
            job=activity.workflow.job_name,
            verdict=about.verdict,
            regressed=about.regressed,
            is_for_change=inputs.publishing.comment is CommentMode.ON_CHANGE,
            is_guess=about.suite_id is None,
            max_chars=inputs.publishing.max_chars,
        )
        if about.suite_id is not None:
            published = post(bodies, target, github.pulls, resources)
        else:
            published = _post_to_unknown(
                bodies, target, github.pulls, resources, activity.suite_prefix
            )
    if published.failed and activity.is_foreign:
        resources.listener(Noticed(stage=STAGE, text=_OF_FORKS))
    if about.verdict is None and (text := before_text(published.before, about.language)):
        to_summary(resources, inputs, partial(add_to_summary, text=f"\n{prose(text)}\n"))
    return published


def _post_to_unknown(
    bodies: Bodies, target: Target, pulls: Pulls, resources: Resources, prefix: str | None
) -> Published:
    """Post to every comment of this job, since one of them belongs to the unknown suite."""
    try:
        suites = suites_on(target.pull, prefix, pulls) if prefix else ()
    except RequestFailed as error:
        resources.listener(Warned(stage=STAGE, text=f"no comment: {error}"))
        return Published(failed=True)
    if not suites:
        text = "no comment: nobody knows whose it is, since the config cannot be read"
        resources.listener(Noticed(stage=STAGE, text=text))
    return post_to_all(suites, bodies, target, pulls, resources)


def post_to_all(
    suites: Iterable[str], bodies: Bodies, target: Target, pulls: Pulls, resources: Resources
) -> Published:
    """Post the same to the comments of several suites, and return what became of the first."""
    told = [post(bodies, replace(target, suite_id=s), pulls, resources) for s in suites]
    first = next((each for each in told if each.url), Published())
    return replace(first, failed=any(each.failed for each in told))


def post(bodies: Bodies, target: Target, pulls: Pulls, resources: Resources) -> Published:
    """Post a comment and tell what happened."""
    suite_id = resources.redactor.redact(target.suite_id)  # a config may name it by a variable
    published = publish(bodies, replace(target, suite_id=suite_id), pulls)
    for text in published.notices:
        resources.listener(Noticed(stage=STAGE, text=text))
    for text in published.warnings:
        resources.listener(Warned(stage=STAGE, text=text))
    if published.url:
        resources.listener(Noticed(stage=STAGE, text=f"comment: {published.url}"))
    return published


def before_text(before: State | None, language: Language) -> str:
    """Return the last measured verdict and its commit in words; "" if not known."""
    if before is None or not before.verdict:
        return ""
    verdict = verdict_name(before.verdict, language)
    commit = before.at[:_COMMIT_DIGITS]
    return say("comment.before_at", language, {"commit": commit, "verdict": verdict})


def to_summary(resources: Resources, inputs: Inputs, write: Callable[[Path], object]) -> None:
    """Write to the job summary, unless the input turns it off or GitHub has none."""
    file = resources.environ.get("GITHUB_STEP_SUMMARY")
    if not inputs.publishing.job_summary or not file:
        return
    try:
        write(Path(file))
    except OSError as error:  # the comment is still to come
        text = f"no job summary: {error.strerror or error}"
        resources.listener(Warned(stage=STAGE, text=text))
