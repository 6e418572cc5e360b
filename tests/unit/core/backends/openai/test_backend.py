import asyncio
import json
import re
from pathlib import Path

import pytest
from servers.runs import KEY, until

from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.openai.backend import OpenAIBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall
from lm_eval_so.errors import BackendError, ErrorKind
from lm_eval_so.testing import ChatServer, Reply, Seen


def make(url: str, *, environ: dict[str, str] | None = None, **options: object) -> OpenAIBackend:
    env = BackendEnv(environ={"OPENAI_API_KEY": KEY} if environ is None else environ, timeout_s=5)
    return OpenAIBackend(
        params=OpenAIBackend.Params(model="m"),
        options=OpenAIBackend.Options(base_url=url, **options),
        env=env,
    )


async def ask(backend: OpenAIBackend, text: str = "hi") -> ChatResponse:
    await backend.open()
    try:
        messages = (Message(role="user", content=text),)
        return await backend.send(
            ChatRequest(messages=messages, params={"model": "m"}, seed=3, system="s")
        )
    finally:
        await backend.close()


async def failure(reply: Reply, **options: object) -> BackendError:
    with ChatServer(lambda _: reply) as server, pytest.raises(BackendError) as failed:
        await ask(make(server.url, **options))
    return failed.value


async def test_send__key_and_body_on_the_wire():
    with ChatServer() as server:
        response = await ask(make(server.url), "가")
        seen = server.requests[0]
    assert response.text == "가"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.body == {
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "가"}],
        "seed": 3,
        "model": "m",
    }
    assert "가".encode() in seen.raw


async def test_send__keyless_sends_no_authorization(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-process")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-of-the-process")
    with ChatServer() as server:
        await ask(make(server.url, api_key_env="", environ={}))
        await ask(make(server.url))
    assert "authorization" not in server.requests[0].headers
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


async def test_send__seed_off():
    with ChatServer() as server:
        await ask(make(server.url, seed="off"))
    assert "seed" not in server.requests[0].body


async def test_send__redirect_is_not_followed():
    with ChatServer() as other:
        error = await failure(Reply(status=301, headers={"location": other.url}))
    assert error.kind is ErrorKind.INVALID_REQUEST
    assert f"set base_url to {other.url}" in error.message
    assert other.requests == []


async def test_send__cookies_are_not_kept():
    with ChatServer(lambda _: Reply(headers={"set-cookie": "row=1"})) as server:
        backend = make(server.url)
        await backend.open()
        for _ in range(2):
            await backend.send(ChatRequest(messages=(Message(role="user", content="x"),)))
        await backend.close()
    assert [seen.headers.get("cookie") for seen in server.requests] == [None, None]


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (401, "the endpoint refused the key in OPENAI_API_KEY (401: no)"),
        (404, "nothing is at http://127.0.0.1:"),
    ],
)
async def test_send__says_what_a_status_means(status: int, what: str):
    assert (await failure(Reply(status=status, message="no"))).message.startswith(what)


async def test_send__unknown_model_is_named():
    error = await failure(Reply(status=404, message="The model `m` does not exist"))
    assert error.message.startswith('model "m" not found at http://127.0.0.1:')


async def test_send__key_quoted_by_the_server_is_taken_out():
    error = await failure(Reply(status=400, message=f"bad {KEY}"))
    assert error.message == "bad [redacted]"


def test_base_url__from_the_environment():
    def backend(environ: dict[str, str], **options: str) -> OpenAIBackend:
        return OpenAIBackend(
            params=OpenAIBackend.Params(model="m"),
            options=OpenAIBackend.Options(**options),
            env=BackendEnv(environ=environ),
        )

    assert backend({}).base_url == "https://api.openai.com/v1"
    assert backend({"OPENAI_BASE_URL": "http://a/v1"}).base_url == "http://a/v1"
    assert backend({"OPENAI_BASE_URL": "http://a/v1"}, base_url="http://b").base_url == "http://b"


def test_check__names_the_missing_key():
    problems = list(make("http://a/v1", environ={}).check())
    assert [p.what for p in problems] == ["OPENAI_API_KEY is not set"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [("a/v1", "a/v1"), ("ftp://a", "ftp://a"), ("http://[", "an address that is none")],
)
def test_check__address_that_is_none(url: str, shown: str):
    assert [p.what for p in make(url).check()] == [f'"{shown}" is no address']


