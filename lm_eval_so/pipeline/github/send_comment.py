"""The command `comment`: the comment of a comparison that has its file already."""

from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.action.comment import Published
from lm_eval_so.action.event import Activity, plain_suite_id
from lm_eval_so.action.github.connection import open_github
from lm_eval_so.action.target import Target
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import read_report, refuse_other_report
from lm_eval_so.errors import PublishError, UsageError
from lm_eval_so.pipeline.github.posting import post
from lm_eval_so.pipeline.github.publish import make_bodies, style_of
from lm_eval_so.pipeline.reports import read_comparison
from lm_eval_so.reporter.markdown import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Records that a comment tells."""

    comparison: Comparison
    report: EvaluationReport | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """Address of a pull request."""

    repository: str
    """owner/name."""
    number: int


def read_results(comparison: Path, report: Path | None) -> Results:
    """Read a comparison and the candidate's report.

    Args:
        comparison: comparison.json.
        report: report.json; default: the one beside the comparison, if there is one.

    Raises:
        InputError: If a file cannot be read, or the comparison is about another report.
    """
    beside = comparison.parent / "report.json"
    file = report or (beside if beside.is_file() else None)
    compared = read_comparison(comparison)
    found = read_report(file) if file else None
    hint = "run compare again, or name its own report by --report"
    refuse_other_report(compared, found, files=(comparison, file), hint=hint)
    return Results(comparison=compared, report=found)


def send_comment(
    config: Config,
    resources: Resources,
    results: Results,
    pull: PullRequest,
    activity: Activity,
) -> Published:
    """Create or update the comment.

    Args:
        config: The config.
        resources: Environment, listener and redactor.
        results: The records that the comment tells.
        pull: The pull request.
        activity: The task of the event, where there is one.

    Raises:
        UsageError: If there is no token.
        PublishError: If it could not be posted.
    """
    token = resources.environ.get("GITHUB_TOKEN")
    if not token:
        raise UsageError("GITHUB_TOKEN is not set", hint="export a token that may comment")
    verdict = results.comparison.verdict
    commit = results.report.experiment.commit if results.report else None
    origin = Origin(run_url=activity.run_url, commit=commit)
    style = style_of(config, resources)
    bodies = make_bodies(results.comparison, results.report, origin, style)
    api_url = resources.environ.get("GITHUB_API_URL") or activity.workflow.api_url
    with open_github(pull.repository, token=token, api_url=api_url) as github:
        target = Target(
            pull=pull.number,
            head=commit or github.pulls.get(pull.number).head,
            suite_id=plain_suite_id(results.comparison.suite_id),
            run_id=activity.workflow.id,
            run_attempt=activity.workflow.attempt,
            job=activity.workflow.job_name,
            verdict=None if verdict is Verdict.ERROR else verdict,
        )
        published = post(bodies, target, github.pulls, resources)
    if published.failed:
        raise PublishError("the comment was not posted", hint="the warning above says why")
    return published
