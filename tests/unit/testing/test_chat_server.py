import json
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from servers.runs import until

from lm_eval_so.testing import ChatServer, Reply, Seen


def post(url: str, text: str = "환불?") -> Any:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", body, method="POST")
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read())


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
