"""The embeddings API that OpenAI set: one text in, one vector out."""

import json
import math
from typing import Any

from lm_eval_so.core.backends.dialect import Dialect
from lm_eval_so.core.backends.wire import bad_response, count_of
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Usage
from lm_eval_so.core.records.enums import RunStatus

_MOST_OF_BODY = 1000


def embeddings_body(
    request: ChatRequest, dialect: Dialect, *, streams: bool = False
) -> dict[str, Any]:
    """Return the body of a request: the last message is the text, parameters go in as they are."""
    del dialect, streams  # there is nothing of a chat in it
    text = request.messages[-1].content
    return {"input": text, "encoding_format": "float", **request.params}


def read_embedding(values: Any, **facts: Any) -> ChatResponse:
    """Read an answer.

    Args:
        values: The body as JSON.
        facts: Other fields of the response: headers, raw.

    Raises:
        BackendError: If it holds no vector of numbers.
    """
    try:
        vector = tuple(float(number) for number in values["data"][0]["embedding"])
        usage, model = values.get("usage"), values.get("model")
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
        vector, usage, model = (), None, None
    if not vector or not all(map(math.isfinite, vector)):
        raise bad_response("no data[0].embedding", json.dumps(values)[:_MOST_OF_BODY])
    return ChatResponse(
        embedding=vector,
        status=RunStatus.OK,  # without a text it would count as empty
        finish_reason="stop",
        usage=Usage(input_tokens=count_of(usage, "prompt_tokens")),
        model=model if isinstance(model, str) else None,
        **facts,
    )
