"""The base commit and its files, where the checkout does not hold them."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from servers.fake_github import FakeGitHub
from servers.pull_request import GOOD, PATH, Pull, open_pull

from lm_eval_so.action.event import Base, BaseRule
from lm_eval_so.action.github.connection import open_github
from lm_eval_so.core.git import NotServed
from lm_eval_so.errors import NoBaseline
from lm_eval_so.pipeline.base.base_commit import not_before
from lm_eval_so.pipeline.github.surroundings import Surroundings

TOKEN = "ghs_token_of_the_workflow"


@pytest.fixture
def pull(tmp_path: Path) -> Pull:
    return open_pull(tmp_path)


@pytest.fixture
def hub(pull: Pull) -> FakeGitHub:
    found = FakeGitHub(prefix="/api/v3")
    found.repository = pull.origin
    return found


def connected(pull: Pull, hub: FakeGitHub) -> Pull:
    connect = partial(open_github, "o/r", token=TOKEN, api_url=hub.url, retry_wait_s=0)
    return replace(pull, connect=connect)


@pytest.mark.parametrize("ref", ["pull/7/merge", "topic"])
def test_a_shallow_checkout__github_tells_base_and_baseline(
    pull: Pull, hub: FakeGitHub, ref: str
) -> None:
    main = pull.run("rev-parse", "main")
    pull.run("tag", "main", "topic")  # which is no branch, whatever its name
    pull.fetch(1, ref)
    with hub:
        there = connected(pull, hub)
        assert there.base().commit == main
        assert there.found() == there.found(explicit=PATH) == "good git"
        assert there.found(path="new.json") == "none: not there"
        assert there.anchor() == "good git"
        assert there.found(ref="HEAD") == "none: ref_not_in_base"
    assert {each.headers["authorization"] for each in hub.requests} == {f"token {TOKEN}"}
    assert all(each.path.startswith("/api/v3/repos/o/r/") for each in hub.requests)
    assert pull.found() == "none: base_unknown"  # without a token


@pytest.mark.parametrize("depth", [0, 1])
def test_a_head_that_left_before_the_config__is_held_against_its_target(
    pull: Pull, hub: FakeGitHub, depth: int
) -> None:
    left = pull.run("rev-parse", "main")
    pull.run("checkout", "-q", "main")
    pull.write("new.yaml", "version: 1")
    pull.commit("main")
    main = pull.run("rev-parse", "main")
    pull.fetch(depth, "topic")
    with hub:
        there = connected(pull, hub)
        base = there.base()
        given = {"cwd": pull.workspace, "connect": there.connect}
        new, absent = pull.workspace / "new.yaml", pull.workspace / "absent.yaml"
        found = not_before(base, new, pull.activity, **given)
        assert (base.commit, found.commit) == (left, main)
        assert found.files is not None
        assert found.files.read(new) == b"version: 1"
        assert not_before(base, pull.workspace / PATH, pull.activity, **given) is base
        assert not_before(base, absent, pull.activity, **given) is base
        group = replace(pull.activity, base=Base(rule=BaseRule.COMMIT, commit=left, ref="main"))
        assert not_before(base, new, group, **given) is base


def test_surroundings__find_the_base_once_for_all_who_ask(pull: Pull) -> None:
    pull.fetch(2)
    place, activity = pull.workspace, pull.activity
    around = Surroundings(environ={}, activity=activity, inputs=None, workspace=place)
    found = around.base(place)
    assert found.commit == pull.run("rev-parse", "main")
    assert around.base(place) is found


def test_a_checkout_that_holds_it__github_is_not_asked(pull: Pull, hub: FakeGitHub) -> None:
    pull.fetch(2)
    with hub:
        assert connected(pull, hub).found() == "good git"
        assert connected(pull, hub).found(path="new.json") == "none: not there"
    assert not hub.requests


@pytest.mark.parametrize("depth", [1, 2])
def test_a_push__what_was_there_before_is_the_base(pull: Pull, hub: FakeGitHub, depth: int) -> None:
    pull.run("checkout", "-q", "--detach", "main")
    pull.commit("main")
    pull.commit("main")
    pull.run("update-ref", "refs/pull/7/merge", "HEAD")
    pull.fetch(depth)
    push = replace(pull.activity, event="push", is_proposal=False)
    main, above = (pull.run("rev-parse", name) for name in ("main", "HEAD^"))
    with hub:
        there = connected(pull, hub)
        for before, found in (
            (main, main),
            (pull.run("rev-parse", "topic"), above),  # no ancestor: it was forced
            ("a" * 40, above),
            (None, above),
        ):
            base = Base(rule=BaseRule.COMMIT, commit=before)
            assert there.base(replace(push, base=base)).commit == found
        hub.fail("GET", "/", 500, "no", times=9)
        base = Base(rule=BaseRule.COMMIT, commit=main)
        # as git alone tells it
        assert there.base(replace(push, base=base)).commit == (above if depth == 2 else None)


def test_a_merge_group__has_the_base_of_its_event_and_no_other(pull: Pull, hub: FakeGitHub) -> None:
    pull.run("update-ref", "refs/pull/7/merge", "topic")
    pull.fetch(1)
    base = Base(rule=BaseRule.COMMIT, commit=pull.run("rev-parse", "main"))
    group = replace(pull.activity, event="merge_group", base=base)
    with hub:
        there = connected(pull, hub)
        assert there.base(group).commit == base.commit
        no_base = replace(group, base=replace(base, commit="a" * 40))
        assert there.base(no_base).commit is None


@pytest.mark.parametrize(
    ("part", "status", "times", "code"),
    [
        ("/commits/", 403, 9, "base_refused"),
        ("/commits/", 502, 9, "base_refused"),
        ("/contents/", 403, 9, "not_served"),
        ("/contents/", 302, 9, "not_served"),
        ("/contents/", 502, 3, ""),
    ],
)
def test_github_refuses__no_baseline_and_the_reason_says_so(
    pull: Pull, hub: FakeGitHub, part: str, status: int, times: int, code: str
) -> None:
    pull.fetch(1)
    away = {"Location": "http://127.0.0.1:1/elsewhere"}
    with hub:
        there = connected(pull, hub)
        hub.fail("GET", part, status, "Resource not accessible", times=times, headers=away)
        assert there.found() == (f"none: {code}" if code else "good git")
        if code:
            with pytest.raises(NoBaseline, match="Resource not accessible") as raised:
                there.found(policy="fail")
            assert "contents: read" in (raised.value.problems[0].hint or "")


def test_a_sparse_checkout__github_has_what_git_left_out(pull: Pull, hub: FakeGitHub) -> None:
    pull.run("config", "uploadpack.allowFilter", "true")
    pull.fetch(2, "pull/7/merge", "--filter=blob:none")
    with hub:
        assert connected(pull, hub).found() == "good git"
        hub.fail("GET", "/contents/", 500, "no", times=9)
        assert connected(pull, hub).found() == "none: not_served"


def test_read__a_file_by_its_name_byte_by_byte(pull: Pull, hub: FakeGitHub) -> None:
    large = b"\xff\r\n" * 700_000  # over 1 MB, and no UTF-8
    pull.run("checkout", "-q", "main")
    (pull.origin / "큰 파일 #1?.json").write_bytes(large)
    (pull.origin / "link.json").symlink_to(PATH)
    pull.commit("main")
    pull.run("checkout", "-q", "topic")
    pull.merge()
    pull.fetch(1)
    pull.here("clone", "-q", "--depth=1", "--branch=topic", pull.origin.as_uri(), "beside")
    with hub:
        files = connected(pull, hub).base().files
        assert files is not None
        for name, content in (
            ("큰 파일 #1?.json", large),
            ("up/../기준/shop.json", GOOD.encode()),
            ("link.json", GOOD.encode()),
            ("기준", None),
            ("없음.json", None),
            (f"beside/{PATH}", None),  # of another checkout
            ("../other.json", None),
        ):
            assert files.read(pull.workspace / name) == content, name
        hub.fail("GET", "/contents/", 401, "Bad credentials")
        with pytest.raises(NotServed, match="Bad credentials"):
            files.read(pull.workspace / PATH)
