"""Answers of a backend, from responses, errors and the cache."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from lm_eval_so.core.asking.answer.redact import clean_error, clean_response
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.cache.cache import Kept
from lm_eval_so.core.asking.cost.prices import cost_of, tariff_of
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.clock import time_text
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import Retry
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError, ErrorKind

_MOST_RETRIES = 100
"""Attempts that are told one by one: a row may be refused for as long as its deadline holds."""
_BY_KIND = {
    ErrorKind.TIMEOUT: RunStatus.TIMEOUT,
    ErrorKind.DEADLINE: RunStatus.TIMEOUT,
    ErrorKind.RATE_LIMIT: RunStatus.RATE_LIMITED,
    ErrorKind.FILTERED: RunStatus.FILTERED,
}
_PREFIX = "finishreason"
"""Prefix of names in protocol buffers, as FINISH_REASON_MAX_TOKENS."""
_FAILED = "error"
_WORDS: Mapping[str, tuple[str, ...]] = {
    "stop": (
        "stop",  # OpenAI, Gemini, Mistral, Ollama, watsonx
        "end_turn",  # Anthropic, Bedrock
        "stop_sequence",  # Anthropic, Bedrock, Cohere, Text Generation Inference, watsonx
        "complete",  # Cohere
        "eos_token",  # Text Generation Inference, watsonx
        "eos",  # llama.cpp's own API, stop_type
        "word",  # the same: a word of `stop`
        "stop_before",  # CLOVA Studio: a word of stopBefore
    ),
    "length": (
        "length",  # OpenAI, Mistral, Ollama, Text Generation Inference, CLOVA Studio
        "max_tokens",  # Anthropic, Bedrock, Gemini, Cohere, watsonx
        "max_output_tokens",  # OpenAI's responses
        "model_length",  # Mistral: the context is full
        "model_context_window_exceeded",  # Anthropic, Bedrock
        "pause_turn",  # Anthropic: to be continued, as after too many calls of its own tools
        "error_limit",  # Cohere: the context is full
        "user_cancel",  # Cohere
        "limit",  # llama.cpp's own API, stop_type
        "token_limit",  # watsonx
        "time_limit",  # watsonx
        "cancelled",  # watsonx
        "end_token",  # CLOVA Studio: the limit of tokens
    ),
    "tool_calls": (
        "tool_calls",  # OpenAI, Mistral, watsonx, CLOVA Studio
        "function_call",  # OpenAI, before there were tools
        "tool_use",  # Anthropic, Bedrock
        "tool_call",  # Cohere
    ),
    "content_filter": (
        "content_filter",  # OpenAI, Azure
        "content_filtered",  # Bedrock
        "guardrail_intervened",  # Bedrock
        "error_toxic",  # Cohere
        "safety",  # Gemini, as the next five
        "recitation",
        "language",
        "blocklist",
        "prohibited_content",
        "spii",
    ),
    "refusal": ("refusal",),  # Anthropic
    _FAILED: ("error",),  # Mistral, Cohere, watsonx, OpenRouter
}


def _plain(word: str) -> str:
    """Return a word without the signs in which makers differ: MAX_TOKENS is maxTokens."""
    return "".join(filter(str.isalnum, word)).lower().removeprefix(_PREFIX)


_MEANT = {_plain(word): meant for meant, words in _WORDS.items() for word in words}


@dataclass(slots=True, kw_only=True)
class Row:
    """One request on its way to an answer."""

    request: ChatRequest
    key: str
    """Digest of the request."""
    began: float
    """Time at which it was asked for, monotonic, in seconds."""
    sent_at: float = 0.0
    """Time at which the attempt under way was sent."""
    wall: datetime | None = None
    """Wall time of that."""
    deadline: float = float("inf")
    """Time at which the row must have ended; known from the first attempt on."""
    queue_ms: float | None = None
    is_first: bool = False
    """Whether nothing was asked of the endpoint before."""
    retries: list[Retry] = field(default_factory=list)

    @property
    def name(self) -> tuple[str, int]:
        """Sample and repeat."""
        return self.request.sample_id, self.request.repeat

    def give(self, seconds: float) -> None:
        """Move the deadline by a wait that was no fault of the endpoint."""
        self.deadline = min(self.request.deadline, self.deadline + seconds)


class Answers:
    """Answers of one backend, with status and cost and without secrets.

    Args:
        backend: Open backend.
        redactor: Takes out secrets.
    """

    def __init__(self, backend: ChatBackend, redactor: Redactor) -> None:
        self._backend = backend
        self._given = self._all = redactor
        self._learned: Redactor | None = None
        self._keeps_raw = backend.env.keeps_raw
        self._measures = backend.capabilities.measures_latency
        self._tariff = tariff_of(backend)

    @property
    def _redactor(self) -> Redactor:
        """Takes out all secrets, those of renewed tokens included."""
        learned = self._backend.learned
        if learned is not self._learned:
            self._learned, self._all = learned, self._given.joined(learned)
        return self._all

    def of_response(self, response: ChatResponse, row: Row, *, now: float) -> Answer:
        """Return the answer that a response is."""
        status = status_of_response(response)
        if status is RunStatus.REFUSED and not response.text and response.refusal:
            response = replace(response, text=response.refusal)
        model = response.model or model_of(row.request)
        cost = cost_of(response.usage, self._tariff, model=model, at=row.wall)
        response, redactions = self._kept_of(response)
        took_ms = response.latency_ms
        if self._measures and took_ms is None:
            took_ms = round((now - row.sent_at) * 1000, 1)
        return Answer(
            status=status,
            response=response,
            usage=response.usage,
            cost_usd=cost.usd,
            cost_source=cost.source,
            latency_ms=took_ms,
            total_ms=round((now - row.began) * 1000, 1),
            queue_ms=row.queue_ms,
            attempts=len(row.retries) + 1,
            retries=tuple(row.retries[:_MOST_RETRIES]),
            cached=not self._measures,
            started_at="" if row.wall is None else time_text(row.wall),
            redactions=redactions,
            request_hash=row.key,
        )

    def of_error(self, error: BackendError, row: Row, *, now: float) -> Answer:
        """Return the answer of a row whose last attempt failed."""
        return Answer(
            status=status_of_error(error.kind),
            error=clean_error(error, self._redactor),
            total_ms=round((now - row.began) * 1000, 1),
            queue_ms=row.queue_ms,
            attempts=len(row.retries) + 1,
            retries=tuple(row.retries[:_MOST_RETRIES]),
            started_at="" if row.wall is None else time_text(row.wall),
            request_hash=row.key,
        )

    def of_cache(self, found: Kept, key: str, *, wall: datetime) -> Answer:
        """Return an answer from the cache: it costs nothing, and its latency is that of then."""
        # what is a secret today may not have been one when it was kept
        response, redactions = self._kept_of(found.response)
        return Answer(
            status=found.status,
            response=response,
            usage=response.usage,
            cost_usd=0.0,
            cost_source="none",
            latency_ms=found.latency_ms,
            attempts=0,
            cached=True,
            started_at=time_text(wall),
            answered_at=found.answered_at,
            redactions=redactions,
            request_hash=key,
            cost_saved_usd=found.cost_usd,
        )

    def _kept_of(self, response: ChatResponse) -> tuple[ChatResponse, int]:
        """Return the kept parts of a response, and the number of secrets taken out of them."""
        if response.raw is not None and not self._keeps_raw:
            response = replace(response, raw=None)
        return clean_response(response, self._redactor)


def status_of_error(kind: ErrorKind) -> RunStatus:
    """Return the status of a row whose last attempt failed."""
    return _BY_KIND.get(kind, RunStatus.ERROR)


def status_of_response(response: ChatResponse) -> RunStatus:
    """Return the status of a row with a response; a refusal in plain words does not change it."""
    if response.status is not None:
        return response.status
    if response.finish_reason == "content_filter":
        return RunStatus.FILTERED
    if response.refusal or response.finish_reason == "refusal":
        return RunStatus.REFUSED
    if response.finish_reason == "length":
        return RunStatus.TRUNCATED
    is_blank = not response.text.replace("\u200b", "").replace("\ufeff", "").strip()
    return RunStatus.EMPTY if is_blank and not response.tool_calls else RunStatus.OK


def model_of(request: ChatRequest) -> str | None:
    """Return the model that a request asks for, if its parameters name one."""
    model = request.params.get("model")
    return model if isinstance(model, str) else None


def with_known_finish(response: ChatResponse) -> ChatResponse:
    """Return a response with a finish reason of ours; an unknown one stays as it is.

    Raises:
        BackendError: `server`, if the answer ended because the endpoint failed.
    """
    told = response.finish_reason
    meant = _MEANT.get(_plain(told), told) if told else told
    if meant == _FAILED:
        what = f"the endpoint ended the answer with an error (finish_reason: {told})"
        partial = response.text or None
        raise BackendError(
            ErrorKind.SERVER, what, retryable=True, partial_text=partial, taken_in=True
        )
    return response if meant == told else replace(response, finish_reason=meant)
