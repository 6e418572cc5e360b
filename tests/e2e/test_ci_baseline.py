"""`ci` on GitHub with the default checkout of one commit: its baseline comes through the API."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.checkout import Checkout, open_checkout
from servers.commands import git
from servers.zips import zipped


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Checkout]:
    with open_checkout(tmp_path) as found:
        git("checkout", "-q", "main", cwd=found.folder)
        for _ in range(2):
            git("commit", "-qm", "on main", "--allow-empty", cwd=found.folder)
        found.commit("a change")
        found.hub.repository = found.folder
        yield found


def add(place: Checkout, number: int, commit: str, report: str) -> None:
    sha = git("rev-parse", commit, cwd=place.folder)
    place.hub.add_run(number, event="push", head_branch="main", head_sha=sha)
    place.hub.add_artifact(number, "lm-eval-so-shop", zipped(report))


def test_ci__a_baseline_that_a_run_of_main_stored(place: Checkout) -> None:
    kept = (place.folder / "baselines/shop.json").read_text(encoding="utf-8")
    add(place, 11, "main~2", kept)
    there = place.fetch(1)
    done = there.ci(INPUT_BASELINE_PATH="baselines/new.json")
    assert done.returncode == 0, done.stderr
    outputs = there.outputs()
    assert (outputs["verdict"], outputs["baseline_source"]) == ("inconclusive", "artifact")
    commit = git("rev-parse", "main~2", cwd=place.folder)[:7]
    assert f"report.json of lm-eval-so-shop at {commit}, 2 commits before the base" in done.stderr
    told = f"베이스 커밋보다 커밋 2개 이전인 {commit}의 아티팩트입니다"
    [body] = place.hub.bodies(7).values()
    for text in (body, (there.folder / "lm-eval-so-report/report.md").read_text("utf-8")):
        assert told in text

    # the nearest one counts although it was measured in another way
    report = json.loads(kept)
    report["metrics"]["exact_match"]["fingerprint"] = "another"
    add(place, 12, "main~1", json.dumps(report))
    done = there.ci(INPUT_BASELINE_PATH="baselines/new.json", INPUT_ON_INCOMPARABLE="fail")
    assert done.returncode == 3, done.stderr
    outputs = there.outputs()
    assert (outputs["verdict"], outputs["baseline_source"]) == ("incomparable", "artifact")


def test_ci__a_merge_group_is_held_against_the_base_of_its_event(place: Checkout) -> None:
    place.is_worse = True
    there = place.fetch(1)
    group = {
        "base_sha": git("rev-parse", "main", cwd=place.folder),
        "base_ref": "refs/heads/main",
        "head_sha": git("rev-parse", "HEAD", cwd=place.folder),
    }
    event = place.folder.parent / "group.json"
    event.write_text(json.dumps({"action": "checks_requested", "merge_group": group}))
    done = there.ci(
        GITHUB_EVENT_NAME="merge_group",
        GITHUB_EVENT_PATH=str(event),
        GITHUB_REF="refs/heads/gh-readonly-queue/main/pr-7",
    )
    assert done.returncode == 1, done.stderr
    assert there.outputs()["baseline_source"] == "git"
    assert not [call for call in place.hub.calls() if "/comments" in call or "graphql" in call]
    assert "회귀" in (place.folder.parent / "summary").read_text(encoding="utf-8")
