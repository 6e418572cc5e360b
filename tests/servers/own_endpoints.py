"""`http` backends for tests: made of a URL and options, asked once or over several turns."""

import json
from collections.abc import Mapping
from typing import Any

from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.http.backend import HttpBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message
from lm_eval_so.errors import Problem

BODY = """{"message": {{ last_user | tojson }}, "history": {{ history | tojson }}}"""
RESPONSE = {"text": '"답변"."텍스트"'}
SSE = {"format": "sse", "delta": "choices[0].delta.content", "done": "[DONE]"}


def make(
    url: str,
    *,
    environ: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    wants: Mapping[str, Any] | None = None,
    **options: Any,
) -> HttpBackend:
    """Make a backend; without body and response it speaks with `ShopBot`."""
    values = {"body": BODY, "response": RESPONSE, **options}
    return HttpBackend(
        params=HttpBackend.Params(**(params or {})),
        options=HttpBackend.Options(url=url, **values),
        env=BackendEnv(environ=environ or {}, timeout_s=5, **(wants or {})),
    )


def request(*texts: str, **facts: Any) -> ChatRequest:
    """Make a request of texts, user and assistant in turn."""
    roles = ("user", "assistant")
    messages = tuple(Message(role=roles[i % 2], content=text) for i, text in enumerate(texts))
    return ChatRequest(messages=messages, **{"session": "q1:0", "sample_id": "q1", **facts})


async def ask(backend: HttpBackend, *requests: ChatRequest) -> ChatResponse:
    """Send requests one after another; give the last response."""
    await backend.open()
    try:
        for each in requests or (request("hi"),):
            response = await backend.send(each)
        return response
    finally:
        await backend.close()


def found(url: str = "http://127.0.0.1:1/chat", **options: Any) -> list[Problem]:
    """Return what `check` finds."""
    return list(make(url, **options).check())


def event(text: str) -> bytes:
    """Make a server-sent event with a delta."""
    values = {"choices": [{"delta": {"content": text}}]}
    return f"data: {json.dumps(values, ensure_ascii=False)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
