"""The workflow that people copy, run whole by `act` on a pull request: the image, and what the step gives.

Needs a container engine and act, whose command ACT names: `pytest -m image`.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from servers.commands import git, lm_eval_so

ROOT = Path(__file__).parents[2]
ACT = os.environ.get("ACT", "act").split()
PARTS = ("lm-eval-so.yaml", "test.jsonl", "mock.py")

pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(not shutil.which(ACT[0]), reason="act is not there"),
]


def test_evaluate__on_a_pull_request_of_the_repository(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    for name in git("ls-files", cwd=ROOT).splitlines():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, repo / name)
    for name in PARTS:
        shutil.copy(ROOT / ".github/selftest" / name, repo)
    mock = runpy.run_path(str(repo / "mock.py"))
    with ThreadingHTTPServer(("127.0.0.1", 0), mock["Chat"]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        (repo / ".github/workflows/evaluate.yml").write_text(workflow(url), encoding="utf-8")
        made = lm_eval_so("ci", "--set", "run.repeats=3", cwd=repo, environ={"MOCK_URL": url})
        assert made.returncode == 0, made.stderr
        shutil.copy(repo / "reports/report.json", repo / "baseline.json")
        (repo / "event.json").write_text(json.dumps(propose(repo)), encoding="utf-8")
        (repo / "worse").touch()
        line = ("pull_request", "-W", ".github/workflows/evaluate.yml", "-e", "event.json")
        done = subprocess.run(
            [*ACT, *line, "--network", "host"],
            cwd=repo,
            capture_output=True,
            text=True,
            check=False,
        )
        server.shutdown()
    assert done.returncode == 1, done.stdout + done.stderr
    outputs = dict(re.findall(r"::set-output:: (\w+)=(.*)", done.stdout))
    assert outputs["verdict"] == "regression"
    assert outputs["baseline_source"] == "git"
    assert outputs["comment_file_written"] == "true"  # no GitHub is there to take it
    assert "3 of 40 cases broke" in done.stdout


def workflow(url: str) -> str:
    """Return the workflow with the action of the checkout, its mock, and nothing that act cannot fetch."""
    found = yaml.safe_load((ROOT / "example/workflows/evaluate.yml").read_text("utf-8"))
    job = found["jobs"]["evaluate"]
    job["steps"] = [each for each in job["steps"] if "upload-artifact" not in each["uses"]]
    (ours,) = (each for each in job["steps"] if "lm-eval-so@" in each["uses"])
    ours.update({"uses": "./", "env": {"MOCK_URL": url}, "with": {"allowed_hosts": "127.0.0.1"}})
    found["on"] = found.pop(True)
    return yaml.safe_dump(found)


def propose(repo: Path) -> dict[str, object]:
    """Commit main, a topic and their merge, as GitHub checks it out; return the event."""
    git("init", "-q", cwd=repo)
    git("add", "-A", cwd=repo)
    git("commit", "-qm", "main", cwd=repo)
    git("remote", "add", "origin", "https://github.com/o/r.git", cwd=repo)
    git("checkout", "-qb", "topic", cwd=repo)
    git("commit", "-qm", "topic", "--allow-empty", cwd=repo)
    head, base = (git("rev-parse", each, cwd=repo) for each in ("topic", "main"))
    git("checkout", "-q", "--detach", "main", cwd=repo)
    git("merge", "-q", "--no-ff", "-m", "merge", "topic", cwd=repo)
    pull = {
        "number": 7,
        "state": "open",
        "head": {"sha": head, "ref": "topic", "repo": {"id": 1}},
        "base": {"sha": base, "ref": "main", "repo": {"id": 1}},
    }
    return {"action": "synchronize", "number": 7, "pull_request": pull}
