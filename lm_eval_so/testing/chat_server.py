"""An OpenAI-compatible chat server on 127.0.0.1 that answers, streams and fails as a script says.

It speaks real HTTP over real connections, so that time-outs, resets and bytes are seen as they
are; it needs the standard library only.
"""

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from lm_eval_so.testing.chat_replies import Reply, Seen, stream_pieces, whole_body

__all__ = ["ChatServer", "Reply", "Seen"]

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}


Script = Callable[[Seen], Reply | str]


def echo(seen: Seen) -> Reply:
    """Answer with the last user message."""
    return Reply(text=seen.text)


class ChatServer:
    """Serves chat completions and responses in a thread of its own, as a context manager.

    Every POST is a request to the chatbot, whatever its path (Azure's routes, your own); a path
    that ends in `/responses` is answered in that API's format. A body that says `stream` is
    answered with server-sent events.

    Args:
        script: Function from a request to its reply; default: the last user message.
        models: Names that `/v1/models` lists.
    """

    def __init__(self, script: Script = echo, *, models: tuple[str, ...] = ("test-model",)) -> None:
        self.script = script
        self.requests: list[Seen] = []
        """Requests to the chatbot, in the order they came."""
        self.peak = 0
        """Most requests that were being answered at once."""
        self.answered = 0
        """Requests whose answer was sent whole."""
        self.gone = 0
        """Clients that closed their connection while they were waiting for an answer."""
        self.connections = 0
        """Connections that were made so far."""
        self._models = models
        self._asked: Counter[str] = Counter()
        self._under_way = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="chat-server")
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """Base URL for an OpenAI-compatible client."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._port = listening.getsockname()[1]
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, sock=listening))
        self._loop.call_soon(self._ready.set)
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the server ends
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in lines)
            if colon
        }
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = first.split(" ", 2)
        if method != "POST":
            await self._write(writer, Reply(), self._other(path))
            return True
        self._under_way += 1
        self.peak = max(self.peak, self._under_way)
        try:
            seen = self._note(path, headers, raw)
            reply = self.script(seen)
            reply = Reply(text=reply) if isinstance(reply, str) else reply
            if not await self._waited(reader, None if reply.hang else reply.latency_s):
                self.gone += 1
                return False
            if reply.reset:
                writer.transport.abort()
                return False
            if not await self._answer(reader, writer, seen, reply):
                return False
            self.answered += 1
            return True
        finally:
            self._under_way -= 1

    def _note(self, path: str, headers: Mapping[str, str], raw: bytes) -> Seen:
        try:
            body = json.loads(raw)
        except ValueError:
            body = {}
        body = body if isinstance(body, dict) else {}
        turns = body.get("messages") or body.get("input") or []
        if isinstance(turns, str):  # one text, of which an embedding is wanted
            turns = [{"role": "user", "content": turns}]
        said = [turn.get("content") for turn in turns if turn.get("role") == "user"]
        text = said[-1] if said and isinstance(said[-1], str) else ""
        seen = Seen(
            number=len(self.requests),
            nth=self._asked[text],
            path=path,
            headers=headers,
            raw=raw,
            body=body,
            text=text,
            at=time.monotonic(),
            under_way=self._under_way,
        )
        self._asked[text] += 1
        self.requests.append(seen)
        return seen

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen, reply: Reply
    ) -> bool:
        """Send the answer; return whether it was sent whole."""
        pieces = reply.pieces
        if pieces is None and reply.body is None and reply.status == 200:
            streams = bool(seen.body.get("stream"))
            pieces = tuple(stream_pieces(reply, seen.path, seen.body)) if streams else None
        if pieces is None:
            body = whole_body(reply, seen.path) if reply.body is None else reply.body
            await self._write(writer, reply, body)
            return True
        fields = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
        writer.write(_head(reply, fields))
        await writer.drain()
        return await self._stream(reader, writer, reply, pieces)

    async def _stream(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        reply: Reply,
        pieces: Sequence[bytes],
    ) -> bool:
        if not await self._waited(reader, reply.first_token_s):
            self.gone += 1
            return False
        for number, piece in enumerate((*pieces, b"")):
            if number == reply.cut_after:
                writer.transport.abort()
                return False
            if number == reply.stall_after:
                await self._waited(reader, None)
                self.gone += 1
                return False
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        return True

    @staticmethod
    async def _waited(reader: asyncio.StreamReader, seconds: float | None) -> bool:
        """Wait (None: for ever); return whether the client is still there."""
        if seconds == 0:
            return True
        try:
            async with asyncio.timeout(seconds):
                await reader.read(1)  # a client that waits sends nothing; only its end is read
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        return False

    def _other(self, path: str) -> bytes:
        models = self._models if path.endswith("/models") else ()
        return json.dumps({"object": "list", "data": [{"id": name} for name in models]}).encode()

    @staticmethod
    async def _write(writer: asyncio.StreamWriter, reply: Reply, body: bytes) -> None:
        fields = {"content-type": "application/json", "content-length": str(len(body))}
        writer.write(_head(reply, fields) + body)
        await writer.drain()


def _head(reply: Reply, fields: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Scripted')}"]
    lines += [f"{name}: {value}" for name, value in {**fields, **reply.headers}.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
