"""What is told to GitHub, in this order: outputs, job summary, annotations, comment, outputs again.

Measured first, published last: a GitHub that does not answer never loses a measurement.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lm_eval_so.action.comment import Published, Target, publish
from lm_eval_so.action.event import Activity, plain_suite_id
from lm_eval_so.action.github import GitHub, RequestFailed, open_github
from lm_eval_so.action.inputs import Inputs
from lm_eval_so.action.outputs import Outputs, annotations, outputs_of, write_outputs, write_summary
from lm_eval_so.action.target import find_pull, is_wanted
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.pipeline.measure import Measured
from lm_eval_so.reporter.markdown import Origin, comment_body

STAGE = "publish"
_LEVELS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How telling GitHub went."""

    outputs: Outputs
    annotations: tuple[str, ...]
    """Workflow commands for the log."""
    comment_failed: bool
    """There was a comment to post, and it was not posted."""


def make_bodies(
    config: Config,
    resources: Resources,
    comparison: Comparison,
    report: EvaluationReport | None,
    origin: Origin,
) -> Callable[[int], str]:
    """Give the comment's text by level of detail, 0 (all) to 4 (least)."""

    @cache
    def body(level: int) -> str:
        return comment_body(
            comparison,
            report,
            level=level,
            language=config.language,
            origin=origin,
            examples=config.report.examples,
            redactor=resources.redactor,
        )

    return body


def tell_github(
    config: Config,
    resources: Resources,
    measured: Measured,
    *,
    activity: Activity,
    inputs: Inputs,
    workspace: Path,
    head: str | None,
) -> Told:
    """Tell GitHub what was found.

    Args:
        config: The config.
        resources: Environment and listener.
        measured: What was found.
        activity: What the event asks for.
        inputs: What the workflow asks for.
        workspace: Root of the checkout; output paths are relative to it.
        head: The commit that was evaluated.
    """
    comparison, report = measured.comparison, measured.report
    names = {path.name: path for path in measured.files}
    wanted = is_wanted(inputs.comment, comparison) and _has_place(activity, inputs)
    outputs = replace(
        outputs_of(comparison, report),
        report_json=_relative(names.get("report.json"), workspace),
        report_md=_relative(names.get("report.md"), workspace),
        comment_file_written=wanted,
    )
    write_to(resources.environ, outputs)
    origin = Origin(run_url=activity.run_url, commit=head)
    bodies = make_bodies(config, resources, comparison, report, origin)
    summary = resources.environ.get("GITHUB_STEP_SUMMARY")
    if inputs.job_summary and summary:
        _summarise(Path(summary), _summaries(measured, bodies), resources)
    published = Published()
    if wanted:
        published = _comment(config, resources, bodies, activity, inputs, head=head)
    outputs = replace(
        outputs, comment_url=published.url, comment_file_written=wanted and not published.url
    )
    write_last(resources, outputs)
    return Told(
        outputs=outputs,
        annotations=annotations(
            comparison, most=inputs.max_annotations, redactor=resources.redactor
        ),
        comment_failed=published.failed,
    )


def _summarise(file: Path, texts: Iterator[str], resources: Resources) -> None:
    try:
        write_summary(file, texts)
    except OSError as error:  # the comment is still to come
        text = f"no job summary: {error.strerror or error}"
        resources.listener(Warned(stage=STAGE, text=text))


def _summaries(measured: Measured, bodies: Callable[[int], str]) -> Iterator[str]:
    for path in measured.files:
        if path.name == "report.md":
            yield path.read_text(encoding="utf-8")
    yield from (bodies(level) for level in range(_LEVELS))


def write_to(environ: Mapping[str, str], outputs: Outputs) -> str | None:
    """Write the Action's outputs, where GitHub takes them; return why that fails, or None."""
    if file := environ.get("GITHUB_OUTPUT"):
        try:
            write_outputs(Path(file), outputs)
        except OSError as error:
            return error.strerror or str(error)
    return None


def write_last(resources: Resources, outputs: Outputs) -> None:
    """Write the outputs that stay, and warn if they cannot be: no result is lost by that."""
    if reason := write_to(resources.environ, outputs):
        resources.listener(Warned(stage=STAGE, text=f"no outputs: {reason}"))


def post(
    bodies: Callable[[int], str], target: Target, github: GitHub, resources: Resources
) -> Published:
    """Post a comment and tell what happened."""
    published = publish(bodies, target, github)
    for text in published.notices:
        resources.listener(Noticed(stage=STAGE, text=text))
    for text in published.warnings:
        resources.listener(Warned(stage=STAGE, text=text))
    if published.url:
        resources.listener(Noticed(stage=STAGE, text=f"comment: {published.url}"))
    return published


def _comment(
    config: Config,
    resources: Resources,
    bodies: Callable[[int], str],
    activity: Activity,
    inputs: Inputs,
    *,
    head: str | None,
) -> Published:
    # a workflow that is started by hand may check out another commit than the event's
    evaluated = head if activity.takes_pull_number else activity.head
    token = inputs.github_token or resources.environ.get("GITHUB_TOKEN")
    if not activity.repository or not evaluated:
        return Published()
    if not token:
        text = "no token, so no comment; the report is written, and is in the job summary"
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
            return Published()
        target = Target(
            pull=number,
            head=evaluated,
            suite_id=plain_suite_id(inputs.suite_id or activity.suite_id(config.suite)),
            run_id=activity.run_id,
            run_attempt=activity.run_attempt,
            job=f"{activity.job} {activity.runner}",
            max_chars=inputs.comment_max_chars,
        )
        return post(bodies, target, github, resources)


def _has_place(activity: Activity, inputs: Inputs) -> bool:
    by_number = activity.takes_pull_number and inputs.pr_number is not None
    return activity.pull is not None or activity.pull_branch is not None or by_number


def _relative(path: Path | None, workspace: Path) -> str:
    if path is None:
        return ""
    full, root = path.resolve(), workspace.resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(path)
