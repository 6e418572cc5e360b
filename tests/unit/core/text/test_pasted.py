import pytest

from lm_eval_so.core.text.pasted import command_line


@pytest.mark.parametrize(
    "override",
    [
        'backend.params.extra_body={"pwd": "hunter22"}',
        "backend.params.extra_body.passphrase=hunter22",
        "backend.params.extra_body.credential=hunter22",
        'backend.options.argv=["./bot.sh", "--key", "hunter22"]',
        'backend.options.body={"signature": "hunter22"}',
    ],
)
def test_command_line__leaves_out_what_may_be_a_secret(override: str) -> None:
    told = command_line("run", "a.yaml", overrides=[override])
    assert "hunter22" not in told
    assert override.partition("=")[0] in told


@pytest.mark.parametrize(
    "override",
    [
        "backend.params.max_tokens=5",
        "backend.options.api_key_env=BOT_KEY",
        "metrics=[keyword_coverage]",
    ],
)
def test_command_line__keeps_the_rest(override: str) -> None:
    assert override in command_line("run", "a.yaml", overrides=[override]).replace("'", "")


def test_command_line__repeats_the_option_of_a_list() -> None:
    told = command_line("evaluate", "a.yaml", options={"--run": ["a", "b c"], "--format": []})
    assert told == "lm-eval-so evaluate -c a.yaml --run a --run 'b c'"
