from dataclasses import replace

import pytest
from made_reports import comparison
from servers.fake_github import FakeGitHub

from lm_eval_so.action.event import Activity, Base, BaseRule
from lm_eval_so.action.github.connection import open_github
from lm_eval_so.action.inputs import CommentMode
from lm_eval_so.action.target import find_pull, is_wanted, pulls_of_run, regressed_in
from lm_eval_so.core.records.enums import Verdict

HEAD = "a" * 40


@pytest.mark.parametrize(
    ("mode", "verdict", "wanted"),
    [
        ("always", Verdict.PASS, True),
        ("always", Verdict.SKIPPED, False),
        ("on_change", Verdict.PASS, True),
        ("on_change", Verdict.SKIPPED, False),
        ("on_failure", Verdict.PASS, False),
        ("on_failure", Verdict.REGRESSION, True),
        ("never", Verdict.REGRESSION, False),
    ],
)
def test_is_wanted__by_mode_and_verdict(mode, verdict, wanted):
    assert is_wanted(CommentMode(mode), comparison(verdict)) is wanted


def test_regressed_in__cases_in_any_order():
    found = comparison(Verdict.REGRESSION)
    assert regressed_in(replace(found, changed=found.changed[::-1])) == regressed_in(found)
    assert regressed_in(replace(found, changed=())) != regressed_in(found)
    assert regressed_in(replace(found, metrics={})) != regressed_in(found)


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
def test_find_pull__without_a_call(changes, pr_number, found):
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


HEAD = "a" * 40


@pytest.mark.parametrize(
    ("run", "pull", "is_found"),
    [
        ({}, {}, True),
        ({"event": "push"}, {}, False),
        ({"event": "pull_request_target"}, {}, False),
        ({"conclusion": "cancelled"}, {}, False),
        ({"conclusion": None}, {}, False),
        ({"conclusion": "failure"}, {}, True),
        ({"repo": None}, {}, False),
        ({"head_branch": None}, {}, False),
        ({"head_branch": "c"}, {}, False),
        ({"owner": "other"}, {}, False),
        ({"head_sha": "b" * 40}, {}, False),
        ({"repo": 3}, {}, False),
        ({"repository": {"id": 9}}, {}, False),
        ({}, {"base": (9, "main")}, False),
        ({}, {"state": "closed"}, False),
        ({}, {"repo": None}, False),
    ],
)
def test_pulls_of_run__what_github_says_decides(run, pull, is_found):
    with FakeGitHub() as hub:
        hub.add_run(6, **{"owner": "forker", "repo": 2, "head_sha": HEAD, **run})
        hub.add_pull(7, **{"head": HEAD, "branch": "forker:b", "repo": 2, **pull})
        hub.add_pull(8, head="c" * 40, branch="forker:b", repo=2)  # of another commit
        hub.add_pull(9, head=HEAD, branch="o:b", repo=1)  # the same commit in our own branch
        with open_github("o/r", token="t", api_url=hub.url) as github:
            found = pulls_of_run(github.runs.get(6), github.pulls)
    assert [each.number for each in found] == ([7] if is_found else [])
