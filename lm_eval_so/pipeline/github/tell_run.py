"""The command `comment` in the Action: the result of a finished run, told by a workflow that may write.

The run of a fork may not write itself, and all that it left is hostile. GitHub alone says whose run
it is, what it measured and on which pull request; every text is made anew of its JSON.
"""

from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path

from lm_eval_so.action.comment import LEVELS, Bodies, Published
from lm_eval_so.action.event import FinishedRun, find_finished_run, read_event
from lm_eval_so.action.finished_run import Nothing, Result, find_result
from lm_eval_so.action.github.connection import GitHub, open_github
from lm_eval_so.action.github.failures import RequestFailed
from lm_eval_so.action.inputs import CommentMode, Inputs, read_inputs
from lm_eval_so.action.outputs import Outputs, write_summary
from lm_eval_so.action.target import Target, is_wanted, regressed_in, suite_of_run
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.errors import PublishError, UsageError
from lm_eval_so.pipeline.github.posting import STAGE, post, to_summary
from lm_eval_so.pipeline.github.publish import make_bodies, write_last
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.markdown import Origin

_PERMISSIONS = "give the job `permissions: {actions: read, pull-requests: write}`"
_REFUSED = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


def tell_run(resources: Resources) -> Published:
    """Create or update the comment of the run that triggered this workflow.

    Its verdict decides nothing here: this step has measured nothing, and no figure of a fork becomes
    an output that a later step could act on.

    Args:
        resources: Environment, listener and redactor.

    Raises:
        UsageError: If an input is bad, or the event has no run to tell of.
        PublishError: If the run or its artifact cannot be read, or the comment not be posted.
    """
    environ = resources.environ
    inputs = read_inputs(environ, workspace=Path(environ.get("GITHUB_WORKSPACE") or Path.cwd()))
    finished = find_finished_run(environ, read_event(environ), inputs.artifact.run_id)
    for text in inputs.warnings:
        resources.listener(Warned(stage=STAGE, text=text))
    outputs = Outputs(verdict=Verdict.SKIPPED, passed=True)
    write_last(resources, outputs)
    published = _tell(finished, inputs, resources)
    write_last(resources, replace(outputs, comment_url=published.url))
    if published.failed:
        raise PublishError("the comment was not posted", hint="the warning above says why")
    return published


def _tell(finished: FinishedRun, inputs: Inputs, resources: Resources) -> Published:
    name = inputs.artifact.name
    if name is None:
        what = "command: comment needs artifact_name"
        raise UsageError(what, hint="name it as the workflow that measures uploads report_dir")
    token = inputs.secrets.github_token or resources.environ.get("GITHUB_TOKEN")
    if not token:
        raise UsageError("command: comment needs github_token", hint=_PERMISSIONS)
    with open_github(finished.repository, token=token, api_url=finished.api_url) as github:
        try:
            found = find_result(github, finished.id, name)
        except RequestFailed as error:
            hint = _PERMISSIONS if error.status in _REFUSED else None
            raise PublishError(
                f"run {finished.id} cannot be read: {error.what}", hint=hint
            ) from None
        if isinstance(found, Nothing):
            kind = Noticed if found.is_expected else Warned
            resources.listener(kind(stage=STAGE, text=f"no comment: {found.why}"))
            return Published()
        return _post(found, finished, inputs, resources, github)


def _post(
    found: Result, finished: FinishedRun, inputs: Inputs, resources: Resources, github: GitHub
) -> Published:
    run, comparison = found.run, found.records.comparison
    suite_id = suite_of_run(comparison.suite_id, run, given=inputs.suite_id)
    bodies = _bodies(found, finished, inputs.publishing.language or Language.EN, resources)
    to_summary(resources, inputs, partial(write_summary, texts=_rendered(bodies)))
    if not is_wanted(inputs.publishing.comment, comparison):
        return Published()
    target = Target(
        pull=found.pull.number,
        head=run.head,
        suite_id=suite_id,
        run_id=run.id,
        run_attempt=run.attempt,
        job="",
        verdict=None if comparison.verdict is Verdict.ERROR else comparison.verdict,
        regressed=regressed_in(comparison),
        is_for_change=inputs.publishing.comment is CommentMode.ON_CHANGE,
        is_guess=True,
        max_chars=inputs.publishing.max_chars,
    )
    return post(bodies, target, github.pulls, resources)


def _bodies(
    found: Result, finished: FinishedRun, language: Language, resources: Resources
) -> Bodies:
    run, report = found.run, found.records.report
    origin = Origin(run_url=finished.url, is_foreign=run.is_foreign)
    style = Style(language=language, redactor=resources.redactor)
    # what was measured GitHub knows, and not the run
    report = replace(report, experiment=replace(report.experiment, commit=run.head))
    return make_bodies(found.records.comparison, report, origin, style)


def _rendered(bodies: Bodies) -> tuple[str, ...]:
    """Return the comment at all levels of detail, the most detailed first.

    Raises:
        PublishError: If figures that fit the schema do not fit each other.
    """
    try:
        return tuple(bodies(level) for level in range(LEVELS))
    except Exception as error:  # whatever a stranger's figures may do to the views
        what = f"the artifact cannot be used: {type(error).__name__} while its comment is made"
        raise PublishError(what) from error
