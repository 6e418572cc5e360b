"""An OpenAI-compatible chat server on 127.0.0.1 that answers, and fails, as a script says.

It speaks real HTTP over real connections, so that time-outs, resets and what stands in the bytes
are seen as they are; it needs the standard library only.
"""

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

__all__ = ["ChatServer", "Reply", "Seen"]

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it came."""

    number: int
    """Which request to this server it is, from 0."""
    nth: int
    """Which request with the same last user message it is, from 0."""
    path: str
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    raw: bytes
    """The body's bytes."""
    body: Mapping[str, Any]
    """The body as JSON; empty if it is none."""
    text: str
    """The last user message."""
    at: float
    """When it came, on the monotonic clock, in seconds."""
    under_way: int
    """Requests that are being answered, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server does with a request."""

    text: str = ""
    """The answer."""
    status: int = 200
    """A status other than 200 answers with an error body."""
    message: str = "scripted"
    """Message of the error body."""
    code: str | None = None
    """Code of the error body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent instead of the usual body, whatever it is."""
    message_fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the answering message, over the usual ones: refusal, tool_calls, content."""
    finish_reason: str = "stop"
    usage: Mapping[str, Any] | None = field(
        default_factory=lambda: {"prompt_tokens": 10, "completion_tokens": 5}
    )
    """None: the server does not tell."""
    model: str = "test-model"
    latency_s: float = 0.0
    hang: bool = False
    """Never answers; the connection stays open until the client gives up."""
    reset: bool = False
    """Breaks the connection instead of answering."""


Script = Callable[[Seen], Reply | str]


def echo(seen: Seen) -> Reply:
    """Answer with the last user message."""
    return Reply(text=seen.text)


class ChatServer:
    """Serves `/v1/chat/completions` in a thread of its own, as a context manager.

    Args:
        script: What to do with each request; default: repeat the last user message.
        models: Names that `/v1/models` lists.
    """

    def __init__(self, script: Script = echo, *, models: tuple[str, ...] = ("test-model",)) -> None:
        self.script = script
        self.requests: list[Seen] = []
        """Requests to `/chat/completions`, in the order they came."""
        self.peak = 0
        """Most requests that were being answered at once."""
        self.answered = 0
        """Requests whose answer was sent whole."""
        self.gone = 0
        """Clients that closed their connection while they were waiting for an answer."""
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
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the server ends
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; tell whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in lines)
            if colon
        }
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        path = first.split(" ")[1]
        if not path.endswith("/chat/completions"):
            await self._write(writer, Reply(body=self._other(path)))
            return True
        self._under_way += 1
        self.peak = max(self.peak, self._under_way)
        try:
            seen = self._note(path, headers, raw)
            reply = self.script(seen)
            reply = Reply(text=reply) if isinstance(reply, str) else reply
            if not await self._waited(reader, reply):
                self.gone += 1
                return False
            if reply.reset:
                writer.transport.abort()
                return False
            await self._write(writer, reply)
            self.answered += 1
            return True
        finally:
            self._under_way -= 1

    def _note(self, path: str, headers: Mapping[str, str], raw: bytes) -> Seen:
        try:
            body = json.loads(raw)
        except ValueError:
            body = {}
        said = [m.get("content") for m in body.get("messages", []) if m.get("role") == "user"]
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

    @staticmethod
    async def _waited(reader: asyncio.StreamReader, reply: Reply) -> bool:
        """Take the time that an answer takes; tell whether the client is still there."""
        if not reply.hang and not reply.latency_s:
            return True
        try:
            async with asyncio.timeout(None if reply.hang else reply.latency_s):
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
    async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
        body = _body(reply) if reply.body is None else reply.body
        lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Scripted')}"]
        fields = {"content-type": "application/json", **reply.headers}
        fields["content-length"] = str(len(body))
        lines += [f"{name}: {value}" for name, value in fields.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await writer.drain()


def _body(reply: Reply) -> bytes:
    if reply.status != 200:
        error = {"message": reply.message, "type": "scripted", "code": reply.code}
        return json.dumps({"error": error}, ensure_ascii=False).encode()
    message = {"role": "assistant", "content": reply.text, **reply.message_fields}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    values: dict[str, Any] = {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "model": reply.model,
        "choices": [choice],
    }
    if reply.usage is not None:
        values["usage"] = dict(reply.usage)
    return json.dumps(values, ensure_ascii=False).encode()
