import datetime as dt
import ipaddress
import ssl
import threading
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from servers.runs import KEY

from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.openai import OpenAIBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message
from lm_eval_so.errors import BackendError, ErrorKind
from lm_eval_so.testing import ChatServer, Reply


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
        (404, 'model "m" not found at'),
    ],
)
async def test_send__says_what_a_status_means(status: int, what: str):
    assert (await failure(Reply(status=status, message="no"))).message.startswith(what)


async def test_send__key_quoted_by_the_server_is_taken_out():
    error = await failure(Reply(status=400, message=f"bad {KEY}"))
    assert error.message == "bad [redacted]"


async def test_send__no_answer_in_time():
    assert (await failure(Reply(hang=True), timeout_s=0.2)).kind is ErrorKind.TIMEOUT


async def test_send__untrusted_certificate(tmp_path: Path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    with ThreadingTCPServer(("127.0.0.1", 0), BaseRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        port = server.server_address[1]
        with pytest.raises(BackendError) as failed:
            await ask(make(f"https://127.0.0.1:{port}/v1"))
        server.shutdown()
    assert (failed.value.kind, failed.value.retryable) == (ErrorKind.TLS, False)


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
    assert make("http://u:pw@a/v1?key=1").reach() == {"base_url": "http://a/v1", "seed": "auto"}


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / "server.pem"
    pem = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(pem + certificate.public_bytes(encoding))
    return path


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
