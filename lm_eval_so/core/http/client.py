"""HTTP client: bytes out, bytes back, without redirects and cookies."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from lm_eval_so.core.files import is_short
from lm_eval_so.core.http.errors import connection_error, public_url
from lm_eval_so.core.http.proxy import proxy_for
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind, Where

_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
"""Exceptions raised before a byte of the request was sent."""
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.InvalidURL, "it is no address"),
    (aiohttp.NonHttpUrlClientError, "it is no address of a web server"),
    (aiohttp.ClientResponseError, "what answers there does not speak HTTP"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, "the connection broke in the middle of the response"),
)
_FAULTS = (aiohttp.ClientError, OSError)  # a TimeoutError is an OSError
_MOST_AT_ONCE = 2**20
"""Bytes of a body that aiohttp writes at once."""
MOST_OF_RESPONSE = 2**26
"""Limit of a body in bytes, unpacked, so that an endless response does not fill the memory."""
_MOST_OF_HEADER = 2**16
"""Limit of a header in bytes: policies and cookies of proxies exceed aiohttp's 8 KiB."""
_MOST_HEADERS = 512
_KEPT_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-ratelimit-")
_LINGER_S = 0.02
"""Wait for the end of a stream, in seconds, so that its connection can be reused."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Values by name in lower case; the last value of a repeated header."""
    body: bytes = field(repr=False)


class HttpStream:
    """A response with a streamed body: iterate over it, or `read` all of it."""

    def __init__(
        self, response: aiohttp.ClientResponse, *, url: str, idle_timeout_s: float
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = _headers(response)
        """Names in lower case."""
        self._response = response
        self._url = url
        self._idle_timeout_s = idle_timeout_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield bytes as they come, never empty.

        Raises:
            BackendError: `bad_response` if the body broke off or does not end, `timeout` if no
                byte came for `idle_timeout_s` after the first one (until then the attempt's own
                limit holds).
        """
        content, wait_s, size = self._response.content, None, 0
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    chunk = await content.readany()
            except _FAULTS as error:
                raise self._broken(error, wait_s) from None
            if not chunk:
                return
            wait_s, size = self._idle_timeout_s, size + len(chunk)
            if size > MOST_OF_RESPONSE:
                raise _too_long(self._url)
            yield chunk

    async def read(self) -> bytes:
        """Return the rest of the body."""
        return b"".join([chunk async for chunk in self])

    def _broken(self, error: Exception, waited_s: float | None) -> BackendError:
        where, details = public_url(self._url), {"sent": True}
        if waited_s is not None and isinstance(error, TimeoutError):
            what = f"{where} sent nothing for {waited_s:g} s in the middle of a stream"
            return BackendError(ErrorKind.TIMEOUT, what, retryable=True, details=details)
        what = f"the stream of {where} ended early"
        return BackendError(ErrorKind.BAD_RESPONSE, what, retryable=True, details=details)


class HttpClient:
    """Client of one endpoint that keeps connections and never retries.

    Redirects are not followed, since a key must not travel to another host; cookies are not kept,
    since rows must not know of each other. Proxies come from the environment unless one is given
    (none for the own machine), certificates from the system's store. A cancelled request closes
    its connection. There is no time limit for a whole request: that is the asker's.

    Args:
        concurrency: Most connections at once.
        connect_timeout_s: Seconds that connecting may take, TLS included.
        idle_timeout_s: Seconds without a byte in the middle of a stream.
        verify: A file of certificate authorities that are trusted besides the system's.
        proxy: URL of a proxy for everything.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        connect_timeout_s: float,
        idle_timeout_s: float,
        verify: bool | Path = True,
        proxy: str | None = None,
    ) -> None:
        self._concurrency = concurrency
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)
        self._idle_timeout_s = idle_timeout_s
        self._tls = trusting(verify)
        self._proxy = proxy
        self._proxies: dict[str, str | None] = {}
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        """Send a request and read the response whole, whatever its status.

        Raises:
            BackendError: `connection` or `tls`, with `details["sent"]`: whether the server may
                have got the request; `bad_response` if the body does not end.
        """
        proxy = self._proxy_of(url)
        try:
            async with self._opened().request(
                method, url, headers=headers, data=_data(body), allow_redirects=False, proxy=proxy
            ) as response:
                content = await _read_whole(response.content, url)
                return HttpAnswer(response.status, _headers(response), content)
        except _FAULTS as error:
            raise _fault(error, url, proxy, self._timeout) from None

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None
    ) -> AsyncIterator[HttpStream]:
        """Send a request; its response can be read as it comes, inside the context.

        Raises:
            BackendError: As `send` does, until the response's headers are there.
        """
        proxy = self._proxy_of(url)
        try:
            response = await self._opened().request(
                method, url, headers=headers, data=_data(body), allow_redirects=False, proxy=proxy
            )
        except _FAULTS as error:
            raise _fault(error, url, proxy, self._timeout) from None
        is_done = False
        try:
            yield HttpStream(response, url=url, idle_timeout_s=self._idle_timeout_s)
            is_done = True
        finally:
            if is_done:
                await _read_out(response)
            response.close()  # gives back a connection that was read to its end

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # made where the loop runs
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._concurrency, ssl=self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"lm-eval-so/{version('LM-Eval-SO')}"},
                timeout=self._timeout,
                max_line_size=_MOST_OF_HEADER,
                max_field_size=_MOST_OF_HEADER,
                max_headers=_MOST_HEADERS,
            )
        return self._session

    def _proxy_of(self, url: str) -> str | None:
        """Return the proxy for a URL, looked up once a host.

        aiohttp's `trust_env` would start two threads a request for this, and would put the
        passwords of ~/.netrc beside our keys.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(url, self._proxy)
        return self._proxies[origin]


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a response that help a reader, and tell no secret."""
    return {name: value for name, value in headers.items() if name.startswith(_KEPT_HEADERS)}


