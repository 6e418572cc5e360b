"""A pull request that replaces the baseline by its own bad report, checked out as actions/checkout does."""

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from factories import make_report
from servers.commands import git

from lm_eval_so.action.event import Activity, Base, BaseRule
from lm_eval_so.comparator.baseline.find import find_anchor, find_baseline
from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.pipeline.base.base_commit import Connect, TrustedBase, find_trusted_base
from lm_eval_so.pipeline.github.baseline_place import Wanted, find_anchor_place, find_place

PATH = "기준/shop.json"
GOOD, BAD = (dumps(make_report({"exact_match": row}, suite="shop")) for row in ([1, 1], [0, 0]))


@dataclass(frozen=True)
class Pull:
    """The repository, and the checkout of the pull request."""

    origin: Path
    workspace: Path
    connect: Connect | None = None
    """Connection to GitHub."""

    def run(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.origin)

    def write(self, path: str, text: str) -> None:
        file = self.origin / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def commit(self, branch: str) -> None:
        self.run("add", "-A")
        self.run("commit", "-qm", f"on {branch}", "--allow-empty")

    def merge(self) -> None:
        """Merge it into main as GitHub does, beside both branches."""
        self.run("checkout", "-q", "--detach", "main")
        self.run("merge", "-q", "--no-ff", "-m", "merge", "topic")
        self.run("update-ref", "refs/pull/7/merge", "HEAD")

    def fetch(self, depth: int, ref: str = "pull/7/merge", *options: str) -> None:
        """Check it out as actions/checkout does; depth 0 is all."""
        folder = self.workspace
        folder.mkdir()
        git("init", "-q", cwd=folder)
        git("remote", "add", "origin", self.origin.as_uri(), cwd=folder)
        source = ref if ref.startswith("pull/") else f"heads/{ref}"
        wanted = [f"+refs/{source}:refs/remotes/{ref}"]
        if not depth:
            wanted.append("+refs/heads/*:refs/remotes/origin/*")
        shallow = [f"--depth={depth}"] if depth else []
        git("fetch", "-q", "--no-tags", *shallow, *options, "origin", *wanted, cwd=folder)
        git("checkout", "-q", "--force", f"refs/remotes/{ref}", cwd=folder)

    def here(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.workspace)

    @property
    def activity(self) -> Activity:
        head, commit = self.run("rev-parse", "topic", "refs/pull/7/merge").splitlines()
        return Activity(
            event="pull_request",
            is_proposal=True,
            base=Base(rule=BaseRule.PULL_REQUEST, ref="main"),
            head=head,
            commit=commit,
            pull=7,
        )

    def anchor(self, path: str = PATH, *, ref: str = "") -> str:
        """Return which anchor is found, and where."""
        made = self.config(path="elsewhere.json", ref=ref, anchor=path)
        found = find_anchor(made, find_anchor_place(made, self.activity, self.base()))
        assert found is not None
        report, where = found
        if report is None:
            return f"none: {where.reason.code if where.reason else 'not there'} {where.path}"
        return f"{'good' if report.metrics['exact_match'].mean else 'bad'} {where.source}"

    def base(self, activity: Activity | None = None) -> TrustedBase:
        given = activity or self.activity
        return find_trusted_base(given, cwd=self.workspace, connect=self.connect)

    def config(
        self, *, path: str | None = PATH, ref: str = "", policy: str = "warn", anchor: str = ""
    ) -> Config:
        values: dict[str, Any] = {
            "version": 1,
            "suite": "shop",
            "dataset": {"path": "data.jsonl"},
            "baseline": {"path": path, "ref": ref, "anchor": anchor},
            "gate": {"on_missing_baseline": policy},
        }
        return make_config(values, folder=self.workspace)

    def found(
        self, explicit: str | None = None, activity: Activity | None = None, **config: Any
    ) -> str:
        """Return which baseline is found, and where, or why there is none."""
        made = self.config(**config)
        file = self.workspace / explicit if explicit else None
        base = self.base(activity) if activity else self.base()
        place = find_place(made, activity or self.activity, base, Wanted(explicit=file))
        report, where = find_baseline(made, place, is_demanded=True)
        if report is None:
            return f"none: {where.reason.code if where.reason else 'not there'}"
        return f"{'good' if report.metrics['exact_match'].mean else 'bad'} {where.source}"


def open_pull(tmp_path: Path) -> Pull:
    """Make the pull request; nothing is checked out yet."""
    shutil.copytree(_made_once().name, tmp_path / "origin")
    return Pull(tmp_path / "origin", tmp_path / "workspace")


@cache
def _made_once() -> TemporaryDirectory[str]:
    """Make what each repository is a copy of; it is gone at the end of the process."""
    made = TemporaryDirectory()
    found = Pull(Path(made.name), Path())
    found.run("init", "-q")
    found.write(PATH, GOOD)
    found.commit("main")
    found.run("checkout", "-qb", "topic")
    found.write(PATH, BAD)
    found.commit("topic")
    found.merge()
    return made
