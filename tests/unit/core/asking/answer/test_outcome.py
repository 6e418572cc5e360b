import pytest

from lm_eval_so.core.asking.answer.outcome import status_of_error, status_of_response
from lm_eval_so.core.records.chat import ChatResponse, ToolCall
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import ErrorKind

CALL = (ToolCall(name="f"),)


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (ChatResponse(text="3일", finish_reason="stop"), RunStatus.OK),
        (ChatResponse(text="3", finish_reason="length"), RunStatus.TRUNCATED),
        (ChatResponse(text="", finish_reason="length"), RunStatus.TRUNCATED),
        (ChatResponse(text=""), RunStatus.EMPTY),
        (ChatResponse(text=" \n\u3000"), RunStatus.EMPTY),
        (ChatResponse(text="\u200b"), RunStatus.EMPTY),
        (ChatResponse(text="\ufeff \u200b\n"), RunStatus.EMPTY),
        (ChatResponse(text="", tool_calls=CALL), RunStatus.OK),
        (ChatResponse(text="", refusal="no"), RunStatus.REFUSED),
        (ChatResponse(text="x", refusal="no", finish_reason="length"), RunStatus.REFUSED),
        (ChatResponse(text="par", finish_reason="content_filter"), RunStatus.FILTERED),
        (ChatResponse(refusal="no", finish_reason="content_filter"), RunStatus.FILTERED),
        (ChatResponse(text="x", status=RunStatus.FILTERED), RunStatus.FILTERED),
        (ChatResponse(text="죄송하지만 답할 수 없습니다", finish_reason="stop"), RunStatus.OK),
    ],
)
def test_status_of_response__first_match(response: ChatResponse, status: RunStatus):
    assert status_of_response(response) is status


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_status_of_error__every_kind(kind: ErrorKind):
    special = {
        "timeout": RunStatus.TIMEOUT,
        "deadline": RunStatus.TIMEOUT,
        "rate_limit": RunStatus.RATE_LIMITED,
        "filtered": RunStatus.FILTERED,
    }
    assert status_of_error(kind) is special.get(kind.value, RunStatus.ERROR)