def _data(body: bytes | None) -> bytes | io.BytesIO | None:
    return io.BytesIO(body) if body and len(body) > _MOST_AT_ONCE else body


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


async def _read_whole(content: aiohttp.StreamReader, url: str) -> bytes:
    chunks, size = [], 0
    while chunk := await content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_OF_RESPONSE:
            raise _too_long(url)
    return b"".join(chunks)


def _too_long(url: str) -> BackendError:
    what = f"the response of {public_url(url)} is longer than {MOST_OF_RESPONSE >> 20} MiB"
    return BackendError(ErrorKind.BAD_RESPONSE, what, retryable=False, details={"sent": True})


async def _read_out(response: aiohttp.ClientResponse) -> None:
    """Read the end of a body for a moment, so that its connection can be reused."""
    with suppress(*_FAULTS):
        async with asyncio.timeout(_LINGER_S):
            while not response.content.at_eof():
                await response.content.readany()


def trusting(verify: bool | Path) -> ssl.SSLContext:
    """Return a TLS context that trusts the system's certificate authorities and those of a file.

    Raises:
        ConfigError: If the file holds no certificates.
    """
    context = ssl.create_default_context()  # the system's store; SSL_CERT_FILE is heeded
    if isinstance(verify, Path):
        try:
            context.load_verify_locations(cafile=verify)
        except (OSError, ssl.SSLError) as error:
            if is_short(error):
                raise
            where = Where(key="options.verify")
            raise ConfigError(f"{verify} holds no certificates", where=where) from None
    return context


def _head_told(error: aiohttp.ClientResponseError) -> str:
    """Return the limit exceeded by the head of a response, for people; "" if none is."""
    if error.message.startswith("Got more than"):
        return f"a header of more than {_MOST_OF_HEADER >> 10} KiB"
    return f"more than {_MOST_HEADERS} headers" if error.message.startswith("Too many") else ""


def _fault(
    error: Exception, url: str, proxy: str | None, timeout: aiohttp.ClientTimeout
) -> BackendError:
    if isinstance(error, aiohttp.ClientResponseError) and (told := _head_told(error)):
        what = f"the response of {public_url(url)} has {told}"
        hint = "let the server, or a proxy before it, send fewer and shorter headers"
        kind, details = ErrorKind.BAD_RESPONSE, {"sent": True}
        return BackendError(kind, what, retryable=False, hint=hint, details=details)
    sent, reason = not isinstance(error, _NEVER_SENT), None
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        url = proxy or url
    elif isinstance(error, aiohttp.ClientHttpProxyError):
        reason = f"the proxy answered {error.status}"
    elif isinstance(error, aiohttp.ConnectionTimeoutError):
        reason = f"no connection within {timeout.sock_connect:g} s"
    elif "content-encoding" in str(error):
        reason = "its compression, Content-Encoding, cannot be unpacked"
    else:
        reason = next((told for kind, told in _REASONS if isinstance(error, kind)), None)
    return connection_error(error, url, sent=sent, reason=reason)
