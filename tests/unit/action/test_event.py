import json

import pytest

from lm_eval_so.action.event import Base, BaseRule, find_activity, plain_suite_id, read_event
from lm_eval_so.errors import UsageError

HEAD, BASE, MERGE, BEFORE = "a" * 40, "b" * 40, "c" * 40, "d" * 40
ENVIRON = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_SHA": MERGE,
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_RUN_ID": "6",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_JOB": "evaluate",
    "GITHUB_WORKFLOW": "Evaluate it",
    "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/evaluate.yml@refs/heads/main",
    "GITHUB_SERVER_URL": "https://ghe.example",
    "GITHUB_API_URL": "https://ghe.example/api/v3",
}
REPOSITORY = {"default_branch": "main"}
PULL = {
    "action": "synchronize",
    "pull_request": {
        "number": 7,
        "state": "open",
        "head": {"sha": HEAD, "repo": {"id": 1}},
        "base": {"sha": BASE, "ref": "main", "repo": {"id": 1}},
    },
}


def find(name, payload, **environ):
    return find_activity({**ENVIRON, "GITHUB_EVENT_NAME": name, **environ}, payload)


def pull(**changes):
    return {**PULL, "pull_request": {**PULL["pull_request"], **changes}}


def test_find_activity__pull_request():
    activity = find("pull_request", PULL)
    assert activity.base == Base(rule=BaseRule.PULL_REQUEST, commit=BASE, ref="main")
    assert (activity.pull, activity.head, activity.commit) == (7, HEAD, MERGE)
    assert (activity.skip, activity.is_foreign, activity.may_be_baseline) == (None, False, False)
    assert (activity.takes_pull_number, activity.pull_branch) == (False, None)
    run = activity.workflow
    assert (run.id, run.attempt, run.job) == (6, 2, "evaluate")
    assert run.file == "evaluate.yml"
    assert activity.run_url == "https://ghe.example/o/r/actions/runs/6"
    assert run.api_url == "https://ghe.example/api/v3"
    assert activity.suite_id("support-qa") == "evaluate.yml/evaluate/support-qa"


@pytest.mark.parametrize("payload", [{**PULL, "action": "closed"}, pull(state="closed")])
def test_find_activity__closed_pull_request_is_skipped(payload):
    assert find("pull_request", payload).skip == "the pull request is closed"


@pytest.mark.parametrize(
    ("payload", "environ"),
    [
        (pull(head={"sha": HEAD, "repo": {"id": 2}}), {}),
        (pull(head={"sha": HEAD, "repo": None}), {}),
        (PULL, {"GITHUB_ACTOR": "dependabot[bot]"}),
    ],
    ids=["fork", "deleted fork", "dependabot"],
)
def test_find_activity__foreign_code(payload, environ):
    assert find("pull_request", payload, **environ).is_foreign is True


@pytest.mark.parametrize(
    ("name", "payload", "ref", "base", "may_be_baseline", "pull_branch", "takes_pull_number"),
    [
        ("push", {"before": BEFORE}, "main", ("commit", BEFORE, "main"), True, None, False),
        ("push", {"before": "0" * 40}, "main", ("commit", None, "main"), True, None, False),
        ("push", {}, "feature/x", ("merge_base", None, "main"), False, "o:feature/x", False),
        ("schedule", {}, "main", ("head", None, "main"), True, None, False),
        ("workflow_dispatch", {}, "main", ("head", None, "main"), True, None, True),
        ("workflow_dispatch", {}, "x", ("merge_base", None, "main"), False, None, True),
        (
            "merge_group",
            {"merge_group": {"base_sha": BASE, "base_ref": "refs/heads/main"}},
            "gh-readonly-queue/main/pr-7",
            ("commit", BASE, "main"),
            False,
            None,
            False,
        ),
    ],
)
def test_find_activity__other_events(
    name, payload, ref, base, may_be_baseline, pull_branch, takes_pull_number
):
    activity = find(name, {"repository": REPOSITORY, **payload}, GITHUB_REF=f"refs/heads/{ref}")
    rule, commit, branch = base
    assert activity.base == Base(rule=BaseRule(rule), commit=commit, ref=branch)
    assert activity.may_be_baseline is may_be_baseline
    assert activity.is_proposal is not may_be_baseline
    assert activity.pull_branch == pull_branch
    assert activity.takes_pull_number is takes_pull_number
    assert (activity.pull, activity.head, activity.skip) == (None, MERGE, None)


