"""The comment on an event's pull request, by the inputs of the step."""

from pathlib import Path

import pytest
from servers.fake_github import FakeGitHub
from servers.runs import resources

from lm_eval_so.action.event import Activity, Base, BaseRule, WorkflowRun
from lm_eval_so.action.inputs import read_inputs
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.pipeline.github.posting import About, Job, comment_on

HEAD = "a" * 40


@pytest.mark.parametrize(("mode", "kept"), [("always", "text 1"), ("on_change", "text 0")])
def test_comment_on__the_same_verdict_again(tmp_path: Path, mode: str, kept: str) -> None:
    environ = {"INPUT_COMMENT": mode, "INPUT_GITHUB_TOKEN": "t"}
    with FakeGitHub() as hub:
        hub.add_pull(7, head=HEAD)
        for number in (0, 1):
            activity = Activity(
                event="pull_request",
                base=Base(rule=BaseRule.PULL_REQUEST),
                repository="o/r",
                head=HEAD,
                pull=7,
                workflow=WorkflowRun(id=6 + number, attempt=1, api_url=hub.url),
            )
            job = Job(
                activity=activity,
                inputs=read_inputs(environ, workspace=tmp_path),
                workspace=tmp_path,
                head=HEAD,
            )
            about = About(suite_id="s", verdict=Verdict.PASS, regressed="x", language=Language.EN)
            told = comment_on(lambda *_, n=number: f"text {n}", resources(), job, about)
            assert told.url.endswith("-1001")
        [body] = hub.bodies(7).values()
    assert body.endswith(f"\n{kept}")
