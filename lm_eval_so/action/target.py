"""The target of a comment: its pull request, and whether there is a comment to write."""

import json
from dataclasses import dataclass
from typing import Final, assert_never

from lm_eval_so.action.event import Activity, plain_suite_id
from lm_eval_so.action.github.pulls import Pull, Pulls
from lm_eval_so.action.github.runs import Run
from lm_eval_so.action.inputs import CommentMode
from lm_eval_so.action.marker import digest, suite_of
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Verdict
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.core.words.broken_cases import named_cases
from lm_eval_so.errors import PublishError

MOST_COMMENTS: Final = 3000
"""Comments of a pull request that are looked through."""

_OF_FORKS: Final = "fork/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Target of a comment, and the run that writes it."""

    pull: int
    head: str
    """Commit that was evaluated; the comment is written only while it is the head."""
    suite_id: str
    run_id: int
    run_attempt: int
    job: str
    verdict: Verdict | None
    """Measured verdict; null if nothing was measured: then the comment keeps its old verdict."""
    regressed: str = ""
    """Digest of what got worse."""
    is_for_change: bool = False
    """Whether a comment that tells the same verdict and the same losses is left as it is."""
    is_guess: bool = False
    """Whether this run may have told it better already, so that a comment that it wrote is left: the
    suite is only a guess, or another workflow tells the run."""
    max_chars: int = 60_000
    """Size budget in UTF-16 units: at most 65,000, which are fewer than the 65,536 characters of
    GitHub's message and the 262,144 bytes of UTF-8 that it was seen to store."""


def is_wanted(mode: CommentMode, comparison: Comparison) -> bool:
    """Return whether a result is told on the pull request; a skipped one never is."""
    if comparison.verdict is Verdict.SKIPPED:
        return False
    match mode:
        case CommentMode.ALWAYS | CommentMode.ON_CHANGE:
            return True
        case CommentMode.ON_FAILURE:
            return not comparison.passed
        case CommentMode.NEVER:
            return False
        case _:
            assert_never(mode)


def regressed_in(comparison: Comparison) -> str:
    """Return the digest of what got worse: cases, and metrics that are a regression."""
    metrics = (key for key, m in comparison.metrics.items() if m.verdict is Verdict.REGRESSION)
    changed = (case.sample_id for case in comparison.changed if case.change == "worse")
    broken = (case.sample_id for case in named_cases(comparison.broken))
    return digest(json.dumps([sorted(metrics), sorted({*changed, *broken})]))


def find_pull(activity: Activity, pr_number: int | None, pulls: Pulls) -> int | None:
    """Return the pull request to comment on, or None.

    Args:
        activity: The task that the event sets.
        pr_number: The input; it counts for events that have no pull request of their own.
        pulls: Asked only for the open pull request of a pushed branch.

    Raises:
        RequestFailed: If GitHub cannot be asked.
    """
    if activity.pull is not None:
        return activity.pull
    if activity.takes_pull_number:
        return pr_number
    if activity.pull_branch is None:
        return None
    found = [pull for pull in pulls.open_of(activity.pull_branch) if pull.head == activity.head]
    return found[0].number if len(found) == 1 else None


def pulls_of_run(run: Run, pulls: Pulls) -> tuple[Pull, ...]:
    """Return the open pull requests that a run measured, if they have not moved on since.

    GitHub alone is asked: what the run's own code wrote may name any pull request, and the run's list
    of pull requests is empty for forks.

    Args:
        run: The run; none but finished ones of `pull_request` have a pull request.
        pulls: The pull requests of the repository.

    Raises:
        RequestFailed: If GitHub cannot be asked.
    """
    is_finished = run.event == "pull_request" and run.conclusion not in {None, "cancelled"}
    if not is_finished or run.owner is None or run.branch is None:
        return ()
    return tuple(
        pull
        for pull in pulls.open_of(f"{run.owner}:{run.branch}")
        if pull.head == run.head
        and pull.head_repository == run.head_repository
        and pull.base_repository == run.repository
    )


def suite_of_run(claimed: str, run: Run, *, given: str | None) -> str:
    """Return the suite id under which the result of a run is told.

    The claim is the run's own. So it may name suites of the run's workflow alone; and a fork's have
    names of their own, so that its result never takes the place of one that our code measured.

    Args:
        claimed: The suite id in the run's comparison.
        run: The run, as GitHub tells it.
        given: The suite id that the telling step names; it needs no claim.

    Raises:
        PublishError: If the claim is the suite of another workflow.
    """
    suite_id = plain_suite_id(given or claimed)
    if not given and not suite_id.startswith(f"{run.file.lower()}/"):
        what = f'the run names the suite "{cut(suite_id, 120)}", which is none of {run.file}'
        raise PublishError(what, hint=f"give this step the suite_id of the step in {run.file}")
    return plain_suite_id(f"{_OF_FORKS}{suite_id}") if run.is_foreign else suite_id


def suites_of_run(run: Run, pull: Pull, pulls: Pulls, *, given: str | None) -> tuple[str, ...]:
    """Return the suites that have a comment of ours and that a run may tell of.

    Args:
        run: The run, as GitHub tells it.
        pull: The pull request that it measured.
        pulls: The pull requests of the repository.
        given: The suite id that the telling step names.

    Raises:
        RequestFailed: If GitHub cannot be asked.
    """
    whole = suite_of_run(f"{run.file}/", run, given=given)
    found = suites_on(pull.number, whole, pulls)
    return tuple(suite for suite in found if not given or suite == whole)


def suites_on(pull: int, prefix: str, pulls: Pulls) -> tuple[str, ...]:
    """Return the suites with this prefix that have a comment of ours.

    Raises:
        RequestFailed: If GitHub cannot be asked.
    """
    me = pulls.viewer().lower()
    bodies = [c.body for c in pulls.comments(pull, most=MOST_COMMENTS) if c.author.lower() == me]
    found = dict.fromkeys(suite for suite in map(suite_of, bodies) if suite)
    return tuple(suite for suite in found if suite.startswith(prefix))