def test_limiter_key__differs_by_key_and_tells_none():
    one, two = make("http://a/v1"), make("http://a/v1", environ={"OPENAI_API_KEY": "another-key"})
    assert one.limiter_key() != two.limiter_key()
    assert KEY not in one.limiter_key()


def test_reach__without_credentials():
    assert make("http://u:pw@a/v1?key=1").reach() == {
        "base_url": "http://a/v1",
        "api": "chat",
        "seed": "auto",
    }


@pytest.mark.parametrize("key", ["sk-키-abcdefgh", "sk-a\nbcdefgh"])
def test_check__a_key_that_no_header_can_hold(key: str):
    backend = OpenAIBackend(
        params=OpenAIBackend.Params(model="m"), env=BackendEnv(environ={"OPENAI_API_KEY": key})
    )
    (problem,) = backend.check()
    assert problem.what == "OPENAI_API_KEY holds a character that no key has"


@pytest.mark.parametrize("url", ["http://h:99999999/v1", "http://exa mple/v1", "h/v1"])
def test_check__an_address_that_is_none(url: str):
    backend = OpenAIBackend(
        params=OpenAIBackend.Params(model="m"),
        options=OpenAIBackend.Options(base_url=url, api_key_env=""),
    )
    (problem,) = backend.check()
    assert problem.what.endswith("is no address")


def test_check__options_under_params_are_told():
    params = OpenAIBackend.Params(model="m", base_url="http://x", api_key="k", temperature=0)
    backend = OpenAIBackend(
        params=params,
        options=OpenAIBackend.Options(),
        env=BackendEnv(environ={"OPENAI_API_KEY": KEY}),
    )
    keys = [problem.where.key for problem in backend.check() if problem.where]
    assert keys == ["params.api_key", "params.base_url"]


def test_check__unknown_preset_names_the_nearest():
    options = OpenAIBackend.Options(preset="olama", api_key_env="")
    (problem,) = OpenAIBackend(params=OpenAIBackend.Params(model="m"), options=options).check()
    assert problem.what == 'unknown preset "olama" (did you mean "ollama"?)'
    assert str(problem.where) == "options.preset"


def test_check__a_header_can_be_the_credential():
    options = OpenAIBackend.Options(headers_env={"Authorization": "BOT_TOKEN"})
    env = BackendEnv(environ={"BOT_TOKEN": "Basic abc"})
    params = OpenAIBackend.Params(model="m")
    assert list(OpenAIBackend(params=params, options=options, env=env).check()) == []


async def test_open__key_from_a_file_and_headers_from_everywhere(tmp_path: Path):
    (tmp_path / "key").write_text("sk-from-file\n")
    environ = {"ORG": "org-1", "PROJ": "proj-1", "EXTRA": "e", "OPENAI_ORG_ID": "not-asked-for"}
    with ChatServer() as server:
        options = OpenAIBackend.Options(
            base_url=server.url,
            api_key_file=Path("key"),
            organization_env="ORG",
            project_env="PROJ",
            headers={"x-team": "qa", "USER-AGENT": "ours"},
            headers_env={"X-Extra": "EXTRA"},
        )
        env = BackendEnv(environ=environ, folder=tmp_path)
        backend = OpenAIBackend(params=OpenAIBackend.Params(model="m"), options=options, env=env)
        assert list(backend.check()) == []
        await ask(backend)
        sent = server.requests[0].headers
    assert sent["authorization"] == "Bearer sk-from-file"
    assert (sent["openai-organization"], sent["openai-project"]) == ("org-1", "proj-1")
    assert (sent["x-team"], sent["x-extra"], sent["user-agent"]) == ("qa", "e", "ours")


async def test_open__nothing_from_the_process_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-process")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-the-process")
    with ChatServer() as server:
        await ask(make(server.url))
    assert not any(name.startswith("openai-") for name in server.requests[0].headers)


TOOL = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object"}}}


