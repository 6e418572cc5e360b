"""`comment`: the comment of a comparison that is there already."""

from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.action.comment import Published
from lm_eval_so.action.event import Activity, plain_suite_id
from lm_eval_so.action.github import open_github
from lm_eval_so.action.target import Target
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.files import read_text
from lm_eval_so.core.records.codec import loads
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.report_file import read_report, refuse_other_report
from lm_eval_so.errors import PublishError, UsageError, Where
from lm_eval_so.pipeline.github.posting import post
from lm_eval_so.pipeline.github.publish import make_bodies
from lm_eval_so.reporter.markdown import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What a comment tells of."""

    comparison: Comparison
    report: EvaluationReport | None


def read_results(comparison: Path, report: Path | None) -> Results:
    """Read a comparison and the candidate's report.

    Args:
        comparison: comparison.json.
        report: report.json; default: that beside the comparison, if there is one.

    Raises:
        InputError: If a file cannot be read, or the comparison is about another report.
    """
    beside = comparison.parent / "report.json"
    file = report or (beside if beside.is_file() else None)
    compared = loads(read_text(comparison), Comparison, where=Where(file=str(comparison)))
    found = read_report(file) if file else None
    hint = "run compare again, or name its own report by --report"
    refuse_other_report(compared, found, files=(comparison, file), hint=hint)
    return Results(comparison=compared, report=found)


def send_comment(
    config: Config,
    resources: Resources,
    results: Results,
    *,
    activity: Activity,
    repository: str,
    number: int,
) -> Published:
    """Create or update the comment.

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
    bodies = make_bodies(config, resources, results.comparison, results.report, origin)
    api_url = resources.environ.get("GITHUB_API_URL") or activity.api_url
    with open_github(repository, token=token, api_url=api_url) as github:
        target = Target(
            pull=number,
            head=commit or github.pull(number).head,
            suite_id=plain_suite_id(results.comparison.suite_id),
            run_id=activity.run_id,
            run_attempt=activity.run_attempt,
            job=f"{activity.job} {activity.runner}",
            verdict=None if verdict is Verdict.ERROR else verdict,
        )
        published = post(bodies, target, github, resources)
    if published.failed:
        raise PublishError("the comment was not posted", hint="the warning above says why")
    return published
