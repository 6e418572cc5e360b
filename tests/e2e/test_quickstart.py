"""The quickstart on a copy of the repository: keyless with the real model, and with an endpoint.

Its install step needs a network, so the copy gets this environment; a job of ci.yml runs it whole.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest

from lm_eval_so.testing.chat_server import ChatServer

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs/schema"
LOCKS = {
    "keyless": ["requirements-local.lock", "requirements-model.lock"],
    "key": ["requirements.lock"],
}


def copy_repository(folder: Path, locks: list[str]) -> Path:
    for name in ("pyproject.toml", "scripts", "example", *LOCKS["keyless"], *LOCKS["key"]):
        source, target = ROOT / name, folder / name
        if source.is_dir():
            left = shutil.ignore_patterns(".venv", "runs", "reports", "__pycache__")
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


def run_quickstart(quickstart: Path, environ: Mapping[str, str]) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "run_quickstart.sh"],
        cwd=quickstart,
        env={"HOME": os.environ["HOME"], "PATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
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


def check_files(quickstart: Path, label: str) -> None:
    dataset = quickstart / "dataset/toy_support_qa_v1"
    assert check(dataset / "test.jsonl", "sample") == 30
    assert (dataset / "review.html").is_file()
    assert check(dataset / "metadata.json", "dataset") == 1
    assert check(quickstart / f"runs/{label}/run_results.jsonl", "run") == 30
    assert check(quickstart / f"runs/{label}/run.json", "run-info") == 1
    assert check(quickstart / "reports/report.json", "report") == 1
    assert check(quickstart / "reports/comparison.json", "comparison") == 1
    assert check(quickstart / "baselines/support-qa.json", "report") == 1


def test_quickstart__without_a_key(tmp_path: Path) -> None:
    quickstart = copy_repository(tmp_path, LOCKS["keyless"])
    before = (quickstart / "dataset/toy_support_qa_v1/test.jsonl").read_bytes()
    shown = run_quickstart(quickstart, {})
    check_files(quickstart, "local_SmolLM2-135M-Instruct")
    assert (quickstart / "dataset/toy_support_qa_v1/test.jsonl").read_bytes() == before
    report = (quickstart / "reports/report.md").read_text(encoding="utf-8")
    for text in (shown, report):
        assert "tiny model" in text
        assert "OPENAI_API_KEY" in text
        assert "answers_in_korean" in text
    assert "answers_in_korean 90.5% → " in shown
    again = run_quickstart(quickstart, {})
    assert "answers_in_korean" in again


def test_quickstart__with_an_endpoint(tmp_path: Path) -> None:
    quickstart = copy_repository(tmp_path, LOCKS["key"])
    with ChatServer() as bot:
        shown = run_quickstart(
            quickstart, {"OPENAI_API_KEY": "sk-test-1234567890", "OPENAI_BASE_URL": bot.url}
        )
    check_files(quickstart, "openai_gpt4-mini")
    assert "tiny model" not in shown
    assert "sk-test-1234567890" not in shown


def test_quickstart__a_failure_says_which_step_and_what_to_do(tmp_path: Path) -> None:
    quickstart = copy_repository(tmp_path, LOCKS["key"])
    done = subprocess.run(
        ["bash", "run_quickstart.sh"],
        cwd=quickstart,
        env={
            "HOME": str(tmp_path),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OPENAI_API_KEY": "x",
            "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "quickstart: run failed\n  fix: " in done.stderr
    assert "cannot reach http://127.0.0.1:9" in done.stderr.lower()


@pytest.mark.parametrize("script", ["run_quickstart.sh", "make_baseline.sh"])
def test_scripts__are_executable(script: str) -> None:
    assert os.access(ROOT / "example/quickstart" / script, os.X_OK)
