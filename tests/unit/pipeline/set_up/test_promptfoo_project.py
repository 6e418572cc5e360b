"""What comes over of a promptfoo configuration besides its tests, and what is said of the rest."""

import asyncio
import textwrap
from pathlib import Path
from typing import Any

import pytest
from servers.shop_bot import Asked, ShopBot, Told

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import load_config
from lm_eval_so.core.records.enums import Language
from lm_eval_so.pipeline.doctor import ask_once
from lm_eval_so.pipeline.set_up.promptfoo_project import Taken, take_project
from lm_eval_so.pipeline.set_up.set_up import Wish, screen, set_up

NAME = "promptfooconfig.yaml"
ALONE = "prompts: ['{{question}}']\n"
CHAT = '[{"role": "system", "content": "You sell tea."}, {"role": "user", "content": "{{q}}"}]'


def taken(folder: Path, text: str) -> Taken:
    (folder / NAME).write_text(textwrap.dedent(text), encoding="utf-8")
    found = take_project(folder / NAME, NAME)
    assert found is not None
    return found


def options(inner: str, prompts: str = ALONE) -> str:
    return f"{prompts}providers:\n- id: https://bot.example.com/chat\n  config: {inner}\n"


@pytest.mark.parametrize(
    ("text", "section", "notes"),
    [
        (ALONE + "providers: openai:gpt-4.1", {"name": "openai", "params": {"model": "gpt-4.1"}}, []),
        (ALONE + "providers: [openai:chat:gpt-4.1, anthropic:messages:claude-5]", {"name": "openai", "params": {"model": "gpt-4.1"}}, ["other_provider:2"]),
        (ALONE + "providers:\n- id: openai:responses:gpt-5\n  config: {temperature: 0, apiBaseUrl: 'http://a/v1', apiKeyEnvar: K, tools: []}", {"name": "openai", "params": {"model": "gpt-5", "temperature": 0}, "options": {"base_url": "http://a/v1", "api_key_env": "K"}}, ["provider_setting:4"]),
        (ALONE + "providers: ['azure:chat:bot']", {"name": "azure", "params": {"model": "bot"}, "options": {"deployment": "bot"}}, []),
        (ALONE + "targets: ['ollama:chat:qwen3:4b']", {"name": "openai", "params": {"model": "qwen3:4b"}, "options": {"preset": "ollama"}}, []),
        (ALONE + "providers: ['file://bot.py', 'exec: python bot.py', 'bedrock:x']", None, ["provider_code:2", "provider_code:2", "provider_unknown:2"]),
        (ALONE + "providers: openai:embedding:x", None, ["provider_unknown:2"]),
        ("prompts: ['Be kind. {{q}}']\nproviders: openai:gpt-4.1", {"name": "openai", "params": {"model": "gpt-4.1"}}, ["prompt_around:1"]),
        ("prompts: ['{{q}} for {{name}}', b]\nproviders: openai:gpt-4.1", {"name": "openai", "params": {"model": "gpt-4.1"}}, ["other_prompt:1", "prompt_variables:1"]),
        ("prompts: file://prompt.js\nproviders: openai:gpt-4.1", {"name": "openai", "params": {"model": "gpt-4.1"}}, ["prompt_code:1"]),
    ],
)  # fmt: skip
def test_take__a_model_behind_a_known_api(
    tmp_path: Path, text: str, section: Any, notes: list[str]
) -> None:
    found = taken(tmp_path, text)
    assert found.section == section
    assert [f"{note.code}:{note.at.rpartition(':')[2]}" for note in found.notes] == notes