async def test_send__responses_body_on_the_wire():
    call = ToolCall(id="c1", name="find_order", arguments="{}")
    request = ChatRequest(
        messages=(
            Message(role="user", content="주문?"),
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content="A-1", tool_call_id="c1"),
        ),
        system="한국어로",
        params={"model": "m", "max_output_tokens": 9},
        tools=(TOOL,),
        tool_choice={"type": "function", "function": {"name": "find_order"}},
        response_format={"type": "object"},
        seed=7,
    )
    with ChatServer() as server:
        backend = make(server.url, api="responses")
        await backend.open()
        await backend.send(request)
        await backend.close()
    seen = server.requests[0]
    assert seen.path == "/v1/responses"
    assert seen.body == {
        "model": "m",
        "input": [
            {"role": "user", "content": "주문?"},
            {"type": "function_call", "call_id": "c1", "name": "find_order", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "A-1"},
        ],
        "instructions": "한국어로",
        "tools": [{"type": "function", "name": "find_order", "parameters": {"type": "object"}}],
        "tool_choice": {"type": "function", "name": "find_order"},
        "text": {
            "format": {
                "type": "json_schema",
                "name": "answer",
                "schema": {"type": "object"},
                "strict": True,
            }
        },
        "max_output_tokens": 9,
    }


async def test_adapt__once_for_the_whole_run():
    def script(seen: Seen) -> Reply | str:
        if "seed" in seen.body:
            return Reply(status=400, message="Unrecognized request argument supplied: seed")
        if "max_tokens" in seen.body:
            message = "Unsupported parameter: use 'max_completion_tokens' instead"
            body = {"error": {"message": message, "param": "max_tokens", "code": "unsupported"}}
            return Reply(status=400, body=json.dumps(body).encode())
        return "ok"

    params = OpenAIBackend.Params(model="m", max_tokens=9)
    request = ChatRequest(messages=(), params=params.model_dump(), seed=1)
    with ChatServer(script) as server:
        options = OpenAIBackend.Options(base_url=server.url, api_key_env="")
        backend = OpenAIBackend(params=params, options=options)
        await backend.open()
        told = []
        for _ in range(2):
            with pytest.raises(BackendError) as failed:
                await backend.send(request)
            told.append(backend.adapt(failed.value))
        assert (await backend.send(request)).text == "ok"
        assert backend.adapt(failed.value) is None
        await backend.close()
    assert told == [
        "seed is not sent: the endpoint refuses it",
        "max_tokens is sent as max_completion_tokens: the endpoint wants that name",
    ]
    assert server.requests[-1].body == {"messages": [], "model": "m", "max_completion_tokens": 9}


async def test_nearest_model__of_those_that_the_endpoint_lists():
    params = OpenAIBackend.Params(model="gpt-4.1-mni")
    with ChatServer(models=("gpt-4.1", "gpt-4.1-mini", "기타")) as server:
        options = OpenAIBackend.Options(base_url=server.url, api_key_env="")
        backend = OpenAIBackend(params=params, options=options)
        await backend.open()
        assert await backend.nearest_model() == "gpt-4.1-mini"
        await backend.close()
        backend = OpenAIBackend(params=OpenAIBackend.Params(model="기타"), options=options)
        await backend.open()
        assert await backend.nearest_model() is None  # listed and refused: no name is nearer
        await backend.close()
    await backend.open()
    assert await backend.nearest_model() is None  # nobody there any more
    await backend.close()


async def test_ended_from_outside__closes_the_connection():
    with ChatServer(lambda _: Reply(hang=True)) as server:
        asked = asyncio.create_task(ask(make(server.url)))
        await until(lambda: bool(server.requests))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await until(lambda: server.gone == 1)


def test_price_url__the_address_without_credentials():
    assert make("http://u:pw@a/v1?key=1").price_url() == "http://a/v1"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://h/v1/chat/completions/", "goes on behind what all requests share"),
        ("http://h/v1?key=geheimnis", "goes on behind what all requests share"),
        ("http://h/v1#part", "goes on behind what all requests share"),
        ("http://u:geheimnis@h/v1", "holds a user or a password"),
    ],
)
def test_check__an_address_that_no_path_can_follow(url: str, what: str):
    (problem,) = make(url).check()
    assert problem.what.endswith(what)
    assert "geheimnis" not in problem.what


async def test_send__redirect_to_a_path_names_the_whole_address():
    error = await failure(Reply(status=307, headers={"location": "/api/v1/chat/completions"}))
    assert re.fullmatch(r".*, set base_url to http://127\.0\.0\.1:\d+/api/v1", error.message)
