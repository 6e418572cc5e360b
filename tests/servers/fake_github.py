"""A small GitHub REST and GraphQL server on 127.0.0.1: pull requests, their comments, faults by script."""

import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.servers.github_api import UnknownCallError, broken_answer, broken_rules
from tests.servers.github_history import answer_of

BOT = "github-actions[bot]"
_NOW = "2026-01-01T00:00:00Z"
_TOO_LONG = 65_536


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Fault:
    """The next `times` such requests get this answer."""

    method: str
    part: str
    status: int
    """0: the connection is closed without an answer."""
    message: str
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    takes_effect: bool = False
    """The request is carried out before the fault is answered."""


class FakeGitHub:
    """Use as a context manager; `url` is GITHUB_API_URL."""

    def __init__(self, *, prefix: str = "", viewer: str | None = BOT, author: str = BOT) -> None:
        self.requests: list[Request] = []
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.faults: list[Fault] = []
        self.repository: Path | None = None
        """The git repository whose commits are served."""
        self.broken_rules: list[str] = []
        """What calls or answers break of GitHub's published description; leaving fails with them."""
        self.runs: dict[int, dict[str, Any]] = {}
        self.artifacts: dict[int, list[dict[str, Any]]] = {}
        self.zips: dict[int, bytes] = {}
        """What the store of artifacts, another host, gives; by the id of the artifact."""
        self.next_page_host: str | None = None
        self.lag = 0
        """So many lists do not show a new comment yet."""
        self.before: Callable[[Request], None] = lambda _: None
        """Called before each answer, as another run would interfere."""
        self._prefix, self._viewer, self._author = prefix, viewer, author
        self._last_id = 1000
        self._unseen: dict[int, int] = {}
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}{prefix}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        assert not self.broken_rules, "\n".join(self.broken_rules)

    def add_pull(
        self,
        number: int,
        *,
        head: str,
        state: str = "open",
        branch: str = "o:b",
        repo: int | None = 1,
        base: tuple[int, str] = (1, "main"),
    ) -> None:
        owner, _, ref = branch.partition(":")
        self.pulls[number] = {
            "number": number,
            "state": state,
            "head": {
                "sha": head,
                "ref": ref,
                "label": branch,
                "user": self._user(owner),
                **({"repo": {"id": repo}} if repo else {}),
            },
            "base": {"ref": base[1], "repo": {"id": base[0]}},
        }

    def add_run(self, number: int, *, owner: str = "o", repo: int | None = 1, **facts: Any) -> None:
        self.runs[number] = {
            "id": number,
            "run_attempt": 1,
            "event": "pull_request",
            "conclusion": "success",
            "path": ".github/workflows/evaluate.yml",
            "head_branch": "b",
            **({"head_repository": {"id": repo, "owner": self._user(owner)}} if repo else {}),
            "repository": {"id": 1},
            "pull_requests": [],
            **facts,
        }

    def add_artifact(self, run: int, name: str, data: bytes, **facts: Any) -> int:
        self._last_id += 1
        artifact = {"id": self._last_id, "name": name, "size_in_bytes": len(data), **facts}
        self.artifacts.setdefault(run, []).append({"expired": False, **artifact})
        self.zips[self._last_id] = data
        return self._last_id

    def add_comment(self, pull: int, body: str, *, author: str = BOT, number: int = 0) -> int:
        with self._lock:
            self._last_id = max(self._last_id + 1, number)
            identity = number or self._last_id
            comment = {
                "id": identity,
                "url": f"{self.url}/repos/o/r/issues/comments/{identity}",
                "html_url": f"https://github.com/o/r/pull/{pull}#issuecomment-{identity}",
                "body": body,
                "user": self._user(author),
                "created_at": _NOW,
                "updated_at": _NOW,
            }
            self.comments.setdefault(pull, []).append(comment)
            return identity

    def fail(self, method: str, part: str, status: int, message: str, **options: Any) -> None:
        self.faults.append(Fault(method, part, status, message, **options))

    def bodies(self, pull: int) -> dict[int, str]:
        return {comment["id"]: comment["body"] for comment in self.comments.get(pull, [])}

    def calls(self, *methods: str) -> list[str]:
        """Return "METHOD last/parts" of the requests so far."""
        return [
            f"{request.method} {'/'.join(request.path.split('/')[-2:])}"
            for request in self.requests
            if not methods or request.method in methods
        ]

    def respond(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        with self._lock:
            self.requests.append(request)
            self.before(request)
            for fault in self.faults:
                if fault.times and fault.method == request.method and fault.part in request.path:
                    fault.times -= 1
                    if fault.takes_effect:
                        self._route(request)
                    return fault.status, {"message": fault.message}, fault.headers
            return self._routed(request)

    def _routed(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        """Hold a call and its answer to GitHub's published description."""
        path = request.path.removeprefix(self._prefix)
        if path.endswith("/graphql") or path.startswith("/store/"):
            return self._route(request)
        try:
            found = broken_rules(request.method, path, request.query, request.body)
            if found:
                answer: tuple[int, Any, dict[str, str]] = 422, {"message": "; ".join(found)}, {}
            else:
                answer = self._route(request)
                described = None if isinstance(answer[1], bytes) else answer[1]
                found = broken_answer(request.method, path, answer[0], described)
        except UnknownCallError as error:
            answer, found = (404, {"message": "Not Found"}, {}), [str(error)]
        self.broken_rules += [f"{request.method} {path}: {each}" for each in found]
        return answer

    def _route(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        if request.path.endswith("/graphql"):
            return self._graphql()
        repository = f"{self._prefix}/repos/o/r"
        if self.repository is not None and request.method == "GET":
            path = request.path.removeprefix(repository)
            if answer := answer_of(self.repository, path, request.query, request.headers):
                return answer
        routes = {
            rf"GET {repository}/pulls/(\d+)": self._get_pull,
            rf"GET {repository}/pulls": self._list_pulls,
            rf"GET {repository}/actions/runs/(\d+)": self._get_run,
            rf"GET {repository}/actions/workflows/([^/]+)/runs": self._list_runs,
            rf"GET {repository}/actions/runs/(\d+)/artifacts": self._list_artifacts,
            rf"GET {repository}/actions/artifacts/(\d+)/zip": self._redirect_to_zip,
            r"GET /store/(\d+)": self._get_zip,
            rf"GET {repository}/issues/(\d+)/comments": self._list_comments,
            rf"POST {repository}/issues/(\d+)/comments": self._create,
            rf"PATCH {repository}/issues/comments/(\d+)": self._update,
            rf"DELETE {repository}/issues/comments/(\d+)": self._delete,
        }
        for pattern, handle in routes.items():
            if match := re.fullmatch(pattern, f"{request.method} {request.path}"):
                found = (int(part) if part.isdecimal() else part for part in match.groups())
                return handle(request, *found)
        return 404, {"message": "Not Found"}, {}

    def _graphql(self) -> tuple[int, Any, dict[str, str]]:
        if self._viewer is None:
            return 403, {"message": "Resource not accessible by integration"}, {}
        return 200, {"data": {"viewer": {"login": self._viewer}}}, {}

    def _get_pull(self, _: Request, number: int) -> tuple[int, Any, dict[str, str]]:
        pull = self.pulls.get(number)
        return (200, pull, {}) if pull else (404, {"message": "Not Found"}, {})

    def _list_pulls(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        found = [
            pull
            for pull in self.pulls.values()
            if pull["state"] == request.query["state"]
            and pull["head"]["label"] == request.query["head"]
        ]
        return self._page(request, found)

    def _get_run(self, _: Request, number: int) -> tuple[int, Any, dict[str, str]]:
        run = self.runs.get(number)
        return (200, run, {}) if run else (404, {"message": "Not Found"}, {})

    def _list_runs(self, request: Request, file: str) -> tuple[int, Any, dict[str, str]]:
        """List the newest first, also those of a fork's branch of this name."""
        found = [
            run
            for run in reversed(self.runs.values())
            if run["path"].endswith(f"/{file}")
            and run["head_branch"] == request.query["branch"]
            and run["conclusion"] == request.query["status"]
        ]
        if not any(run["path"].endswith(f"/{file}") for run in self.runs.values()):
            return 404, {"message": "Not Found"}, {}
        status, part, headers = self._page(request, found)
        return status, {"total_count": len(found), "workflow_runs": part}, headers

    def _list_artifacts(self, request: Request, run: int) -> tuple[int, Any, dict[str, str]]:
        wanted = request.query.get("name")
        found = [a for a in self.artifacts.get(run, []) if wanted in {None, a["name"]}]
        status, part, headers = self._page(request, found)
        return status, {"total_count": len(found), "artifacts": part}, headers

    def _redirect_to_zip(self, _: Request, number: int) -> tuple[int, Any, dict[str, str]]:
        store = f"http://localhost:{self._server.server_port}/store/{number}"
        return 302, None, {"Location": store}

    def _get_zip(self, _: Request, number: int) -> tuple[int, Any, dict[str, str]]:
        return 200, self.zips[number], {}

    def _list_comments(self, request: Request, pull: int) -> tuple[int, Any, dict[str, str]]:
        shown = []
        for comment in self.comments.get(pull, []):
            if unseen := self._unseen.get(comment["id"], 0):
                self._unseen[comment["id"]] = unseen - 1
            else:
                shown.append(comment)
        return self._page(request, shown)

    def _page(self, request: Request, items: list[Any]) -> tuple[int, Any, dict[str, str]]:
        size = min(int(request.query.get("per_page", 30)), 100)
        page = int(request.query.get("page", 1))
        part = items[(page - 1) * size : page * size]
        if page * size >= len(items):
            return 200, part, {}
        base = self.next_page_host or self.url.removesuffix(self._prefix)
        query = urlencode({**request.query, "page": page + 1})
        return 200, part, {"Link": f'<{base}{request.path}?{query}>; rel="next"'}

    def _create(self, request: Request, pull: int) -> tuple[int, Any, dict[str, str]]:
        body = request.body["body"]
        if len(body) > _TOO_LONG:
            return _too_long()
        identity = self.add_comment(pull, body, author=self._author)
        self._unseen[identity] = self.lag
        return 201, self.comments[pull][-1], {}

    def _update(self, request: Request, number: int) -> tuple[int, Any, dict[str, str]]:
        for comment in self._all():
            if comment["id"] == number:
                comment["body"] = request.body["body"]
                return 200, comment, {}
        return 404, {"message": "Not Found"}, {}

    def _delete(self, _: Request, number: int) -> tuple[int, Any, dict[str, str]]:
        for comments in self.comments.values():
            for comment in comments:
                if comment["id"] == number:
                    comments.remove(comment)
                    return 204, None, {}
        return 404, {"message": "Not Found"}, {}

    def _all(self) -> list[dict[str, Any]]:
        return [comment for comments in self.comments.values() for comment in comments]

    def _user(self, login: str) -> dict[str, Any]:
        return {"login": login, "id": 41898282, "type": "Bot", "url": f"{self.url}/users/{login}"}


def _too_long() -> tuple[int, Any, dict[str, str]]:
    error = {"message": f"Body is too long (maximum is {_TOO_LONG} characters)", "field": "body"}
    return 422, {"message": "Validation Failed", "errors": [error]}, {}


def _handler(hub: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one segment an answer: unbuffered headers cost a delayed ACK of 40 ms
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(url.query).items()}
            body = json.loads(raw) if raw else None
            headers = {key.lower(): value for key, value in self.headers.items()}
            status, answer, extra = hub.respond(
                Request(self.command, url.path, query, headers, body)
            )
            if not status:
                self.close_connection = True
                return
            raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            payload = b"" if answer is None else raw
            self.send_response(status)
            for name, value in {"X-RateLimit-Remaining": "4999", **extra}.items():
                self.send_header(name, value)
            if status != 204:
                if "Content-Type" not in extra:
                    self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            with suppress(ConnectionError):  # a client may hang up on a body that is too long
                self.wfile.write(payload)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
