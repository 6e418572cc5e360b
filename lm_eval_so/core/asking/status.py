"""How a row ended, from the response or the error: the first rule that matches."""

from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import ErrorKind

_BY_KIND = {
    ErrorKind.TIMEOUT: RunStatus.TIMEOUT,
    ErrorKind.DEADLINE: RunStatus.TIMEOUT,
    ErrorKind.RATE_LIMIT: RunStatus.RATE_LIMITED,
    ErrorKind.FILTERED: RunStatus.FILTERED,
}


def status_of_error(kind: ErrorKind) -> RunStatus:
    """Give the status of a row whose last attempt failed."""
    return _BY_KIND.get(kind, RunStatus.ERROR)


def status_of_response(response: ChatResponse) -> RunStatus:
    """Give the status of a row with a response; a refusal in plain words does not change it."""
    if response.status is not None:
        return response.status
    if response.finish_reason == "content_filter":
        return RunStatus.FILTERED
    if response.refusal or response.finish_reason == "refusal":
        return RunStatus.REFUSED
    if response.finish_reason == "length":
        return RunStatus.TRUNCATED
    if not response.tool_calls and _is_blank(response.text):
        return RunStatus.EMPTY
    return RunStatus.OK


def _is_blank(text: str) -> bool:
    return not text.replace("\u200b", "").replace("\ufeff", "").strip()
