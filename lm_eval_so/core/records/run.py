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
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    """More facts, such as the categories of a content filter."""


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
    logprobs: JsonValue = None
    """Log probabilities, where the parameters asked for them."""
    raw: JsonValue = None
    """The response as it came; only with `run.keep_raw`."""


@record
class Turn:
    """One exchange of a conversation that was played."""

    user: str
    """What the user said."""
    text: str = ""
    """What the chatbot answered; "" if nothing."""
    tool_calls: tuple[ToolCall, ...] = ()
    status: RunStatus
    latency_ms: float | None = None
    ttft_ms: float | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    cached: bool = False
    seed: int | None = None


@record
class SimulatorUse:
    """What playing the user took; never part of the chatbot's own figures."""

    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    model: str | None = None


@record
class LimitChange:
    """A change of how many requests may be under way at once."""

    at_s: float
    """Seconds since the first request."""
    limit: int
    why: str
    """start, grew, rate_limit, busy, timeout or server."""


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
    queue_ms: float | None = None
    """Time that the row waited for its turn before the first attempt."""
    attempts: int = 1
    retries: tuple[Retry, ...] = ()
    cached: bool = False
    error: ErrorInfo | None = None
    model: str | None = None
    """The model as it called itself."""
    seed: int | None = None
    started_at: str | None = None
    """RFC 3339, UTC."""
    answered_at: str | None = None
    """When the chatbot gave an answer that came from the cache, of a conversation the oldest of
    those; null if all was asked."""
    request_hash: str | None = None
    """Digest of the request; what the cache knows the answer by."""
    cost_saved_usd: float | None = None
    """What the answer would have cost had it not been in the cache."""
    turns: tuple[Turn, ...] = ()
    """The exchanges of a scenario."""
    stop_reason: str | None = None
    """Why a scenario ended: bot_<status>, deadline, tool_call, tool_rounds, on_match, goal, gave_up,
    simulator, loop, max_turns or script_end."""
    simulator: SimulatorUse | None = None
    """The simulated user, where there was one."""
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
class Checkout:
    """The state of a checkout, as far as git knows it."""

    commit: str | None = None
    changes: str | None = None
    """Digest of the changes to tracked files; null where git cannot say."""


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
    limits: tuple[LimitChange, ...] = ()
    """How many requests were allowed at once, over time; 500 entries at most."""
    tools: tuple[Mapping[str, JsonValue], ...] = ()
    """Tools of the config that the chatbot was offered."""
    tool_choice: JsonValue = None
    simulator: Mapping[str, JsonValue] = field(default_factory=dict)
    """Who played simulated users, {backend, params, template, told}; empty without such users."""
    shard: str | None = None
    """Which part of the dataset was asked, as "2/3"; null for the whole."""
    stopped: Mapping[str, JsonValue] | None = None
    """Why the run ended early: {by, …}; null if it did not."""
    versions: Mapping[str, str] = field(default_factory=dict)
    started_at: str
    resumed_at: str | None = None
    """When the last invocation began; null if it was the first."""
    finished_at: str | None = None
    checkout: Checkout | None = None
    """What `ci` asked, past the cache; null of every other run."""
    judged_at: str | None = None
    """When `ci` made its verdict on these answers."""
    put_aside_at: str | None = None
    """When `ci` put it aside, to ask anew."""
