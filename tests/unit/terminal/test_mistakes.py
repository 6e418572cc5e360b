"""Configs with several mistakes each, and all that is told of them: the text is what people read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from servers.commands import lm_eval_so

from lm_eval_so.cli.app import app
from lm_eval_so.errors import ExitCode
from lm_eval_so.terminal.entry import run_command

HEAD = "version: 1\nsuite: shop\ndataset: {path: .}\n"
BOT = "backend: {name: scripted, options: {default: echo}}\n"
PLUGIN = """\
from lm_eval_so.evaluator.metrics.base import Metric
import no_such_module_here


class Politeness(Metric):
    pass
"""

CONFIGS = {
    "at every depth": """\
version: 1
suite: Shop!
langauge: ko
dataset: {path: ., nmae: x}
backend: {name: openia, parms: {model: m}}
run:
  concurency: 3
  simulator: {backend: {name: openai, params: {model: m}, options: {api_key_evn: SIM_KEY}}}
generator: {sources: [{id: faq, path: faq.csv, mpa: {input: q}}]}
metrics:
  - exact_macth
  - {name: regex, pass_iff: ">= 1"}
  - {id: short, name: length, params: {unti: words}}
  - {name: char_f1, only: {tgas: [a]}}
  - id: tone
    name: llm_judge
    params: {rubric: gone.md, labls: [good, bad]}
    panel:
      - {name: scripted, options: {answerz: x}}
      - {name: http, options: {url: "http://127.0.0.1:1", bdy: {}, response: {text: "a["}}}
gate: {metrics: {char_f1: {margn: 3}, tnoe: {margin: 0.1}}}
report: {formts: [md]}
""",
    "of kinds, variables and yaml": """\
suite: shop
suite: shop
dataset: [data]
system: "${NO_SUCH_VARIABLE}"
backend: {params: {model: m}}
run: {timeout_s: 1e999, seed: a, cache: 3}
metrics: [3, exact_match, {name: exact_match, id: "a b"}, {name: keyword_coverage, params: {keywords: [{txet: 3일}]}}]
gate: {alpha: 2, metrics: {keyword_coverage: {margin: 0.05, max_increase: 1}}}
$schema: x
""",
    "that nobody gives": HEAD
    + BOT
    + "metrics: [regex, length, keyword_coverage, exact_match, {id: asked, name: tool_call}]\n",
    "twice": HEAD
    + BOT
    + "metrics: [exact_match, exact_match, {id: j, name: llm_judge, params: {rubric: r}, "
    "backend: {name: scripted}, panel: [{name: scripted}]}]\n"
    "generator: {sources: [{id: a, path: x.csv, records: '$['}, {id: a, path: x.csv}]}\n",
    "of a plugin that fails": HEAD
    + "plugins: [broken.py, gone.py]\nbackend: {name: my_bot}\nmetrics: [politeness, exact_macth]\n"
    "gate: {metrics: {politenes: {}}}\nreprot: {}\n",
    "of yaml": HEAD + "metrics:\n\t- exact_macth\nlangauge: ko\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    line = '{"id": "q1", "input": "환불은 며칠?", "expected": "3일"}\n'
    (tmp_path / "test.jsonl").write_text(line, "utf-8")
    (tmp_path / "broken.py").write_text(PLUGIN, "utf-8")
    for name in ("SIM_KEY", "NO_SUCH_VARIABLE", "OPENAI_API_KEY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_doctor__tells_all_mistakes_of_a_config(
    folder: Path, golden: Callable[[str, str], None]
) -> None:
    told = []
    for title, text in CONFIGS.items():
        (folder / "lm-eval-so.yaml").write_text(text, "utf-8")
        done = lm_eval_so("doctor", cwd=folder)  # other tests register names in this process
        assert done.returncode == ExitCode.BAD_INPUT
        told.append(f"## {title}\n\n{done.stderr}")
    golden("terminal/mistakes.txt", "\n".join(told))


@pytest.mark.parametrize("command", ["run", "evaluate", "ci", "generate"])
def test_commands__tell_what_doctor_tells_of_what_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (folder / "lm-eval-so.yaml").write_text(CONFIGS["at every depth"], "utf-8")

    def told(*arguments: str) -> set[str]:
        assert run_command(app, [*arguments]) == ExitCode.BAD_INPUT
        return {line for line in capsys.readouterr().err.splitlines() if line.startswith("error")}

    key, file = "error: SIM_KEY is not set", "error: no such file: x"  # a simulator's, a judge's
    lacking = {"run": {file}, "evaluate": {key}, "generate": {key, file}}
    of_doctor = told("doctor")
    assert {key, file} < of_doctor
    expected = of_doctor - lacking.get(command, set())
    if command == "generate":  # the dataset is made anew, and its sources are looked at
        expected -= {each for each in expected if "nor any sample gives" in each}
        expected |= {"error: no file at faq.csv"}
    assert told(command) == expected
    if command != "generate":
        assert told(command, "--dry-run") == expected
    assert not (folder / "runs").exists()


def test_compare__a_second_report_belongs_to_an_option(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(app, ["compare", "a.json", "b.json"]) == ExitCode.BAD_INPUT
    assert "fix: the report to compare with goes by --baseline FILE" in capsys.readouterr().err
    assert run_command(app, ["plugins", "a", "b"]) == ExitCode.BAD_INPUT
    assert "--baseline" not in capsys.readouterr().err
