import io
from collections.abc import Mapping

import pytest
from servers.runner_log import split_masks

from lm_eval_so.core.secrets import make_redactor
from lm_eval_so.terminal.github_log import GuardedLog, mask

KEY = "sk-test-1234567890abcdef"
PEM = "-----BEGIN KEY-----\nMIIEvQ/IBADANB+gkqh=\n\n-----END KEY-----\n"


def masked(environ: Mapping[str, str], *named: str) -> list[str]:
    stream = io.BytesIO()
    log = GuardedLog(stream, encoding="utf-8")
    for _ in range(2):  # a config is read twice, and names what the environment names already
        mask(log, environ, make_redactor(environ, named).values)
    log.write("::add-mask::pass\n")
    log.flush()
    found, rest = split_masks(stream.getvalue().decode())
    assert rest == "│ ::add-mask::pass\n"
    return found


@pytest.mark.parametrize(
    ("environ", "named", "lines"),
    [
        ({"OPENAI_API_KEY": KEY, "ACTIONS_RUNTIME_TOKEN": "eyJ.a1b2c3"}, [], ["eyJ.a1b2c3", KEY]),
        ({"INPUT_OPENAI_API_KEY": KEY, "OPENAI_API_KEY": KEY}, [], [KEY]),
        ({"BOT_PASSWORD": "50%ige Lösung"}, [], ["50%25ige Lösung"]),
        ({"SSH_KEY": PEM}, [], ["-----BEGIN KEY-----", "-----END KEY-----", "MIIEvQ/IBADANB+gkqh="]),
        ({"BOT": "tenant-77"}, [], []),
        ({"BOT": "tenant-77"}, ["BOT"], ["tenant-77"]),
        ({"BOT": "https://u:p4ssw0rd!@b.example/"}, [], ["dTpwNHNzdzByZCE=", "p4ssw0rd!", "u:p4ssw0rd!"]),
        # what would make nonsense of a log
        ({"API_KEY": "short-7"}, ["API_KEY"], []),
        ({"SECRET_STAGE": "production", "MAX_TOKENS": "100,000,000", "USE_KEY": "true"}, [], []),
        ({"API_KEY": "correcthorsebatterystaple"}, [], ["correcthorsebatterystaple"]),
    ],
)  # fmt: skip
def test_mask__each_line_of_a_secret_and_nothing_trivial(
    environ: Mapping[str, str], named: list[str], lines: list[str]
) -> None:
    assert masked({"INPUT_CONFIG": "", **environ}, *named) == lines


def test_mask__nothing_is_written_where_the_runner_may_not_read() -> None:
    """The stdout of a step that types the command may be a file."""
    assert not masked({"OPENAI_API_KEY": KEY, "GITHUB_ACTIONS": "true"})
    plain = io.StringIO()
    mask(plain, {"INPUT_CONFIG": ""}, {KEY})
    assert not plain.getvalue()
