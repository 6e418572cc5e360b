import json
from pathlib import Path
from typing import Any

import pytest
from servers.runs import KEY

from lm_eval_so.core.asking.answer.outcome import status_of_response
from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.openai.azure import AzureBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message
from lm_eval_so.errors import BackendError, ErrorKind
from lm_eval_so.testing import ChatServer, Reply

CATEGORIES = {
    "hate": {"filtered": True, "severity": "high"},
    "jailbreak": {"filtered": False, "detected": False},
}


def make(url: str, *, environ: dict[str, str] | None = None, **options: Any) -> AzureBackend:
    given = {"AZURE_OPENAI_ENDPOINT": url, "AZURE_OPENAI_API_KEY": KEY}
    return AzureBackend(
        params=AzureBackend.Params(temperature=0),
        options=AzureBackend.Options(**{"deployment": "gpt 41", **options}),
        env=BackendEnv(environ=given if environ is None else environ, timeout_s=5),
    )


async def ask(backend: AzureBackend) -> ChatResponse:
    messages = (Message(role="user", content="환불?"),)
    await backend.open()
    try:
        return await backend.send(ChatRequest(messages=messages, params={"temperature": 0}, seed=3))
    finally:
        await backend.close()


async def failure(reply: Reply, **options: Any) -> BackendError:
    with ChatServer(lambda _: reply) as server, pytest.raises(BackendError) as failed:
        await ask(make(root(server), **options))
    return failed.value


def root(server: ChatServer) -> str:
    return server.url.removesuffix("/v1")


@pytest.mark.parametrize("written", ["", "/", "/openai", "/openai/v1/"])
@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "/openai/v1/chat/completions"),
        ({"api": "responses"}, "/openai/v1/responses"),
        (
            {"api_version": "2024-10-21"},
            "/openai/deployments/gpt%2041/chat/completions?api-version=2024-10-21",
        ),
    ],
)
async def test_send__route_of_the_version(options: dict[str, str], path: str, written: str):
    with ChatServer() as server:
        backend = make(root(server) + written, **options)
        assert list(backend.check()) == []
        response = await ask(backend)
        seen = server.requests[0]
    assert response.text == "환불?"
    assert seen.path == path
    assert seen.headers["api-key"] == KEY
    assert "authorization" not in seen.headers
    assert seen.body["model"] == "gpt 41"
    assert seen.body["temperature"] == 0


async def test_send__endpoint_of_the_config_over_its_variable():
    with ChatServer() as server:
        environ = {"AZURE_OPENAI_API_KEY": KEY, "AZURE_OPENAI_ENDPOINT": "https://other.invalid"}
        backend = make("", environ=environ, endpoint=root(server) + "/openai/v1")
        assert list(backend.check()) == []
        assert (await ask(backend)).text == "환불?"
    (problem,) = make("", environ=environ, endpoint="myname").check()
    assert problem.where
    assert problem.where.key == "options.endpoint"


async def test_send__token_instead_of_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "of-the-process")
    (tmp_path / "token").write_text("from-a-file\n")
    with ChatServer() as server:
        environ = {"AZURE_OPENAI_ENDPOINT": root(server), "TOKEN": "entra"}
        await ask(make("", environ=environ, token_env="TOKEN", api_version="2024-10-21"))
        await ask(make("", environ=environ, token_file=tmp_path / "token"))
        await ask(make(root(server)))
    first, second, third = (seen.headers for seen in server.requests)
    assert (first["authorization"], first.get("api-key")) == ("Bearer entra", None)
    assert second["authorization"] == "Bearer from-a-file"
    assert (third.get("authorization"), third["api-key"]) == (None, KEY)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "content_filter"},
        {"code": "BadRequest", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
    ],
)
async def test_send__content_filter_keeps_its_categories(error: dict[str, Any]):
    inner = {**error.get("innererror", {}), "content_filter_result": CATEGORIES}
    body = {"error": {"message": "거부", **error, "innererror": inner}}
    failed = await failure(Reply(status=400, body=json.dumps(body).encode()))
    assert (failed.kind, failed.retryable) == (ErrorKind.FILTERED, False)
    assert failed.details["categories"] == CATEGORIES


@pytest.mark.parametrize("stream", [False, True])
async def test_send__filtered_answers_keep_what_there_is(stream: bool):
    reply = Reply(text="여기까지", finish_reason="content_filter")
    with ChatServer(lambda _: reply) as server:
        response = await ask(make(root(server), stream=stream))
    assert response.text == "여기까지"
    assert status_of_response(response) == "filtered"


async def test_send__a_stream_that_begins_with_the_verdict_on_the_prompt():
    chunks = [
        {"choices": [], "prompt_filter_results": [{"content_filter_results": CATEGORIES}]},
        {"choices": [{"delta": {"content": "답"}, "finish_reason": "stop"}]},
    ]
    pieces = tuple(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks)
    with ChatServer(lambda _: Reply(pieces=pieces)) as server:
        assert (await ask(make(root(server), stream=True))).text == "답"


async def test_send__unknown_deployment_is_named():
    body = b'{"error": {"code": "DeploymentNotFound", "message": "The API deployment is gone"}}'
    failed = await failure(Reply(status=404, body=body))
    assert failed.message.startswith('deployment "gpt 41" not found at http://127.0.0.1:')


@pytest.mark.parametrize(
    ("environ", "options", "keys"),
    [
        ({}, {}, ["options.endpoint_env", "options.api_key_env"]),
        (
            {"AZURE_OPENAI_ENDPOINT": "myname", "AZURE_OPENAI_API_KEY": "k"},
            {},
            ["options.endpoint_env"],
        ),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://a", "AZURE_OPENAI_API_KEY": "k"},
            {"api": "responses", "api_version": "2024-10-21"},
            ["options.api_version"],
        ),
        ({"AZURE_OPENAI_ENDPOINT": "https://a"}, {"token_env": "TOKEN"}, ["options.token_env"]),
    ],
)
def test_check__what_is_missing(environ: dict[str, str], options: dict[str, str], keys: list[str]):
    problems = make("", environ=environ, **options).check()
    assert [problem.where.key for problem in problems if problem.where] == keys


def test_limiter_key__of_a_deployment_and_without_the_key():
    one, other = make("https://a"), make("https://a", deployment="b")
    assert one.limiter_key() != other.limiter_key()
    assert KEY not in one.limiter_key() + str(one.reach())
    assert one.price_url() == "https://a"


@pytest.mark.parametrize("url", ["https://a/openai/deployments/d/chat", "https://a/?api-version=1"])
def test_check__the_address_of_a_deployment_is_none_of_a_resource(url: str):
    (problem,) = make(url).check()
    assert problem.what.endswith("holds no address of a resource")
