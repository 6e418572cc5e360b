"""`lm-eval-so/run/1`: one answer of the chatbot; `lm-eval-so/run-info/1`: what a run's rows share."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Message, ToolCall, Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.record import record
from lm_eval_so.errors import ErrorKind


@record
class ErrorInfo:
    """Why a row has no answer, without secrets."""

    kind: ErrorKind
    message: str
    http_status: int | None = None
    code: str | None = None
    """The server's own word for it."""
    hint: str | None = None
    """What to do."""
    partial_text: str | None = None
    """What had arrived before it broke; never scored."""


@record
class Retry:
    """An attempt that failed and was repeated."""

    kind: ErrorKind
    http_status: int | None = None
    wait_ms: float
    """How long was waited before the next attempt."""


@record
class Response:
    """What the chatbot said."""

    text: str = ""
    messages: tuple[Message, ...] = ()
    """The whole transcript, where there was more than one turn."""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    context: tuple[str, ...] = ()
    context_ids: tuple[str, ...] = ()


@record
class RunResult:
    """One row of `run_results.jsonl`: a sample, asked once."""

    schema: Literal["lm-eval-so/run/1"] = "lm-eval-so/run/1"
    sample_id: str
    sample_hash: str
    """Digest of what the chatbot was given, 64 hexadecimal digits."""
    repeat: int = 0
    """Which of several answers to the sample, from 0."""
    status: RunStatus
    response: Response | None = None
    """Null if there is no answer."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    cost_source: Literal["prices", "config", "none", "unknown"] = "unknown"
    latency_ms: float | None = None
    """Wall time of the attempt that counted, in milliseconds, without queue and retries."""
    ttft_ms: float | None = None
    """Time to the first token in milliseconds; null if not streamed."""
    total_ms: float | None = None
    """Wall time of the row, queue, retries and waits included."""
    attempts: int = 1
    retries: tuple[Retry, ...] = ()
    cached: bool = False
    error: ErrorInfo | None = None
    model: str | None = None
    """The model as it called itself."""
    seed: int | None = None
    started_at: str | None = None
    """RFC 3339, UTC."""
    fingerprint: str = ""
    """Digest of what decides an answer; rows of one run share it."""
    redactions: int = 0
    """How many secrets were taken out of the answer."""

    @property
    def text(self) -> str:
        """The answer; "" if there is none."""
        return self.response.text if self.response else ""


@record
class BackendInfo:
    """The chatbot that was asked."""

    name: str
    label: str
    model: str | None = None
    """The model that was asked for."""
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    system: str | None = None
    models_answered: tuple[str, ...] = ()
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    """Facts that the backend tells of itself: base URL without credentials, build, context size."""


@record
class DatasetRef:
    """The dataset that was asked."""

    name: str
    version: str | None = None
    path: str | None = None
    digest: str
    """SHA-256 of test.jsonl."""
    n: int
    """Samples in it."""
    languages: tuple[str, ...] = ()
    unreviewed: int = 0


@record
class RunInfo:
    """`run.json`: what the rows of a run have in common, and how far it came."""

    schema: Literal["lm-eval-so/run-info/1"] = "lm-eval-so/run-info/1"
    state: Literal["running", "complete", "interrupted", "stopped"]
    suite: str
    config_digest: str
    fingerprint: str
    """Digest of what decides an answer: backend, params, system prompt, seed."""
    reach: str
    """Digest of how the chatbot is reached, without credentials."""
    backend: BackendInfo
    dataset: DatasetRef
    repeats: int
    seed: int
    planned: int
    """Rows that the run should have: samples × repeats."""
    counts: Mapping[str, int]
    """Rows by status."""
    requests: int
    """Requests sent by the last invocation, attempts included."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    """Sum over the rows with a known price; null if none has one."""
    unpriced: int = 0
    """Rows without a known price."""
    adaptations: tuple[str, ...] = ()
    """What was changed in the requests because the endpoint refused it."""
    stopped: Mapping[str, JsonValue] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    started_at: str
    finished_at: str | None = None
