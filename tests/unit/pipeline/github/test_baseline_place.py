"""Where the baseline of a pull request is read, in checkouts as actions/checkout makes them."""

from dataclasses import replace
from pathlib import Path

import pytest
from servers.commands import git
from servers.pull_request import BAD, GOOD, PATH, Pull, open_pull

from lm_eval_so.action.event import Activity, Base, BaseRule
from lm_eval_so.comparator.baseline.find import Place, find_anchor, find_baseline
from lm_eval_so.comparator.exemptions.files import read_accepted
from lm_eval_so.core.records.comparison import Reason
from lm_eval_so.errors import InputError, NoBaseline, UsageError
from lm_eval_so.pipeline.base.base_commit import (
    find_base,
    find_trusted_base,
)
from lm_eval_so.pipeline.github.baseline_place import (
    as_checked_out,
    find_anchor_place,
    find_control,
    find_place,
    is_brought,
    with_own_cache,
)
from lm_eval_so.pipeline.github.unloaded_config import ConfigSource


@pytest.fixture
def pull(tmp_path: Path) -> Pull:
    return open_pull(tmp_path)


@pytest.mark.parametrize(
    ("depth", "found"), [(1, "none: base_unknown"), (2, "good git"), (0, "good git")]
)
def test_find_place__the_baseline_of_the_merge_s_base(pull: Pull, depth: int, found: str) -> None:
    pull.fetch(depth)
    assert pull.found() == found
    # so does a report that the workflow names, but the pull request holds
    assert pull.found(explicit=PATH) == found


@pytest.mark.parametrize(
    ("depth", "ref", "fix"),
    [(1, "pull/7/merge", "2"), (1, "topic", "0"), (2, "topic", "0")],
)
def test_find_place__says_how_deep_a_checkout_it_takes(
    pull: Pull, depth: int, ref: str, fix: str
) -> None:
    pull.fetch(depth, ref)
    with pytest.raises(NoBaseline, match="git does not know the base commit here") as raised:
        pull.found(policy="fail")
    assert raised.value.problems[0].hint == f"give actions/checkout fetch-depth: {fix}"


@pytest.mark.parametrize(("depth", "found"), [(2, "none: base_unknown"), (0, "good git")])
def test_find_place__the_first_parent_of_a_head_is_its_own(
    pull: Pull, depth: int, found: str
) -> None:
    pull.run("checkout", "-q", "main")
    pull.commit("main")
    pull.run("checkout", "-q", "topic")
    pull.run("merge", "-q", "--no-ff", "-m", "take main in", "main")
    pull.merge()
    pull.fetch(depth, "topic")
    assert pull.found() == found


def test_find_place__a_base_that_was_pushed_away_is_still_that_of_the_merge(pull: Pull) -> None:
    pull.fetch(2)
    merged = pull.activity
    pull.run("checkout", "-q", "--orphan", "new")
    pull.commit("new")
    pull.run("branch", "-qM", "main")
    assert find_base(merged, cwd=pull.workspace) == pull.here("rev-parse", "HEAD^1")
    assert pull.found() == "good git"


def test_find_place__a_head_without_a_common_ancestor_has_no_base(pull: Pull) -> None:
    pull.run("checkout", "-q", "--orphan", "new")
    pull.commit("new")
    pull.run("branch", "-qM", "main")
    pull.fetch(0, "topic")
    assert pull.found() == "none: base_unknown"


def test_find_place__a_tag_cannot_pass_for_the_base_branch(pull: Pull) -> None:
    pull.fetch(0, "topic")
    pull.here("tag", "origin/main", "HEAD")
    assert pull.found() == "good git"


@pytest.mark.parametrize("ref", ["HEAD", "HEAD~0", "refs/remotes/origin/topic", "v2", "HEAD^2"])
def test_find_place__a_revision_of_the_pull_request_is_no_baseline(pull: Pull, ref: str) -> None:
    pull.fetch(0)
    pull.here("tag", "v2", "HEAD^2")
    assert pull.found(ref=ref) == "none: ref_not_in_base"
    with pytest.raises(NoBaseline, match="is no commit of the base branch"):
        pull.found(ref=ref, policy="fail")


@pytest.mark.parametrize("ref", ["origin/main", "HEAD^", "v1"])
def test_find_place__a_revision_of_the_base_is_one(pull: Pull, ref: str) -> None:
    pull.fetch(0)
    pull.here("tag", "v1", "HEAD^1")
    assert pull.found(ref=ref) == "good git"


