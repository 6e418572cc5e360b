"""Mistakes are told before anything is sent, by every command; what another command lacks is none."""

import json
from pathlib import Path
from typing import Any

import pytest
from servers.commands import lm_eval_so
from servers.runs import write_dataset

import lm_eval_so as so
from lm_eval_so.errors import ConfigError
from lm_eval_so.testing import ChatServer

CASES = [{"id": f"q{i}", "input": f"환불은 며칠? #{i}", "expected": "3일"} for i in range(3)]


def config(url: str, **sections: Any) -> dict[str, Any]:
    endpoint = {"base_url": url, "api_key_env": ""}
    bot = {"name": "openai", "label": "bot", "params": {"model": "m"}, "options": {**endpoint}}
    judge = {"name": "openai", "params": {"model": "j"}, "options": {**endpoint}}
    metric = {"name": "llm_judge", "params": {"rubric": "정확한가?"}, "backend": judge}
    values = {"version": 1, "suite": "shop", "dataset": {"path": "."}, "backend": bot}
    return {**values, "metrics": ["exact_match", metric], "run": {"cache": False}, **sections}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(tmp_path, CASES)
    return tmp_path


def write(folder: Path, values: dict[str, Any]) -> None:
    (folder / "lm-eval-so.yaml").write_text(json.dumps(values, ensure_ascii=False), "utf-8")


MISTAKES = {
    "exact_macth": 'error: unknown metric "exact_macth" (did you mean "exact_match"?)',
    "regex": "error: regex needs params.pattern, which neither the config nor any sample gives",
    "length": "error: length needs params.min or max, which neither the config nor any sample gives",
}


@pytest.mark.parametrize("more", [{}, {"reprot": {}}], ids=["alone", "beside another"])
@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        (["run"], "regex"),
        (["run"], "exact_macth"),
        (["run", "--dry-run"], "length"),
        (["evaluate"], "regex"),
        (["evaluate", "--dry-run"], "length"),
        (["ci"], "length"),
        (["ci", "--dry-run"], "regex"),
        (["doctor"], "length"),
        (["doctor", "--ask"], "regex"),
        (["generate"], "exact_macth"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else given,
)
def test_command__a_mistake_in_the_metrics_is_told_before_anything_is_sent(
    folder: Path, arguments: list[str], mistake: str, more: dict[str, Any]
) -> None:
    with ChatServer() as server:
        write(folder, config(server.url))
        if arguments[0] == "evaluate":
            assert lm_eval_so("run", "-q", cwd=folder).returncode == 0
        asked = len(server.requests)
        write(folder, config(server.url, metrics=["exact_match", mistake], **more))
        done = lm_eval_so(*arguments, cwd=folder)
        assert (done.returncode, len(server.requests)) == (2, asked), done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert MISTAKES[mistake] in told
    assert ('error: unknown key "reprot" (did you mean "report"?)' in told) == bool(more)
    assert len(told) == 1 + bool(more)
    assert done.stdout == ""


def test_run__needs_no_key_of_a_judge(folder: Path) -> None:
    with ChatServer() as server:
        values = config(server.url)
        values["metrics"][1]["backend"]["options"]["api_key_env"] = "NO_SUCH_JUDGE_KEY"
        values["run"]["max_cost_usd"] = 1
        values["backend"]["options"]["price"] = {"input_per_mtok": 0, "output_per_mtok": 0}
        write(folder, values)
        for command in ("evaluate", "ci", "doctor"):
            done = lm_eval_so(command, cwd=folder)
            assert done.returncode == 2
            assert "NO_SUCH_JUDGE_KEY is not set" in done.stderr
        assert not server.requests
        done = lm_eval_so("run", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == 3


def test_evaluate__needs_no_chatbot(folder: Path) -> None:
    with ChatServer() as server:
        write(folder, config(server.url, metrics=["exact_match"]))
        assert lm_eval_so("run", cwd=folder).returncode == 0
        values = config(server.url, metrics=["exact_match"])
        values["backend"]["options"]["api_key_env"] = "NO_SUCH_KEY"
        write(folder, values)
        assert lm_eval_so("evaluate", cwd=folder).returncode == 0
        del values["backend"]
        write(folder, values)
        assert lm_eval_so("evaluate", "--run", "runs/bot", cwd=folder).returncode == 0


def test_evaluate__parameters_of_one_sample_are_enough(folder: Path) -> None:
    write_dataset(folder, [*CASES, {**CASES[0], "id": "k", "metrics": {"length": {"max": 3}}}])
    scripted = {"name": "scripted", "options": {"default": "echo"}}
    write(folder, config("", metrics=["exact_match", "length"], backend=scripted))
    assert lm_eval_so("ci", cwd=folder).returncode == 0
    write_dataset(folder, [*CASES, {**CASES[0], "id": "k", "metrics": {"length": {"unti": 3}}}])
    done = lm_eval_so("run", "--fresh", cwd=folder)
    assert done.returncode == 2
    assert 'sample k, metrics.length.unti: unknown key "unti" (did you mean "unit"?)' in done.stderr


def test_ci__a_plan_for_people_is_text(folder: Path) -> None:
    with ChatServer() as server:
        write(folder, config(server.url, metrics=["exact_match"]))
        for command in ("ci", "run"):
            told = lm_eval_so(command, "--dry-run", cwd=folder)
            lines = told.stdout.splitlines()
            assert lines[:2] == ["folder         runs/bot", "planned        3"]
            assert "first request" in lines
            planned = lm_eval_so(command, "--dry-run", "--json", cwd=folder)
            assert json.loads(planned.stdout)["to_ask"] == 3
        assert not server.requests


def test_compare__a_record_of_another_kind_says_what_to_name(folder: Path) -> None:
    scripted = {"name": "scripted", "label": "bot", "options": {"default": "echo"}}
    write(folder, config("", metrics=["exact_match"], backend=scripted))
    assert lm_eval_so("ci", cwd=folder).returncode == 0
    for file, fix in (
        ("reports/comparison.json", "the report.json beside it is the report that was compared"),
        ("runs/bot/run.json", "make a report of that run with lm-eval-so evaluate"),
    ):
        done = lm_eval_so("compare", file, cwd=folder)
        assert done.returncode == 2
        assert f"fix: {fix}" in done.stderr


def test_functions__tell_all_at_once_before_anything_is_sent(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with ChatServer() as server:
        write(folder, config(server.url, metrics=["exact_macth", "regex"], reprot={}))
        for function in (so.run, so.evaluate):
            with pytest.raises(ConfigError) as caught:
                function("lm-eval-so.yaml")
            assert [problem.what.partition(" (")[0] for problem in caught.value.problems] == [
                'unknown metric "exact_macth"',
                "regex needs params.pattern, which neither the config nor any sample gives",
                'unknown key "reprot"',
            ]
        assert not server.requests