@pytest.mark.parametrize(
    ("text", "given", "notes"),
    [
        (options("{method: POST, body: {q: '{{prompt}}'}, transformResponse: json.data.reply}"), {"body": {"q": "{{ last_user }}"}, "response": {"text": "data.reply"}}, []),
        (options("{method: POST, body: {q: '{{prompt}}'}, transformResponse: '(json, text) => json?.choices[0].message[\"답변\"]'}"), {"body": {"q": "{{ last_user }}"}, "response": {"text": 'choices[0].message."답변"'}}, []),
        (options("{method: GET, queryParams: {q: '{{question}}'}, responseParser: text}"), {"method": "GET", "query": {"q": "{{ last_user }}"}, "response": {"format": "text"}}, []),
        (options("{body: '{\"q\": \"{{prompt}}\", \"s\": \"{{sessionId}}\"}', headers: {Authorization: 'Bearer {{env.T}}'}}"), {"body": {"q": "{{ last_user }}", "s": "{{ session.id }}"}, "headers": {"Authorization": "Bearer {{ env.T }}"}, "env": ["T"], "response": {"text": "answer"}}, []),
        (options("{body: {q: '{{prompt}}'}, headers: {Authorization: Bearer hidden-sesame}}"), {"body": {"q": "{{ last_user }}"}, "headers_env": {"Authorization": "CHATBOT_TOKEN"}, "response": {"text": "answer"}}, ["provider_secret:4"]),
        (options("{body: {q: 'To {{prompt}}'}, transformResponse: 'file://parse.js', validateStatus: 'true'}", "prompts: ['Short: {{q}}']\n"), {"body": {"q": "To Short: {{ last_user }}"}, "response": {"text": "answer"}}, ["provider_answer:4", "provider_setting:4"]),
        (options("{body: {m: '{{prompt}}'}, transformResponse: json.a}", f"prompts: ['{CHAT}']\n"), {"body": {"m": [{"role": "system", "content": "You sell tea."}, {"role": "user", "content": "{{ last_user }}"}]}, "response": {"text": "a"}}, []),
        (options("{body: {q: '{{prompt}}', who: '{{name}}'}}"), None, ["provider_variable:4"]),
        (options("{body: {q: '{{prompt}} ${HOME}'}}"), None, ["provider_variable:4"]),
        (options("{request: 'POST /chat HTTP/1.1'}"), None, ["provider_raw:4"]),
    ],
)  # fmt: skip
def test_take__an_http_provider(
    tmp_path: Path, text: str, given: dict[str, Any] | None, notes: list[str]
) -> None:
    found = taken(tmp_path, text)
    wanted = given and {"name": "http", "options": {"url": "https://bot.example.com/chat", **given}}
    assert found.section == wanted
    assert [f"{note.code}:{note.at.rpartition(':')[2]}" for note in found.notes] == notes
    assert "sesame" not in str(found)


def test_take__a_system_prompt_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "chat.json").write_text(CHAT, encoding="utf-8")
    text = "prompts: [file://chat.json]\nproviders: [openai:gpt-4.1]\n"
    assert taken(tmp_path, text).system == "You sell tea."
    outside = text.replace("chat.json", "../chat.json")
    (tmp_path.parent / "chat.json").write_text(CHAT, encoding="utf-8")
    assert taken(tmp_path, outside).system is None
    (tmp_path / NAME).write_text("prompts: [", encoding="utf-8")
    assert take_project(tmp_path / NAME, NAME) is None


PROJECT = """\
    prompts: ['{{question}}']
    providers:
      - id: URL
        config:
          method: POST
          headers: {Content-Type: application/json, Authorization: 'Bearer {{env.TOKEN}}'}
          body: {message: '{{prompt}}'}
          transformResponse: json.data.reply
    defaultTest: {assert: [{type: latency, threshold: 3000}]}
    tests:
      - vars: {question: 'Do you ship abroad?'}
        assert: [{type: icontains, value: EU}, {type: llm-rubric, value: friendly}]
      - vars: {question: 'Do you take cash?'}
        assert: [{type: javascript, value: output.length}]
"""


def test_set_up__a_project_is_a_config_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def bot(asked: Asked) -> Told:
        assert asked.headers["authorization"] == "Bearer hidden-sesame"
        return Told({"data": {"reply": f"EU: {asked.json['message']}"}})

    environ = {"TOKEN": "hidden-sesame", "OLLAMA_HOST": "127.0.0.1:9"}
    with ShopBot(bot) as server:
        text = PROJECT.replace("URL", f"{server.url}/chat")
        (tmp_path / NAME).write_text(textwrap.dedent(text), encoding="utf-8")
        wish = Wish(file=Path("lm-eval-so.yaml"), language=Language.EN)
        made = asyncio.run(set_up(wish, Resources(environ=environ)))
        assert not server.asked
        config = load_config(Path("lm-eval-so.yaml"), environ=environ)
        asked = asyncio.run(ask_once(config, Resources(environ=environ), "Where?"))
    assert (asked.answer or {}).get("text") == "EU: Where?"
    assert [metric.name for metric in config.metrics] == [
        "keyword_coverage",
        "behavior",
        "invariance",
    ]
    assert "  # - {name: llm_judge, backend:" in Path("lm-eval-so.yaml").read_text("utf-8")
    lines = screen(made)
    assert lines[-2].startswith("Unjudged  1 test: ")
    assert lines[3:] == [
        f"Took      the chatbot of {NAME}:3",
        "Not taken",
        f"  {NAME}:9: latency: 2 tests, not run here; there is the metric latency_ms",
        f"  {NAME}:13: javascript: 1 test, not run here; write a metric plugin",
        lines[-2],
        "Next      lm-eval-so ci",
    ]