def test_find_place__a_revision_that_nobody_can_place(pull: Pull) -> None:
    pull.fetch(1)
    assert pull.found(ref="HEAD") == "none: base_unknown"
    with pytest.raises(InputError, match="git knows no commit v9 here"):
        pull.found(ref="v9")


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", ["link.json", "folder/shop.json", "folder/../기준/shop.json"])
def test_find_place__a_link_of_the_pull_request_decides_what_is_read(
    pull: Pull, name: str, depth: int
) -> None:
    pull.run("checkout", "-q", "topic")
    (pull.origin / "link.json").symlink_to(PATH)
    (pull.origin / "folder").symlink_to("기준")
    pull.commit("topic")
    pull.merge()
    pull.fetch(depth)
    assert pull.found(explicit=name).startswith(("none", "good git"))
    assert pull.found(path=name).startswith(("none", "good git"))


def test_with_own_cache__answers_that_the_pull_request_brings_do_not_count(pull: Pull) -> None:
    pull.run("checkout", "-q", "topic")
    pull.write("log/cache.sqlite-wal", "SQLite puts it over what a step restored")
    pull.write("votes.sqlite", "of no judge")
    (pull.origin / "link.sqlite").symlink_to("votes.sqlite")
    pull.commit("topic")
    pull.merge()
    pull.fetch(1)
    for name in ("restored.sqlite", "log/cache.sqlite"):
        (pull.workspace / name).write_text("by a step")
    kept = {}
    for name in (
        "votes.sqlite",
        "link.sqlite",
        "log/cache.sqlite",
        "restored.sqlite",
        "new.sqlite",
    ):
        run = pull.config().run.model_copy(update={"cache": Path(name)})
        config = pull.config().model_copy(update={"run": run})
        kept[name] = with_own_cache(config, pull.activity).run.cache is not False
        on_main = replace(pull.activity, is_proposal=False)
        assert with_own_cache(config, on_main) is config
    assert [name for name in kept if kept[name]] == ["restored.sqlite", "new.sqlite"]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", ["jump/../own.json", "jump/../step.json", "two/../own.json"])
def test_find_place__a_step_up_behind_a_link_of_the_pull_request(
    pull: Pull, name: str, depth: int
) -> None:
    """The system goes up from where the link leads to, and not from where it stands."""
    pull.run("checkout", "-q", "topic")
    pull.write("far/away/other.json", BAD)
    pull.write("far/own.json", BAD)
    (pull.origin / "jump").symlink_to("far/away")
    (pull.origin / "two").symlink_to("jump/../away")
    pull.commit("topic")
    pull.merge()
    pull.fetch(depth)
    (pull.workspace / "far/step.json").write_text(BAD, encoding="utf-8")
    assert (pull.workspace / name).exists()
    assert pull.found(explicit=name).startswith("none")
    assert pull.found(path=name).startswith("none")


def test_find_place__a_link_that_a_step_made_to_a_file_of_the_pull_request(pull: Pull) -> None:
    pull.fetch(1)
    (pull.workspace / "two.json").symlink_to("one.json")
    (pull.workspace / "one.json").symlink_to(PATH)
    assert pull.found(explicit="two.json") == "none: base_unknown"


