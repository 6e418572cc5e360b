"""Estimates of tokens and cost before requests are sent: for budgets, pacing and dry runs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from pydantic import JsonValue

from lm_eval_so.core.asking.cost.prices import Rates
from lm_eval_so.core.records.chat import ChatRequest

__all__ = ["Bound", "Estimate", "bound_of", "estimate", "input_estimate", "output_bound"]

_BYTES_A_TOKEN = 3.5
_USUAL_OUTPUT = 1024
_BOUNDS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Most that one request may take: reserved before it is sent, settled after."""

    input_tokens: int
    output_tokens: int
    usd: Decimal = Decimal(0)
    """US dollars; 0 where no price is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimate of many requests, from answers of no length to answers of full length."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    """Most tokens of all answers."""
    usd_low: float | None = None
    """US dollars if every answer were empty; null where no price is known."""
    usd_high: float | None = None
    """US dollars if every answer took all the tokens that it may."""


def bound_of(request: ChatRequest, rates: Rates | None) -> Bound:
    """Return the most that a request may take: estimated input, bounded output."""
    given, answered = input_estimate(request), output_bound(request.params)
    usd = rates.usd(given, answered) if rates else Decimal(0)
    return Bound(input_tokens=given, output_tokens=answered, usd=usd)


def estimate(requests: Iterable[ChatRequest], rates: Rates | None) -> Estimate:
    """Return the sum of the bounds of requests; nothing is sent."""
    count = given = answered = 0
    low = high = Decimal(0)
    for request in requests:
        bound = bound_of(request, rates)
        count, given = count + 1, given + bound.input_tokens
        answered, high = answered + bound.output_tokens, high + bound.usd
        low += rates.usd(bound.input_tokens, 0) if rates else 0
    return Estimate(
        requests=count,
        input_tokens=given,
        output_tokens=answered,
        usd_low=float(low) if rates else None,
        usd_high=float(high) if rates else None,
    )


def input_estimate(request: ChatRequest) -> int:
    """Estimate the input tokens of a request: one for 3.5 bytes of UTF-8.

    English has about 4 bytes a token, Korean about 3: one rule serves both without a tokeniser.
    """
    size = _size(request.system or "")
    for message in request.messages:
        size += _size(message.content)
        size += sum(_size(call.name) + _size(call.arguments) for call in message.tool_calls)
    for extra in (request.tools, request.response_format):
        if extra:
            size += _size(json.dumps(extra, ensure_ascii=False))
    return ceil(size / _BYTES_A_TOKEN)


def output_bound(params: Mapping[str, JsonValue]) -> int:
    """Return the most tokens that an answer may have: as the parameters say, else 1,024."""
    for name in _BOUNDS:
        value = params.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return _USUAL_OUTPUT


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
