"""Whatever stands in a file that people write, a command works or says what is wrong: never a bug."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.main import get_command

from lm_eval_so.action.event import find_activity, read_event
from lm_eval_so.cli.app import app
from lm_eval_so.core.config.model import Config
from lm_eval_so.errors import ExitCode, UsageError
from lm_eval_so.terminal.entry import run_command

COMMANDS = get_command(app)
"""Made once: a process makes it of its app once, too."""
SAMPLE = {"id": "q1", "input": "환불은 며칠?", "expected": "3일"}
CONFIG: dict[str, Any] = {
    "version": 1,
    "suite": "shop",
    "language": "ko",
    "dataset": {"path": "test.jsonl"},
    "backend": {"name": "replay", "options": {"run": "answers.jsonl"}},
    "system": "당신은 상담원입니다.",
    "run": {"concurrency": 2, "cache": False, "timeout_s": 5},
    "metrics": [
        "exact_match",
        {"id": "must", "name": "keyword_coverage", "params": {"keywords": ["3일"]}},
        {"name": "length", "params": {"max": 40}, "only": {"tags": ["a"], "language": ["ko"]}},
        {
            "name": "llm_judge",
            "params": {"rubric": "정확한가?", "labels": ["good", "bad"]},
            "panel": [{"name": "scripted", "options": {"default": "good"}}],
            "judge": {"quorum": 1},
        },
    ],
    "gate": {"metrics": {"must": {"margin": 0.05, "min": 0.5}}},
    "report": {"out": "reports", "formats": ["json"], "by": ["a"]},
}
EVENT: dict[str, Any] = {
    "action": "opened",
    "number": 7,
    "before": "a" * 40,
    "repository": {"default_branch": "main", "id": 1},
    "merge_group": {"base_sha": "b" * 40},
    "pull_request": {
        "number": 7,
        "state": "open",
        "head": {"sha": "c" * 40, "repo": {"id": 1}},
        "base": {"sha": "d" * 40, "ref": "main", "repo": {"id": 1}},
    },
}
NAMES = st.sampled_from([*Config.model_fields, "list", "str", "dict", "bool", "name", "params"])
DIGITS = st.sampled_from(["9" * 400, "9" * 5000, "-" + "1" * 4301, "1e999", "1e-999", "0.5"])
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["", "\0", "\ud800", "\u2028", "${X}", "${X:-3}", "a[0]", "[", "..", "/", "~", "<<", "../x:y"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | TEXTS, inner, max_size=3),
    max_leaves=8,
)


def nested(opener: str, depth: int) -> str:
    return opener * depth + "1" + {"[": "]"}.get(opener, "}") * depth


OPENERS = ["[", '{"a":']
DEEP = st.builds(nested, st.sampled_from(OPENERS), st.sampled_from([60, 150, 600, 1100, 5000]))
LESS_DEEP = st.builds(nested, st.sampled_from(OPENERS), st.sampled_from([60, 150, 600]))
"""For YAML, whose pure reader takes a second for the others: they have examples of their own."""
FEWER = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test.jsonl").write_text(json.dumps(SAMPLE) + "\n", "utf-8")
    (tmp_path / "answers.jsonl").write_text('{"id": "q1", "answer": "3일"}\n', "utf-8")
    (tmp_path / "lm-eval-so.yaml").write_text(json.dumps(CONFIG), "utf-8")
    return tmp_path


def ends(folder: Path, command: str, *more: str) -> int:
    """Run a command in this process; a mistake has a text, and a bug fails the test."""
    out, err = io.StringIO(), io.StringIO()
    file = ["-c", str(folder / "lm-eval-so.yaml")]
    with redirect_stdout(out), redirect_stderr(err):
        code = run_command(COMMANDS, [command, *file, *more])
    assert code != ExitCode.BUG, err.getvalue()
    assert (code == ExitCode.DONE) or err.getvalue().startswith(("error: ", "warning: ", "run"))
    return code


@st.composite
def changed(draw: st.DrawFn, values: Any) -> Any:
    """Values of which a few are others, or stand under other keys."""
    values = json.loads(json.dumps(values))
    for _ in range(draw(st.integers(1, 3))):
        holder = values
        for _ in range(draw(st.integers(0, 4))):
            inner = list(holder.values() if isinstance(holder, dict) else holder)
            nested = [each for each in inner if isinstance(each, dict | list) and each]
            if not nested:
                break
            holder = draw(st.sampled_from(nested))
        if isinstance(holder, dict):
            key = draw(st.sampled_from(sorted(holder)) | NAMES | TEXTS)
            if key in holder and draw(st.booleans()):
                holder[draw(TEXTS | NAMES)] = holder.pop(key)
            else:
                holder[key] = draw(VALUES)
        else:
            holder.insert(draw(st.integers(0, len(holder))), draw(VALUES))
    return values


def as_text(values: Any, raw: str | None) -> str:
    """The values as JSON, in which a text "RAW" stands for something that no JSON writer writes."""
    text = json.dumps(values)
    return (
        text if raw is None else text.replace(json.dumps(SAMPLE["input"]), raw).replace("40", raw)
    )


@FEWER
@given(values=changed(CONFIG), raw=st.none() | DIGITS | DEEP)
def test_config__with_any_values(folder: Path, values: Any, raw: str | None) -> None:
    (folder / "lm-eval-so.yaml").write_text(as_text(values, raw), "utf-8")
    assert ends(folder, "doctor") in {ExitCode.DONE, ExitCode.BAD_INPUT}
    assert ends(folder, "run", "--dry-run") in {ExitCode.DONE, ExitCode.BAD_INPUT}


@FEWER
@given(
    at=st.integers(0, 900),
    cut=st.integers(0, 30),
    text=TEXTS | st.text(alphabet=" \n\t:-[]{},&*!|>'\"%@`#?~<a1", max_size=12),
)
def test_config__of_any_text(folder: Path, at: int, cut: int, text: str) -> None:
    whole = json.dumps(CONFIG, ensure_ascii=False, indent=1).replace('"', "")
    data = (whole[:at] + text + whole[at + cut :]).encode("utf-8", "surrogatepass")
    (folder / "lm-eval-so.yaml").write_bytes(data)
    assert ends(folder, "doctor") in {ExitCode.DONE, ExitCode.BAD_INPUT}


@FEWER
@given(
    path=st.text(alphabet="abrun.metics[]0123=\0 ", max_size=14),
    value=VALUES | DIGITS | LESS_DEEP,
)
@example(path="run.a", value=nested("[", 1100))
@example(path="run.a", value=nested('{"a":', 1100))
@example(path="run.a", value=nested("[", 5000))
@example(path="run.a", value=nested('{"a":', 5000))
def test_config__with_any_value_of_the_command_line(folder: Path, path: str, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    code = ends(folder, "doctor", "--set", f"{path}={text}", "--set", f"run.seed={text}")
    assert code in {ExitCode.DONE, ExitCode.BAD_INPUT}


@FEWER
@given(
    values=changed({**SAMPLE, "metrics": {"must": {"keywords": ["3일"]}}, "metadata": {"a": 40}}),
    raw=st.none() | DIGITS | DEEP,
)
def test_dataset__of_any_json(folder: Path, values: Any, raw: str | None) -> None:
    (folder / "test.jsonl").write_text(as_text(values, raw) + "\n", "utf-8")
    assert ends(folder, "doctor") in {ExitCode.DONE, ExitCode.BAD_INPUT}
    ends(folder, "run", "--fresh")


@FEWER
@given(
    values=changed({"id": "q1", "answer": "3일", "repeat": 0, "latency_ms": 40}),
    raw=st.none() | DIGITS | DEEP,
)
def test_replay__of_any_json(folder: Path, values: Any, raw: str | None) -> None:
    (folder / "answers.jsonl").write_text(as_text(values, raw) + "\n", "utf-8")
    ends(folder, "run", "--fresh")
    ends(folder, "evaluate")


@FEWER
@given(
    text=changed(EVENT).map(json.dumps) | DIGITS | DEEP | st.sampled_from(["[" * 50_000, "\0", ""])
)
def test_event__of_any_json(folder: Path, text: str) -> None:
    file = folder / "event.json"
    file.write_text(text, "utf-8")
    for name in ("pull_request", "push", "workflow_dispatch", "schedule", "merge_group"):
        told = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(file)}
        try:
            find_activity(told, read_event(told))
        except UsageError:
            continue
