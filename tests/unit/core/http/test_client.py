import asyncio
import gzip
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from servers.proxy import proxied
from servers.runs import until
from servers.tls import self_signed, tls_server

from lm_eval_so.core.http.client import HttpClient
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind
from lm_eval_so.testing import ChatServer, Reply

PIECES = tuple(f"조각{number} ".encode() for number in range(4))


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[HttpClient]:
    limits = {"concurrency": 4, "connect_timeout_s": 5.0, "idle_timeout_s": 5.0}
    client = HttpClient(**{**limits, **options})
    try:
        yield client
    finally:
        await client.close()


async def get(url: str, **options: Any) -> bytes:
    async with opened(**options) as client:
        return (await client.send("GET", url, headers={}, body=None)).body


async def failure(url: str, **options: Any) -> BackendError:
    with pytest.raises(BackendError) as failed:
        await get(url, **options)
    return failed.value


@asynccontextmanager
async def speaking(answer: bytes, *, after: bytes = b"\r\n\r\n") -> AsyncIterator[str]:
    """Serve these very bytes to whoever asks."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(after)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_send__bytes_as_they_are_and_header_names_in_lower_case():
    body = '{"질문": "환불은?"}'.encode()
    with ChatServer(lambda _: Reply(text="답", headers={"X-Request-Id": "r1"})) as server:
        async with opened() as client:
            headers = {"content-type": "application/json", "x-key": "k"}
            answer = await client.send("POST", server.url, headers=headers, body=body)
    seen = server.requests[0]
    assert (seen.raw, seen.headers["x-key"]) == (body, "k")
    assert (answer.status, answer.headers["x-request-id"]) == (200, "r1")
    assert "답" in answer.body.decode()


async def test_send__a_body_of_some_megabytes():
    body = b"x" * (3 * 2**20)
    with ChatServer() as server:
        async with opened() as client:
            await client.send("POST", server.url, headers={}, body=body)
    assert server.requests[0].raw == body


async def test_send__connections_are_kept():
    with ChatServer() as server:
        async with opened() as client:
            for _ in range(5):
                await client.send("POST", server.url, headers={}, body=b"{}")
            assert server.connections == 1


async def test_send__cookies_and_redirects_are_not_heeded():
    headers = {"set-cookie": "row=1", "location": "http://127.0.0.1:9/elsewhere"}
    with ChatServer(lambda _: Reply(status=302, headers=headers)) as server:
        async with opened() as client:
            for _ in range(2):
                answer = await client.send("POST", server.url, headers={}, body=b"{}")
    assert answer.status == 302
    assert [seen.headers.get("cookie") for seen in server.requests] == [None, None]


async def test_send__compressed_bodies_are_unpacked():
    packed = gzip.compress("압축".encode())
    reply = Reply(body=packed, headers={"content-encoding": "gzip"})
    with ChatServer(lambda _: reply) as server:
        async with opened() as client:
            answer = await client.send("POST", server.url, headers={}, body=b"{}")
    assert answer.body.decode() == "압축"


async def test_send__cancelled_closes_the_connection():
    with ChatServer(lambda _: Reply(hang=True)) as server:
        async with opened() as client:
            asked = asyncio.create_task(client.send("POST", server.url, headers={}, body=b"{}"))
            await until(lambda: bool(server.requests))
            asked.cancel()
            await until(lambda: server.gone == 1)


async def test_send__nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = await failure(f"http://127.0.0.1:{port}/v1?key=secret")
    assert error.message == f"cannot reach http://127.0.0.1:{port} (connection refused)"
    assert (error.kind, error.retryable) == (ErrorKind.CONNECTION, True)
    assert error.details == {"sent": False}


async def test_send__unknown_host():
    error = await failure("http://no-such-host.invalid/")
    assert error.message == "cannot reach http://no-such-host.invalid (the host name is not known)"
    assert error.details == {"sent": False}


async def test_send__no_connection_in_time():
    # a full queue of connections: the kernel answers no further one
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        error = await failure(f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout_s=0.2)
        for each in waiting:
            each.close()
    assert error.kind is ErrorKind.CONNECTION
    assert "no connection within 0.2 s" in error.message
    assert error.details == {"sent": False}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "the server closed the connection"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "what answers there does not speak HTTP"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            "the connection broke in the middle of the response",
        ),
    ],
)
async def test_send__a_server_that_breaks_off(answer: bytes, reason: str):
    async with speaking(answer) as url:
        error = await failure(url)
    assert error.message == f"cannot reach {url} ({reason})"
    assert (error.kind, error.retryable) == (ErrorKind.CONNECTION, True)
    assert error.details == {"sent": True}


async def test_send__reset_after_it_was_sent():
    with ChatServer(lambda _: Reply(reset=True)) as server:
        async with opened() as client:
            with pytest.raises(BackendError) as failed:
                await client.send("POST", server.url, headers={}, body=b"{}")
    assert failed.value.kind is ErrorKind.CONNECTION
    assert failed.value.details == {"sent": True}
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["ftp://host/x", "http://"])
async def test_send__an_address_that_is_none(url: str):
    error = await failure(url)
    assert (error.kind, error.details) == (ErrorKind.CONNECTION, {"sent": False})


async def test_tls__trusts_the_system_and_the_file_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pem = self_signed(tmp_path)
    with tls_server(pem) as url:
        error = await failure(url)
        assert (error.kind, error.retryable) == (ErrorKind.TLS, False)
        assert error.message.startswith(f"cannot trust the certificate of {url} (self")
        assert await get(url, verify=pem) == b"ok"
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert await get(url) == b"ok"


async def test_tls__asked_of_a_server_that_speaks_none():
    async with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n", after=b"\x16") as address:
        url = address.replace("http://", "https://")
        error = await failure(url)
    assert error.kind is ErrorKind.TLS
    assert error.message == f"{url} does not speak TLS"


async def test_tls__a_file_without_certificates(tmp_path: Path):
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(ConfigError, match=f"{name} holds no certificates"):
            await get("http://127.0.0.1:1", verify=tmp_path / name)


async def test_proxy__from_the_environment_or_given(monkeypatch: pytest.MonkeyPatch):
    with ChatServer() as proxy:
        address = proxy.url.removesuffix("/v1").replace("http://", "http://me:pw@")
        proxied(monkeypatch, http_proxy=address)
        async with opened() as client:
            await client.send("POST", "http://bot.invalid/chat", headers={}, body=b"{}")
        proxied(monkeypatch)
        async with opened(proxy=address.removeprefix("http://")) as client:
            await client.send("POST", "http://bot.invalid/chat", headers={}, body=b"{}")
    assert [seen.path for seen in proxy.requests] == ["http://bot.invalid/chat"] * 2
    assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")


async def test_proxy__none_for_the_own_machine_and_no_proxy(monkeypatch: pytest.MonkeyPatch):
    proxied(monkeypatch, http_proxy="http://127.0.0.1:1", no_proxy="bot.invalid")
    with ChatServer() as server:
        await get(f"{server.url}/models")
    assert "host name" in (await failure("http://bot.invalid/")).message
    assert "http://127.0.0.1:1 " in (await failure("http://other.invalid/")).message


async def test_proxy__that_refuses_or_is_of_another_kind():
    with ChatServer() as proxy:  # knows nothing of CONNECT
        proxy.script = lambda _: Reply(status=407)
        async with speaking(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n") as address:
            error = await failure("https://bot.invalid/", proxy=address)
    assert error.message == "cannot reach https://bot.invalid (the proxy answered 407)"
    error = await failure("http://bot.invalid/", proxy="socks5://me:pw@127.0.0.1:1")
    assert error.message.startswith("cannot use the proxy socks5://127.0.0.1:1: ")
    assert not error.retryable


async def test_netrc__is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with ChatServer() as server:
        async with opened() as client:
            await client.send("POST", server.url, headers={}, body=b"{}")
    assert "authorization" not in server.requests[0].headers


async def streamed(client: HttpClient, url: str) -> list[bytes]:
    async with client.stream("POST", url, headers={}, body=b"{}") as stream:
        return [chunk async for chunk in stream]


async def test_stream__gives_bytes_as_they_come():
    with ChatServer(lambda _: Reply(pieces=PIECES, first_token_s=0.1)) as server:
        async with (
            opened() as client,
            client.stream("POST", server.url, headers={}, body=b"{}") as stream,
        ):
            assert stream.status == 200
            assert stream.headers["content-type"] == "text/event-stream"
            assert b"".join([chunk async for chunk in stream]) == b"".join(PIECES)


async def test_stream__error_bodies_are_read_whole():
    with ChatServer(lambda _: Reply(status=500, message="고장")) as server:
        async with (
            opened() as client,
            client.stream("POST", server.url, headers={}, body=b"{}") as stream,
        ):
            assert stream.status == 500
            assert "고장" in (await stream.read()).decode()


async def test_stream__connection_is_used_again_once_read_to_its_end():
    with ChatServer(lambda _: Reply(pieces=PIECES)) as server:
        async with opened() as client:
            for _ in range(3):
                await streamed(client, server.url)
            async with client.stream("POST", server.url, headers={}, body=b"{}") as stream:
                await anext(aiter(stream))  # enough, and the end comes at once
            await streamed(client, server.url)
        assert server.connections == 1


async def test_stream__left_in_the_middle_closes_the_connection():
    with ChatServer(lambda _: Reply(pieces=PIECES, stall_after=2)) as server:
        async with opened() as client:
            async with client.stream("POST", server.url, headers={}, body=b"{}") as stream:
                await anext(aiter(stream))
            await until(lambda: server.gone == 1)


async def test_stream__cut_in_the_middle():
    with ChatServer(lambda _: Reply(pieces=PIECES, cut_after=2)) as server:
        async with opened() as client:
            with pytest.raises(BackendError) as failed:
                await streamed(client, server.url)
    assert (failed.value.kind, failed.value.retryable) == (ErrorKind.BAD_RESPONSE, True)
    assert "ended early" in failed.value.message


async def test_stream__silence_in_the_middle():
    with ChatServer(lambda _: Reply(pieces=PIECES, stall_after=2)) as server:
        async with opened(idle_timeout_s=0.1) as client:
            with pytest.raises(BackendError) as failed:
                await streamed(client, server.url)
        await until(lambda: server.gone == 1)
    assert (failed.value.kind, failed.value.retryable) == (ErrorKind.TIMEOUT, True)
    assert "sent nothing for 0.1 s" in failed.value.message


async def test_stream__the_first_byte_may_take_longer():
    with ChatServer(lambda _: Reply(pieces=PIECES, first_token_s=0.4)) as server:
        async with opened(idle_timeout_s=0.1) as client:
            assert b"".join(await streamed(client, server.url)) == b"".join(PIECES)


async def test_stream__nobody_there():
    async with opened() as client:
        with pytest.raises(BackendError) as failed:
            await streamed(client, "http://127.0.0.1:1")
    assert failed.value.details == {"sent": False}


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files")
async def test_close__leaves_nothing_open():
    def sockets() -> int:
        folder = "/proc/self/fd"  # a file may go while they are counted
        return sum("socket:" in os.path.realpath(each) for each in Path(folder).iterdir())

    with ChatServer() as server:
        before = sockets()
        async with opened() as client:
            asked = [client.send("POST", server.url, headers={}, body=b"{}") for _ in range(4)]
            await asyncio.gather(*asked)
        await until(lambda: sockets() <= before)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ("x-policy: " + "a" * 70_000, "a header of more than 64 KiB"),
        ("x-" + "a" * 70_000 + ": b", "a header of more than 64 KiB"),
        ("\r\n".join(f"x-{number}: b" for number in range(600)), "more than 512 headers"),
    ],
)
async def test_send__more_headers_than_are_read(headers: str, told: str):
    head = f"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{headers}\r\n\r\n"
    async with speaking(head.encode()) as url:
        error = await failure(f"{url}/chat?key=k")
    assert (error.kind, error.retryable) == (ErrorKind.BAD_RESPONSE, False)
    assert error.message == f"the response of {url}/chat has {told}"


async def test_send__what_is_no_http():
    async with speaking(b"SSH-2.0-OpenSSH_9.6\r\n") as url:
        error = await failure(url)
    assert (error.kind, "does not speak HTTP" in error.message) == (ErrorKind.CONNECTION, True)


@pytest.mark.parametrize("headers", ["x-policy: " + "a" * 20_000, "\r\n".join(["x-a: b"] * 300)])
async def test_send__more_headers_than_usual(headers: str):
    answer = f"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{headers}\r\n\r\nok".encode()
    async with speaking(answer) as url:
        assert await get(url) == b"ok"


@pytest.mark.parametrize("coding", ["br", "gzip"])
async def test_send__a_compression_that_cannot_be_unpacked(coding: str):
    head = f"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-encoding: {coding}\r\n\r\n"
    async with speaking(head.encode() + b"\x0b\x05ab") as url:
        error = await failure(url)
    assert error.message.endswith("(its compression, Content-Encoding, cannot be unpacked)")


@pytest.mark.parametrize("streamed", [False, True])
async def test_send__a_body_that_does_not_end(monkeypatch: pytest.MonkeyPatch, streamed: bool):
    monkeypatch.setattr("lm_eval_so.core.http.client.MOST_OF_RESPONSE", 2**20)
    packed = gzip.compress(b"0" * 2**26)
    reply = Reply(body=packed, headers={"content-encoding": "gzip"})

    async def ask(url: str) -> None:
        async with opened() as client:
            if not streamed:
                await client.send("POST", url, headers={}, body=b"{}")
            async with client.stream("POST", url, headers={}, body=b"{}") as stream:
                await stream.read()

    with ChatServer(lambda _: reply) as server, pytest.raises(BackendError) as failed:
        await ask(server.url)
    assert failed.value.message.endswith("is longer than 1 MiB")
    assert not failed.value.retryable


async def test_send__says_who_asks():
    with ChatServer() as server:
        client = HttpClient(concurrency=1, connect_timeout_s=1, idle_timeout_s=1)
        try:
            await client.send("POST", f"{server.url}/chat/completions", headers={}, body=b"{}")
        finally:
            await client.close()
        assert server.requests[0].headers["user-agent"].startswith("lm-eval-so/")
