"""The backend of a team's own endpoint: requests by templates, responses by JMESPath."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import BaseModel, JsonValue

from lm_eval_so.core.backends.base import BackendEnv, Capabilities, ChatBackend, Secrets
from lm_eval_so.core.backends.http.address import (
    address_problems,
    find_address,
    other_urls,
    public_query,
    public_requests,
    query_names,
    with_templates,
)
from lm_eval_so.core.backends.http.conversation import Conversation, Conversations
from lm_eval_so.core.backends.http.dialogue import Dialogue, Terms
from lm_eval_so.core.backends.http.options import HttpOptions
from lm_eval_so.core.backends.shared_options import SecretHeaders, Wire, header_files, make_http
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where


class HttpBackend(ChatBackend):
    """Asks any HTTP endpoint; its capabilities follow from the names in its templates."""

    name: ClassVar[str] = "http"
    address_option: ClassVar[str] = "url"

    class Options(HttpOptions):
        """Requests to the chatbot, and places of its answer."""

    options: Options
    _terms: Terms

    def __init__(
        self,
        *,
        params: BaseModel | None = None,
        options: Options,
        env: BackendEnv | None = None,
    ) -> None:
        super().__init__(params=params, options=options, env=env)
        self._address = find_address(options, self.env)
        self._secret = SecretHeaders(self._address.headers, header_files(options, self.env))
        self._dialogue = Dialogue(options, self._address)
        self._conversations = Conversations()
        self._is_stateful = options.history == "stateful"
        self._names = uses = self._dialogue.names
        self._sends_history = bool(uses & {"messages", "history"})
        self.capabilities = Capabilities(  # type: ignore[misc]
            seed="seed" in uses,
            tools="tools" in uses,
            json_schema="response_format" in uses,
            stream=self._dialogue.streams is not None,
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

    @property
    def learned(self) -> Redactor:
        """The secrets of files that were renewed."""
        return self._secret.learned

    def addresses(self) -> Mapping[str, str]:
        """Return the addresses of the question, and of other requests that name a host."""
        others = {key.removeprefix("options."): url for key, url in other_urls(self.options)}
        named = {key: url for key, url in others.items() if "://" in url.partition("{")[0]}
        return {**super().addresses(), **named}

    def check_options(self) -> Iterator[Problem]:
        """Find wrong templates and paths, and options that do not go together."""
        yield from (*self._problems(), *address_problems(self.options))
        yield from self._dialogue.problems()

    def check(self) -> Iterator[Problem]:
        """Find those, missing variables, and templates that break JSON."""
        options, found = self.options, [*self.check_options()]
        unset, where = [n for n in options.env if not self.env.environ.get(n)], "options.env"
        found += [
            Problem(what=f"{n} is not set", where=Where(key=where), hint="export it") for n in unset
        ]
        if not found:
            params = self.params.model_dump(mode="json")
            found = [*self._dialogue.probe(options, params=params)]
        yield from found

    def _problems(self) -> Iterator[Problem]:
        options, streams = self.options, self._dialogue.streams is not None
        if options.stream is True:
            what = "say how the stream is read"
            hint = "stream: {format: sse, delta: …, done: …}"
            yield Problem(what=what, where=Where(key="options.stream"), hint=hint)
        if streams and options.poll:
            what = "an answer that is polled for is not streamed"
            hint = "leave out stream or poll"
            yield Problem(what=what, where=Where(key="options.poll"), hint=hint)
        comes_whole = not streams or "stream" in self._names
        if comes_whole and not (options.response.text or options.response.format == "text"):
            what = "say where the answer stands in the response"
            hint = "response: {text: …}, a JMESPath as choices[0].message.content"
            yield Problem(what=what, where=Where(key="options.response"), hint=hint)
        if self._is_stateful and "session" not in self._names:
            what = "history: stateful needs a template that sends session.id"
            hint = "else all conversations are one for the server"
            yield Problem(what=what, where=Where(key="options.history"), hint=hint)

    async def open(self) -> None:
        """Make the client."""
        # a template that does not name `stream` asks for one always, or never
        asks_for_it = "stream" in self._names
        has_stream = self._dialogue.streams is not None
        self._terms = Terms(
            wire=Wire(make_http(self.options, self.env), self._secret),
            limit_s=self.options.timeout_s or self.env.timeout_s,
            keeps_raw=self.env.keeps_raw,
            streams=has_stream and (not asks_for_it or self.env.wants_ttft),
        )

    async def send(self, request: ChatRequest) -> ChatResponse:
        """Make one attempt."""
        self._refuse_loss(request)
        session, opens = request.session, bool(self.options.openings)
        conversation = Conversation(id="")
        if self.keeps_sessions:
            attempt = request.attempt if opens else 1
            conversation = self._conversations.get(session, attempt=attempt)
        try:
            response, kept = await self._dialogue.ask(request, conversation, self._terms)
        finally:
            if not self._is_stateful:
                conversation.opened = None  # each request stands alone
        if self.keeps_sessions:
            self._conversations.keep(session, conversation, kept)
        return response

    @property
    def keeps_sessions(self) -> bool:
        """Whether a template names the session: of other conversations nothing is kept."""
        return "session" in self._names

    async def end_session(self, session: str) -> None:
        """Forget a conversation."""
        self._conversations.end(session)

    async def close(self) -> None:
        """Close the connections."""
        await self._terms.wire.close()

    def limiter_key(self) -> str:
        """Return endpoint and credentials: they share the server's limits."""
        return f"{self.name} {self._address.public} {self._address.key}"

    def reach(self) -> Mapping[str, JsonValue]:
        """Return address, requests and reading of the answer, without header values and secrets."""
        query = public_query(self._address.url, self.options.query)
        return {"url": self._address.public, "query": query, **self._told(only_names=False)}

    def public_reach(self) -> Mapping[str, JsonValue]:
        """Return the same with the names of the queries alone."""
        names = query_names(self._address.url, self.options.query)
        return {"url": self._address.public, "query": names, **self._told(only_names=True)}

    def _told(self, *, only_names: bool) -> dict[str, JsonValue]:
        """Return the facts of `reach` besides the address of the question."""
        told: dict[str, JsonValue] = self.options.model_dump(
            mode="json",
            include={"body", "content_type", "history", "method", "ok_status", "poll"}
            | {"response", "session", "status", "stream"},
            exclude_defaults=True,
        )
        for key in told.keys() & {"session", "poll"}:
            told[key] = public_requests(told[key], only_names=only_names)
        digests = self._address.env_digests
        return {**told, "env": digests} if digests else told

    def _refuse_loss(self, request: ChatRequest) -> None:
        """Refuse a request of which the templates would send only a part.

        Raises:
            BackendError: `unsupported`.
        """
        is_known = self._is_stateful and request.turn > 0
        if request.system is not None and "system" not in self._names:
            raise _unsent("the system prompt", "system")
        if len(request.messages) > 1 and not (self._sends_history or is_known):
            raise _unsent("the earlier messages", "history")
        has_result = bool(request.messages) and request.messages[-1].role == "tool"
        if has_result and "messages" not in self._names:
            raise _unsent("the results of tools", "messages")

    def _is_cacheable(self) -> bool:
        if self.options.cacheable is not None:
            return self.options.cacheable
        # what else a template takes of a sample does not decide which answer the cache gives
        return not (self._is_stateful or "sample" in self._names)


def _unsent(what: str, name: str) -> BackendError:
    return BackendError(
        ErrorKind.UNSUPPORTED,
        f"no template sends {what}",
        retryable=False,
        hint=f"put {name} into options.body, or leave it out of the test",
        details={"option": "options.body"},
    )
