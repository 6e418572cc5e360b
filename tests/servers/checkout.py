"""A checkout with a chatbot that can get worse, a baseline, and a loopback GitHub."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

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
class Checkout:
    """A checkout with a chatbot that can get worse, and GitHub."""

    folder: Path
    hub: FakeGitHub
    bot: ChatServer
    is_worse: bool = False
    event: str = "pull_request"
    origin: Path | None = None
    """Repository that it was fetched from; else it has the branches itself."""

    def answer(self, seen: Seen) -> str:
        number = int(seen.text.rpartition("#")[2])
        return f"다른 답 {number}" if self.is_worse and number % 2 else f"답 {number}"

    def environ(self, **more: str) -> Mapping[str, str]:
        where = self.origin or self.folder
        head, base, commit = git("rev-parse", "topic", "main", "HEAD", cwd=where).splitlines()
        payload = {
            "action": "synchronize",
            "pull_request": {
                "number": 7,
                "state": "open",
                "head": {"sha": head, "repo": {"id": 1}},
                "base": {
                    "sha": base,
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
            "GITHUB_SHA": commit,
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
        return git("rev-parse", "topic", cwd=self.origin or self.folder)

    def ci(self, **more: str) -> Done:
        return lm_eval_so("ci", cwd=self.folder, environ=self.environ(**more))

    def fetch(self, depth: int, *, ref: str = "refs/pull/7/merge") -> "Checkout":
        """Fetch the pull request into a folder of its own, as actions/checkout does; 0 is all."""
        git("update-ref", "refs/pull/7/merge", "HEAD", cwd=self.folder)
        folder = self.folder.parent / "workspace"
        folder.mkdir()
        git("init", "-q", cwd=folder)
        git("remote", "add", "origin", self.folder.as_uri(), cwd=folder)
        local = f"refs/remotes/{ref.removeprefix('refs/').removeprefix('heads/')}"
        wanted = [f"+{ref}:{local}"]
        if not depth:
            wanted.append("+refs/heads/*:refs/remotes/origin/*")
        shallow = [f"--depth={depth}"] if depth else []
        git("fetch", "-q", "--no-tags", *shallow, "origin", *wanted, cwd=folder)
        git("checkout", "-q", "--force", local, cwd=folder)
        return replace(self, folder=folder, origin=self.folder)

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


@contextmanager
def open_checkout(tmp_path: Path) -> Iterator[Checkout]:
    """Make a pull request over a base with a baseline, checked out as GitHub does."""
    folder = tmp_path / "repo"
    shutil.copytree(_made_once().name, folder)
    with FakeGitHub() as hub, ChatServer(lambda seen: found.answer(seen)) as bot:  # noqa: PLW0108 - found comes later
        found = Checkout(folder, hub, bot)
        hub.add_pull(7, head=found.hub_head)
        yield found


@cache
def _made_once() -> TemporaryDirectory[str]:
    """Make what each checkout is a copy of; it is gone at the end of the process."""
    made = TemporaryDirectory()
    folder = Path(made.name)
    (folder / "data").mkdir()
    rows = [
        {"id": f"q{i}", "input": f"질문 #{i}", "expected": f"답 {i}", "language": "ko"}
        for i in range(N)
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "data/test.jsonl").write_text(lines, encoding="utf-8")
    (folder / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / ".gitignore").write_text("/lm-eval-so-report/\n/reports/\n/runs/\n")
    with FakeGitHub() as hub, ChatServer(lambda seen: found.answer(seen)) as bot:  # noqa: PLW0108 - found comes later
        found = Checkout(folder, hub, bot)
        done = lm_eval_so("ci", cwd=folder, environ={"OPENAI_API_KEY": KEY, "BOT_URL": bot.url})
        assert done.returncode == 0, done.stderr
        (folder / "baselines").mkdir()
        (folder / "reports/report.json").rename(folder / "baselines/shop.json")
        git("init", "-q", cwd=folder)
        git("add", "-A", cwd=folder)
        git("commit", "-qm", "base", cwd=folder)
        git("checkout", "-qb", "topic", cwd=folder)
        found.commit("a change")
    return made
