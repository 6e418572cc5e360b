"""The backend of a team's own endpoint: requests by templates, responses by JMESPath."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, JsonValue

from lm_eval_so.core.backends.base import BackendEnv, Capabilities, ChatBackend, Secrets
from lm_eval_so.core.backends.http.address import (
    find_address,
    in_our_words,
    public_query,
    query_names,
    url_problems,
    with_templates,
)
from lm_eval_so.core.backends.http.conversation import Conversations, Surroundings, names_of
from lm_eval_so.core.backends.http.mapping import ResponseMapping
from lm_eval_so.core.backends.http.options import HttpOptions, StreamSection
from lm_eval_so.core.backends.http.stream import StreamMapping
from lm_eval_so.core.backends.http.template import HttpRequest, RequestTemplate, probe
from lm_eval_so.core.backends.shared_options import make_http
from lm_eval_so.core.http.client import HttpAnswer, HttpClient
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where


class HttpBackend(ChatBackend):
    """Asks any HTTP endpoint; its capabilities follow from the names in its templates."""

    name: ClassVar[str] = "http"
    address_option: ClassVar[str] = "url"

    class Options(HttpOptions):
        """Requests to the chatbot, and places of its answer."""

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
        self._mapping = ResponseMapping(options)
        self._stream: StreamMapping | None = None
        if isinstance(options.stream, StreamSection):
            self._stream = StreamMapping(options.stream, self._mapping)
        self._conversations = Conversations()
        self._is_stateful = options.history == "stateful"
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
        """Return the secrets by default, the variables of templates and the texts of the query."""
        found = super().secrets(options)
        return with_templates(found, options) if isinstance(options, HttpOptions) else found

    @property
    def may_hear_twice(self) -> bool:
        """Whether the chatbot may get a message again: always, if `retry_unsafe` says so."""
        return self.options.retry_unsafe or super().may_hear_twice

    def check_options(self) -> Iterator[Problem]:
        """Find wrong templates and paths, and options that do not go together."""
        yield from (*self._problems(), *url_problems(self.options.url))
        yield from (*self._template.problems, *self._mapping.problems)
        yield from self._stream.problems if self._stream else ()

    def check(self) -> Iterator[Problem]:
        """Find those, missing variables, and templates that break JSON."""
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
            raise in_our_words(error, self._address) from None
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
        """Return endpoint and credentials: they share the server's limits."""
        return f"{self.name} {self._address.public} {self._address.key}"

    def reach(self) -> Mapping[str, JsonValue]:
        """Return address, request and reading of the answer, without header values and secrets."""
        options, address = self.options, self._address
        told = options.model_dump(
            mode="json",
            include={"body", "content_type", "history", "method", "ok_status"}
            | {"response", "status", "stream"},
            exclude_defaults=True,
        )
        told |= {"env": address.env_digests} if address.env_digests else {}
        return {"url": address.public, "query": public_query(address.url, options.query), **told}

    def public_reach(self) -> Mapping[str, JsonValue]:
        """Return the same with the names of the query alone."""
        return {**self.reach(), "query": query_names(self._address.url, self.options.query)}

    async def _whole(self, asked: HttpRequest) -> tuple[ChatResponse, Mapping[str, Any]]:
        answer = await self._http.send(
            asked.method, asked.url, headers=asked.headers, body=asked.body
        )
        return self._mapping.read_answer(answer, asked.url, keeps_raw=self.env.keeps_raw)

    async def _streamed(self, asked: HttpRequest) -> tuple[ChatResponse, Mapping[str, Any]]:
        assert self._stream is not None  # noqa: S101 - asked only then
        began, mapping, keeps_raw = time.monotonic(), self._mapping, self.env.keeps_raw
        async with self._http.stream(
            asked.method, asked.url, headers=asked.headers, body=asked.body
        ) as stream:
            if not (mapping.is_answer(stream.status) and self._stream.is_stream(stream.headers)):
                answer = HttpAnswer(stream.status, stream.headers, await stream.read())
                return mapping.read_answer(answer, asked.url, keeps_raw=keeps_raw)
            response, kept = await self._stream.read(
                aiter(stream), stream.headers, began=began, keeps_raw=keeps_raw
            )
            return response, {**kept, **mapping.read_session_headers(stream.headers)}

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


def _unsent(what: str, name: str) -> BackendError:
    return BackendError(
        ErrorKind.UNSUPPORTED,
        f"no template sends {what}",
        retryable=False,
        hint=f"put {name} into options.body, or leave it out of the test",
        details={"option": "options.body"},
    )
