"""The decorator of commands: own options and shared ones, the output, and the exit code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command

from lm_eval_so.cli.app import app as cli_app
from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.records.enums import Language
from lm_eval_so.terminal.command_line import SHARED, CommandLine, command
from lm_eval_so.terminal.entry import run_command

Name = Annotated[str, typer.Argument(metavar="NAME")]
Times = Annotated[int, typer.Option("--times")]


def run(app: typer.Typer, *arguments: str) -> int:
    return run_command(app, list(arguments))


def app_of(body, **options) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None)
    command(app, **options)(body)
    return app


def test_command__gets_its_own_values_and_the_shared_ones() -> None:
    got: list[tuple[str, int, CommandLine]] = []

    def greet(name: Name, line: CommandLine, times: Times = 1) -> None:
        got.append((name, times, line))

    given = ["-c", "a.yaml", "--set", "run.seed=1", "--set", "suite=x", "--plugin", "p.py"]
    assert (
        run(app_of(greet), "kim", *given, "--times", "2", "--json", "-q", "--language", "ko") == 0
    )
    [(name, times, line)] = got
    assert (name, times) == ("kim", 2)
    assert (line.config, line.plugins) == (Path("a.yaml"), [Path("p.py")])
    assert (line.as_json, line.quiet, line.language) == (True, True, Language.KO)
    assert line.config_overrides == ("run.seed=1", "suite=x", "language=ko")


def test_command__shared_options_it_does_not_have_keep_their_defaults(capsys) -> None:
    got: list[CommandLine] = []

    def greet(line: CommandLine) -> None:
        got.append(line)

    app = app_of(greet, shared=SHARED - {"config", "language"})
    assert run(app, "--json") == 0
    assert (got[0].config, got[0].as_json, got[0].language) == (CONFIG_FILE, True, None)
    assert run(app, "-c", "a.yaml") == 2
    assert "No such option: -c" in capsys.readouterr().err


def test_command__help_has_the_config_where_the_line_stands_and_the_rest_at_the_end(capsys) -> None:
    def greet(*, times: Times = 1, line: CommandLine, name: Name) -> None:
        """Greet."""

    assert run(app_of(greet), "--help") == 0
    options = capsys.readouterr().out.partition("Options:")[2]
    names = [line.split()[0] for line in options.splitlines() if line.strip().startswith("-")]
    assert names[:3] == ["--times", "-c,", "--set"]


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3)])
def test_command__the_body_returns_the_exit_code(returned: int | None, code: int) -> None:
    def greet(line: CommandLine) -> int | None:
        return returned

    assert run(app_of(greet)) == code


def test_emit__paths_for_people_and_one_object_for_programs(capsys) -> None:
    paths, result = [Path("a.json"), Path("보고서.md")], {"점수": 1}
    CommandLine().emit(paths=paths, result=result)
    assert capsys.readouterr().out == "a.json\n보고서.md\n"
    CommandLine(as_json=True).emit(paths=paths, result=result)
    assert json.loads(capsys.readouterr().out) == result


def test_emit_document__as_it_is_or_in_a_file_or_inside_the_object(tmp_path, capsys) -> None:
    out = tmp_path / "보고서.md"
    CommandLine().emit_document("# 통과\n", None)
    assert capsys.readouterr().out == "# 통과\n"
    CommandLine(as_json=True).emit_document("# 통과\n", None)
    assert json.loads(capsys.readouterr().out) == {"text": "# 통과\n"}
    CommandLine(as_json=True).emit_document("# 통과\n", out)
    assert json.loads(capsys.readouterr().out) == {"path": str(out)}
    assert out.read_text(encoding="utf-8") == "# 통과\n"


def test_json__is_an_option_of_every_command() -> None:
    lacking = [name for name, each in commands(get_command(cli_app)) if not has_json(each)]
    assert not lacking


def commands(group, name: str = "") -> Iterator[tuple[str, Any]]:
    for each, found in getattr(group, "commands", {}).items():
        below = list(commands(found, f"{name} {each}"))
        yield from below or [(f"{name} {each}", found)]


def has_json(command) -> bool:
    return any("--json" in each.opts for each in command.params)


def test_emit_facts__a_line_each_in_columns_as_wide_as_they_look(capsys) -> None:
    CommandLine().emit_facts({"이름": "a", "to_ask": 1200, "first": None, "parts": {"n": 1}})
    assert capsys.readouterr().out.splitlines() == [
        "이름    a",
        "to ask  1,200",
        "first   –",
        "parts",
        "  {",
        '    "n": 1',
        "  }",
    ]


def test_again__the_command_line_that_does_the_same() -> None:
    line = CommandLine(config=Path("my bot.yaml"), overrides=["run.seed=1"], plugins=[Path("p.py")])
    assert line.again("run", {"-o": Path("runs/a"), "--fresh": False}) == (
        "lm-eval-so run -c 'my bot.yaml' -o runs/a --set run.seed=1 --plugin p.py"
    )
