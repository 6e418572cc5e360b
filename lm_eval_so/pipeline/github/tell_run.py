"""The command `comment` in the Action: the result of a finished run, told by a workflow that may write.

The run of a fork may not write itself, and all that it left is hostile. GitHub alone says whose run
it is, what it measured and on which pull request; every text is made anew of its JSON.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lm_eval_so.action.comment import LEVELS, Bodies, Published
from lm_eval_so.action.event import FinishedRun, find_finished_run, read_event
from lm_eval_so.action.finished_run import Nothing, Result, Subject, find_result
from lm_eval_so.action.github.connection import GitHub, open_github
from lm_eval_so.action.inputs import CommentMode, Inputs, read_inputs
from lm_eval_so.action.outputs import Outputs, write_summary
from lm_eval_so.action.target import (
    Target,
    is_wanted,
    regressed_in,
    suite_of_run,
    suites_of_run,
)
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.errors import Problem, PublishError, UsageError
from lm_eval_so.pipeline.github.posting import STAGE, post, post_to_all, to_summary
from lm_eval_so.pipeline.github.publish import make_bodies, write_last
from lm_eval_so.pipeline.github.unmeasured import unmeasured_bodies
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.markdown import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """The step that tells, and what it needs."""

    inputs: Inputs
    finished: FinishedRun
    artifact_name: str
    token: str = field(repr=False)
    resources: Resources

    @property
    def style(self) -> Style:
        """Manner of its comments."""
        publishing = self.inputs.publishing
        return Style(
            language=publishing.language or Language.EN,
            shortens=publishing.shortens,
            redactor=self.resources.redactor,
        )


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
    write_last(resources, Outputs())
    step = _read_step(resources)
    outputs = Outputs(verdict=Verdict.SKIPPED, passed=True)
    write_last(resources, outputs)
    finished = step.finished
    with open_github(finished.repository, token=step.token, api_url=finished.api_url) as github:
        found = find_result(github, finished.id, step.artifact_name)
        if isinstance(found, Nothing):
            published = _tell_nothing(found, step, github)
        else:
            published = _tell(found, step, github)
    write_last(resources, replace(outputs, comment_url=published.url))
    if published.failed:
        raise PublishError("the comment was not posted", hint="the warning above says why")
    return published


def _read_step(resources: Resources) -> _Step:
    environ = resources.environ
    inputs = read_inputs(environ, workspace=Path(environ.get("GITHUB_WORKSPACE") or Path.cwd()))
    finished = find_finished_run(environ, read_event(environ), inputs.artifact.run_id)
    for text in inputs.warnings:
        resources.listener(Warned(stage=STAGE, text=text))
    name, token = inputs.artifact.name, inputs.secrets.github_token or environ.get("GITHUB_TOKEN")
    if not name:
        hint = "name it as the workflow that measures uploads report_dir"
        raise UsageError("command: comment needs artifact_name", hint=hint)
    if not token:
        hint = "leave github_token at its default"
        raise UsageError("command: comment needs github_token", hint=hint)
    return _Step(
        inputs=inputs, finished=finished, artifact_name=name, token=token, resources=resources
    )


def _tell_nothing(found: Nothing, step: _Step, github: GitHub) -> Published:
    """Say why there is nothing to tell; a comment that is there must not go on saying pass."""
    kind = Noticed if found.is_expected else Warned
    step.resources.listener(kind(stage=STAGE, text=f"no new comment: {found.why}"))
    mode = step.inputs.publishing.comment
    if found.failed is None or mode is CommentMode.NEVER:
        return Published()
    run, pull = found.failed.run, found.failed.pull
    suites = suites_of_run(run, pull, github.pulls, given=step.inputs.suite_id)
    problem = Problem(what=f"run {run.id} failed without a result", hint="its log says why")
    origin = Origin(run_url=step.finished.url, commit=run.head)
    bodies = unmeasured_bodies([problem], None, origin, step.style)
    target = _target(found.failed, step)
    return post_to_all(suites, bodies, target, github.pulls, step.resources)


def _tell(found: Result, step: _Step, github: GitHub) -> Published:
    comparison = found.records.comparison
    inputs, resources = step.inputs, step.resources
    suite_id = suite_of_run(comparison.suite_id, found.subject.run, given=inputs.suite_id)
    bodies = _bodies(found, step)
    to_summary(resources, inputs, partial(write_summary, texts=_rendered(bodies)))
    if not is_wanted(inputs.publishing.comment, comparison):
        return Published()
    target = replace(
        _target(found.subject, step),
        suite_id=suite_id,
        verdict=None if comparison.verdict is Verdict.ERROR else comparison.verdict,
        regressed=regressed_in(comparison),
        is_for_change=inputs.publishing.comment is CommentMode.ON_CHANGE,
    )
    return post(bodies, target, github.pulls, resources)


def _target(subject: Subject, step: _Step) -> Target:
    """Return the target of a comment without a verdict; what the run itself wrote is left."""
    run = subject.run
    return Target(
        pull=subject.pull.number,
        head=run.head,
        suite_id="",
        run_id=run.id,
        run_attempt=run.attempt,
        job="",
        verdict=None,
        is_guess=True,
        max_chars=step.inputs.publishing.max_chars,
    )


def _bodies(found: Result, step: _Step) -> Bodies:
    run, report = found.subject.run, found.records.report
    origin = Origin(run_url=step.finished.url, is_foreign=run.is_foreign)
    # what was measured GitHub knows, and not the run
    report = replace(report, experiment=replace(report.experiment, commit=run.head))
    return make_bodies(found.records.comparison, report, origin, step.style)


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
