"""A team's own chatbot endpoint: any request by templates, any response by JMESPath."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urljoin

from pydantic import BaseModel, JsonValue

from lm_eval_so.core.backends.base import BackendEnv, Capabilities, ChatBackend
from lm_eval_so.core.backends.client import kept_headers, make_http
from lm_eval_so.core.backends.faults import answered_error, http_error, tells_error
from lm_eval_so.core.backends.http.address import (
    explained,
    find_address,
    public_query,
    query_names,
    url_problems,
    with_templates,
)
from lm_eval_so.core.backends.http.body import is_encoding, read_json, read_text
from lm_eval_so.core.backends.http.mapping import ResponseMapping
from lm_eval_so.core.backends.http.names import Surroundings, names_of
from lm_eval_so.core.backends.http.options import HttpOptions, StreamSection
from lm_eval_so.core.backends.http.probe import probe
from lm_eval_so.core.backends.http.readers import bad_response
from lm_eval_so.core.backends.http.session import Conversations
from lm_eval_so.core.backends.http.stream import StreamMapping
from lm_eval_so.core.backends.http.template import HttpRequest, RequestTemplate, option_error
from lm_eval_so.core.backends.secret_sources import Secrets
from lm_eval_so.core.hashing import digest_text
from lm_eval_so.core.http.client import HttpAnswer, HttpClient
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.secrets import is_secret_name
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where

_NOT_TAKEN_IN = frozenset({408, 409, 425, 429, 503, 529})
"""Status codes by which a server says that it has not processed a request."""


class HttpBackend(ChatBackend):
    """Asks any HTTP endpoint; what it can do follows from what its templates use."""

    name: ClassVar[str] = "http"
    address_option: ClassVar[str] = "url"

    class Options(HttpOptions):
        """How the chatbot is asked, and where its answer stands."""

    options: Options
    _http: HttpClient
    _streams: bool

    def __init__(
        self,
        *,
        params: BaseModel | None = None,
        options: Options,
        env: BackendEnv | None = None,
    ) -> None:
        super().__init__(params=params, options=options, env=env)
        self._address = find_address(options, self.env)
        at = options.model_copy(update={"url": self._address.url})
        self._template = RequestTemplate(at, secret_headers=self._address.headers)
        self._mapping = ResponseMapping(options.response, options.status)
        self._stream: StreamMapping | None = None
        if isinstance(options.stream, StreamSection):
            self._stream = StreamMapping(options.stream, self._mapping)
        self._conversations = Conversations()
        self._is_stateful = options.history == "stateful"
        self._ok_status = frozenset(options.ok_status)
        uses = self._template.names
        self._sends_history = bool(uses & {"messages", "history"})
        self.capabilities = Capabilities(  # type: ignore[misc]
            seed="seed" in uses,
            tools="tools" in uses,
            json_schema="response_format" in uses,
            stream=self._stream is not None,
            stateful=self._is_stateful,
            cacheable=self._is_cacheable(),
        )

    @classmethod
    def secrets(cls, options: BaseModel) -> Secrets:
        """As by default, with the variables of templates and the texts of the query."""
        found = super().secrets(options)
        return with_templates(found, options) if isinstance(options, HttpOptions) else found

    def check_options(self) -> Iterator[Problem]:
        """Find wrong templates and paths, and what does not go together."""
        yield from (*self._problems(), *url_problems(self.options.url))
        yield from (*self._template.problems, *self._mapping.problems)
        yield from self._stream.problems if self._stream else ()

    def check(self) -> Iterator[Problem]:
        """Find that, missing variables, and templates that break JSON."""
        options, found = self.options, [*self.check_options()]
        unset, where = [n for n in options.env if not self.env.environ.get(n)], "options.env"
        found += [
            Problem(what=f"{n} is not set", where=Where(key=where), hint="export it") for n in unset
        ]
        if not found:
            kept = (*options.response.session, *options.response.session_headers)
            params = self.params.model_dump(mode="json")
            found = probe(self._template, params=params, env=self._address.env, kept=kept)
        yield from found

    def _problems(self) -> Iterator[Problem]:
        options = self.options
        if options.stream is True:
            what = "say how the stream is read"
            hint = "stream: {format: sse, delta: …, done: …}"
            yield Problem(what=what, where=Where(key="options.stream"), hint=hint)
        comes_whole = self._stream is None or "stream" in self._template.names
        if comes_whole and not (options.response.text or options.response.format == "text"):
            what = "say where the answer stands in the response"
            hint = "response: {text: …}, a JMESPath as choices[0].message.content"
            yield Problem(what=what, where=Where(key="options.response"), hint=hint)
        if self._is_stateful and "session" not in self._template.names:
            what = "history: stateful needs a template that sends session.id"
            hint = "else all conversations are one for the server"
            yield Problem(what=what, where=Where(key="options.history"), hint=hint)
        encoding = options.response.encoding
        if encoding and not is_encoding(encoding):
            yield Problem(
                what=f'no encoding "{encoding}"', where=Where(key="options.response.encoding")
            )

    async def open(self) -> None:
        """Make the client."""
        self._http = make_http(self.options, self.env)
        # a template that does not name `stream` asks for one always, or never
        asks_for_it = "stream" in self._template.names
        self._streams = self._stream is not None and (not asks_for_it or self.env.wants_ttft)

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt."""
        self._refuse_loss(request)
        uses, session = self._template.names, request.session
        conversation = self._conversations.get(session) if "session" in uses else None
        try:
            around = Surroundings(
                conversation.values() if conversation else {},
                self._address.env,
                is_known=self._is_stateful and request.turn > 0,
                streams=self._streams,
            )
            asked = self._template.fill(names_of(request, around, uses))
            response, kept = await (self._streamed if self._streams else self._whole)(asked)
        except BackendError as error:
            may_repeat = self._may_repeat(error)
            raise explained(error, self._address, may_repeat=may_repeat) from None
        if conversation is not None:
            self._conversations.keep(session, conversation, kept)
        return response

    async def end_session(self, session: str) -> None:
        """Forget a conversation."""
        self._conversations.end(session)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def limiter_key(self) -> str:
        """Name endpoint and credentials: they share the server's limits."""
        return f"{self.name} {self._address.public} {self._address.key}"

    def reach(self) -> Mapping[str, JsonValue]:
        """Tell what is asked and how the answer is read, without header values and secrets."""
        options, address = self.options, self._address
        told = options.model_dump(
            mode="json",
            include={"body", "content_type", "history", "method", "ok_status"}
            | {"response", "status", "stream"},
            exclude_defaults=True,
        )
        # another value makes another request; another key does not
        env = {k: digest_text(v)[:12] for k, v in address.env.items() if not is_secret_name(k)}
        told |= {"env": env} if env else {}
        return {"url": address.public, "query": public_query(address.url, options.query), **told}

    def public_reach(self) -> Mapping[str, JsonValue]:
        """Tell the same with names of the query alone."""
        return {**self.reach(), "query": query_names(self._address.url, self.options.query)}

    async def _whole(self, asked: HttpRequest) -> tuple[ChatResponse, Mapping[str, Any]]:
        answer = await self._http.send(
            asked.method, asked.url, headers=asked.headers, body=asked.body
        )
        return self._read(answer, asked.url)

    async def _streamed(self, asked: HttpRequest) -> tuple[ChatResponse, Mapping[str, Any]]:
        assert self._stream is not None  # noqa: S101 - asked only then
        began = time.monotonic()
        async with self._http.stream(
            asked.method, asked.url, headers=asked.headers, body=asked.body
        ) as stream:
            kind = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
            if stream.status not in self._ok_status or self._stream.is_whole(kind):
                answer = HttpAnswer(stream.status, stream.headers, await stream.read())
                return self._read(answer, asked.url)
            response, kept = await self._stream.read(
                aiter(stream),
                content_type=kind,
                began=began,
                keeps_raw=self.env.keeps_raw,
                headers=kept_headers(stream.headers),
            )
            return response, {**kept, **self._kept_of_headers(stream.headers)}

    def _read(self, answer: HttpAnswer, url: str) -> tuple[ChatResponse, Mapping[str, Any]]:
        options, headers = self.options.response, answer.headers
        if answer.status not in self._ok_status:
            return self._unusual(answer, url), {}
        more: dict[str, Any] = {"headers": kept_headers(headers)}
        kept = self._kept_of_headers(headers) if options.session_headers else {}
        if options.format == "text":
            text = read_text(headers, answer.body, encoding=options.encoding)
            return ChatResponse(text=text, **more), kept
        values = read_json(headers, answer.body, encoding=options.encoding)
        if not options.text:
            kind = headers.get("content-type", "a response without Content-Type")
            raise bad_response(f"no stream came, but {kind}", "options.stream", sent=values)
        if self.env.keeps_raw:
            more["raw"] = values
        try:
            response = self._mapping.read(values, **more)
        except BackendError:
            if tells_error(values):
                raise answered_error(answer.status, headers, values) from None
            raise
        return response, {**kept, **self._mapping.read_session(values)}

    def _unusual(self, answer: HttpAnswer, url: str) -> ChatResponse:
        """Read a response with another status: a refusal that its body tells of, or an error."""
        if self.options.status.refused or self.options.status.filtered:
            try:
                values = read_json(answer.headers, answer.body)
            except BackendError:
                values = None
            if self._mapping.read_status(values) is not None:
                return self._mapping.read(values)
        if 200 <= answer.status < 300:
            what = f"status {answer.status} is not among ok_status"
            hint = "add it if such a response is an answer"
            error = option_error("options.ok_status", what, hint=hint)
            error.http_status = answer.status
            raise error
        headers = dict(answer.headers)
        if "location" in headers:
            headers["location"] = urljoin(url, headers["location"])
        raise http_error(answer.status, headers, answer.body, address_option="url")

    def _kept_of_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for name, header in self.options.response.session_headers.items():
            value = headers.get(header.lower())
            if value:
                is_cookie = header.lower() == "set-cookie"
                found[name] = value.partition(";")[0] if is_cookie else value
        return found

    def _refuse_loss(self, request: ChatRequest) -> None:
        """Refuse a request of which the templates would send only a part.

        Raises:
            BackendError: `unsupported`.
        """
        is_known = self._is_stateful and request.turn > 0
        if request.system is not None and "system" not in self._template.names:
            raise _unsent("the system prompt", "system")
        if len(request.messages) > 1 and not (self._sends_history or is_known):
            raise _unsent("the earlier messages", "history")
        has_result = bool(request.messages) and request.messages[-1].role == "tool"
        if has_result and "messages" not in self._template.names:
            raise _unsent("the results of tools", "messages")

    def _is_cacheable(self) -> bool:
        if self.options.cacheable is not None:
            return self.options.cacheable
        # what else a template takes of a sample does not decide which answer the cache gives
        return not (self._is_stateful or "sample" in self._template.names)

    def _may_repeat(self, error: BackendError) -> bool:
        """Whether an attempt can be made again: a server with a memory must not hear it twice."""
        if not self._is_stateful or self.options.retry_unsafe:
            return True
        return error.details.get("sent") is False or error.http_status in _NOT_TAKEN_IN


def _unsent(what: str, name: str) -> BackendError:
    return BackendError(
        ErrorKind.UNSUPPORTED,
        f"no template sends {what}",
        retryable=False,
        hint=f"put {name} into options.body, or leave it out of the test",
        details={"option": "options.body"},
    )
