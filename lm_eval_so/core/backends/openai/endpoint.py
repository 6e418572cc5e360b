"""An open endpoint of OpenAI's APIs: the part that the backends `openai`, `azure` and `local` share."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import urljoin

from pydantic import BaseModel

from lm_eval_so.core.backends.base import BackendEnv, ChatBackend, SharedOptions
from lm_eval_so.core.backends.faults import answered_error, http_error, public_url
from lm_eval_so.core.backends.openai.api_address import (
    PATHS,
    Address,
    base_of,
    in_our_words,
    is_address,
)
from lm_eval_so.core.backends.openai.chat import (
    ChatDeltas,
    bad_response,
    chat_body,
    embeddings_body,
    encoded,
    read_body,
    read_chat,
    read_embedding,
)
from lm_eval_so.core.backends.openai.dialect import Dialect, adapted
from lm_eval_so.core.backends.openai.responses import ResponseDeltas, read_response, responses_body
from lm_eval_so.core.backends.shared_options import (
    HttpRequest,
    SecretHeaders,
    Wire,
    header_files,
    make_http,
    wants_stream,
)
from lm_eval_so.core.http.client import HttpAnswer, HttpStream, kept_headers
from lm_eval_so.core.http.sse import Event, read_events
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where, nearest

__all__ = [
    "APIS",
    "PATHS",
    "Address",
    "EndpointBackend",
    "OpenAIEndpoint",
    "base_of",
    "in_our_words",
    "is_address",
    "misplaced_params",
]

_DONE = "[DONE]"
_STREAMS = frozenset({"text/event-stream", "text/plain", "application/octet-stream", ""})
"""Content types of a stream; "" from servers and proxies that send none."""
_MOST_OF_EVENT = 200
_NO_PARAMS = {
    "api_key": "api_key_env, the name of the variable that holds it,",
    "api_key_env": "it",
    "base_url": "it",
    "stream": "it",
    "timeout": "timeout_s",
    "timeout_s": "it",
}
"""Options that people write beside the model, and where they belong."""
_JSON = {"accept": "application/json", "content-type": "application/json"}
"""Headers that the `openai` SDK sends with every request, streamed ones too."""


class Deltas(Protocol):
    """A stream, put together."""

    has_begun: bool

    @property
    def is_whole(self) -> bool: ...
    @property
    def text(self) -> str: ...
    def add(self, values: Any) -> None: ...
    def end(self) -> None: ...
    def values(self) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A way to ask for an answer."""

    path: str
    body: Callable[..., dict[str, Any]]
    read: Callable[..., ChatResponse]
    deltas: Callable[[], Deltas] | None = None
    """Function that makes an empty stream; None if there are none."""


ApiName = Literal["chat", "responses", "embeddings"]
APIS: Mapping[ApiName, Api] = {
    "chat": Api(path="/chat/completions", body=chat_body, read=read_chat, deltas=ChatDeltas),
    "responses": Api(
        path="/responses", body=responses_body, read=read_response, deltas=ResponseDeltas
    ),
    "embeddings": Api(path="/embeddings", body=embeddings_body, read=read_embedding),
}
"""APIs by their names in `options.api`."""


class OpenAIEndpoint:
    """Sends ready bytes and reads whole answers or streams.

    Args:
        address: Place of the endpoint.
        options: Options of the backend.
        env: Environment of the backend.
        api: API that is asked.
        dialect: Parts of a request that the endpoint takes, default: all; narrowed by `adapt`.
    """

    def __init__(
        self,
        address: Address,
        options: SharedOptions,
        env: BackendEnv,
        *,
        api: ApiName = "chat",
        dialect: Dialect | None = None,
    ) -> None:
        self.address = address
        self._api = APIS[api]
        self._streams = wants_stream(options, env) and self._api.deltas is not None
        self._keeps_raw = env.keeps_raw
        self._dialect = dialect or Dialect()
        shared = {name.lower(): file for name, file in header_files(options, env).items()}
        self._secret = SecretHeaders(address.headers, {**address.files, **shared})
        self._wire = Wire(make_http(options, env), self._secret)

    @property
    def learned(self) -> Redactor:
        """Takes out the secrets that are known since the start."""
        return self._secret.learned

    def renewed_headers(self) -> dict[str, str]:
        """Return the headers that are others now than at the start, their files read again."""
        now, first = self._secret.current(), self.address.headers
        return {name: value for name, value in now.items() if value != first.get(name)}

    async def ask(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt.

        Raises:
            BackendError: If it gave no usable answer.
        """
        address, body = self.address, encoded(self.body(request, streams=self._streams))
        try:
            if self._streams:
                return await self._streamed(body)
            return self.read(await self._wire.send(self._request(body)))
        except BackendError as error:
            raise in_our_words(error, address, self.learned) from None

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
        answer = await self._wire.send(HttpRequest("GET", self.address.models_url, _JSON, None))
        try:
            listed = json.loads(answer.body)["data"]
            return tuple(str(model["id"]) for model in listed)
        except (ValueError, KeyError, TypeError, RecursionError):
            return ()

    async def nearest_model(self) -> str | None:
        """Return the model of the endpoint with the most similar name, or None."""
        try:
            others = [name for name in await self.models() if name != self.address.name]
            return nearest(self.address.name, others)
        except BackendError:
            return None

    def adapt(self, error: BackendError, params: Mapping[str, Any]) -> str | None:
        """Leave out a refused part of requests from now on; return a text about it, or None."""
        changed = adapted(self._dialect, error, params)
        if changed is None:
            return None
        self._dialect, told = changed
        return told

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    def _request(self, body: bytes) -> HttpRequest:
        return HttpRequest("POST", self.address.url, _JSON, body)

    async def _streamed(self, body: bytes) -> ChatResponse:
        assert self._api.deltas is not None  # noqa: S101 - else nothing is streamed
        began, deltas, raw = time.perf_counter(), self._api.deltas(), list[Any]()
        async with self._wire.stream(self._request(body)) as stream:
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
        """Read a stream to its end; return the time of its first token."""
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
            raise http_error(
                answer.status, headers, answer.body, option=option, base_of=self.address.base_of
            )
        values = read_body(answer.status, answer.headers, answer.body, option=option)
        raw = values if self._keeps_raw else None
        return self._api.read(values, headers=kept_headers(answer.headers), raw=raw)


class EndpointBackend(ChatBackend):
    """Base of backends that ask one endpoint of OpenAI's APIs; `open` sets the endpoint."""

    _endpoint: OpenAIEndpoint

    @property
    def learned(self) -> Redactor:
        """Takes out the secrets that were read after the start."""
        return self._endpoint.learned if hasattr(self, "_endpoint") else super().learned

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt."""
        return await self._endpoint.ask(request)

    def adapt(self, error: BackendError) -> str | None:
        """Leave out or rename a refused part of all further requests."""
        return self._endpoint.adapt(error, self.params.model_dump())

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()


def misplaced_params(params: BaseModel) -> Iterator[Problem]:
    """Find options under params, from where they would be sent to the model."""
    for name in sorted((params.model_extra or {}).keys() & _NO_PARAMS.keys()):
        yield Problem(
            what=f"{name} would be sent to the model",
            where=Where(key=f"params.{name}"),
            hint=f"write {_NO_PARAMS[name]} under options",
        )


def _is_event_stream(stream: HttpStream) -> bool:
    kind = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
    return 200 <= stream.status < 300 and kind in _STREAMS


def _values_of(event: Event) -> Any:
    """Return the data of an event; None if it only keeps the connection alive.

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
