import pytest
from made_reports import comparison
from servers.fake_github import FakeGitHub

from lm_eval_so.action.event import Activity, Base, BaseRule
from lm_eval_so.action.github.connection import open_github
from lm_eval_so.action.inputs import CommentMode
from lm_eval_so.action.target import find_pull, is_wanted
from lm_eval_so.core.records.enums import Verdict

HEAD = "a" * 40


@pytest.mark.parametrize(
    ("mode", "verdict", "wanted"),
    [
        ("always", Verdict.PASS, True),
        ("always", Verdict.SKIPPED, False),
        ("on_failure", Verdict.PASS, False),
        ("on_failure", Verdict.REGRESSION, True),
        ("never", Verdict.REGRESSION, False),
    ],
)
def test_is_wanted__by_mode_and_verdict(mode, verdict, wanted):
    assert is_wanted(CommentMode(mode), comparison(verdict)) is wanted


def activity(**changes):
    return Activity(event="push", base=Base(rule=BaseRule.HEAD), head=HEAD, **changes)


@pytest.mark.parametrize(
    ("changes", "pr_number", "found"),
    [
        ({"pull": 7}, 9, 7),
        ({"takes_pull_number": True}, 9, 9),
        ({"takes_pull_number": True}, None, None),
        ({}, 9, None),
    ],
)
def test_find_pull__a17_without_a_call(changes, pr_number, found):
    with FakeGitHub() as hub:
        with open_github("o/r", token="t", api_url=hub.url) as github:
            assert find_pull(activity(**changes), pr_number, github.pulls) == found
        assert hub.requests == []


@pytest.mark.parametrize(
    ("pulls", "found"),
    [
        ([(3, HEAD)], 3),
        ([(3, "b" * 40)], None),
        ([(3, HEAD), (4, "b" * 40)], 3),
        ([(3, HEAD), (4, HEAD)], None),
        ([], None),
    ],
)
def test_find_pull__the_only_one_of_the_pushed_branch(pulls, found):
    with FakeGitHub() as hub:
        for number, head in pulls:
            hub.add_pull(number, head=head, branch="o:feature")
        with open_github("o/r", token="t", api_url=hub.url) as github:
            assert find_pull(activity(pull_branch="o:feature"), None, github.pulls) == found
