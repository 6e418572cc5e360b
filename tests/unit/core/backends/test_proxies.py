"""All that goes over HTTP finds its proxy in the same way: `openai`, `azure`, `http` and batches."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from servers.batch_server import BatchServer
from servers.proxy import Proxy, proxied
from servers.runs import KEY

from lm_eval_so.core.backends.base import BackendEnv, ChatBackend
from lm_eval_so.core.backends.http.backend import HttpBackend
from lm_eval_so.core.backends.openai.azure import AzureBackend
from lm_eval_so.core.backends.openai.backend import OpenAIBackend
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.errors import BackendError, ErrorKind

Asking = Callable[[str], Awaitable[str]]
"""Asks an endpoint at an origin and gives what came."""

VARIABLES = {"OPENAI_API_KEY": KEY, "AZURE_OPENAI_API_KEY": KEY}
MESSAGES = (Message(role="user", content="환불?"),)
BODY = {"messages": [{"role": "user", "content": "{{ last_user }}"}]}
RESPONSE = {"text": "choices[0].message.content"}


def env(**variables: str) -> BackendEnv:
    return BackendEnv(environ={**VARIABLES, **variables}, timeout_s=5)


def openai_at(origin: str, **options: str) -> OpenAIBackend:
    options = {"base_url": f"{origin}/v1", **options}
    return OpenAIBackend(
        params=OpenAIBackend.Params(model="m"),
        options=OpenAIBackend.Options(**options),
        env=env(PROXY="socks5://me:pw@127.0.0.1:1"),
    )


async def answer(backend: ChatBackend) -> str:
    await backend.open()
    try:
        response = await backend.send(ChatRequest(messages=MESSAGES, params={"model": "m"}))
        return response.text
    finally:
        await backend.close()


async def openai(origin: str) -> str:
    return await answer(openai_at(origin))


async def azure(origin: str) -> str:
    options = AzureBackend.Options(deployment="bot")
    given = env(AZURE_OPENAI_ENDPOINT=origin)
    return await answer(AzureBackend(params=AzureBackend.Params(), options=options, env=given))


async def http(origin: str) -> str:
    url = f"{origin}/v1/chat/completions"
    options = HttpBackend.Options(url=url, body=BODY, response=RESPONSE)
    return await answer(HttpBackend(options=options, env=env()))


async def batch(origin: str, **options: str) -> str:
    backend = openai_at(origin, **options)
    await backend.open()
    batches = backend.batches()
    try:
        return await batches.upload(Path(__file__), "input.jsonl")
    finally:
        await batches.close()
        await backend.close()


@pytest.fixture(params=[openai, azure, http, batch])
def asking(request: pytest.FixtureRequest) -> Asking:
    found: Asking = request.param
    return found


@pytest.fixture
def server():
    with BatchServer() as serving:
        yield serving


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_proxy__of_the_environment(
    asking: Asking, server: BatchServer, variable: str, monkeypatch: pytest.MonkeyPatch
):
    with Proxy(server.origin) as proxy:
        proxied(monkeypatch, **{variable: proxy.url})
        assert await asking("http://bot.invalid") in {"direkt: 환불?", "file-0"}
        assert [url.startswith("http://bot.invalid/") for url in proxy.asked] == [True]


async def test_proxy__that_cannot_be_used_matters_to_what_goes_through_it_only(
    asking: Asking, server: BatchServer, monkeypatch: pytest.MonkeyPatch
):
    proxied(monkeypatch, ALL_PROXY="socks5://me:pw@127.0.0.1:1")
    assert await asking(server.origin) in {"direkt: 환불?", "file-0"}
    with pytest.raises(BackendError) as failed:
        await asking("http://bot.invalid")
    assert failed.value.kind is ErrorKind.CONNECTION
    assert str(failed.value) == (
        "cannot use the proxy socks5://127.0.0.1:1 of ALL_PROXY: only HTTP proxies are supported"
    )
    assert failed.value.hint == (
        "name an HTTP proxy, as http://host:port, or put bot.invalid into NO_PROXY"
    )
    monkeypatch.setenv("NO_PROXY", "localhost,.invalid")
    with pytest.raises(BackendError, match=r"cannot reach http://bot\.invalid"):
        await asking("http://bot.invalid")


async def test_proxy__given_is_for_everything(server: BatchServer):
    for asked in (
        batch(server.origin, proxy_env="PROXY"),
        answer(openai_at("", proxy_env="PROXY")),
    ):
        with pytest.raises(BackendError) as failed:
            await asked
        assert str(failed.value) == (
            "cannot use the proxy socks5://127.0.0.1:1: only HTTP proxies are supported"
        )
