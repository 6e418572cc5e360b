"""A chatbot on loopback that is never the bottleneck: two routes, one process, no dependency.

`POST /v1/chat/completions` answers like OpenAI's chat completions, `POST /chat` like a chatbot
with a shape of its own: {"message": …} gives {"answer": {"text": …}}. Both answer the same to the same
question. `GET /stats` tells what came. The first line on stdout is the base URL; it ends when stdin
does, so it never outlives who started it.
"""

import argparse
import asyncio
import json
import os
import selectors
import threading
import time
import zlib
from dataclasses import asdict, dataclass

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


@dataclass(slots=True)
class Stats:
    """What came since the start, on this process's clock."""

    requests: int = 0
    peak: int = 0
    """Most requests under way at once."""
    under_way: int = 0
    first_at: float = 0.0
    """When the first request was there, in seconds on the monotonic clock."""
    last_at: float = 0.0
    """When the last answer was sent."""
    connections: int = 0
    cpu_s: float = 0.0


class Connection(asyncio.Protocol):
    """One client's connection; requests come one after another."""

    def __init__(self, stats: Stats, latency_s: float) -> None:
        self._stats = stats
        self._latency_s = latency_s
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._stats.connections += 1

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while (request := self._next()) is not None:
            self._take(*request)

    def _next(self) -> tuple[bytes, bytes] | None:
        """Return the request line and the body of a whole request, if one is there."""
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return None
        head = self._buffer[:end]
        at = head.lower().find(LENGTH)
        length = 0 if at < 0 else int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])
        start = end + len(HEAD_END)
        if len(self._buffer) < start + length:
            return None
        body, self._buffer = self._buffer[start : start + length], self._buffer[start + length :]
        return head.split(b"\r\n", 1)[0], body

    def _take(self, line: bytes, body: bytes) -> None:
        stats = self._stats
        path = line.split(b" ")[1]
        if path == b"/stats":
            stats.cpu_s = time.process_time()
            return self._send(200, json.dumps(asdict(stats)).encode())
        if path not in ROUTES:
            return self._send(404, b'{"error":{"message":"no such route"}}')
        stats.requests += 1
        stats.under_way += 1
        stats.peak = max(stats.peak, stats.under_way)
        stats.first_at = stats.first_at or time.monotonic()
        answer = ROUTES[path](json.loads(body))
        if self._latency_s:
            loop = asyncio.get_running_loop()
            loop.call_later(self._latency_s, self._answer, answer)
        else:
            self._answer(answer)
        return None

    def _answer(self, answer: bytes) -> None:
        self._stats.under_way -= 1
        self._send(200, answer)
        self._stats.last_at = time.monotonic()

    def _send(self, status: int, body: bytes) -> None:
        if self._transport is not None:
            head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(head % (status, len(body)) + body)


def answer_to(question: str) -> str:
    """Return the answer to a question: the same in every run."""
    return f"답변 {zlib.crc32(question.encode()):08x}: 영업일 기준 3일 안에 처리됩니다."


def completion(body: dict) -> bytes:
    """Answer as OpenAI's chat completions do."""
    asked = body["messages"][-1]["content"]
    text = json.dumps(answer_to(asked), ensure_ascii=False).encode()
    return (
        b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"bench",'
        b'"choices":[{"index":0,"message":{"role":"assistant","content":'
        + text
        + b',"refusal":null},'
        b'"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":12,'
        b'"total_tokens":32},"system_fingerprint":"fp_1"}'
    )


def own_shape(body: dict) -> bytes:
    """Answer as a chatbot with its own shape does."""
    text = json.dumps(answer_to(body["message"]), ensure_ascii=False).encode()
    return b'{"answer":{"text":' + text + b'},"usage":{"in":20,"out":12}}'


ROUTES = {b"/v1/chat/completions": completion, b"/chat": own_shape}


async def serve(latency_s: float, port: int) -> None:
    """Serve until stdin ends."""
    stats = Stats()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(stats, latency_s), "127.0.0.1", port, backlog=1024
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    is_over = asyncio.Event()

    def wait_for_end() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(is_over.set)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await is_over.wait()
    server.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--latency-ms", type=float, default=0)
    arguments.add_argument("--port", type=int, default=0)
    told = arguments.parse_args()
    # epoll waits whole milliseconds, which would be added to every latency; select does not
    with asyncio.Runner(loop_factory=_exact_loop if told.latency_ms else None) as runner:
        runner.run(serve(told.latency_ms / 1000, told.port))


def _exact_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    main()
