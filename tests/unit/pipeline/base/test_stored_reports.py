"""Baselines that runs of the base branch stored as artifacts, on a GitHub that holds many others, too."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from factories import make_report
from servers.fake_github import FakeGitHub
from servers.pull_request import PATH, Pull, open_pull
from servers.zips import zipped

from lm_eval_so.action.event import Activity, Base, BaseRule, WorkflowRun
from lm_eval_so.action.inputs import read_inputs
from lm_eval_so.comparator.baseline.find import find_baseline
from lm_eval_so.core.events import Event, Warned
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words.phrases import stored_baseline
from lm_eval_so.errors import NoBaseline
from lm_eval_so.pipeline.github.baseline_place import find_place
from lm_eval_so.pipeline.github.surroundings import Surroundings, wanted_baseline

NAME = "lm-eval-so-shop"


def stored(mark: float, *, suite: str = "shop", eligible: bool = True, name: str = "") -> bytes:
    """Return the zip file of a report, whose mean tells which one was found."""
    report = make_report({"exact_match": [mark]}, suite=suite)
    report = replace(report, experiment=replace(report.experiment, eligible=eligible))
    return zipped(dumps(report), name or "report.json")


@dataclass
class Search:
    """A pull request over main, whose last commit is `base`, and what is found for it."""

    pull: Pull
    hub: FakeGitHub
    told: list[Event] = field(default_factory=list)
    activity: Activity | None = None

    def add(self, commit: str, data: bytes | None, *, name: str = NAME, **facts: Any) -> None:
        """Add a run of a commit with its artifact."""
        number = 100 + len(self.hub.runs)
        expired = facts.pop("expired", False)
        sha = self.pull.run("rev-parse", commit)
        given = {"event": "push", "head_branch": "main", "head_sha": sha, **facts}
        self.hub.add_run(number, **given)
        if data is not None:
            self.hub.add_artifact(number, name, data, expired=expired)

    def found(self, *, policy: str = "warn", path: str | None = None, **inputs: str) -> str:
        """Return mean and source of the baseline, and its distance; or why there is none."""
        pull = self.pull
        workflow = WorkflowRun(file="evaluate.yml", api_url=self.hub.url)
        activity = replace(self.activity or pull.activity, repository="o/r", workflow=workflow)
        given = {"github_token": "ghs_secret", **inputs}
        environ = {f"INPUT_{name.upper()}": value for name, value in given.items() if value}
        around = Surroundings(
            environ={},
            activity=activity,
            inputs=read_inputs(environ, workspace=pull.workspace),
            workspace=pull.workspace,
        )
        config, base = pull.config(path=path, policy=policy), around.base(pull.workspace)
        wanted = wanted_baseline(config, around, base, None, self.told.append)
        report, where = find_baseline(
            config, find_place(config, activity, base, wanted), is_demanded=True
        )
        if report is None:
            return f"none: {where.reason.code if where.reason else 'not there'}"
        mean = report.metrics["exact_match"].mean
        return " ".join([f"{mean:g} {where.source}", *stored_baseline(where, Language.EN)])


@pytest.fixture
def search(tmp_path: Path) -> Search:
    pull = open_pull(tmp_path)
    pull.run("checkout", "-q", "main")
    for _ in range(3):
        pull.commit("main")
    pull.merge()
    pull.fetch(1)
    hub = FakeGitHub(prefix="/api/v3")
    hub.repository = pull.origin
    return Search(pull, hub)


def test_find__the_nearest_report_of_main_itself(search: Search) -> None:
    search.add("main~3", stored(0.1))
    search.add("main~2", stored(0.2), event="schedule")
    search.add("main~2", None, event="workflow_dispatch")
    search.add("main~1", stored(0.3, eligible=False))
    search.add("main~1", stored(0.4), name="another")
    search.add("main~1", stored(0.5), expired=True)
    search.add("topic", stored(0.6))
    search.add("main", stored(0.7), event="pull_request")
    search.add("main", stored(0.8), repo=2, owner="stranger")
    search.add("main", stored(0.9), repo=None)
    search.add("main", stored(1.0), path=".github/workflows/other.yml")
    search.add("main", stored(1.0), event="workflow_run")
    commit = search.pull.run("rev-parse", "main~2")[:7]
    with search.hub:
        assert search.found() == (
            f"0.2 artifact The baseline is an artifact of {commit}, 2 commits before the base."
        )
        assert [getattr(each, "text", "") for each in search.told] == [
            f"the baseline is report.json of {NAME} at {commit}, 2 commits before the base"
        ]
        assert search.found(baseline_max_ancestors="1") == "none: not there"
        assert search.found(baseline_workflow="other.yml").startswith("1 artifact")
    for each in search.hub.requests:
        assert ("authorization" in each.headers) == each.path.startswith("/api/v3/repos/o/r/")


def test_find__the_line_of_main_and_not_what_was_merged_into_it(search: Search) -> None:
    pull = search.pull
    pull.run("checkout", "-qb", "side", "main~2")
    pull.commit("side")
    pull.run("checkout", "-q", "main")
    pull.run("merge", "-q", "--no-ff", "-m", "merge side", "side")
    pull.run("update-ref", "refs/pull/7/merge", pull.run("rev-parse", "main"))
    pull.here("fetch", "-q", "--depth=1", "origin", "main")
    pull.here("checkout", "-q", "FETCH_HEAD")
    search.add("side", stored(0.1))
    search.add("main~1", stored(0.2))
    with search.hub:
        search.activity = replace(
            pull.activity, base=Base(rule=BaseRule.HEAD, ref="main"), is_proposal=False
        )
        assert search.found().startswith("0.2 artifact")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("auto", "0.3 artifact"),
        ("artifact", "0.3 artifact"),
        ("git", "none: not there"),
        ("file", "none: not there"),
        ("none", "none: not_wanted"),
    ],
)
def test_find__only_where_the_workflow_wants_it(search: Search, source: str, found: str) -> None:
    search.add("main", stored(0.3))
    with search.hub:
        assert search.found(baseline_source=source, path="new.json").startswith(found)
        in_git = {"auto": "1 git", "git": "1 git"}.get(source, found)
        assert search.found(baseline_source=source, path=PATH).startswith(in_git)
        (search.pull.workspace / "put.json").write_text(
            dumps(make_report({"exact_match": [0.5]}, suite="shop"))
        )
        put = {"auto": "0.5 file", "file": "0.5 file"}.get(source, found)
        assert search.found(baseline_source=source, path="put.json").startswith(put)
        # which the workflow names: it wins over everything
        assert search.found(baseline_source=source, baseline="put.json") == "0.5 file"


def test_find__a_hit_is_a_hit_although_it_does_not_fit(search: Search) -> None:
    search.add("main", stored(0.3, suite="another"))
    search.add("main~1", stored(0.2))
    with search.hub:
        assert search.found().startswith("0.3 artifact The baseline is an artifact of the base")


UNREADABLE = [zipped("{"), zipped("{}"), b"no zip"]


@pytest.mark.parametrize(
    "bad", [*UNREADABLE, zipped("{}", "comparison.json"), stored(1, name="a/report.json")]
)
def test_find__an_artifact_that_cannot_be_read_is_told_and_passed(
    search: Search, bad: bytes
) -> None:
    search.add("main", bad)
    search.add("main~1", stored(0.2))
    with search.hub:
        assert search.found().startswith("0.2 artifact")
    told = [each.text for each in search.told if isinstance(each, Warned)]
    assert all(f"the artifact {NAME} of run 100" in text for text in told)
    assert len(told) == (bad in UNREADABLE)


@pytest.mark.parametrize(
    ("part", "status", "auto", "named"),
    [
        ("/runs", 403, "not there", "artifacts_refused"),
        ("/runs", 404, "not there", "no_artifact"),
        ("/runs", 429, "artifacts_refused", "artifacts_refused"),
        ("/zip", 403, "artifacts_refused", "artifacts_refused"),
        ("/commits", 401, "artifacts_refused", "artifacts_refused"),
    ],
)
def test_find__where_github_refuses_the_verdict_says_so(
    search: Search, part: str, status: int, auto: str, named: str
) -> None:
    search.pull.here("fetch", "-q", "--depth=2", "origin", "refs/pull/7/merge")
    search.add("main", stored(0.3))
    with search.hub:
        for source, code in (("auto", auto), ("artifact", named)):
            search.hub.fail("GET", part, status, "Resource not accessible by integration")
            assert search.found(baseline_source=source) == f"none: {code}"
            search.hub.faults.clear()
        search.hub.fail("GET", part, status, "no", times=9)
        with pytest.raises(NoBaseline) as raised:
            search.found(baseline_source="artifact", policy="fail")
        assert NAME in raised.value.problems[0].what
    assert search.found(baseline_source="artifact", github_token="") == "none: no_token"
