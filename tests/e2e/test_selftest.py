"""What .github/workflows/selftest.yml runs on GitHub: its mock, its config, and how it is checked."""

import json
import runpy
import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from servers.commands import Done, git, lm_eval_so

ROOT = Path(__file__).parents[2]
PARTS = ROOT / ".github/selftest"
CHECK = runpy.run_path(str(PARTS / "check.py"))
JOB = yaml.safe_load((ROOT / ".github/workflows/selftest.yml").read_text("utf-8"))["jobs"]["action"]
CASES = {each["case"]: each for each in JOB["strategy"]["matrix"]["include"]}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout in which the baseline was measured."""
    folder = tmp_path_factory.mktemp("selftest") / "workspace"
    shutil.copytree(PARTS, folder / ".github/selftest")
    git("init", "-q", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "main", cwd=folder)
    mock = runpy.run_path(str(folder / ".github/selftest/mock.py"))
    with ThreadingHTTPServer(("127.0.0.1", 0), mock["Chat"]) as server:
        mock["Chat"].log_message = lambda *_: None
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        (folder / "url").write_text(f"http://127.0.0.1:{server.server_port}")
        assert run(folder, 1).returncode == 0
        yield folder
        server.shutdown()


def run(workspace: Path, uses: int, **inputs: str) -> Done:
    """Run a step `uses: ./` of the job, the first or the second."""
    step = [step for step in JOB["steps"] if step.get("uses") == "./"][uses - 1]
    given = {name: text for name, text in step["with"].items() if "${{" not in text} | inputs
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_OUTPUT": str(workspace / "output"),
        "MOCK_URL": (workspace / "url").read_text(),
        **{f"INPUT_{name.upper()}": text for name, text in given.items()},
    }
    return lm_eval_so("ci", cwd=workspace, environ=environ)


def test_selftest__has_the_cases_that_are_checked() -> None:
    assert CASES.keys() == CHECK["EXPECTED"].keys()


@pytest.mark.parametrize("case", CASES)
def test_selftest__finds_what_it_expects(workspace: Path, case: str) -> None:
    (workspace / "output").unlink()
    worse = workspace / ".github/selftest/worse"
    if case == "degraded":
        worse.touch()
    done = run(workspace, 2, max_cost_usd=CASES[case]["budget"])
    worse.unlink(missing_ok=True)
    lines = (workspace / "output").read_text("utf-8").splitlines()
    outputs = {lines[i].partition("<<")[0]: lines[i + 1] for i in range(0, len(lines), 3)}
    outcome = "failure" if done.returncode else "success"
    environ = {"CASE": case, "OUTCOME": outcome, "OUTPUTS": json.dumps(outputs)}
    outputs["report_json"] = str(workspace / outputs["report_json"])
    environ["OUTPUTS"] = json.dumps(outputs)
    assert CHECK["problems"](environ) == [], done.stderr
    other = next(name for name in CASES if name != case)
    assert CHECK["problems"]({**environ, "CASE": other})


def test_ci__a_budget_for_no_answer_is_told(workspace: Path) -> None:
    done = run(workspace, 2, max_cost_usd="0.000001", report_dir="nothing")
    assert done.returncode == 3, done.stderr
    assert "after 0 of 40 rows" in done.stderr
    assert "no run at" not in done.stderr
