"""Client and headers that the shared options of a backend ask for.

Headers with secrets are read again when their files change: a token often lasts an hour only.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lm_eval_so.core.backends.base import BackendEnv, SharedOptions
from lm_eval_so.core.backends.credentials import (
    Secret,
    find_secret,
    read_secret,
    secret_problem,
    shared_headers,
)
from lm_eval_so.core.http.client import HttpAnswer, HttpClient, HttpStream
from lm_eval_so.core.secrets import Redactor, make_redactor

_UNAUTHORIZED = 401


def make_http(options: SharedOptions, env: BackendEnv) -> HttpClient:
    """Make the client that a backend's options ask for."""
    verify = options.verify if options.verify is True else env.folder / options.verify
    return HttpClient(
        concurrency=env.concurrency,
        connect_timeout_s=options.connect_timeout_s,
        idle_timeout_s=options.idle_timeout_s,
        verify=verify,
        proxy=find_secret(options, "proxy", env).value or None,
    )


def with_shared(
    headers: Mapping[str, str], options: SharedOptions, env: BackendEnv
) -> dict[str, str]:
    """Return the headers of the options over those of the endpoint; names in lower case."""
    merged = {**headers, **{k.lower(): v for k, v in shared_headers(options, env).items()}}
    return {name.lower(): value for name, value in merged.items() if value}


def wants_stream(options: SharedOptions, env: BackendEnv) -> bool:
    """Return whether answers are streamed."""
    return env.wants_ttft if options.stream == "auto" else options.stream


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request without its secret headers, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeaderFile:
    """A file whose secret a header holds."""

    path: Path
    before: str = ""
    """Text of the header before the secret, as "Bearer "."""


def header_files(options: SharedOptions, env: BackendEnv) -> dict[str, HeaderFile]:
    """Return the files that the options name for headers, by header as it is written there."""
    return {name: HeaderFile(env.folder / path) for name, path in options.headers_file.items()}


def key_file(
    header: str, path: Path | None, options: SharedOptions, env: BackendEnv, *, before: str = ""
) -> dict[str, HeaderFile]:
    """Return the file of an endpoint's key by its header; none if the options set that header.

    Args:
        header: Name of the header, in lower case.
        path: The file; None: there is none.
        options: Options of the backend.
        env: Surroundings; the path starts at their folder.
        before: Text of the header before the key.
    """
    is_set = header in {name.lower() for name in (*options.headers, *options.headers_env)}
    return {} if path is None or is_set else {header: HeaderFile(env.folder / path, before)}


class SecretHeaders:
    """Headers with secrets, as they are now.

    A token in a file may be renewed while it is used. A file that is empty, or holds what no
    header may, is being written: the value before it stays.

    Args:
        values: The headers as they were read at first.
        files: Files of those that may change, by header.
    """

    def __init__(self, values: Mapping[str, str], files: Mapping[str, HeaderFile]) -> None:
        self.values = values
        self.learned = Redactor()
        """Takes out the secrets that were read later than at first."""
        self._files = files
        self._stamps = {name: _stamp(file.path) for name, file in files.items()}

    def current(self) -> Mapping[str, str]:
        """Return the headers, once files that changed were read again."""
        for name, file in self._files.items():
            stamp = _stamp(file.path)
            if stamp != self._stamps[name]:
                self._stamps[name] = stamp
                self._read(name, file)
        return self.values

    def renewed(self, used: Mapping[str, str]) -> bool:
        """Read all files again, and return whether the headers are others than those used."""
        for name, file in self._files.items():
            self._read(name, file)
        return self.values != used

    def _read(self, name: str, file: HeaderFile) -> None:
        secret = read_secret(file.path)
        value = file.before + secret
        if not secret or value == self.values.get(name) or secret_problem(Secret(value=secret)):
            return
        self.values = {**self.values, name: value}
        self.learned = self.learned.joined(make_redactor({}, files={str(file.path): secret}))


class Wire:
    """Sends requests with the secret headers; once again if it was refused, and a file has a new one."""

    def __init__(self, http: HttpClient, secret: SecretHeaders) -> None:
        self._http = http
        self._secret = secret

    @property
    def learned(self) -> Redactor:
        """Takes out the secrets that are known since the start."""
        return self._secret.learned

    async def send(self, asked: HttpRequest) -> HttpAnswer:
        """Send a request and read the response whole; errors as those of `HttpClient.send`."""
        used = self._secret.current()
        answer = await self._send(asked, used)
        if answer.status == _UNAUTHORIZED and self._secret.renewed(used):
            answer = await self._send(asked, self._secret.values)
        return answer

    @asynccontextmanager
    async def stream(self, asked: HttpRequest) -> AsyncIterator[HttpStream]:
        """Send a request; its response can be read as it comes, inside the context."""
        used = self._secret.current()
        async with self._stream(asked, used) as stream:
            if stream.status != _UNAUTHORIZED or not self._secret.renewed(used):
                yield stream
                return
        async with self._stream(asked, self._secret.values) as stream:
            yield stream

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _send(self, asked: HttpRequest, secret: Mapping[str, str]) -> HttpAnswer:
        headers = {**asked.headers, **secret}
        return await self._http.send(asked.method, asked.url, headers=headers, body=asked.body)

    @asynccontextmanager
    async def _stream(
        self, asked: HttpRequest, secret: Mapping[str, str]
    ) -> AsyncIterator[HttpStream]:
        headers = {**asked.headers, **secret}
        async with self._http.stream(
            asked.method, asked.url, headers=headers, body=asked.body
        ) as stream:
            yield stream


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file's contents; None if it cannot be looked at."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
