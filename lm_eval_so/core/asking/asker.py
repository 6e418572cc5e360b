"""The asker: the one way to ask a model, for runner, judges and simulated users."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self

from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Retry
from lm_eval_so.errors import ErrorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer to a request, or the error instead of one."""

    status: RunStatus
    response: ChatResponse | None = None
    """Null unless the backend gave a usable response."""
    error: ErrorInfo | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    cost_source: Literal["prices", "config", "none", "unknown"] = "unknown"
    latency_ms: float | None = None
    """Wall time of the attempt that counted, in milliseconds."""
    total_ms: float = 0.0
    """Wall time with queue, retries and waits, in milliseconds."""
    queue_ms: float | None = None
    """Wait before the first attempt, in milliseconds; null if nothing was sent."""
    attempts: int = 1
    retries: tuple[Retry, ...] = ()
    cached: bool = False
    started_at: str = ""
    """RFC 3339, UTC."""
    answered_at: str | None = None
    """Time at which an answer of the cache was given; null if it was asked now."""
    redactions: int = 0
    request_hash: str | None = None
    """Digest of the request; the key of the cache."""
    cost_saved_usd: float | None = None
    """Cost that the cache saved."""

    @classmethod
    def of_killed(cls) -> Self:
        """Return that each process was killed which waited for the answer."""
        hint = "look at the memory of the machine, and at what the backend does with this sample"
        message = "each process that asked it was killed"
        error = ErrorInfo(kind=ErrorKind.WORKER_KILLED, message=message, hint=hint)
        return cls(status=RunStatus.ERROR, error=error)


class Asker(Protocol):
    """Asks one model; the only caller of `ChatBackend.send`."""

    async def ask(self, request: ChatRequest) -> Answer:
        """Ask until there is an answer, or no more attempts.

        A request that fails is an `Answer` with status and error; only errors that must end
        the whole stage are raised (refused credentials, an exhausted quota, an endpoint that is gone).

        Raises:
            BackendError: If the endpoint cannot be reached, refuses the credentials or is gone.
            CannotMeasure: If budget or quota is used up, or the endpoint only refuses or fails.
            ConfigError: If the first requests show that the config is to blame.
            Interrupted: If the user stopped it.
        """
        ...


Clock = Callable[[], float]
"""Monotonic time in seconds."""
