"""A chat endpoint with a batch service, on 127.0.0.1: files, batches, and direct requests."""

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

USAGE = {"prompt_tokens": 1000, "completion_tokens": 500}


@dataclass(slots=True)
class Line:
    """What becomes of one request of a batch."""

    text: str | None = None
    """The answer; None: as `error` says, or in no file at all."""
    status: int = 200
    body: Mapping[str, Any] | None = None
    """Body of an answer of another shape."""
    error: Mapping[str, Any] | None = None
    """Body of an error with a status, or the error of a line that was never asked."""


Script = Callable[[dict[str, Any]], Line]


def echo(body: dict[str, Any]) -> Line:
    return Line(text=f"답: {body['messages'][-1]['content']}")


@dataclass(slots=True)
class Book:
    """What the service knows."""

    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    direct: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of requests that were asked one by one."""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path with query, and headers of every request."""


class BatchServer:
    """Serves files, batches and chat completions in threads, as a context manager.

    Args:
        script: What becomes of each request of a batch.
        looks: How often a batch says that it is in progress before it is over.
        ends: Status in which batches end.
        prefix: What stands before /files, /batches and /chat/completions.
    """

    def __init__(
        self, script: Script = echo, *, looks: int = 0, ends: str = "completed", prefix: str = "/v1"
    ) -> None:
        self.script = script
        self.looks = looks
        self.ends = ends
        self.direct: Script | None = None
        """What becomes of requests that are asked one by one; None: an answer that says so."""
        self.problems: list[dict[str, Any]] = []
        """Why batches fail, if they are to."""
        self.before: Callable[[str, str], int | None] = lambda method, path: None
        """Called before a request is served: a status here is the answer instead."""
        self.after: Callable[[str, str], None] = lambda method, path: None
        """Called when a request is served, before the client is told."""
        self.book = Book()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, prefix))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = self.origin + prefix

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def respond(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, Any]:
        with self._lock:
            match method, path.strip("/").split("/"):
                case "POST", ["files"]:
                    return 200, self._upload(body, kind)
                case "GET", ["files", name, "content"]:
                    return 200, self.book.files[name]
                case "POST", ["batches"]:
                    return 200, self._create(json.loads(body))
                case "GET", ["batches"]:
                    found = list(reversed(self.book.batches.values()))
                    return 200, {"object": "list", "data": found, "has_more": False}
                case "GET", ["batches", name]:
                    return 200, self._look(name)
                case "POST", ["batches", name, "cancel"]:
                    self.book.batches[name]["status"] = "cancelling"
                    return 200, self.book.batches[name]
                case "POST", [*_, "chat", "completions"]:
                    asked = json.loads(body)
                    self.book.direct.append(asked)
                    if self.direct is not None:
                        made = self.direct(asked)
                        said = made.body or _completion(made.text or "")
                        return (
                            (200, said)
                            if made.error is None
                            else (made.status, {"error": made.error})
                        )
                    return 200, _completion(f"direkt: {asked['messages'][-1]['content']}")
        return 404, {"error": {"message": f"nothing at {method} {path}"}}

    def _upload(self, body: bytes, kind: str) -> dict[str, Any]:
        message = BytesParser(policy=HTTP).parsebytes(
            f"Content-Type: {kind}\r\n\r\n".encode() + body
        )
        parts = {p.get_param("name", header="content-disposition"): p for p in message.iter_parts()}
        assert parts["purpose"].get_payload(decode=True) == b"batch"
        name = f"file-{len(self.book.files)}"
        self.book.files[name] = parts["file"].get_payload(decode=True)
        return {
            "id": name,
            "object": "file",
            "bytes": len(self.book.files[name]),
            "created_at": int(time.time()),
            "filename": parts["file"].get_filename(),
            "purpose": "batch",
            "status": "processed",
        }

    def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{len(self.book.batches)}"
        total = self.book.files[asked["input_file_id"]].count(b"\n")
        self.book.batches[name] = {
            **asked,
            "id": name,
            "object": "batch",
            "status": "validating",
            "created_at": int(time.time()),
            "request_counts": {"total": total, "completed": 0, "failed": 0},
            "_looks": 0,
        }
        return self.book.batches[name]

    def _look(self, name: str) -> dict[str, Any]:
        batch = self.book.batches[name]
        if batch["status"] in {"completed", "expired", "cancelled", "failed"}:
            return batch
        batch["_looks"] += 1
        if batch["status"] == "cancelling":
            self._finish(batch, "cancelled")
        elif batch["_looks"] <= self.looks:
            batch["status"] = "in_progress"
            batch["request_counts"]["completed"] = batch["_looks"]
        elif self.problems:
            batch |= {"status": "failed", "errors": {"object": "list", "data": self.problems}}
        else:
            self._finish(batch, self.ends)
        return batch

    def _finish(self, batch: dict[str, Any], status: str) -> None:
        lines = [json.loads(line) for line in self.book.files[batch["input_file_id"]].splitlines()]
        random.Random(7).shuffle(lines)
        files: dict[str, list[dict[str, Any]]] = {"output": [], "error": []}
        for line in lines:
            assert (line["method"], line["url"]) == ("POST", batch["endpoint"])
            made = self.script(line["body"])
            told = {"id": "r", "custom_id": line["custom_id"], "response": None, "error": None}
            if made.text is not None or made.body is not None:
                body = made.body or _completion(made.text or "")
                files["output"].append(
                    told | {"response": {"status_code": 200, "request_id": "req", "body": body}}
                )
            elif made.error is not None and made.status != 200:
                body = {"error": dict(made.error)}
                files["error"].append(
                    told | {"response": {"status_code": made.status, "body": body}}
                )
            elif made.error is not None:
                files["error"].append(told | {"error": dict(made.error)})
        for kind, found in files.items():
            if found:
                text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in found)
                self.book.files[f"{kind}-{batch['id']}"] = text.encode()
                batch[f"{kind}_file_id"] = f"{kind}-{batch['id']}"
        batch["request_counts"]["completed"] = len(files["output"])
        batch |= {"status": status, f"{status}_at": batch["created_at"] + 3600}


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"object": "chat.completion", "model": "test-model", "choices": [choice], "usage": USAGE}


def _handler(server: BatchServer, prefix: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def _serve(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length) if length else self._chunked()
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.book.seen.append((self.command, self.path, headers))
            path = url.path.removeprefix(prefix)
            status = server.before(self.command, path)
            if status is not None:
                self._send(status, {"error": {"message": "scripted", "code": None}})
                return
            kind = headers.get("content-type", "")
            answer = server.respond(self.command, path, body, kind)
            server.after(self.command, path)
            with suppress(OSError):  # the client may have been killed
                self._send(*answer)

        do_GET = do_POST = _serve  # noqa: N815 - as the base class wants them

        def _chunked(self) -> bytes:
            data = b""
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                while size := int(self.rfile.readline(), 16):
                    data += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            return data

        def _send(self, status: int, values: Any) -> None:
            data = values if isinstance(values, bytes) else json.dumps(values).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def query_of(path: str) -> dict[str, list[str]]:
    """Return the query of a path."""
    return parse_qs(urlsplit(path).query)
