"""The quickstart on a copy of the repository: recorded answers, the real small model, and an endpoint.

Its install step needs a network, so the copy gets this environment; a job of ci.yml runs it whole.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from lm_eval_so.testing.chat_server import ChatServer

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs/schema"
LOCKS = ["requirements.lock"]
LOCKS_OF_MODEL = ["requirements-local.lock", "requirements-model.lock"]


def copy_repository(folder: Path, locks: list[str] = LOCKS) -> Path:
    for name in ("pyproject.toml", "scripts", "example", *LOCKS_OF_MODEL, *LOCKS):
        source, target = ROOT / name, folder / name
        if source.is_dir():
            left = shutil.ignore_patterns(".venv", "runs", "reports", ".lm-eval-so")
            shutil.copytree(source, target, ignore=left)
        else:
            shutil.copy(source, target)
    quickstart = folder / "example/quickstart"
    programs = quickstart / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("python", "lm-eval-so"):
        (programs / name).symlink_to(Path(sys.executable).parent / name)
    stamp = subprocess.run(
        [sys.executable, "scripts/stamp.py", "pyproject.toml", *locks],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    (quickstart / ".venv/stamps").write_text(stamp.stdout)
    return quickstart


def bash(quickstart: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", *command],
        cwd=quickstart,
        env={"HOME": os.environ["HOME"], "PATH": path, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_quickstart(quickstart: Path, *arguments: str, **environ: str) -> str:
    done = bash(quickstart, "run_quickstart.sh", *arguments, **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(file: Path, schema: str) -> int:
    """Validate a record, or every line of a .jsonl; give the number of records."""
    rules = json.loads((SCHEMAS / f"{schema}-1.json").read_text(encoding="utf-8"))
    text = file.read_text(encoding="utf-8")
    records = [
        json.loads(line) for line in (text.splitlines() if file.suffix == ".jsonl" else [text])
    ]
    validator = jsonschema.Draft202012Validator(rules)
    validator.check_schema(rules)
    for record in records:
        validator.validate(record)
    return len(records)


def check_files(quickstart: Path, label: str, tests: int = 30) -> None:
    dataset = quickstart / "dataset/toy_support_qa_v1"
    assert check(dataset / "test.jsonl", "sample") == tests
    assert (dataset / "review.html").is_file()
    assert check(dataset / "metadata.json", "dataset") == 1
    assert check(quickstart / f"runs/{label}/run_results.jsonl", "run") == tests
    assert check(quickstart / f"runs/{label}/run.json", "run-info") == 1
    assert check(quickstart / "reports/report.json", "report") == 1
    assert check(quickstart / "reports/comparison.json", "comparison") == 1
    assert check(quickstart / "baselines/support-qa.json", "report") == 1
    assert (quickstart / "reports/report.html").is_file()


def test_quickstart__recorded_answers(tmp_path: Path) -> None:
    quickstart = copy_repository(tmp_path)
    before = (quickstart / "dataset/toy_support_qa_v1/test.jsonl").read_bytes()
    # in a job, too, it judges by its own baseline
    shown = run_quickstart(quickstart, GITHUB_ACTIONS="true", GITHUB_EVENT_NAME="pull_request")
    check_files(quickstart, "recorded_proposed")
    assert (quickstart / "dataset/toy_support_qa_v1/test.jsonl").read_bytes() == before
    first, _, others = shown.partition("right 5 of 5 → wrong 6 of 6")
    assert "❌ 1 of 30 cases broke" in first
    assert first.rstrip().endswith("How much is shipping to Japan for a 3 kg parcel?")
    assert "facts: not found: 17,000" in others
    assert "polite 1 → polite 0" in others
    assert "polite: 1.00 → 0.667 (−0.333). Worse" in others
    assert "would exit 1" in others
    assert "--live" in others
    assert "OPENAI_API_KEY" in others
    report = (quickstart / "reports/report.md").read_text(encoding="utf-8")
    assert (
        "| `Shipping a 3 kg parcel to Japan costs KRW 17,000.` | `Japan? Easy, that's KRW 9,000.` |"
        in report
    )
    for text in (shown, report):
        assert "no model" in text.casefold()


def test_quickstart__its_baseline_is_of_the_recorded_answers(tmp_path: Path) -> None:
    quickstart = copy_repository(tmp_path)
    file = quickstart / "baselines/support-qa.json"
    stored = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    done = bash(quickstart, "make_baseline.sh")
    assert done.returncode == 0, done.stderr
    made = json.loads(file.read_text(encoding="utf-8"))
    for part in ("metrics", "samples", "statuses", "failed_ids"):
        assert made[part] == stored[part]
    assert {metric["mean"] for metric in made["metrics"].values()} == {1.0}


def test_quickstart__the_small_model(tmp_path: Path) -> None:
    quickstart = copy_repository(tmp_path, LOCKS_OF_MODEL)
    config = quickstart / "lm-eval-so.yaml"
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    values["generator"]["sources"] = values["generator"]["sources"][-1:]
    values["generator"]["synthesise"]["questions"] = 3  # 30 would take half a minute
    shutil.rmtree(quickstart / "dataset")
    config.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    shown = run_quickstart(quickstart, "--live", OPENAI_API_KEY="sk-not-asked-1234567890")
    check_files(quickstart, "local_SmolLM2-135M-Instruct", tests=3)
    report = (quickstart / "reports/report.md").read_text(encoding="utf-8")
    for text in (shown, report):
        assert "tiny model" in text
        assert "OPENAI_API_KEY" in text


def test_quickstart__with_an_endpoint(tmp_path: Path) -> None:
    quickstart = copy_repository(tmp_path)
    key = "sk-test-1234567890"
    with ChatServer() as bot:
        shown = run_quickstart(quickstart, OPENAI_API_KEY=key, OPENAI_BASE_URL=bot.url)
    check_files(quickstart, "openai_gpt4-mini")
    assert "recorded" not in shown
    assert "tiny model" not in shown
    assert key not in shown


def test_quickstart__a_failure_says_which_step_and_what_to_do(tmp_path: Path) -> None:
    quickstart = copy_repository(tmp_path)
    nowhere = {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    done = bash(quickstart, "run_quickstart.sh", **nowhere)
    assert done.returncode == 1
    assert "quickstart: ci failed\n  fix: " in done.stderr
    assert "cannot reach http://127.0.0.1:9" in done.stdout
    unknown = bash(quickstart, "run_quickstart.sh", "--alive")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "[--live]" in unknown.stderr


@pytest.mark.parametrize("script", ["run_quickstart.sh", "make_baseline.sh"])
def test_scripts__are_executable(script: str) -> None:
    assert os.access(ROOT / "example/quickstart" / script, os.X_OK)
