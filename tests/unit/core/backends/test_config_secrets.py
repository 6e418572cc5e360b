"""The secrets of a config: each backend says which variables and files it needs."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lm_eval_so.core.backends.base import ChatBackend, SharedOptions, backends
from lm_eval_so.core.backends.build import build_backend, shown_section
from lm_eval_so.core.backends.config_secrets import config_redactor, missing_variables
from lm_eval_so.core.config.load import load_config, make_config
from lm_eval_so.core.config.model import Config
from lm_eval_so.errors import ConfigError

HTTP = {"url": "http://bot/chat", "body": {"m": "{{ last_user }}"}, "response": {"text": "a"}}


def config(backend: dict[str, Any], **sections: Any) -> Config:
    values = {"version": 1, "suite": "s", "dataset": {"path": "d"}, "backend": backend}
    return make_config({**values, **sections})


def openai(**options: Any) -> dict[str, Any]:
    return {"name": "openai", "params": {"model": "m"}, "options": options}


@pytest.mark.parametrize(
    ("backend", "missing"),
    [
        (openai(), ["OPENAI_API_KEY"]),
        (openai(preset="openrouter"), ["OPENROUTER_API_KEY"]),
        (openai(preset="openrouter", api_key_env="MINE"), ["MINE"]),
        (openai(preset="ollama"), []),
        (openai(api_key_env=""), []),
        (openai(api_key_file="key.txt"), []),
        (openai(headers_env={"authorization": "BOT"}), ["BOT"]),
        (openai(organization_env="ORG", proxy_env="PROXY"), ["OPENAI_API_KEY", "ORG", "PROXY"]),
        (
            {"name": "azure", "options": {"deployment": "d"}},
            ["AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"],
        ),
        (
            {"name": "azure", "options": {"deployment": "d", "token_env": "ENTRA"}},
            ["AZURE_OPENAI_ENDPOINT", "ENTRA"],
        ),
        (
            {"name": "azure", "options": {"deployment": "d", "endpoint": "https://x.azure.com"}},
            ["AZURE_OPENAI_API_KEY"],
        ),
        (
            {"name": "http", "options": {**HTTP, "env": ["A"], "headers_env": {"X": "B"}}},
            ["A", "B"],
        ),
        (
            {"name": "command", "options": {"argv": ["bot"], "env": ["BOT_KEY", "STAGE"]}},
            ["BOT_KEY"],
        ),
        ({"name": "scripted"}, []),
    ],
)
def test_missing_variables__are_those_that_the_backend_needs(
    backend: dict[str, Any], missing: list[str]
) -> None:
    assert missing_variables(config(backend), {}) == tuple(missing)
    assert missing_variables(config(backend), dict.fromkeys(missing, "x")) == ()


def test_missing_variables__of_judges_panels_and_simulated_users() -> None:
    metrics = [
        {"id": "one", "name": "llm_judge", "backend": openai(api_key_env="JUDGE")},
        {"id": "all", "name": "llm_judge", "panel": [openai(api_key_env="P1"), openai()]},
    ]
    run = {"simulator": {"backend": openai(preset="groq")}}
    found = config({"name": "scripted"}, metrics=metrics, run=run)
    assert missing_variables(found, {"OPENAI_API_KEY": "x"}) == ("GROQ_API_KEY", "JUDGE", "P1")


class Mine(ChatBackend):
    class Options(SharedOptions):
        door_env: str = "DOOR"
        vault_file: Path | None = None
        note: str = ""

    def reach(self) -> dict[str, Any]:
        return {"note": self.options.note, "of": f"at {self.options.note}"}


class Broken(ChatBackend):
    @classmethod
    def secrets(cls, options: BaseModel) -> Any:
        raise RuntimeError("no")


def test_secrets__of_a_plugin(tmp_path: Path) -> None:
    backends.register("mine", Mine)
    (tmp_path / "vault").write_text("in-the-vault\n", encoding="utf-8")
    section = {"name": "mine", "options": {"vault_file": "vault"}}
    values = {"version": 1, "suite": "s", "dataset": {"path": "d"}, "backend": section}
    found = make_config(values, folder=tmp_path)
    assert missing_variables(found, {}) == ("DOOR",)
    redactor = config_redactor(found, {"DOOR": "of-the-door"}, runs_code=True)
    told = redactor.redact("of-the-door in-the-vault")
    assert told == "[redacted:DOOR] [redacted:vault]"


def test_secrets__without_running_code_of_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)  # so that it would be found
    (tmp_path / "bot_of_a_fork.py").write_text("raise SystemExit('it ran')", encoding="utf-8")
    found = config({"name": "bot_of_a_fork:Bot", "options": {"url": "http://u:password@h"}})
    assert config_redactor(found, {}, runs_code=False).redact("password") != "password"
    assert missing_variables(found, {}) == ()
    assert "bot_of_a_fork" not in sys.modules


def test_secrets__of_a_plugin_that_breaks() -> None:
    backends.register("broken", Broken)
    found = config({"name": "broken"})
    assert config_redactor(found, {}, runs_code=True).redact("x") == "x"
    with pytest.raises(ConfigError, match="cannot be made: RuntimeError: no"):
        build_backend(found.backend, config=found, where_path=("backend",), environ={})


def written(folder: Path, backend: str, environ: dict[str, str], *overrides: str) -> Config:
    file = folder / "lm-eval-so.yaml"
    text = f"version: 1\nsuite: s\ndataset: {{path: d}}\nbackend:\n{backend}\n"
    file.write_text(text, encoding="utf-8")
    return load_config(file, environ=environ, overrides=overrides)


def test_shown_section__of_a_plugin_tells_no_option_and_what_variables_hold_as_written(
    tmp_path: Path,
) -> None:
    backends.register("mine", Mine)
    section = '  {name: mine, options: {note: "${AUTHV}", headers: {X: literal}}}'
    found = written(tmp_path, section, {"AUTHV": "hush-hush"})
    told, digest = shown_section(found.backend, config=found, environ={})
    assert told["reach"]["note"] == "${AUTHV}"
    assert "literal" not in str(told)
    other = written(tmp_path, section, {"AUTHV": "other-value"})
    assert shown_section(other.backend, config=other, environ={})[1] != digest


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://u:p@bot:8080/chat?key=k", "http://bot:8080/chat"),
        ("${BOTURL}", "http://real:1/v1"),
        ("${BOTURL}/chat", "http://real:1/v1/chat"),
        ("https://api.example/bot${AUTHV}/send?x=${AUTHV}", "https://api.example/bot${AUTHV}/send"),
        ("http://${HOST}/${AUTHV}", "http://real.example/${AUTHV}"),
    ],
)
def test_shown_section__of_an_address_the_host_stays_and_the_path_is_as_written(
    tmp_path: Path, url: str, shown: str
) -> None:
    section = f'  {{name: http, options: {{url: "{url}", body: {{}}, response: {{text: a}}}}}}'
    environ = {"BOTURL": "http://u:pw@real:1/v1", "AUTHV": "hush-hush", "HOST": "real.example"}
    found = written(tmp_path, section, environ)
    assert shown_section(found.backend, config=found, environ={})[0]["reach"]["url"] == shown


def test_shown_section__of_another_host_or_body_is_another_digest(tmp_path: Path) -> None:
    section = (
        '  {name: http, options: {url: "http://${HOST}/", body: {a: "${A}"}, response: {text: a},'
        ' headers: {X-Key: "${K}"}}}'
    )
    digests = [
        shown_section((c := written(tmp_path, section, each)).backend, config=c, environ={})[1]
        for each in (
            {"HOST": "one", "A": "1", "K": "k"},
            {"HOST": "one", "A": "1", "K": "another key"},
            {"HOST": "two", "A": "1", "K": "k"},
            {"HOST": "one", "A": "2", "K": "k"},
        )
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_config_redactor__ordinary_variables_change_no_text(tmp_path: Path) -> None:
    section = (
        '  name: openai\n  label: "${STAGE}"\n  params: {model: "${MODEL}"}\n'
        '  options: {headers: {X-Stage: "${STAGE}", X-Model: "${MODEL}", X-Zone: "${ZONE}"}}'
    )
    environ = {"STAGE": "production", "MODEL": "shop-model-7", "ZONE": "zone-b-17"}
    redactor = config_redactor(written(tmp_path, section, environ), environ, runs_code=True)
    text = "in production, shop-model-7 answers"
    assert redactor.redact_counting(text) == (text, 0)
    assert redactor.redact("zone-b-17") == "[redacted:ZONE]"


@pytest.mark.parametrize(
    "options",
    [
        "{api_key_env: GITHUB_TOKEN}",
        "{headers_env: {X-A: ACTIONS_RUNTIME_TOKEN}}",
        "{proxy_env: INPUT_GITHUB_TOKEN}",
        "{organization_env: INPUT_OPENAI_API_KEY}",
    ],
)
def test_build_backend__refuses_the_workflows_own_variables(tmp_path: Path, options: str) -> None:
    section = f"  name: openai\n  params: {{model: m}}\n  options: {options}"
    found = written(tmp_path, section, {})
    environ = {"OPENAI_API_KEY": "k", "GITHUB_TOKEN": "t", "INPUT_GITHUB_TOKEN": "t"}
    with pytest.raises(ConfigError) as caught:
        build_backend(found.backend, config=found, where_path=("backend",), environ=environ)
    (problem,) = caught.value.problems
    assert problem.what.startswith("a config cannot name the variable ")
    assert problem.where.line == 7
    assert problem.hint


@pytest.mark.parametrize(
    "section",
    [
        {"name": "http", "options": {**HTTP, "env": ["INPUT_X"]}},
        {"name": "command", "options": {"argv": ["sh"], "env": ["INPUT_X"]}},
        {"name": "azure", "options": {"deployment": "d", "endpoint_env": "INPUT_X"}},
        {"name": "mine", "options": {"door_env": "INPUT_X"}},
    ],
)
def test_build_backend__refuses_them_wherever_a_backend_names_variables(
    section: dict[str, Any],
) -> None:
    backends.register("mine", Mine)
    found = config(section)
    with pytest.raises(ConfigError, match="cannot name the variable INPUT_X"):
        build_backend(
            found.backend, config=found, where_path=("backend",), environ={"INPUT_X": "x"}
        )


def test_build_backend__quotes_what_the_file_says(tmp_path: Path) -> None:
    section = '  name: openai\n  params: {model: m}\n  options: {base_url: "${AUTHV}"}'
    found = written(tmp_path, section, {"AUTHV": "hush-hush"})
    with pytest.raises(ConfigError) as caught:
        build_backend(
            found.backend, config=found, where_path=("backend",), environ={"OPENAI_API_KEY": "k"}
        )
    assert '"${AUTHV}" is no address' in str(caught.value)
    assert "hush-hush" not in str(caught.value.problems)
