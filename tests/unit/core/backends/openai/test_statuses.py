"""What an endpoint says, and the status that a row gets from it: the same whole and streamed."""

import pytest

from lm_eval_so.core.asking.answer.outcome import status_of_error, status_of_response
from lm_eval_so.core.asking.attempt import attempt
from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.openai.backend import OpenAIBackend
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.errors import BackendError
from lm_eval_so.testing import ChatServer, Reply

CALL = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
FILTER = "content_filter"


async def status_of(reply: Reply, *, api: str, stream: bool) -> str:
    with ChatServer(lambda _: reply) as server:
        options = OpenAIBackend.Options(base_url=server.url, api_key_env="", api=api, stream=stream)
        backend = OpenAIBackend(
            params=OpenAIBackend.Params(model="m"), options=options, env=BackendEnv()
        )
        await backend.open()
        try:
            request = ChatRequest(messages=(Message(role="user", content="?"),))
            return status_of_response(await attempt(backend, request, time_s=5))
        except BackendError as error:
            return status_of_error(error.kind)
        finally:
            await backend.close()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(text="답"), "ok"),
        (Reply(text="여기까", finish_reason="length"), "truncated"),
        (Reply(text=""), "empty"),
        (Reply(text="\u200b"), "empty"),
        (Reply(message_fields={"content": None, "refusal": "안 됩니다"}), "refused"),
        (Reply(text="여기", finish_reason=FILTER), "filtered"),
        (Reply(status=400, code=FILTER), "filtered"),
        (Reply(message_fields={"content": None, "tool_calls": [CALL]}), "ok"),
        (Reply(status=429), "rate_limited"),
        (Reply(status=529), "rate_limited"),
        (Reply(status=408), "timeout"),
        (Reply(status=500), "error"),
        (Reply(status=400, message="no"), "error"),
    ],
)
async def test_send__status(reply: Reply, status: str, api: str, stream: bool):
    assert await status_of(reply, api=api, stream=stream) == status
