"""One turn of a conversation, as a row of its own."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from lm_eval_so.core.records.chat import Message
from lm_eval_so.core.records.run import Response, RunResult, Turn
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.evaluator.bound import parse_pass_if


class OfTurn(BaseModel):
    """The metric of a turn."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    id: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    params: dict[str, JsonValue] = Field(default_factory=dict)
    pass_if: str | None = None

    @field_validator("pass_if")
    @classmethod
    def _compares(cls, text: str | None) -> str | None:
        if text is not None:
            parse_pass_if(text)
        return text

    @property
    def label(self) -> str:
        """What it is called: its id, else its name."""
        return self.id or self.name.rpartition(":")[2]


def sample_at(sample: TestSample, turns: Sequence[Turn]) -> TestSample:
    """Return a sample that asks what the last of these turns asks, after those before it."""
    said: list[Message] = []
    for turn in turns:
        said.append(Message(role="user", content=turn.user))
        said.append(Message(role="assistant", content=turn.text, tool_calls=turn.tool_calls))
    return replace(sample, messages=tuple(said[:-1]), scenario=None)


def run_at(run: RunResult, turn: Turn) -> RunResult:
    """Return a turn as a row of its own."""
    is_last = turn is run.turns[-1]
    told = run.response if is_last and run.response is not None else Response()
    response = replace(told, text=turn.text, tool_calls=turn.tool_calls, messages=())
    return replace(
        run,
        status=turn.status,
        response=response if turn.status.is_answer else None,
        usage=turn.usage,
        cost_usd=turn.cost_usd,
        latency_ms=turn.latency_ms,
        ttft_ms=turn.ttft_ms,
        cached=turn.cached,
        turns=(),
    )
