import pytest

from lm_eval_so.cli.app import app
from lm_eval_so.errors import ExitCode, Problem, Where
from lm_eval_so.terminal.entry import problem_text, run_command


def test_problem_text__a_password_in_the_line_is_not_shown():
    line = '  url: "http://로봇:geheimnis@bot.example.com/", verify: 3'
    where = Where(file="c.yaml", line=2, column=line.index("3") + 1, text=line)
    shown = problem_text(Problem(what="wrong", where=where)).splitlines()
    assert shown[2] == '      url: "http://[redacted]@bot.example.com/", verify: 3'
    assert shown[3].index("^") == shown[2].index("3")


@pytest.mark.parametrize(
    ("arguments", "is_told"),
    [
        (["run", "--concurrency", "3"], True),
        (["ci", "--model", "gpt-4.1"], True),
        (["schema", "--model", "gpt-4.1"], False),
        (["run", "--out"], False),
        (["evalute"], False),
    ],
)
def test_run_command__an_unknown_option_may_be_a_key_of_the_config(
    capsys: pytest.CaptureFixture[str], arguments: list[str], is_told: bool
):
    assert run_command(app, arguments) == ExitCode.BAD_INPUT
    assert ("--set KEY.PATH=VALUE" in capsys.readouterr().err) == is_told
