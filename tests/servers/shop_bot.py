"""A shop's own chatbot on loopback: Korean keys, sessions, forms, any method; it speaks no standard."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def form(self) -> Mapping[str, list[str]]:
        return parse_qs(self.raw.decode())


@dataclass(frozen=True, slots=True)
class Told:
    """What the bot answers."""

    body: Any = None
    """JSON, or bytes that are sent as they are."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def korean(asked: Asked) -> Told:
    """Repeat the message under Korean keys."""
    said = asked.json["message"]
    return Told(
        {"답변": {"텍스트": said}, "sources": [{"id": 7, "text": "약관 3조"}], "usage": {"in": 3}}
    )


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that have gone."""


class ShopBot:
    """Serves as its script says, in threads, as a context manager."""

    def __init__(self, script: Callable[[Asked], Told] = korean) -> None:
        self.script = script
        self.asked: list[Asked] = []
        bot = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                url = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = parse_qs(url.query, keep_blank_values=True)
                asked = Asked(self.command, url.path, query, headers, raw)
                bot.asked.append(asked)
                told = bot.script(asked)
                body = told.body
                if not isinstance(body, bytes):
                    body = json.dumps(body, ensure_ascii=False).encode()
                self.send_response(told.status)
                fields = {"content-type": "application/json", "content-length": str(len(body))}
                for name, value in {**fields, **told.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
