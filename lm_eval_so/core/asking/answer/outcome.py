"""What asking came to, as an `Answer`: a response, an error, or what the cache kept."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from lm_eval_so.core.asking.answer.redact import clean_response
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.cache.cache import Kept
from lm_eval_so.core.asking.cost.prices import Cost, cost_of
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.clock import time_text
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Retry
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import ErrorKind

_BY_KIND = {
    ErrorKind.TIMEOUT: RunStatus.TIMEOUT,
    ErrorKind.DEADLINE: RunStatus.TIMEOUT,
    ErrorKind.RATE_LIMIT: RunStatus.RATE_LIMITED,
    ErrorKind.FILTERED: RunStatus.FILTERED,
}


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
    if not response.tool_calls and _is_blank(response.text):
        return RunStatus.EMPTY
    return RunStatus.OK


def _is_blank(text: str) -> bool:
    return not text.replace("\u200b", "").replace("\ufeff", "").strip()


_MOST_RETRIES = 100
"""Attempts that are told one by one: a row may be refused for as long as its deadline holds."""


@dataclass(slots=True, kw_only=True)
class Row:
    """One request on its way to an answer."""

    request: ChatRequest
    key: str
    """Digest of the request."""
    began: float
    """When it was asked for, on the monotonic clock, in seconds."""
    sent_at: float = 0.0
    """When the attempt under way was sent."""
    wall: datetime | None = None
    """The same as wall time."""
    deadline: float = float("inf")
    """When the row must have ended; known from the first attempt on."""
    queue_ms: float | None = None
    retries: list[Retry] = field(default_factory=list)

    @property
    def name(self) -> tuple[str, int]:
        """Tells rows apart: sample and repeat."""
        return self.request.sample_id, self.request.repeat

    def give(self, seconds: float) -> None:
        """Give the row time for which it had to wait without fault of its endpoint."""
        self.deadline = min(self.request.deadline, self.deadline + seconds)


def answered(
    response: ChatResponse, row: Row, backend: ChatBackend, *, redactor: Redactor, now: float
) -> Answer:
    """Return the answer that a response is, with status and cost and without secrets."""
    status = status_of_response(response)
    if status is RunStatus.REFUSED and not response.text and response.refusal:
        response = replace(response, text=response.refusal)
    response = _told(response, backend)
    cost = _cost(response, row, backend)
    response, redactions = clean_response(response, redactor)
    measures = backend.capabilities.measures_latency
    took_ms = round((now - row.sent_at) * 1000, 1)
    return Answer(
        status=status,
        response=response,
        usage=response.usage,
        cost_usd=cost.usd,
        cost_source=cost.source,
        latency_ms=took_ms if measures else response.latency_ms,
        total_ms=_since(row.began, now),
        queue_ms=row.queue_ms,
        attempts=len(row.retries) + 1,
        retries=tuple(row.retries[:_MOST_RETRIES]),
        cached=not measures,
        started_at=_started(row),
        redactions=redactions,
        request_hash=row.key,
    )


def failed(info: ErrorInfo, row: Row, *, now: float) -> Answer:
    """Return the answer of a row whose last attempt failed."""
    return Answer(
        status=status_of_error(info.kind),
        error=info,
        total_ms=_since(row.began, now),
        queue_ms=row.queue_ms,
        attempts=len(row.retries) + 1,
        retries=tuple(row.retries[:_MOST_RETRIES]),
        started_at=_started(row),
        request_hash=row.key,
    )


def kept(
    found: Kept, key: str, backend: ChatBackend, *, redactor: Redactor, wall: datetime
) -> Answer:
    """Return an answer from the cache: it costs nothing, and its latency is that of then."""
    # what is a secret today may not have been one when it was kept
    response, redactions = clean_response(_told(found.response, backend), redactor)
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


def _told(response: ChatResponse, backend: ChatBackend) -> ChatResponse:
    """Return what is kept of a response: as it came only where that was asked for."""
    if response.raw is None or backend.env.keeps_raw:
        return response
    return replace(response, raw=None)


def _cost(response: ChatResponse, row: Row, backend: ChatBackend) -> Cost:
    return cost_of(
        response.usage,
        getattr(backend.options, "price", None),
        is_priced=backend.capabilities.priced,
        model=response.model or model_of(row.request),
        url=backend.price_url(),
        at=row.wall,
    )


def model_of(request: ChatRequest) -> str | None:
    """Return the model that a request asks for, if its parameters name one."""
    model = request.params.get("model")
    return model if isinstance(model, str) else None


def _started(row: Row) -> str:
    return "" if row.wall is None else time_text(row.wall)


def _since(began: float, now: float) -> float:
    return round((now - began) * 1000, 1)