def test_find_place__a_submodule_is_chosen_by_the_pull_request(pull: Pull, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git("init", "-q", cwd=other)
    (other / "shop.json").write_text(BAD, encoding="utf-8")
    git("add", ".", cwd=other)
    git("commit", "-qm", "bad", cwd=other)
    pull.run("checkout", "-q", "topic")
    allowed = ("-c", "protocol.file.allow=always")
    pull.run(*allowed, "submodule", "add", "-q", other.as_uri(), "sub")
    pull.commit("topic")
    pull.merge()
    pull.fetch(1)
    pull.here(*allowed, "submodule", "update", "--init", "-q")
    assert (pull.workspace / "sub/shop.json").exists()
    assert pull.found(explicit="sub/shop.json") == "none: base_unknown"


def test_find_place__a_config_in_a_submodule_has_none_of_its_history(
    pull: Pull, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git("init", "-q", cwd=other)
    (other / "shop.json").write_text(BAD, encoding="utf-8")
    git("add", ".", cwd=other)
    git("commit", "-qm", "bad", cwd=other)
    pull.run("checkout", "-q", "topic")
    allowed = ("-c", "protocol.file.allow=always")
    pull.run(*allowed, "submodule", "add", "-q", other.as_uri(), "sub")
    pull.commit("topic")
    pull.merge()
    pull.fetch(2)
    pull.here(*allowed, "submodule", "update", "--init", "-q")
    inside = Pull(pull.origin, pull.workspace / "sub")
    for ref in ("", "HEAD"):
        place = find_place(
            inside.config(path="shop.json", ref=ref), pull.activity, inside.base(pull.activity)
        )
        assert place.unreadable is not None
        assert place.unreadable.code == "in_submodule"
    demanding = inside.config(path="shop.json", policy="fail")
    with pytest.raises(NoBaseline, match="the config lies in a submodule"):
        find_baseline(demanding, Place(unreadable=place.unreadable), is_demanded=True)
    pull.here("clone", "-q", "--branch", "main", pull.origin.as_uri(), "beside")
    beside = replace(inside, workspace=pull.workspace / "beside")
    place = find_place(beside.config(), pull.activity, beside.base(pull.activity))
    assert place.unreadable is None  # a step of the job made it


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", ["dl/[내] *.json", ":x.json"])
def test_find_place__a_file_that_a_step_put_there_is_taken(
    pull: Pull, name: str, depth: int
) -> None:
    pull.fetch(depth)
    (pull.workspace / "dl").mkdir()
    (pull.workspace / name).write_text(GOOD, encoding="utf-8")
    assert pull.found(explicit=name) == "good file"
    assert pull.found(path=name) == "good file"


def test_find_place__what_the_base_has_wins_over_a_file_that_a_step_put_there(pull: Pull) -> None:
    pull.run("checkout", "-q", "topic")
    (pull.origin / PATH).unlink()
    pull.commit("topic")
    pull.merge()
    pull.fetch(2)
    assert pull.found(explicit=PATH) == "good git"
    (pull.workspace / PATH).parent.mkdir(exist_ok=True)
    (pull.workspace / PATH).write_text(BAD, encoding="utf-8")
    assert pull.found() == "good git"
    # which the workflow names: it wins over everything
    assert pull.found(explicit=PATH) == "bad file"


@pytest.mark.parametrize("branch", ["main", "topic"])
def test_find_place__another_checkout_beside_it(pull: Pull, branch: str) -> None:
    pull.fetch(1)
    arguments = ["clone", "-q", "--branch", branch, pull.origin.as_uri(), "beside"]
    pull.here(*arguments)
    found = pull.found(explicit=f"beside/{PATH}")
    assert found == ("good file" if branch == "main" else "none: base_unknown")


def test_find_place__a_named_file_that_is_nowhere_is_an_error(pull: Pull) -> None:
    pull.fetch(2)
    with pytest.raises(InputError, match="no such file"):
        pull.found(explicit="gone.json")


def test_find_place__no_repository(pull: Pull) -> None:
    pull.fetch(1)
    (pull.workspace / ".git").rename(pull.workspace.parent / "gone")
    assert pull.found() == pull.found(explicit=PATH) == "none: no_repository"
    with pytest.raises(NoBaseline, match="there is no git repository here"):
        pull.found(policy="fail")
    assert pull.found(path=None) == "none: not there"


def test_find_place__a_first_baseline_is_none_yet(pull: Pull) -> None:
    pull.run("checkout", "-q", "topic")
    pull.write("new.json", BAD)
    pull.commit("topic")
    pull.merge()
    pull.fetch(2)
    assert pull.found(path="new.json") == "none: not there"
    assert pull.found(explicit="new.json") == "none: not there"


@pytest.mark.parametrize(
    ("target", "found"),
    [("../store/real.json", "good git"), ("gone.json", "none: not there"), ("/etc/hostname", "")],
)
def test_find_place__the_baseline_of_the_base_is_a_link(
    pull: Pull, target: str, found: str
) -> None:
    pull.run("checkout", "-q", "main")
    pull.write("store/real.json", GOOD)
    (pull.origin / PATH).unlink()
    (pull.origin / PATH).symlink_to(target)
    pull.commit("main")
    pull.run("branch", "-qf", "topic", "main")
    pull.run("checkout", "-q", "topic")
    pull.write("store/real.json", BAD)
    pull.commit("topic")
    pull.merge()
    pull.fetch(2)
    if found:
        assert pull.found() == found
        return
    with pytest.raises(UsageError, match=r"shop\.json is a symbolic link that leads out of"):
        pull.found()


@pytest.mark.parametrize(("depth", "found"), [(2, "none: base_unknown"), (0, "good git")])
def test_find_place__a_merge_group_that_was_rebased(pull: Pull, depth: int, found: str) -> None:
    """Its last commit has another one of the pull request above it."""
    pull.run("checkout", "-q", "topic")
    pull.commit("topic")
    pull.run("update-ref", "refs/pull/7/merge", "topic")
    pull.fetch(depth)
    base = Base(rule=BaseRule.COMMIT, commit=pull.run("rev-parse", "main"))
    group = replace(pull.activity, event="merge_group", base=base)
    place = find_place(pull.config(), group, pull.base(group))
    report, where = find_baseline(pull.config(), place)
    if report is None:
        assert where.reason is not None
        assert found == f"none: {where.reason.code}"
    else:
        assert found == f"{'good' if report.metrics['exact_match'].mean else 'bad'} git"


def test_find_place__a_push_is_as_it_was(pull: Pull) -> None:
    pull.fetch(1)
    push = replace(pull.activity, is_proposal=False, base=Base(rule=BaseRule.COMMIT))
    place = find_place(pull.config(), push, pull.base(push))
    assert place == Place()
    assert find_baseline(pull.config(), place)[1].source == "file"


@pytest.mark.parametrize(
    ("depth", "found"), [(1, f"none: base_unknown {PATH}"), (2, "good git"), (0, "good git")]
)
def test_find_anchor_place__a_pull_request_cannot_bring_its_own(
    pull: Pull, depth: int, found: str
) -> None:
    pull.fetch(depth)
    assert pull.anchor() == found
    bad = "none: ref_not_in_base" if depth == 0 else "none: base_unknown"
    assert pull.anchor(ref="HEAD") == f"{bad if depth != 2 else 'none: ref_not_in_base'} {PATH}"


def test_find_anchor_place__one_that_only_the_pull_request_has_is_none(pull: Pull) -> None:
    pull.run("checkout", "-q", "topic")
    pull.write("new.json", GOOD)
    pull.commit("topic")
    pull.merge()
    pull.fetch(2)
    assert pull.anchor("new.json") == "none: not there new.json"


def test_find_anchor_place__a_file_that_a_step_put_there_is_taken(pull: Pull) -> None:
    pull.fetch(2)
    (pull.workspace / "release.json").write_text(GOOD, encoding="utf-8")
    assert pull.anchor("release.json") == "good file"


def test_find_anchor_place__none_is_named(pull: Pull) -> None:
    pull.fetch(2)
    made = pull.config()
    assert find_anchor(made, find_anchor_place(made, pull.activity, pull.base())) is None


def control(pull: Pull, activity: Activity | None = None) -> str | None:
    """Return the base commit of main's config, by its branch, or why there is none."""
    source = ConfigSource(file=pull.workspace / "shop.yaml", environ={})
    given = activity or pull.activity
    found = find_control(given, source, pull.config(), pull.base(given))
    if found is None:
        return None
    named = {pull.run("rev-parse", name): name for name in ("topic", "main", "refs/pull/7/merge")}
    kind = "scheduled " if found.is_scheduled else ""
    return f"{kind}{named[found.base.commit] if found.base else found.why.code}"


@pytest.mark.parametrize(
    ("depth", "ref", "found"),
    [
        (1, "pull/7/merge", "base_unknown"),
        (2, "pull/7/merge", "main"),
        (0, "pull/7/merge", "main"),
        (2, "topic", "base_unknown"),
        (0, "topic", "main"),
    ],
)
def test_find_control__a_pull_request_s_base_and_never_its_own(
    pull: Pull, depth: int, ref: str, found: str
) -> None:
    pull.fetch(depth, ref)
    assert control(pull) == found


def test_find_control__without_a_repository(pull: Pull) -> None:
    pull.workspace.mkdir()
    assert control(pull) == "no_repository"


@pytest.mark.parametrize(
    ("depth", "accepted"), [(2, ["main"]), (1, [])], ids=["known", "base unknown"]
)
def test_find_control__what_main_accepts_is_read_from_the_base(
    pull: Pull, depth: int, accepted: list[str]
) -> None:
    entry = "{id: %s, max_drop: 1, reason: new tone guide, until: 2026-12-31}"
    for branch, names in (("main", ["main"]), ("topic", ["topic", "main"])):
        pull.run("checkout", "-q", branch)
        pull.write(".lm-eval-so/accept.yaml", f"[{', '.join(entry % name for name in names)}]")
        pull.commit(branch)
    pull.run("checkout", "-q", "--detach", "main")
    pull.run("merge", "-q", "--no-ff", "-X", "theirs", "-m", "merge", "topic")
    pull.run("update-ref", "refs/pull/7/merge", "HEAD")
    pull.fetch(depth)
    source = ConfigSource(file=pull.workspace / "shop.yaml", environ={})
    found = find_control(pull.activity, source, pull.config(), pull.base())
    assert [each.sample_id for each in read_accepted(found.accepted)] == accepted
    push = replace(pull.activity, event="push", is_proposal=False)
    assert find_control(push, source, pull.config(), pull.base(push)).accepted is None


@pytest.mark.parametrize("event", ["schedule", "workflow_dispatch"])
def test_find_control__main_alone_is_held_against_its_own_baseline(pull: Pull, event: str) -> None:
    pull.fetch(0, "main")
    main = pull.run("rev-parse", "main")
    of_main = Activity(event=event, base=Base(rule=BaseRule.HEAD), commit=main)
    assert control(pull, of_main) == "scheduled main"
    # a workflow of main may check out anything, as a fork's head
    pull.here(
        "checkout", "-q", "--force", "--detach", pull.here("rev-parse", "refs/remotes/origin/topic")
    )
    assert control(pull, of_main) is None


def test_as_checked_out__a_fork_that_a_maintainer_measures_brings_no_baseline(pull: Pull) -> None:
    pull.fetch(0, "main")
    main = pull.run("rev-parse", "main")
    of_main = Activity(
        event="workflow_dispatch",
        base=Base(rule=BaseRule.HEAD, ref="main"),
        commit=main,
        may_be_baseline=True,
    )
    assert as_checked_out(of_main, cwd=pull.workspace) == of_main
    assert as_checked_out(pull.activity, cwd=pull.workspace) == pull.activity
    pull.here(
        "checkout", "-q", "--force", "--detach", pull.here("rev-parse", "refs/remotes/origin/topic")
    )
    assert pull.found(activity=of_main) == "bad git"  # its own
    activity = as_checked_out(of_main, cwd=pull.workspace)
    assert pull.found(activity=activity) == "good git"
    assert control(pull, activity) == "main"


def test_find_control__a_push_to_main_is_held_against_what_was_there(pull: Pull) -> None:
    pull.fetch(0, "pull/7/merge")
    push = Activity(
        event="push",
        base=Base(rule=BaseRule.COMMIT, commit=pull.run("rev-parse", "main")),
        commit=pull.run("rev-parse", "refs/pull/7/merge"),
    )
    assert control(pull, push) == "main"


def test_find_control__a_submodule_is_chosen_by_the_pull_request(
    pull: Pull, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git("init", "-q", cwd=other)
    git("commit", "-qm", "x", "--allow-empty", cwd=other)
    allowed = ("-c", "protocol.file.allow=always")
    pull.run("checkout", "-q", "topic")
    pull.run(*allowed, "submodule", "add", "-q", other.as_uri(), "sub")
    pull.commit("topic")
    pull.merge()
    pull.fetch(0)
    pull.here(*allowed, "submodule", "update", "--init", "-q")
    for activity in (pull.activity, replace(pull.activity, is_proposal=False, event="push")):
        source = ConfigSource(file=pull.workspace / "sub/shop.yaml", environ={})
        base = find_trusted_base(activity, cwd=source.file.parent)
        found = find_control(activity, source, pull.config(), base)
        assert found is not None
        assert found.base is None
        assert found.why == Reason(code="in_submodule")


@pytest.mark.parametrize("link", [None, "forecast", "forecast/forecast.json"])
def test_is_brought__a_file_that_a_pull_request_has_or_leads_to(
    pull: Pull, link: str | None
) -> None:
    pull.run("checkout", "-q", "topic")
    pull.write("mine/forecast.json", "{}")
    if link is None:
        pull.write("forecast/forecast.json", "{}")
    else:
        made = pull.origin / link
        made.parent.mkdir(exist_ok=True)
        made.symlink_to("mine" if link == "forecast" else "../mine/forecast.json")
    pull.commit("topic")
    pull.merge()
    pull.fetch(2)
    folder, activity = pull.workspace, pull.activity
    assert is_brought(folder / "forecast/forecast.json", activity, cwd=folder)
    (folder / "made.json").write_text("{}")
    assert not is_brought(folder / "made.json", activity, cwd=folder)
    main = replace(activity, is_proposal=False)
    assert not is_brought(folder / "forecast/forecast.json", main, cwd=folder)


def test_is_brought__where_git_cannot_tell_any_file_is(pull: Pull, tmp_path: Path) -> None:
    file = tmp_path / "forecast.json"
    file.write_text("{}")
    assert is_brought(file, pull.activity, cwd=tmp_path)
