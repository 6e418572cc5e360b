"""The commands as a shell sees them: exit codes, stdout, stderr, files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import forked
from servers.commands import lm_eval_so

CONFIG = """\
version: 1
suite: shop
dataset: {path: data}
generator:
  sources:
    - {id: faq, path: faq.csv, map: {input: 질문, expected: 답변, tags: [분류]}}
backend: {name: scripted, options: {default: echo}}
metrics:
  - exact_match
  - token_f1
baseline: {path: baseline.json}
"""
FAQ = "번호,분류,질문,답변\n" + "".join(
    f"{i},배송,질문 {i}번: 환불은 며칠 걸리나요?,영업일 기준 {i}일입니다.\n" for i in range(1, 13)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lm-eval-so.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "faq.csv").write_bytes(FAQ.encode("cp949"))
    return tmp_path


def test_stages__one_after_another(folder: Path) -> None:
    made = lm_eval_so("generate", cwd=folder)
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines() == [f"data/{n}" for n in ("test.jsonl", "metadata.json")] or (
        set(made.stdout.splitlines()) >= {"data/test.jsonl", "data/metadata.json"}
    )
    run = lm_eval_so("run", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["runs/scripted/run_results.jsonl", "runs/scripted/run.json"]
    evaluated = lm_eval_so("evaluate", cwd=folder)
    assert evaluated.returncode == 0, evaluated.stderr
    reports = [f"reports/report.{form}" for form in ("json", "md", "html")]
    assert evaluated.stdout.splitlines() == reports
    (folder / "reports/report.json").rename(folder / "baseline.json")
    assert lm_eval_so("evaluate", cwd=folder).returncode == 0
    compared = lm_eval_so("compare", "reports/report.json", cwd=folder)
    assert compared.returncode == 0, compared.stderr  # inconclusive, but nothing changed
    reports = [f"reports/comparison.{form}" for form in ("json", "md", "html")]
    assert compared.stdout.splitlines() == reports
    assert "🟢 Nothing changed: 12 of 12 as before · " in compared.stderr
    shown = lm_eval_so(
        "report",
        "reports/report.json",
        "--comparison",
        "reports/comparison.json",
        "--language",
        "ko",
        cwd=folder,
    )
    assert shown.returncode == 0
    assert "판단" in shown.stdout
    of_other = ("report", "baseline.json", "--comparison", "reports/comparison.json")
    refused = lm_eval_so(*of_other, cwd=folder)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "reports/comparison.json is about another report than baseline.json" in refused.stderr


def test_report__reads_a_report_as_compare_does(folder: Path) -> None:
    for command in ("generate", "run", "evaluate"):
        assert lm_eval_so(command, cwd=folder).returncode == 0
    of_file = lm_eval_so("report", "reports/report.json", cwd=folder)
    of_folder = lm_eval_so("report", "reports", cwd=folder)
    assert (of_folder.returncode, of_folder.stdout) == (0, of_file.stdout)
    assert of_folder.stdout
    file = folder / "reports/report.json"
    values = json.loads(file.read_text("utf-8"))
    values["samples"]["revs"].pop()
    file.write_text(json.dumps(values), "utf-8")
    for command in ("report", "compare"):
        refused = lm_eval_so(command, "reports", cwd=folder)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "reports/report.json  samples.revs" in refused.stderr


def test_json__stdout_is_one_object_and_nothing_else(folder: Path) -> None:
    assert json.loads(lm_eval_so("generate", "--json", cwd=folder).stdout)["name"] == "data"
    assert json.loads(lm_eval_so("run", "--json", cwd=folder).stdout)["counts"] == {"ok": 12}
    assert json.loads(lm_eval_so("evaluate", "--json", cwd=folder).stdout)["metrics"]["token_f1"]
    verdict = json.loads(lm_eval_so("ci", "--json", cwd=folder).stdout)["verdict"]
    assert verdict == "incomparable"


def test_generate__check_tells_a_stale_dataset(folder: Path) -> None:
    assert lm_eval_so("generate", cwd=folder).returncode == 0
    fits = lm_eval_so("generate", "--check", cwd=folder)
    assert (fits.returncode, fits.stdout.count("all fit their sources")) == (0, 1)
    test = folder / "data/test.jsonl"
    test.write_text(test.read_text(encoding="utf-8").replace("3일", "4일", 1), encoding="utf-8")
    stale = lm_eval_so("generate", "--check", cwd=folder)
    assert stale.returncode == 1
    assert "4일 → 3일" in stale.stdout
    told = lm_eval_so("generate", "--check", "--json", cwd=folder)
    assert (told.returncode, json.loads(told.stdout)["tests"][0]["state"]) == (1, "changed")


def test_run__three_broken_lines_are_one_message_and_nothing_is_written(folder: Path) -> None:
    (folder / "data").mkdir()
    lines = [
        '{"id": "a", "input": "환불"}',
        '{"id": "b", ',
        '{"id": "a", "input": "x"}',
        '{"id": "c"}',
    ]
    (folder / "data/test.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = lm_eval_so("run", cwd=folder)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if "-->" in line] == [
        "  --> data/test.jsonl:2:12",
        "  --> data/test.jsonl:3",
        "  --> data/test.jsonl:4",
    ]
    assert "3 problems; nothing was done" in done.stderr
    assert done.stdout == ""
    assert not (folder / "runs").exists()


def test_error__says_what_where_and_what_to_do(folder: Path, golden) -> None:
    text = CONFIG.replace("exact_match", "exact_mach").replace(
        "dataset: {path: data}", "dataset: {path: data, nmae: x}"
    )
    (folder / "lm-eval-so.yaml").write_text(text, encoding="utf-8")
    unknown_key = lm_eval_so("evaluate", cwd=folder)
    (folder / "lm-eval-so.yaml").write_text(text.replace(", nmae: x", ""), encoding="utf-8")
    unknown_metric = lm_eval_so("evaluate", cwd=folder)
    assert (unknown_key.returncode, unknown_metric.returncode) == (2, 2)
    golden("terminal/errors.txt", unknown_key.stderr + unknown_metric.stderr)


@pytest.mark.parametrize(
    "command",
    [
        *(
            "",
            "init",
            "generate",
            "dataset",
            "run",
            "merge",
            "evaluate",
            "import",
            "calibrate",
            "compare",
            "baseline",
            "report",
            "history",
            "comment",
            "ci",
        ),
        *("forecast", "doctor", "cache", "plugins", "schema"),
    ],
)
def test_help__golden(command: str, tmp_path: Path, golden) -> None:
    arguments = [command, "--help"] if command else ["--help"]
    done = lm_eval_so(*arguments, cwd=tmp_path, environ={"COLUMNS": "100"})
    assert done.returncode == 0
    golden(f"terminal/help{'-' if command else ''}{command}.txt", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["rnu"], 2),
        (["run", "--nope"], 2),
        (["schema", "smaple"], 2),
        (["schema", "sample"], 0),
        (["--version"], 0),
        (["run"], 2),
    ],
)
def test_exit_code__of_usage(arguments: list[str], code: int, tmp_path: Path) -> None:
    done = lm_eval_so(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_plugins__tells_those_of_the_config_whatever_else_is_wrong_there(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from lm_eval_so.evaluator.metrics.base import Metric\n\n\n"
        'class Own(Metric):\n    """Mine."""\n'
    )
    (tmp_path / "bot.yaml").write_text("version: 1\nplugins: [own.py]\nmetriks: 3\n")
    told = lm_eval_so("plugins", "own", "-c", "bot.yaml", cwd=tmp_path)
    assert (told.returncode, told.stdout.splitlines()[0]) == (0, "metric own: Mine.")
    assert lm_eval_so("plugins", "own", cwd=tmp_path).returncode == 2
    assert (
        "metric own: Mine."
        in lm_eval_so("plugins", "own", "--plugin", "own.py", cwd=tmp_path).stdout
    )


def test_dry_run__sends_and_writes_nothing(folder: Path) -> None:
    assert lm_eval_so("generate", cwd=folder).returncode == 0
    before = sorted(folder.rglob("*"))
    planned = lm_eval_so("run", "--dry-run", "--json", cwd=folder)
    assert json.loads(planned.stdout)["to_ask"] == 12
    assert lm_eval_so("generate", "--dry-run", cwd=folder).returncode == 0
    assert lm_eval_so("ci", "--dry-run", cwd=folder).returncode == 0
    assert sorted(folder.rglob("*")) == before


def test_no_key__says_which_variable(folder: Path) -> None:
    assert lm_eval_so("generate", cwd=folder).returncode == 0
    done = lm_eval_so("run", "--set", "backend={name: openai, params: {model: m}}", cwd=folder)
    assert done.returncode == 2
    assert "OPENAI_API_KEY is not set" in done.stderr


def test_ci__a_mistake_in_the_gate_is_told_once(folder: Path) -> None:
    text = CONFIG + "gate: {metrics: {exact_mach: {}}}\n"
    (folder / "lm-eval-so.yaml").write_text(text, encoding="utf-8")
    done = lm_eval_so("ci", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert 'did you mean "exact_match"?' in done.stderr


def test_ci__budget_spent_too_early_is_told_and_exits_3(folder: Path) -> None:
    done = lm_eval_so("ci", "--set", "run.max_requests=1", cwd=folder)
    assert done.returncode == 3, done.stderr
    assert "stopped at 1 of 1 request after 1 of" in done.stderr
    assert (folder / "reports" / "report.md").is_file()


def test_forked__a_package_that_cannot_be_imported_fails_and_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "jinja2.py").write_text("raise ValueError('broken')", encoding="utf-8")
    line = "from servers.forked import start; from pathlib import Path; "
    line += "ended = start(['--help'], cwd=Path(), environ={}); print(*ended.communicate(), end='')"
    line += "; raise SystemExit(ended.wait())"
    tests = Path(forked.__file__).parents[1]
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{tests}"}
    environ["PYTEST_XDIST_TESTRUNUID"] = tmp_path.name
    done = subprocess.run(
        [sys.executable, "-c", line],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout[-19:]) == (70, "ValueError: broken\n")
