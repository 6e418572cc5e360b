"""`lm-eval-so/run/1`: one answer of the chatbot; `lm-eval-so/run-info/1`: the facts of a whole run."""

from collections.abc import Mapping
from dataclasses import field
from typing import Final, Literal

from pydantic import JsonValue

from lm_eval_so.core.records.chat import Message, ToolCall, Usage
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.record import record
from lm_eval_so.errors import ErrorKind

BUDGET_LIMITS: Final = ("max_cost_usd", "max_requests", "max_time_s")
"""Keys of `run` that limit what a command may spend."""


@record
class ErrorInfo:
    """Error of a row without an answer; holds no secrets."""

    kind: ErrorKind
    message: str
    http_status: int | None = None
    code: str | None = None
    """Error code of the server."""
    hint: str | None = None
    """Advice for the user."""
    partial_text: str | None = None
    """Text received before the failure; never scored."""
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    """More facts, such as the categories of a content filter."""


@record
class Retry:
    """An attempt that failed and was repeated."""

    kind: ErrorKind
    http_status: int | None = None
    wait_ms: float
    """Wait before the next attempt, in milliseconds."""


@record
class Response:
    """Answer of the chatbot."""

    text: str = ""
    messages: tuple[Message, ...] = ()
    """Whole transcript, if there was more than one turn."""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    context: tuple[str, ...] = ()
    context_ids: tuple[str, ...] = ()
    logprobs: JsonValue = None
    """Log probabilities, if the parameters ask for them."""
    raw: JsonValue = None
    """The response as it came; only with `run.keep_raw`."""


@record
class Turn:
    """One exchange of a conversation that was played."""

    user: str
    """Text of the user."""
    text: str = ""
    """Answer of the chatbot; "" if there is none."""
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
    """Usage of the model that plays the user; never part of the chatbot's own figures."""

    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    model: str | None = None


@record
class LimitChange:
    """A change of the limit of concurrent requests."""

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
    """Index of the answer among those to the sample, from 0."""
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
    """Wait of the row before the first attempt, in milliseconds."""
    attempts: int = 1
    retries: tuple[Retry, ...] = ()
    cached: bool = False
    error: ErrorInfo | None = None
    model: str | None = None
    """Name of the model, as returned by the server."""
    seed: int | None = None
    started_at: str | None = None
    """RFC 3339, UTC."""
    answered_at: str | None = None
    """Time of a cached answer, for a conversation the oldest; null if nothing came from the cache."""
    request_hash: str | None = None
    """Digest of the request, the key of the answer in the cache."""
    cost_saved_usd: float | None = None
    """Estimated cost of a cached answer, had it been asked."""
    turns: tuple[Turn, ...] = ()
    """The exchanges of a scenario."""
    stop_reason: str | None = None
    """Reason for the end of a scenario: bot_<status>, deadline, tool_call, tool_rounds, on_match, goal,
    gave_up, simulator, loop, max_turns or script_end."""
    simulator: SimulatorUse | None = None
    """Usage of the simulated user, if there was one."""
    fingerprint: str = ""
    """Digest of the settings that decide an answer; shared by the rows of a run."""
    redactions: int = 0
    """Number of secrets removed from the answer."""

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
    """Facts reported by the backend: base URL without credentials, build, context size."""


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
    """State of a git checkout."""

    commit: str | None = None
    changes: str | None = None
    """Digest of the changes to tracked files; null if git cannot tell."""


@record
class LimitShare:
    """Share of a shard of a limit of the whole run."""

    own: int | float
    """The share, in the unit of the limit."""
    of: int | float
    """The limit of the whole run."""


@record
class RunInfo:
    """`run.json`: the settings of a run and its progress."""

    schema: Literal["lm-eval-so/run-info/1"] = "lm-eval-so/run-info/1"
    state: Literal["running", "complete", "interrupted", "stopped"]
    suite: str
    config_digest: str
    fingerprint: str
    """Digest of the settings that decide an answer: backend, params, system prompt, seed."""
    reach: str
    """Digest of the chatbot's address and options, without credentials."""
    backend: BackendInfo
    dataset: DatasetRef
    repeats: int
    seed: int
    planned: int
    """Rows that the run should have: samples × repeats."""
    counts: Mapping[str, int]
    """Rows by status."""
    requests: int
    """Requests sent by all invocations that asked this run, attempts included."""
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    """Sum over the rows with a known price; null if there are none."""
    unpriced: int = 0
    """Rows without a known price."""
    adaptations: tuple[str, ...] = ()
    """Changes of the requests, made because the endpoint refused them."""
    notes: tuple[str, ...] = ()
    """Advice on the settings, from how the endpoint was found to answer."""
    limits: tuple[LimitChange, ...] = ()
    """Limit of concurrent requests over time; 500 entries at most."""
    tools: tuple[Mapping[str, JsonValue], ...] = ()
    """Tools of the config offered to the chatbot."""
    tool_choice: JsonValue = None
    simulator: Mapping[str, JsonValue] = field(default_factory=dict)
    """Settings of the simulated user, {backend, params, template, told}; empty without one."""
    shard: str | None = None
    """Shard of the dataset, as "2/3"; null for the whole."""
    share: Mapping[str, LimitShare] = field(default_factory=dict)
    """Shares of the shard, by key of `run`: {max_cost_usd: {own, of}, …}; empty for the whole."""
    stopped: Mapping[str, JsonValue] | None = None
    """Reason for an early end, {by, …}; null if the run did not end early."""
    versions: Mapping[str, str] = field(default_factory=dict)
    started_at: str
    resumed_at: str | None = None
    """Start of the last invocation; null if it was the first."""
    finished_at: str | None = None
    checkout: Checkout | None = None
    """Checkout that `ci` measured, without the cache; null for other runs."""
    judged_at: str | None = None
    """Time of the verdict of `ci` on these answers."""
    broken: int | None = None
    """Cases that broke for good by that verdict, so that another chatbot than the baseline's answered."""
    put_aside_at: str | None = None
    """Time when `ci` set the run aside, to ask again."""

    @property
    def spent(self) -> str | None:
        """Limit of the budget that ended the run; None if none did."""
        return spent_limit(self.stopped)


def spent_limit(stopped: object) -> str | None:
    """Return the limit of the budget that ended a run; None if another reason did, or nothing."""
    by = stopped.get("by") if isinstance(stopped, Mapping) else None
    return by if isinstance(by, str) and by in BUDGET_LIMITS else None
