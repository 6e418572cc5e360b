"""The batch service of OpenAI and Azure, through the SDK's files and batches."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
import openai

from lm_eval_so.core.backends.base import BackendEnv, SharedOptions
from lm_eval_so.core.backends.batches import BatchState
from lm_eval_so.core.backends.credentials import find_secret
from lm_eval_so.core.backends.faults import connection_error, http_error, public_url
from lm_eval_so.core.backends.openai.endpoint import OpenAIEndpoint, in_our_words
from lm_eval_so.core.http.client import HttpAnswer, trusting
from lm_eval_so.core.http.proxy import proxy_for
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind

_SECONDS = 600.0
"""For one read or write; files are large."""
_CLOCKS_DIFFER_S = 86_400
_NO_SERVICE = "ask it with run.executor: live"
_GONE = "is the key that of the batch? if it is gone for good, begin anew with --fresh"
_OF_THE_SDK = frozenset({"content-type", "accept", "content-length"})
"""Headers that differ by request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Way to the batch service of an endpoint."""

    base_url: str
    """Address that /files and /batches follow."""
    path: str
    """Path that each line of an input file names."""
    query: Mapping[str, object] | None = None
    """Parameters of every address."""


class SdkBatches:
    """Batch service of an endpoint, asked with its headers and its way of writing requests.

    Args:
        endpoint: Open endpoint.
        options: Options of its backend.
        env: Environment of its backend.
        route: Way to the service.
    """

    def __init__(
        self,
        endpoint: OpenAIEndpoint,
        options: SharedOptions,
        env: BackendEnv,
        route: Route,
    ) -> None:
        self.path = route.path
        self._endpoint = endpoint
        self._address = endpoint.address
        self._options = options
        self._env = env
        self._base_url = route.base_url
        self._query = route.query
        # the SDK would make up a key where the endpoint takes none, or another header
        has_key = "authorization" in self._address.headers
        no_key = {} if has_key else {"Authorization": openai.Omit()}
        self._no_key = no_key

    @property
    def _as_is(self) -> dict[str, Any]:
        """Arguments of every call: a batch may outlast a token."""
        return {"extra_headers": {**self._no_key, **self._endpoint.renewed_headers()}}

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """Return the body of a request."""
        return self._endpoint.body(request)

    def read(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Read the answer to one request."""
        try:
            return self._endpoint.read(HttpAnswer(status, headers, body))
        except BackendError as error:
            raise in_our_words(error, self._address, self._endpoint.learned) from None

    async def upload(self, file: Path, name: str) -> str:
        """Upload an input file and return its id."""
        async with self._told():
            with file.open("rb") as data:
                made = await self._client.files.create(
                    file=(name, data), purpose="batch", **self._as_is
                )
            return made.id

    async def create(self, file_id: str, metadata: Mapping[str, str]) -> BatchState:
        """Begin a batch."""
        async with self._told():
            path: Any = self.path
            made = await self._client.batches.create(
                input_file_id=file_id,
                endpoint=path,
                completion_window="24h",
                metadata=dict(metadata),
                **self._as_is,
            )
            return _state(made)

    async def find(self, metadata: Mapping[str, str], *, since: int) -> BatchState | None:
        """Return the batch with this metadata, if one was begun since then."""
        async with self._told():
            async for batch in self._client.batches.list(limit=100, **self._as_is):
                if metadata.items() <= (batch.metadata or {}).items():
                    return _state(batch)
                if batch.created_at < since - _CLOCKS_DIFFER_S:
                    break
        return None

    async def look(self, batch_id: str) -> BatchState:
        """Return a batch as it is now."""
        async with self._told(_GONE):
            return _state(await self._client.batches.retrieve(batch_id, **self._as_is))

    async def download(self, file_id: str, to: Path) -> None:
        """Write an output file to a path, piece by piece."""
        async with self._told(_GONE):
            reading = self._client.files.with_streaming_response.content(file_id, **self._as_is)
            async with reading as response:
                await response.stream_to_file(to)

    async def cancel(self, batch_id: str) -> BatchState:
        """Ask for the end of a batch."""
        async with self._told(_GONE):
            return _state(await self._client.batches.cancel(batch_id, **self._as_is))

    async def close(self) -> None:
        """Close the connections."""
        if "_client" in vars(self):
            await self._client.close()

    @cached_property
    def _client(self) -> openai.AsyncOpenAI:
        options, env = self._options, self._env
        verify = options.verify if options.verify is True else env.folder / options.verify
        headers = {k: v for k, v in self._address.headers.items() if k not in _OF_THE_SDK}
        return openai.AsyncOpenAI(
            api_key="none",
            admin_api_key="",
            webhook_secret="",
            organization="",
            project="",
            base_url=self._base_url,
            default_headers=headers,
            default_query=self._query,
            max_retries=0,
            http_client=httpx2.AsyncClient(
                verify=trusting(verify),
                proxy=proxy_for(self._base_url, find_secret(options, "proxy", env).value),
                trust_env=False,  # proxies are found as for every other request
                timeout=httpx2.Timeout(_SECONDS, connect=options.connect_timeout_s),
                follow_redirects=False,
            ),
        )

    @asynccontextmanager
    async def _told(self, hint: str = _NO_SERVICE) -> AsyncIterator[None]:
        """Raise exceptions of the SDK as the error of an attempt, with advice if it finds nothing."""
        url = self._base_url
        try:
            yield
        except openai.APIStatusError as error:
            headers = {name.lower(): text for name, text in error.response.headers.items()}
            found = in_our_words(
                http_error(error.status_code, headers, error.response.content),
                self._address,
                self._endpoint.learned,
            )
            if found.kind is ErrorKind.NOT_FOUND:
                what = f"{public_url(url)} knows no such file or batch, or has no batch service"
                found = BackendError(
                    found.kind, what, retryable=False, http_status=error.status_code, hint=hint
                )
            raise found from None
        except openai.APITimeoutError:
            what = f"{url} did not answer in time"
            raise BackendError(ErrorKind.TIMEOUT, what, retryable=True) from None
        except openai.APIConnectionError as error:
            raise connection_error(error, url) from None
        except openai.OpenAIError as error:
            what = f"the response of {url} cannot be read: {error}"
            raise BackendError(ErrorKind.BAD_RESPONSE, what, retryable=True) from None


def _state(batch: Any) -> BatchState:
    counts, errors = batch.request_counts, batch.errors
    told = (errors.data or ()) if errors else ()
    return BatchState(
        id=batch.id,
        status=batch.status,
        completed=counts.completed if counts else 0,
        created_at=batch.created_at,
        ended_at=batch.completed_at or batch.expired_at or batch.cancelled_at or batch.failed_at,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        problems=tuple((each.line, each.message or each.code or "it failed") for each in told),
    )
