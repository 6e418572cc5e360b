"""The result of a finished run and the pull request that it belongs to, found through GitHub."""

from dataclasses import dataclass

from lm_eval_so.action.github.connection import GitHub
from lm_eval_so.action.github.pulls import Pull
from lm_eval_so.action.github.runs import Run
from lm_eval_so.action.hostile_records import FILES, Records, read_records
from lm_eval_so.action.target import pulls_of_run

_COMMIT_DIGITS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result of a run, and the pull request that it measured."""

    run: Run
    pull: Pull
    records: Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Reason why there is nothing to tell."""

    why: str
    is_expected: bool = True
    """Whether that happens without a mistake, as when a pull request moves on."""


def find_result(github: GitHub, run_id: int, artifact_name: str) -> Result | Nothing:
    """Find the result of a run, and the open pull request whose head it measured.

    The run's artifact decides nothing but between several pull requests of one branch, all of them of
    the run's own author.

    Args:
        github: The connection.
        run_id: Id of the run.
        artifact_name: Name of the artifact with its reports.

    Raises:
        RequestFailed: If GitHub cannot be asked.
        PublishError: If the artifact cannot be used.
    """
    run = github.runs.get(run_id)
    pulls = pulls_of_run(run, github.pulls)
    commit = run.head[:_COMMIT_DIGITS]
    if not pulls:
        return Nothing(
            why=f"run {run.id} has no open pull request at {commit}: it is gone or has moved on"
        )
    artifact = github.artifacts.find(run.id, artifact_name)
    if artifact is None:
        return Nothing(why=f'run {run.id} has no artifact "{artifact_name}", so nothing is told')
    records = read_records(github.artifacts.read(artifact, FILES))
    if len(pulls) > 1:
        base = records.report.experiment.base_ref
        pulls = tuple(pull for pull in pulls if pull.base == base)
    if len(pulls) != 1:
        why = (
            f"several pull requests are at {commit}, and nobody knows which one run {run.id} is of"
        )
        return Nothing(why=why, is_expected=False)
    return Result(run=run, pull=pulls[0], records=records)