def test_find_activity__pushed_tag_has_no_pull_request():
    activity = find("push", {"repository": REPOSITORY}, GITHUB_REF="refs/tags/v1")
    assert activity.pull_branch is None
    assert (activity.may_be_baseline, activity.is_proposal) == (False, False)


def test_find_activity__deleted_branch_is_skipped():
    activity = find("push", {"repository": REPOSITORY, "deleted": True})
    assert activity.skip == "the branch was deleted"
    assert activity.may_be_baseline is False


@pytest.mark.parametrize("name", ["pull_request_target", "issue_comment", "workflow_run"])
def test_find_activity__unsupported_events_are_refused(name):
    with pytest.raises(UsageError, match=name):
        find(name, PULL)


@pytest.mark.parametrize(
    ("name", "payload", "warning"),
    [
        ("pull_request", None, "no event file"),
        ("release", {}, "the event release is not known"),
        ("", {}, r"the event \(none\) is not known"),
    ],
)
def test_find_activity__unknown_event_is_local(name, payload, warning):
    activity = find(name, payload)
    assert activity.event == "local"
    assert (activity.pull, activity.pull_branch, activity.takes_pull_number) == (None, None, False)
    [text] = activity.warnings
    assert text.startswith(warning.replace("\\", ""))


@pytest.mark.parametrize("environ", [{}, {"GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": "o/r"}])
def test_find_activity__outside_github(environ):
    activity = find_activity(environ, None)
    assert activity.event == "local"
    assert (activity.repository, activity.run_url, activity.warnings) == (None, None, ())
    assert activity.suite_id("support-qa") == "support-qa"


@pytest.mark.parametrize(
    "payload", [{}, {"pull_request": None}, {"pull_request": []}, pull(number="7")]
)
def test_find_activity__broken_payload(payload):
    activity = find("pull_request", payload)
    assert (activity.pull, activity.has_lost_number) == (None, True)
    assert activity.warnings == (
        "the event names no pull request number, so no comment is written",
    )


@pytest.mark.parametrize(
    ("name", "payload", "is_proposal"),
    [
        ("pull_request", PULL, True),
        ("pull_request", None, True),
        ("pull_request_review", PULL, True),
        ("merge_group", {"merge_group": {"base_sha": BASE, "base_ref": "refs/heads/main"}}, True),
        ("push", {"repository": REPOSITORY}, False),
        ("schedule", {}, False),
        ("workflow_dispatch", {"repository": REPOSITORY}, False),
    ],
)
def test_find_activity__what_is_checked_out_is_only_proposed(name, payload, is_proposal):
    assert find(name, payload).is_proposal is is_proposal
    assert find_activity({}, None).is_proposal is False


@pytest.mark.parametrize(
    ("environ", "prefix"),
    [
        ({}, "evaluate.yml/evaluate/"),
        ({"GITHUB_JOB": "Job"}, "evaluate.yml/job/"),
        ({"GITHUB_JOB": "", "GITHUB_WORKFLOW_REF": "", "GITHUB_WORKFLOW": ""}, None),
    ],
)
def test_suite_prefix__begins_every_suite_id_of_the_job(environ, prefix):
    activity = find("pull_request", PULL, **environ)
    assert activity.suite_prefix == prefix
    assert activity.suite_id("shop").startswith(prefix or "shop")


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, None), ("{", None), ("[1]", None), ('{"action": "오픈"}', {"action": "오픈"})],
)
def test_read_event__only_objects(tmp_path, text, expected):
    path = tmp_path / "event.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert read_event({"GITHUB_EVENT_PATH": str(path)}) == expected
    assert read_event({}) is None


def test_read_event__gives_what_find_activity_takes(tmp_path):
    path = tmp_path / "event.json"
    path.write_text(json.dumps(PULL), encoding="utf-8")
    assert find("pull_request", read_event({"GITHUB_EVENT_PATH": str(path)})).pull == 7


def test_plain_suite_id__long_ones_stay_apart():
    left, right = plain_suite_id("A" * 200 + "x"), plain_suite_id("A" * 200 + "y")
    assert len(left) == len(right) == 120
    assert left != right
    assert plain_suite_id("Evaluate.yml/Job") == "evaluate.yml/job"
