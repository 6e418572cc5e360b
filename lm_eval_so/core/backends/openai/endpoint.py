"""An open endpoint of OpenAI's APIs: the part that the backends `openai`, `azure` and `local` share."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel

from lm_eval_so.core.backends.base import BackendEnv, ChatBackend, SharedOptions
from lm_eval_so.core.backends.credentials import Secret
from lm_eval_so.core.backends.error_texts import Case
from lm_eval_so.core.backends.faults import (
    answered_error,
    explained,
    http_error,
    is_forbidden,
    public_url,
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
from lm_eval_so.core.backends.shared_options import make_http, wants_stream
from lm_eval_so.core.http.client import HttpAnswer, HttpStream, kept_headers
from lm_eval_so.core.http.sse import Event, read_events
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where, nearest

_DONE = "[DONE]"
_STREAMS = frozenset({"text/event-stream", "text/plain", "application/octet-stream", ""})
"""Content types of a stream; "" from servers and proxies that send none."""
_MOST_OF_EVENT = 200
PATHS = ("/chat/completions", "/responses")
"""Ends of an address that requests are posted to."""
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


def base_of(url: str) -> str:
    """Return an address without the path of an API."""
    for path in PATHS:
        url = url.removesuffix(path)
    return url


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Place of an endpoint, and the headers and names that its requests need."""

    base_url: str
    """Address for people, and for the list of models."""
    url: str
    """Address that requests are posted to."""
    models_url: str
    headers: Mapping[str, str] = field(repr=False)
    """Headers of every request, credentials included; names in lower case."""
    secret: Secret
    """Key, so that it can be taken out of texts that quote it."""
    thing: str = "model"
    """Word of the endpoint for a model."""
    name: str = ""
    """Name of the model."""
    option: str = "base_url"
    """Option that holds the address, or names its variable or file."""
    base_of: Callable[[str], str] = base_of
    """Function from the target of a redirect to the address that the option should hold."""


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
        self._http = make_http(options, env)
        self._api = APIS[api]
        self._streams = wants_stream(options, env) and self._api.deltas is not None
        self._keeps_raw = env.keeps_raw
        self._dialect = dialect or Dialect()
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
            raise in_our_words(error, address) from None

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

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt."""
        return await self._endpoint.ask(request)

    def adapt(self, error: BackendError) -> str | None:
        """Leave out or rename a refused part of all further requests."""
        return self._endpoint.adapt(error, self.params.model_dump())

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()


def in_our_words(error: BackendError, address: Address) -> BackendError:
    """Return the error of a status in our words, without the key that the server may quote."""
    key, key_name = address.secret.value, f"the key in {address.secret.source}"
    facts = {
        "key": key_name,
        "blamed": f"{key_name} may not do this" if key else "it wants a key",
        "thing": address.thing,
        "name": address.name,
        "where": public_url(address.base_url),
        "url": public_url(address.url),
    }
    return explained(error, _case(error, address), facts=facts, clean=partial(_without, key))


def _case(error: BackendError, address: Address) -> Case | None:
    if is_forbidden(error):
        return Case.FORBIDDEN
    if error.kind is ErrorKind.AUTH:
        return Case.KEY_REFUSED if address.secret.value else Case.KEY_MISSING
    if error.kind is ErrorKind.NOT_FOUND:
        text = f"{error.code or ''} {error.message}".lower()
        is_of_model = "model" in text or "deployment" in text
        return Case.MODEL_UNKNOWN if is_of_model else Case.PATH_UNKNOWN
    is_of_seed = error.kind is ErrorKind.INVALID_REQUEST and "seed" in error.message.lower()
    return Case.SEED_REFUSED if is_of_seed else None


def _without(secret: str, value: Any) -> Any:
    return value.replace(secret, "[redacted]") if secret and isinstance(value, str) else value


def is_address(url: str) -> bool:
    """Return whether a text is the address of a web server."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is none
    except ValueError:
        return False
    is_whole = bool(parts.hostname) and not re.search(r"\s", url)
    return parts.scheme in {"http", "https"} and is_whole


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
