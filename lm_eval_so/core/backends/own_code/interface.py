"""Input and output of a chatbot that is the user's own code."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Usage, message_values
from lm_eval_so.core.records.codec import dump_line, validation_problems
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import BackendError, ErrorKind, Where, nearest

_FIELDS = frozenset(ChatResponse.__dataclass_fields__) - {"latency_ms"}
_STATUSES = frozenset({RunStatus.REFUSED, RunStatus.FILTERED})


def messages_of(request: ChatRequest) -> list[dict[str, JsonValue]]:
    """Return the conversation as plain values: role, content, and other fields if any."""
    return [message_values(message) for message in request.messages]


def sample_of(request: ChatRequest) -> dict[str, Any]:
    """Return the facts of the sample: id, repeat, turn, language, tags and metadata."""
    facts = {name: value for name, value in request.metadata.items() if name != "sample_hash"}
    return {**facts, "id": request.sample_id, "repeat": request.repeat, "turn": request.turn}


def response_of(answer: object, *, source: str) -> ChatResponse:
    """Return the response of an answer of the user's code: a text, or fields of a `ChatResponse`.

    Args:
        answer: A text, a mapping, or a response.
        source: Name of the code, for error texts.

    Raises:
        BackendError: `bad_response`, naming the field that is wrong.
    """
    if isinstance(answer, str):
        return ChatResponse(text=answer)
    if isinstance(answer, ChatResponse):  # made by hand: nobody looked at its types
        answer = {name: getattr(answer, name) for name in _FIELDS}
    if not isinstance(answer, Mapping):
        what = f"{source} gave {type(answer).__name__}, not a text or the fields of a ChatResponse"
        raise bad_response(what)
    values = {name: value for name, value in answer.items() if value is not None}
    for name in values:
        if name not in _FIELDS:
            raise bad_response(f'{source} gave the unknown field "{name}"', hint=_hint(str(name)))
    try:
        response = _adapter().validate_python(values)
    except ValidationError as error:
        problem = next(validation_problems(error, lambda key: Where(key=key)))
        field = problem.where.key if problem.where else ""
        raise bad_response(f"{source} gave a wrong {field}: {problem.what}") from None
    if response.status is not None and response.status not in _STATUSES:
        raise bad_response(f"{source} gave a wrong status: it may be refused or filtered")
    _need_counts(response.usage, source)
    _need_numbers(response, source)
    return response


def bad_response(what: str, *, hint: str | None = None, option: str = "") -> BackendError:
    """Return the error of an answer that cannot be used; asking again would not help.

    Args:
        what: Message.
        hint: Advice.
        option: The key that may be to blame, as "options.stdout".
    """
    details = {"option": option} if option else None
    return BackendError(ErrorKind.BAD_RESPONSE, what, retryable=False, hint=hint, details=details)


def _hint(name: str) -> str:
    close = nearest(name, _FIELDS)
    return f"write {close}" if close else f"known: {', '.join(sorted(_FIELDS))}"


def _need_counts(usage: Usage, source: str) -> None:
    for name in Usage.__dataclass_fields__:
        value = getattr(usage, name)
        if value is not None and value < 0:
            raise bad_response(f"{source} gave a wrong usage.{name}: {value} is less than 0")


def _need_numbers(response: ChatResponse, source: str) -> None:
    """Refuse values that no file of JSON can hold."""
    for name in ("ttft_ms", "logprobs", "raw"):
        try:
            dump_line(getattr(response, name))
        except ValueError:
            raise bad_response(f"{source} gave a wrong {name}: JSON has no NaN") from None


@cache
def _adapter() -> TypeAdapter[ChatResponse]:
    return TypeAdapter(ChatResponse)
