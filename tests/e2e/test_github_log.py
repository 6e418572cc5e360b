"""Nothing of others that is printed is executed by GitHub's runner, wherever it comes from."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from servers.checkout import N, open_checkout
from servers.commands import Done, git, lm_eval_so
from servers.runner_log import executed, foreign, split_masks
from servers.runs import write_dataset

from lm_eval_so.testing import ChatServer, Reply

ON_GITHUB = {"GITHUB_ACTIONS": "true"}
HOSTILE = "x ##[add-mask]pass"
START = "::add-mask::pass"
CONFIG = """\
version: 1
suite: shop
dataset: {path: .}
backend: {name: scripted, options: {default: echo}}
metrics: [exact_match]
run: {cache: false}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(tmp_path, 5)
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def harmless(done: Done, *, shows: str = "add-mask") -> None:
    """The text is there to read, and does nothing."""
    stdout = split_masks(done.stdout)[1]
    assert shows in stdout + done.stderr, done
    assert not foreign(stdout), stdout
    assert not foreign(done.stderr), done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        ["run", f"--{HOSTILE}"],
        ["run", f"x\n{START}"],
        ["run", "--color", HOSTILE],
        ["run", "-c", f"{HOSTILE}.yaml"],
        ["run", "--set", f"metrics=[{json.dumps(HOSTILE)}]"],
        ["run", "--set", f"suite={json.dumps(HOSTILE)}"],
        ["run", "--set", f"backend.name={json.dumps(HOSTILE)}"],
        ["run", "--set", f"dataset.path={json.dumps(HOSTILE)}"],
        ["run", "--set", f"run.out={json.dumps(HOSTILE)}"],
        ["run", "-q", "--set", f"run.out={json.dumps(chr(0xFEFF) + START)}"],
        ["run", "--set", f"dataset.path={json.dumps(START)}"],
        ["run", "--plugin", f"{HOSTILE}.py"],
        ["compare", f"{HOSTILE}.json", "--baseline", f"{START}.json"],
        ["schema", HOSTILE],
        ["cache", "info", "-c", "other.yaml"],
        ["cache", "info", "-c", "other.yaml", "--json"],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_command_line__what_it_names_is_not_executed(folder: Path, arguments: list[str]) -> None:
    other = CONFIG.replace("run: {cache: false}", f"run: {{cache: {json.dumps(HOSTILE)}}}")
    (folder / "other.yaml").write_text(other, encoding="utf-8")
    harmless(lm_eval_so(*arguments, cwd=folder, environ=ON_GITHUB))


def test_run__what_an_endpoint_answers_is_not_executed(folder: Path) -> None:
    error = {"error": {"message": f"{HOSTILE}\r\n{START}\u2028{START}"}}
    with ChatServer(lambda _: Reply(status=401, body=json.dumps(error).encode())) as bot:
        backend = json.dumps(
            {"name": "openai", "params": {"model": "m"}, "options": {"base_url": bot.url}}
        )
        environ = {**ON_GITHUB, "OPENAI_API_KEY": "sk-test-1234567890abcdef"}
        done = lm_eval_so("run", "--set", f"backend={backend}", cwd=folder, environ=environ)
    assert done.returncode == 4
    harmless(done)


@pytest.mark.parametrize("name", [HOSTILE, START], ids=["anywhere", "start"])
def test_run__what_a_dataset_holds_is_not_executed(folder: Path, name: str) -> None:
    samples = [{"id": name, "input": name, "expected": name}] * 2
    write_dataset(folder, samples)
    harmless(lm_eval_so("run", cwd=folder, environ=ON_GITHUB))  # twice the same id


OWN = f"""
from lm_eval_so.core.backends.base import ChatBackend, register_backend
from lm_eval_so.core.records.chat import ChatResponse

@register_backend("mine")
class Mine(ChatBackend):
    async def send(self, request):
        print("{HOSTILE}")
        print("##", "[add-mask]x", sep="")
        print(":", ":add-mask::x", sep="")
        print("  {START}")
        import sys, warnings
        sys.stderr.write("{START}\\n")
        warnings.warn("\\n{START}")
        return ChatResponse(text="a")
"""


