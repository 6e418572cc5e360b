"""Options of a team's own endpoint in the config."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from lm_eval_so.core.backends.base import SharedOptions


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ResponseSection(_Section):
    """Places in a response; JMESPath, "" for facts that it does not tell."""

    format: Literal["json", "text"] = "json"
    """text: the whole body is the answer."""
    encoding: str = ""
    """Encoding of the body, as cp949; default: what Content-Type says, else UTF-8."""
    text: str = ""
    """The answer: a text, a number, or a list of texts, which are joined."""
    context: str = ""
    """Passages that the chatbot used: a list of texts."""
    context_ids: str = ""
    """Ids of these passages: a list of texts or numbers."""
    tool_calls: str = ""
    """Calls of tools: a list of {id, name, arguments} or of OpenAI's {id, function}."""
    finish_reason: str = ""
    """Reason of the answer's end, in OpenAI's words or those of another maker, as MAX_TOKENS."""
    refusal: str = ""
    """Text of a refusal that is told apart from the answer."""
    reasoning: str = ""
    """Reasoning that is told apart from the answer; never scored."""
    model: str = ""
    """The model that answered."""
    input_tokens: str = ""
    """Tokens of the request."""
    output_tokens: str = ""
    """Tokens of the answer."""
    session: dict[str, str] = Field(default_factory=dict)
    """Values kept for the next turn, as session.<name> in templates: name to path."""
    session_headers: dict[str, str] = Field(default_factory=dict)
    """The same from headers of the response: name to header; of a cookie only name=value."""


class StreamSection(_Section):
    """Places in a streamed response; the rest of `response` is looked up in every event, too.

    If a template names `stream`, that is true where `ttft_ms` is measured, and only then the answer
    is read as a stream; else it always is.
    """

    format: Literal["sse", "ndjson", "text"] = "sse"
    """Server-sent events, a JSON value a line, or plain text."""
    delta: str = ""
    """JMESPath of the new piece of the answer in an event."""
    event: str | list[str] = ""
    """Types of server-sent events that count; default: those without one; "*" is all."""
    done: str = ""
    """The end: data that is exactly this, an event of this type, or JMESPath that gives true."""
    cumulative: bool | None = None
    """Whether `delta` finds the text so far instead of a new piece; null: such texts are refused."""
    error: str = "error"
    """JMESPath of an error in an event."""


class StatusSection(_Section):
    """JMESPath that gives true if the chatbot did not answer as asked."""

    refused: str = ""
    """True if the chatbot refused."""
    filtered: str = ""
    """True if a content filter stopped the answer."""


class RequestSection(_Section):
    """A request besides the one with the question; it carries the same headers."""

    method: str = Field(default="POST", pattern=r"^[A-Za-z]+$")
    """HTTP method."""
    body: JsonValue = None
    """A template, or a mapping or list whose texts are templates; null sends none."""
    content_type: Literal["json", "form", "text"] = "json"
    """Type of the body."""


class SessionSection(RequestSection):
    """A request that opens a session."""

    url: str
    """Address, or path on the host of the question's; a template as that."""
    take: dict[str, str] = Field(default_factory=dict)
    """Values of the response for later requests, as session.<name> in templates: name to JMESPath."""
    take_headers: dict[str, str] = Field(default_factory=dict)
    """The same from headers of the response: name to header; of a cookie only name=value."""


class PollSection(RequestSection):
    """A request that is repeated until the answer is there."""

    url: str = ""
    """Address or path; a template that may name `answer`, the first response; default: its Location."""
    method: str = Field(default="GET", pattern=r"^[A-Za-z]+$")
    """HTTP method."""
    until: str = ""
    """JMESPath that finds something once the answer is there; default: the places of `response`."""
    failed: str = ""
    """JMESPath that finds something if there will be no answer."""
    every_s: float = Field(default=1, gt=0)
    """Seconds between two requests, unless Retry-After asks for more."""
    settle_s: float = Field(default=0, ge=0)
    """Seconds that an answer must stay the same, for a chatbot that answers in several messages."""


class HttpOptions(SharedOptions):
    """Requests to the chatbot, and places of its answer."""

    url: str
    """Address; path and query may hold templates, whose values are escaped."""
    method: str = Field(default="POST", pattern=r"^[A-Za-z]+$")
    """HTTP method."""
    query: dict[str, JsonValue] = Field(default_factory=dict)
    """Parameters behind the address; texts are templates, null leaves one out."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers of every request; values are templates, {{ env.NAME }} among them."""
    body: JsonValue = None
    """A template, or a mapping or list whose texts are templates; null sends none."""
    content_type: Literal["json", "form", "text"] = "json"
    """Type of the body; another Content-Type can be set in `headers`."""
    env: list[str] = Field(default_factory=list)
    """Variables that templates may use as env.NAME; their values are taken out of all output."""
    response: ResponseSection = Field(default_factory=ResponseSection)
    """Places in a response."""
    stream: StreamSection | Literal["auto"] | bool = "auto"  # type: ignore[assignment]
    """Places in a streamed response, for an endpoint that streams."""
    session: SessionSection | list[SessionSection] | None = None
    """Requests that open a session before the question is sent, one after another."""
    poll: PollSection | None = None
    """Request for an answer that is not in the first response."""
    history: Literal["full", "stateful"] = "full"
    """full: each request carries the conversation; stateful: the server keeps it by session."""
    ok_status: list[int] = Field(default=[200], min_length=1)
    """Status codes of an answer."""
    status: StatusSection = Field(default_factory=StatusSection)
    """Signs in the response that the chatbot did not answer as asked."""
    retry_unsafe: bool = False
    """stateful: whether a request that may have been processed is sent again."""

    @property
    def openings(self) -> tuple[tuple[str, SessionSection], ...]:
        """The requests that open a session, by the key of each."""
        if isinstance(self.session, list):
            return tuple((f"options.session.{i}", each) for i, each in enumerate(self.session))
        return (("options.session", self.session),) if self.session else ()

    @property
    def taken(self) -> tuple[str, ...]:
        """Names of the values that the opening of a session gives."""
        return tuple(n for _, each in self.openings for n in (*each.take, *each.take_headers))
