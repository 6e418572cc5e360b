"""A line of a batch's output as an answer, like one that was asked for alone."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from lm_eval_so.core.asking.answer.finish import with_known_finish
from lm_eval_so.core.asking.answer.outcome import Row, answered, failed
from lm_eval_so.core.asking.answer.redact import clean_error
from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.backends.batches import Batches, BatchState
from lm_eval_so.core.backends.faults import answered_error
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError

_DECIMALS = 10


def request_line(custom_id: str, request: ChatRequest, batches: Batches) -> bytes:
    """Return the line of an input file that asks a request."""
    line = {
        "custom_id": custom_id,
        "method": "POST",
        "url": batches.path,
        "body": batches.body(request),
    }
    return json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def line_answer(
    line: Mapping[str, Any],
    row: Row,
    state: BatchState,
    *,
    batches: Batches,
    backend: ChatBackend,
    discount: float,
    redactor: Redactor,
) -> Answer | None:
    """Return the answer that a line of an output or error file holds.

    None if it is worth asking again: the batch ended before its turn, or it failed in a way that
    another attempt may cure. Latencies are not known; the row took as long as its batch.

    Args:
        line: The line, parsed.
        row: The request.
        state: The batch, over.
        batches: Reads what stands in the line.
        backend: Knows prices.
        discount: What a batch costs of the usual price.
        redactor: Takes out secrets.
    """
    row.wall = datetime.fromtimestamp(state.created_at, UTC)
    try:
        response = _response(line, batches)
    except BackendError as error:
        if error.retryable:  # lines that say batch_expired or batch_cancelled are such, too
            return None
        answer = failed(clean_error(error, redactor), row, now=row.began)
    else:
        answer = answered(response, row, backend, redactor=redactor, now=row.began)
    usd = answer.cost_usd
    return replace(
        answer,
        latency_ms=None,
        total_ms=1000.0 * max(0, (state.ended_at or state.created_at) - state.created_at),
        cost_usd=None if usd is None else discounted(usd, discount),
    )


def discounted(usd: float, discount: float) -> float:
    """Return the price of a batch for what costs so much alone."""
    return float(round(Decimal(str(usd)) * Decimal(str(discount)), _DECIMALS))


def _response(line: Mapping[str, Any], batches: Batches) -> ChatResponse:
    told = line.get("response")
    if not isinstance(told, Mapping):
        error = line.get("error")
        raise answered_error(200, {}, {"error": error if isinstance(error, Mapping) else {}})
    status = told.get("status_code")
    body = json.dumps(told.get("body"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    headers = {"x-request-id": str(told["request_id"])} if told.get("request_id") else {}
    response = batches.read(status if isinstance(status, int) else 200, headers, body)
    return with_known_finish(response)
