from collections.abc import Mapping
from pathlib import Path

import pytest

from lm_eval_so.core.config.load import load_config, read_config, require_valid
from lm_eval_so.errors import UsageError
from lm_eval_so.pipeline.github.unloaded_config import ConfigSource, target_override

PREVIEW = "https://pr-7.example.dev"
PLUGIN = """
from lm_eval_so.core.backends.base import ChatBackend, SharedOptions, register_backend

@register_backend("target-url-bot")
class Bot(ChatBackend):
    address_option = "where"

    class Options(SharedOptions):
        where: str
"""


def found(
    folder: Path,
    backend: str,
    target: str = PREVIEW,
    *,
    overrides: tuple[str, ...] = (),
    environ: Mapping[str, str] = {},
    more: str = "",
) -> str | None:
    config = folder / "lm-eval-so.yaml"
    head = "version: 1\nsuite: s\ndataset: {path: data}\nmetrics: [exact_match]\n"
    config.write_text(f"{head}backend: {backend}\n{more}", encoding="utf-8")
    source = ConfigSource(file=config, environ=environ, overrides=overrides)
    return target_override(target, source)


@pytest.mark.parametrize(
    ("backend", "option"),
    [
        ("{name: openai, params: {model: m}}", "base_url"),
        ("{name: azure, options: {deployment: d}}", "endpoint"),
        ("{name: http}", "url"),
        ("{name: local}", "base_url"),
    ],
)
def test_target_override__goes_to_what_the_backend_calls_its_address(
    tmp_path: Path, backend: str, option: str
) -> None:
    assert found(tmp_path, backend) == f'backend.options.{option}="{PREVIEW}"'


@pytest.mark.parametrize(
    ("written", "target", "expected"),
    [
        ("https://bot.kr/api/chat?v=2", PREVIEW, f"{PREVIEW}/api/chat?v=2"),
        ("https://me:pw@bot.kr/api/chat", PREVIEW, f"{PREVIEW}/api/chat"),
        ("https://bot.kr/{{ params.shop }}/대화", PREVIEW, f"{PREVIEW}/{{{{ params.shop }}}}/대화"),
        ("https://bot.kr/api/chat", f"{PREVIEW}/", f"{PREVIEW}/"),
        ("https://bot.kr/api/chat", f"{PREVIEW}/v2", f"{PREVIEW}/v2"),
        ("https://bot.kr/api/chat", f"{PREVIEW}?a=b", f"{PREVIEW}?a=b"),
        ("https://bot.kr", PREVIEW, PREVIEW),
        ("https://bot.kr?v=2", PREVIEW, f"{PREVIEW}?v=2"),
        ("${BOT}/chat", PREVIEW, f"{PREVIEW}/chat"),
        ("${SET}/chat", PREVIEW, f"{PREVIEW}/base/chat"),
        ("${BOT:-http://localhost:1/dev}/chat", PREVIEW, f"{PREVIEW}/dev/chat"),
        ("${BOT}", PREVIEW, PREVIEW),
        ("bot.kr/chat", PREVIEW, PREVIEW),
    ],
)
def test_target_override__an_origin_keeps_what_stands_behind_it(
    tmp_path: Path, written: str, target: str, expected: str
) -> None:
    backend = f'{{name: http, options: {{url: "{written}"}}}}'
    environ = {"SET": "http://127.0.0.1:1/base"}
    text = found(tmp_path, backend, target, environ=environ)
    config = load_config(tmp_path / "lm-eval-so.yaml", overrides=[text or ""])
    assert config.backend
    assert config.backend.options["url"] == expected


def test_target_override__what_variables_put_behind_the_origin_stays_as_written(
    tmp_path: Path,
) -> None:
    url = "https://bot.kr/bot${AUTHV}/send?key=${AUTHV}"
    text = found(tmp_path, f'{{name: http, options: {{url: "{url}"}}}}')
    assert "${AUTHV}" in (text or "")
    file, environ = tmp_path / "lm-eval-so.yaml", {"AUTHV": "hush-hush"}
    config = require_valid(read_config(file, rewritten=[text or ""], environ=environ))
    assert config.backend
    assert config.backend.options["url"] == f"{PREVIEW}/bothush-hush/send?key=hush-hush"
    written = config.located.written["backend", "options", "url"]
    assert written.text == f"{PREVIEW}/bot${{AUTHV}}/send?key=${{AUTHV}}"


def test_target_override__takes_nothing_of_the_workflows_own_variables(tmp_path: Path) -> None:
    environ = {"GITHUB_TOKEN": "ghs-1"}
    backend = '{name: http, options: {url: "${GITHUB_TOKEN:-x}://a/${GITHUB_TOKEN}"}}'
    assert "ghs-1" not in (found(tmp_path, backend, environ=environ) or "")


def test_target_override__of_the_backend_that_the_command_line_names(tmp_path: Path) -> None:
    overrides = ("backend={name: http, options: {url: http://a/b}}",)
    text = found(tmp_path, "{name: scripted}", overrides=overrides)
    assert text == f'backend.options.url="{PREVIEW}/b"'
    text = found(tmp_path, '{name: "${KIND}"}', environ={"KIND": "openai"})
    assert text == f'backend.options.base_url="{PREVIEW}"'


def test_target_override__of_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(PLUGIN, encoding="utf-8")
    backend = "{name: target-url-bot, options: {where: https://bot.kr/a}}"
    text = found(tmp_path, backend, more="plugins: [bot.py]\n")
    assert text == f'backend.options.where="{PREVIEW}/a"'


@pytest.mark.parametrize("name", ["command", "python", "scripted", "replay"])
def test_target_override__a_backend_without_an_address(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as failed:
        found(tmp_path, f"{{name: {name}}}")
    (problem,) = failed.value.problems
    assert problem.what == f"input target_url: the backend {name} has no address"
    assert problem.where
    assert problem.where.key == "target_url"
    assert problem.hint == (
        "leave target_url out of the workflow, or ask through openai, azure, http or local"
    )


@pytest.mark.parametrize("backend", ["{name: opanai}", "{options: {}}", "[http]", "null"])
def test_target_override__leaves_a_wrong_config_to_who_loads_it(
    tmp_path: Path, backend: str
) -> None:
    assert found(tmp_path, backend) is None