def test_run__what_own_code_prints_is_not_executed(folder: Path) -> None:
    (folder / "mine.py").write_text(OWN, encoding="utf-8")
    arguments = ["run", "--plugin", "mine.py", "--set", "backend={name: mine}"]
    done = lm_eval_so(*arguments, cwd=folder, environ=ON_GITHUB)
    assert done.returncode == 0, done.stderr
    assert "\n│ ::add-mask::x\n" in done.stdout
    harmless(done)


BUG = f"""
import typer
from lm_eval_so.terminal.entry import run_app

app = typer.Typer()

@app.command()
def fail(verbose: bool = typer.Option(False, "-v")):
    raise RuntimeError("hunter2-long-value {HOSTILE}\\n{START}\\n  {START}")

run_app(app)
"""


def run_python(code: str, *arguments: str, environ: Mapping[str, str]) -> Done:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=dict(environ),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize(
    ("on_github", "arguments", "is_traced"),
    [(True, [], True), (False, ["-v"], True), (False, [], False)],
    ids=["on GitHub", "asked for", "short"],
)
def test_bug__its_text_has_no_secret_and_is_not_executed(
    on_github: bool, arguments: Sequence[str], is_traced: bool
) -> None:
    secret = {"BOT_TOKEN": "hunter2-long-value"}
    done = run_python(BUG, *arguments, environ=ON_GITHUB | secret if on_github else secret)
    assert done.returncode == 70, done.stderr
    assert ("Traceback (most recent call last)" in done.stderr) is is_traced
    assert "bug in lm-eval-so: RuntimeError: [redacted:BOT_TOKEN] x " in done.stderr
    assert "hunter2" not in done.stderr
    if not on_github:
        return
    assert "x ##\\u005badd-mask]pass\n│ ::add-mask::pass\n  │ ::add-mask::pass" in done.stderr
    harmless(done)


def test_run__json_keeps_its_values(folder: Path) -> None:
    arguments = ["run", "--json", "--dry-run", "--set", f"system={json.dumps(HOSTILE)}"]
    on_github = lm_eval_so(*arguments, cwd=folder, environ=ON_GITHUB)
    harmless(on_github)
    elsewhere = lm_eval_so(*arguments, cwd=folder)
    assert HOSTILE in elsewhere.stdout
    assert json.loads(on_github.stdout) == json.loads(elsewhere.stdout)


def test_ci__its_own_commands_work_and_no_others(tmp_path: Path) -> None:
    with open_checkout(tmp_path) as place:
        place.is_worse = True
        rows = (place.folder / "data/test.jsonl").read_text(encoding="utf-8")
        names = [f'"id": "q{i}"' for i in range(N)]
        hostile = [f'"id": "{START}{i} {HOSTILE}"' for i in range(N)]
        committed = place.folder / "baselines/shop.json"
        report = json.loads(committed.read_text(encoding="utf-8"))
        baseline = place.folder / "fetched.json"  # as a step of the job leaves it
        for old, new in zip(names, hostile, strict=True):
            rows = rows.replace(f"{old},", f"{new},")
        report["samples"]["ids"] = [f"{START}{i} {HOSTILE}" for i in range(N)]
        # main has these cases: those that a pull request adds are judged by its own rules
        git("checkout", "-q", "main", cwd=place.folder)
        (place.folder / "data/test.jsonl").write_text(rows, encoding="utf-8")
        git("commit", "-qam", "cases", cwd=place.folder)
        git("checkout", "-q", "topic", cwd=place.folder)
        git("merge", "-q", "main", cwd=place.folder)
        place.commit("a change")
        baseline.write_text(json.dumps(report), encoding="utf-8")
        arguments = {"INPUT_BASELINE": "fetched.json", f"INPUT_{HOSTILE}": "x"}
        done = place.ci(**arguments)
    assert done.returncode == 1, done.stderr
    harmless(done)
    commands = executed(done.stderr)
    assert {command.name for command in commands} == {"group", "endgroup", "warning", "error"}
    told = [command.data for command in commands if command.name == "error"]
    assert len(told) == 10
    first = '::add-mask::pass1 x ##\\u005badd-mask]pass "질문 #1": '
    assert any(text.startswith(first) for text in told)
    assert any("unknown input" in command.data for command in commands)
