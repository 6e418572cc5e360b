"""`ci` in a real git repository, against a loopback chatbot and a loopback GitHub."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.commands import Done, git, lm_eval_so
from servers.fake_github import FakeGitHub

from lm_eval_so.testing.chat_server import ChatServer, Seen

KEY = "sk-test-1234567890abcdef"
N = 40
CONFIG = """\
version: 1
suite: shop
language: ko
dataset: {path: data}
backend: {name: openai, label: bot, params: {model: m}, options: {base_url: "${BOT_URL}"}}
metrics: [exact_match, token_f1, latency_ms]
baseline: {path: baselines/shop.json}
gate: {metrics: {exact_match: {margin: 0.05}}}
"""


@dataclass
class Place:
    """A checkout with a chatbot that can get worse, and GitHub."""

    folder: Path
    hub: FakeGitHub
    bot: ChatServer
    is_worse: bool = False
    event: str = "pull_request"

    def answer(self, seen: Seen) -> str:
        number = int(seen.text.rpartition("#")[2])
        return f"다른 답 {number}" if self.is_worse and number % 2 else f"답 {number}"

    def environ(self, **more: str) -> Mapping[str, str]:
        head = self.hub_head
        payload = {
            "action": "synchronize",
            "pull_request": {
                "number": 7,
                "state": "open",
                "head": {"sha": head, "repo": {"id": 1}},
                "base": {
                    "sha": git("rev-parse", "main", cwd=self.folder),
                    "ref": "main",
                    "repo": {"id": 1},
                },
            },
        }
        (self.folder.parent / "event.json").write_text(json.dumps(payload))
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.folder),
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_EVENT_PATH": str(self.folder.parent / "event.json"),
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_API_URL": self.hub.url,
            "GITHUB_SHA": git("rev-parse", "HEAD", cwd=self.folder),
            "GITHUB_RUN_ID": "6",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_JOB": "evaluate",
            "GITHUB_OUTPUT": str(self.folder.parent / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder.parent / "summary"),
            "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/evaluate.yml@refs/pull/7/merge",
            "INPUT_GITHUB_TOKEN": "ghs_token_of_the_workflow",
            "OPENAI_API_KEY": KEY,
            "BOT_URL": self.bot.url,
            **more,
        }

    @property
    def hub_head(self) -> str:
        return git("rev-parse", "topic", cwd=self.folder)

    def ci(self, **more: str) -> Done:
        return lm_eval_so("ci", cwd=self.folder, environ=self.environ(**more))

    def outputs(self) -> dict[str, str]:
        lines = (self.folder.parent / "output").read_text(encoding="utf-8").splitlines()
        return {lines[i].partition("<<")[0]: lines[i + 1] for i in range(0, len(lines), 3)}

    def commit(self, message: str) -> None:
        """Commit on topic, and check out the merge with main as GitHub does."""
        git("checkout", "-q", "topic", cwd=self.folder)
        git("add", "-A", cwd=self.folder)
        git("commit", "-qm", message, "--allow-empty", cwd=self.folder)
        self.hub.add_pull(7, head=self.hub_head)
        git("checkout", "-q", "--detach", "main", cwd=self.folder)
        git("merge", "-q", "--no-ff", "-m", "merge", "topic", cwd=self.folder)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    folder = tmp_path / "repo"
    (folder / "data").mkdir(parents=True)
    rows = [
        {"id": f"q{i}", "input": f"질문 #{i}", "expected": f"답 {i}", "language": "ko"}
        for i in range(N)
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "data/test.jsonl").write_text(lines, encoding="utf-8")
    (folder / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / ".gitignore").write_text("/lm-eval-so-report/\n/reports/\n/runs/\n")
    with FakeGitHub() as hub, ChatServer(lambda seen: found.answer(seen)) as bot:  # noqa: PLW0108 - found comes later
        found = Place(folder, hub, bot)
        made = lm_eval_so("ci", cwd=folder, environ={"OPENAI_API_KEY": KEY, "BOT_URL": bot.url})
        assert made.returncode == 0, made.stderr
        (folder / "baselines").mkdir()
        (folder / "reports/report.json").rename(folder / "baselines/shop.json")
        git("init", "-q", cwd=folder)
        git("add", "-A", cwd=folder)
        git("commit", "-qm", "base", cwd=folder)
        git("checkout", "-qb", "topic", cwd=folder)
        found.commit("a change")
        yield found


def test_ci__creates_one_comment_and_updates_it(place: Place) -> None:
    place.is_worse = True
    first = place.ci()
    assert first.returncode == 1, first.stderr
    (number, body), *rest = place.hub.bodies(7).items()
    assert not rest
    assert "exact_match" in body
    assert "회귀" in body
    outputs = place.outputs()
    assert (outputs["verdict"], outputs["passed"]) == ("regression", "false")
    assert outputs["regressed_count"] == str(N // 2)
    assert outputs["baseline_source"] == "git"
    assert outputs["comment_url"].startswith("http")
    assert outputs["report_json"] == "lm-eval-so-report/report.json"
    assert "회귀" in (place.folder.parent / "summary").read_text(encoding="utf-8")

    place.is_worse = False
    place.commit("mended")
    second = place.ci(GITHUB_RUN_ID="7")
    assert second.returncode == 0, second.stderr
    assert list(place.hub.bodies(7)) == [number]
    assert place.hub.bodies(7)[number] != body
    assert place.outputs()["passed"] == "true"


def test_ci__without_a_token_writes_everything_and_says_so(place: Place) -> None:
    place.is_worse = True
    done = place.ci(INPUT_GITHUB_TOKEN="")
    assert done.returncode == 1
    assert "no token, so no comment" in done.stderr
    report = place.folder / "lm-eval-so-report"
    assert {f.name for f in report.iterdir()} == {
        "comparison.json",
        "report.json",
        "report.md",
        "run",
    }
    assert place.outputs()["comment_file_written"] == "true"
    assert not place.hub.bodies(7)


def test_ci__a_failed_comment_is_a_warning_unless_it_is_required(place: Place) -> None:
    place.hub.fail("POST", "/comments", 403, "Resource not accessible by integration", times=2)
    done = place.ci()
    assert done.returncode == 0, done.stderr
    assert "pull-requests: write" in done.stderr
    assert place.outputs()["passed"] == "true"
    required = place.ci(INPUT_COMMENT_REQUIRED="true")
    assert required.returncode == 5


def test_ci__the_baseline_of_the_pull_request_itself_does_not_count(place: Place) -> None:
    place.is_worse = True
    git("checkout", "-q", "topic", cwd=place.folder)
    baseline = place.folder / "baselines/shop.json"
    report = json.loads(baseline.read_text(encoding="utf-8"))
    report["samples"]["scores"]["exact_match"] = [0.0] * N  # as if it had always been bad
    baseline.write_text(json.dumps(report), encoding="utf-8")
    place.commit("cheat")
    assert place.ci().returncode == 1


def test_ci__a_fork_without_keys_is_skipped(place: Place) -> None:
    environ = dict(place.environ(OPENAI_API_KEY=""))
    event = Path(environ["GITHUB_EVENT_PATH"])
    payload = json.loads(event.read_text())
    payload["pull_request"]["head"]["repo"]["id"] = 2
    event.write_text(json.dumps(payload))
    asked = len(place.bot.requests)
    done = lm_eval_so("ci", cwd=place.folder, environ=environ)
    assert done.returncode == 0, done.stderr
    assert place.outputs()["verdict"] == "skipped"
    assert len(place.bot.requests) == asked
    failing = lm_eval_so(
        "ci", cwd=place.folder, environ={**environ, "INPUT_ON_MISSING_SECRETS": "fail"}
    )
    assert failing.returncode == 2
    assert place.outputs()["verdict"] == "error"


def test_ci__refuses_pull_request_target(place: Place) -> None:
    place.event = "pull_request_target"
    asked = len(place.bot.requests)
    assert place.ci().returncode == 2
    assert len(place.bot.requests) == asked


def test_ci__a_bad_input_is_told_before_anything_is_asked(place: Place) -> None:
    asked = len(place.bot.requests)
    done = place.ci(INPUT_COMMENT="sometimes", INPUT_REPEATS="many")
    assert done.returncode == 2
    assert "comment" in done.stderr
    assert "repeats" in done.stderr
    assert len(place.bot.requests) == asked
    assert place.outputs()["verdict"] == "error"


def test_ci__no_key_and_no_token_in_anything_that_is_written(place: Place) -> None:
    place.is_worse = True
    done = place.ci()
    texts = [done.stdout, done.stderr, *place.hub.bodies(7).values()]
    files = [f for f in place.folder.parent.rglob("*") if f.is_file() and ".git" not in f.parts]
    texts += [f.read_text(encoding="utf-8", errors="replace") for f in files]
    assert not [text for text in texts if KEY in text or "ghs_token_of_the_workflow" in text]


def test_comment__posts_what_was_compared(place: Place) -> None:
    place.is_worse = True
    assert place.ci(INPUT_COMMENT="never").returncode == 1
    assert not place.hub.bodies(7)
    git("checkout", "-q", "topic", cwd=place.folder)
    report = place.folder / "lm-eval-so-report/report.json"
    values = json.loads(report.read_text(encoding="utf-8"))
    values["experiment"]["commit"] = place.hub_head
    report.write_text(json.dumps(values), encoding="utf-8")
    arguments = ["comment", "lm-eval-so-report/comparison.json", "--repo", "o/r", "--pr", "7"]
    environ = {"GITHUB_API_URL": place.hub.url, "GITHUB_TOKEN": "t", "BOT_URL": "x"}
    dry = lm_eval_so(*arguments, "--dry-run", cwd=place.folder, environ=environ)
    assert dry.returncode == 0, dry.stderr
    assert "회귀" in dry.stdout
    assert not place.hub.bodies(7)
    done = lm_eval_so(*arguments, cwd=place.folder, environ=environ)
    assert done.returncode == 0, done.stderr
    assert len(place.hub.bodies(7)) == 1
