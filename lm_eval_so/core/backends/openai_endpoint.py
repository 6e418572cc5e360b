"""An endpoint that speaks one of the APIs that OpenAI set, opened: what `openai`, `azure` and `local` share."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urljoin

from lm_eval_so.core.backends.client import kept_headers
from lm_eval_so.core.backends.deltas import ChatDeltas
from lm_eval_so.core.backends.dialect import Dialect, adapted
from lm_eval_so.core.backends.embeddings import embeddings_body, read_embedding
from lm_eval_so.core.backends.faults import answered_error, http_error, public_url
from lm_eval_so.core.backends.openai_address import Address, explained
from lm_eval_so.core.backends.responses import ResponseDeltas, read_response, responses_body
from lm_eval_so.core.backends.sse import Event, read_events
from lm_eval_so.core.backends.wire import (
    bad_response,
    chat_body,
    encoded,
    read_body,
    read_chat,
)
from lm_eval_so.core.http.client import HttpAnswer, HttpClient, HttpStream
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind, nearest

_DONE = "[DONE]"
_STREAMS = frozenset({"text/event-stream", "text/plain", "application/octet-stream", ""})
"""What a stream is said to be; "" by servers and proxies that say nothing."""
_MOST_OF_EVENT = 200
_JSON = {"accept": "application/json", "content-type": "application/json"}
"""What the `openai` SDK sends with every request, streamed ones too."""


class Deltas(Protocol):
    """A stream put together."""

    has_begun: bool

    @property
    def is_whole(self) -> bool: ...  # noqa: D102 - said where it is done
    @property
    def text(self) -> str: ...  # noqa: D102
    def add(self, values: Any) -> None: ...  # noqa: D102
    def end(self) -> None: ...  # noqa: D102
    def values(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A way to ask for an answer."""

    path: str
    body: Callable[..., dict[str, Any]]
    read: Callable[..., ChatResponse]
    deltas: Callable[[], Deltas] | None = None
    """Puts a stream together; None if there are no streams."""


APIS: Mapping[str, Api] = {
    "chat": Api(path="/chat/completions", body=chat_body, read=read_chat, deltas=ChatDeltas),
    "responses": Api(
        path="/responses", body=responses_body, read=read_response, deltas=ResponseDeltas
    ),
    "embeddings": Api(path="/embeddings", body=embeddings_body, read=read_embedding),
}
"""By the name that `options.api` gives them."""


class OpenAIEndpoint:
    """Sends ready bytes, reads whole answers or streams; keeps what was learnt of the endpoint."""

    def __init__(
        self,
        address: Address,
        http: HttpClient,
        *,
        api: Api,
        streams: bool,
        keeps_raw: bool,
        dialect: Dialect,
    ) -> None:
        self.address = address
        self._http = http
        self._api = api
        self._streams = streams and api.deltas is not None
        self._keeps_raw = keeps_raw
        self._dialect = dialect
        self._headers = {**_JSON, **address.headers}

    async def ask(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt.

        Raises:
            BackendError: If it gave no usable answer.
        """
        address, body = self.address, encoded(self.body(request, streams=self._streams))
        try:
            if self._streams:
                return await self._streamed(body)
            answer = await self._http.send("POST", address.url, headers=self._headers, body=body)
            return self.read(answer)
        except BackendError as error:
            raise explained(error, address) from None

    def body(self, request: ChatRequest, *, streams: bool = False) -> dict[str, Any]:
        """Return the body of a request."""
        values = self._api.body(request, self._dialect, streams=streams)
        values["model"] = self.address.name
        return values

    async def models(self) -> tuple[str, ...]:
        """Return the models that the endpoint lists; none if it does not.

        Raises:
            BackendError: If it cannot be reached.
        """
        url = self.address.models_url
        answer = await self._http.send("GET", url, headers=self._headers, body=None)
        try:
            listed = json.loads(answer.body)["data"]
            return tuple(str(model["id"]) for model in listed)
        except (ValueError, KeyError, TypeError, RecursionError):
            return ()

    async def nearest_model(self) -> str | None:
        """Give the model of the endpoint whose name looks most like the one that was asked for."""
        try:
            others = [name for name in await self.models() if name != self.address.name]
            return nearest(self.address.name, others)
        except BackendError:
            return None

    def adapt(self, error: BackendError, params: Mapping[str, Any]) -> str | None:
        """Leave out, from now on, what the endpoint refused; tell what changed, or None."""
        changed = adapted(self._dialect, error, params)
        if changed is None:
            return None
        self._dialect, told = changed
        return told

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _streamed(self, body: bytes) -> ChatResponse:
        assert self._api.deltas is not None  # noqa: S101 - else nothing is streamed
        began, deltas, raw = time.perf_counter(), self._api.deltas(), list[Any]()
        url = self.address.url
        async with self._http.stream("POST", url, headers=self._headers, body=body) as stream:
            if not _is_event_stream(stream):
                return self.read(HttpAnswer(stream.status, stream.headers, await stream.read()))
            try:
                first_at = await self._gather(stream, deltas, raw)
            except BackendError as error:
                error.partial_text = deltas.text or None
                raise
        ttft_ms = None if first_at is None else round((first_at - began) * 1000, 1)
        headers = kept_headers(stream.headers)
        return self._api.read(deltas.values(), ttft_ms=ttft_ms, headers=headers, raw=raw or None)

    async def _gather(self, stream: HttpStream, deltas: Deltas, raw: list[Any]) -> float | None:
        """Read a stream to its end; give when its first token came."""
        first_at = None
        async for event in read_events(aiter(stream)):
            if event.data.strip() == _DONE:
                deltas.end()
                break
            values = _values_of(event)
            deltas.add(values)
            if first_at is None and deltas.has_begun:
                first_at = time.perf_counter()
            if self._keeps_raw:
                raw.append(values)
        if not deltas.is_whole:
            what = f"the stream of {public_url(self.address.url)} ended early"
            raise BackendError(ErrorKind.BAD_RESPONSE, what, retryable=True)
        return first_at

    def read(self, answer: HttpAnswer) -> ChatResponse:
        """Read an answer that came whole."""
        option = self.address.option
        if not 200 <= answer.status < 300:
            headers = dict(answer.headers)
            if "location" in headers:
                headers["location"] = urljoin(self.address.url, headers["location"])
            raise http_error(answer.status, headers, answer.body, address_option=option)
        values = read_body(answer.status, answer.headers, answer.body, address_option=option)
        raw = values if self._keeps_raw else None
        return self._api.read(values, headers=kept_headers(answer.headers), raw=raw)


def _is_event_stream(stream: HttpStream) -> bool:
    kind = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
    return 200 <= stream.status < 300 and kind in _STREAMS


def _values_of(event: Event) -> Any:
    """Return the data of an event; None of what only keeps the connection alive.

    Raises:
        BackendError: If it is an error, or no JSON.
    """
    try:
        values = json.loads(event.data)
    except (ValueError, RecursionError):
        if event.event == "error":
            raise answered_error(200, {}, {"error": event.data}) from None
        if event.event != "message" or not event.data.strip():
            return None
        what = f"an event of the stream is no JSON: {event.data[:_MOST_OF_EVENT]}"
        raise bad_response(what, event.data) from None
    if event.event == "error" and isinstance(values, Mapping):
        raise answered_error(200, {}, values)
    return values
