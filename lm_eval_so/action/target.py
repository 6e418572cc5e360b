"""Whether there is a comment to write, and on which pull request."""

from typing import assert_never

from lm_eval_so.action.event import Activity
from lm_eval_so.action.github import GitHub
from lm_eval_so.action.inputs import CommentMode
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Verdict


def is_wanted(mode: CommentMode, comparison: Comparison) -> bool:
    """Whether this result is to be told on the pull request; a skipped one never is."""
    if comparison.verdict is Verdict.SKIPPED:
        return False
    match mode:
        case CommentMode.ALWAYS:
            return True
        case CommentMode.ON_FAILURE:
            return not comparison.passed
        case CommentMode.NEVER:
            return False
        case _:
            assert_never(mode)


def find_pull(activity: Activity, pr_number: int | None, github: GitHub) -> int | None:
    """Give the pull request to comment on, or None.

    Args:
        activity: What the event asks for.
        pr_number: The input; it counts for events that have no pull request of their own.
        github: Asked only for the open pull request of a pushed branch.

    Raises:
        RequestFailed: If GitHub cannot be asked.
    """
    if activity.pull is not None:
        return activity.pull
    if activity.takes_pull_number:
        return pr_number
    if activity.pull_branch is None:
        return None
    found = [pull for pull in github.open_pulls(activity.pull_branch) if pull.head == activity.head]
    return found[0].number if len(found) == 1 else None
