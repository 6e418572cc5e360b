import http.client
import json
import socket
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from servers.runs import until

from lm_eval_so.testing import ChatServer, Reply, Seen


def raw(url: str, **fields: Any) -> bytes:
    body = {"model": "m", "messages": [{"role": "user", "content": "환불?"}], **fields}
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as response:
        return response.read()


def post(url: str) -> Any:
    return json.loads(raw(f"{url}/chat/completions"))


def events(stream: bytes) -> list[Any]:
    lines = [line for line in stream.decode().splitlines() if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_server__echoes_and_remembers():
    with ChatServer() as server:
        answer = post(server.url)
        post(server.url)
    assert answer["choices"][0]["message"]["content"] == "환불?"
    assert [(seen.number, seen.nth) for seen in server.requests] == [(0, 0), (1, 1)]
    assert server.requests[0].path == "/v1/chat/completions"
    assert server.requests[0].body["model"] == "m"
    assert server.answered == 2


def test_server__status_with_headers():
    reply = Reply(status=429, headers={"retry-after": "3"}, code="slow", message="천천히")
    with ChatServer(lambda _: reply) as server:
        with pytest.raises(urllib.error.HTTPError) as failed:
            post(server.url)
        with failed.value as error:
            assert (error.code, error.headers["retry-after"]) == (429, "3")
            assert json.loads(error.read())["error"]["message"] == "천천히"


def test_server__reset_and_malformed():
    replies = [Reply(reset=True), Reply(body=b"<html>")]
    with ChatServer(lambda seen: replies[seen.number]) as server:
        with pytest.raises((ConnectionError, urllib.error.URLError)):
            post(server.url)
        with pytest.raises(json.JSONDecodeError):
            post(server.url)


def test_server__peak_and_under_way():
    counts: list[int] = []

    def slow(seen: Seen) -> Reply:
        counts.append(seen.under_way)
        return Reply(latency_s=0.2)

    with ChatServer(slow) as server, ThreadPoolExecutor(4) as pool:
        list(pool.map(post, [server.url] * 4))
    assert server.peak == max(counts)
    assert 2 <= server.peak <= 4


async def test_server__client_that_gives_up_is_counted():
    with ChatServer(lambda _: Reply(hang=True)) as server:
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
            await until(lambda: bool(server.requests))
        await until(lambda: server.gone == 1)
    assert server.answered == 0


def test_server__models():
    with (
        ChatServer(models=("a", "b")) as server,
        urllib.request.urlopen(f"{server.url}/models", timeout=5) as response,
    ):
        listed = json.loads(response.read())
    assert [model["id"] for model in listed["data"]] == ["a", "b"]
    assert server.requests == []


def test_server__streams_with_usage_only_when_asked():
    with ChatServer() as server:
        url = f"{server.url}/chat/completions"
        asked = [{"role": "user", "content": "환불은 며칠?"}]
        plain = raw(url, stream=True, messages=asked)
        with_usage = raw(url, stream=True, stream_options={"include_usage": True})
    texts = [chunk["choices"][0]["delta"].get("content") or "" for chunk in events(plain)]
    assert "".join(texts) == "환불은 며칠?"
    assert sum(bool(text) for text in texts) > 1
    assert plain.endswith(b"data: [DONE]\n\n")
    assert not any("usage" in chunk for chunk in events(plain))
    assert events(with_usage)[-1]["usage"]["completion_tokens"] == 5


def test_server__responses_whole_and_streamed():
    with ChatServer() as server:
        url = f"{server.url}/responses"
        whole = json.loads(raw(url, input=[{"role": "user", "content": "가"}], messages=None))
        streamed = events(raw(url, stream=True))
    assert whole["output"][0]["content"][0]["text"] == "가"
    assert streamed[0]["type"] == "response.created"
    assert streamed[-1]["type"] == "response.completed"
    assert streamed[-1]["response"]["output"][0]["content"][0]["text"] == "환불?"


def test_server__any_path_and_pieces_of_your_own():
    reply = Reply(pieces=(b"one\n", "둘\n".encode()), headers={"content-type": "text/plain"})
    with ChatServer(lambda _: reply) as server:
        assert raw(server.url.replace("/v1", "/openai/x?api-version=1")).decode() == "one\n둘\n"
    assert server.requests[0].path == "/openai/x?api-version=1"


def test_server__stream_that_waits_and_breaks_off():
    reply = Reply(text="abcdefghi", first_token_s=0.1, cut_after=2)
    with ChatServer(lambda _: reply) as server:
        began = time.monotonic()
        with pytest.raises(http.client.IncompleteRead) as failed:
            raw(f"{server.url}/chat/completions", stream=True)
        assert time.monotonic() - began >= 0.1
    assert b'"abc"' in failed.value.partial
    assert b'"def"' not in failed.value.partial
    assert server.answered == 0
