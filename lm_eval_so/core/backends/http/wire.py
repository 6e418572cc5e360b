"""The way to an own endpoint: requests with its secret headers, read again when their files change."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lm_eval_so.core.backends.base import BackendEnv, SharedOptions
from lm_eval_so.core.backends.credentials import Secret, read_secret, secret_problem
from lm_eval_so.core.http.client import HttpAnswer, HttpClient, HttpStream
from lm_eval_so.core.secrets import Redactor, make_redactor

_UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request without its secret headers, ready to be sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


class SecretHeaders:
    """Headers with secrets, as they are now.

    A token in a file may be renewed while it is used. A file that is empty, or holds what no
    header may, is being written: the value before it stays.

    Args:
        options: Options that name the files.
        env: Surroundings; paths start at its folder.
        values: The headers as they were read at first.
    """

    def __init__(self, options: SharedOptions, env: BackendEnv, values: Mapping[str, str]) -> None:
        self.values = values
        self.learned = Redactor()
        """Takes out the secrets that were read later than at first."""
        self._files = {name: env.folder / path for name, path in options.headers_file.items()}
        self._stamps = {name: _stamp(file) for name, file in self._files.items()}

    def current(self) -> Mapping[str, str]:
        """Return the headers, once files that changed were read again."""
        for name, file in self._files.items():
            stamp = _stamp(file)
            if stamp != self._stamps[name]:
                self._stamps[name] = stamp
                self._read(name, file)
        return self.values

    def renewed(self, used: Mapping[str, str]) -> bool:
        """Read all files again, and return whether the headers are others than those used."""
        for name, file in self._files.items():
            self._read(name, file)
        return self.values != used

    def _read(self, name: str, file: Path) -> None:
        value = read_secret(file)
        if not value or value == self.values.get(name) or secret_problem(Secret(value=value)):
            return
        self.values = {**self.values, name: value}
        self.learned = self.learned.joined(make_redactor({}, files={str(file): value}))


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
