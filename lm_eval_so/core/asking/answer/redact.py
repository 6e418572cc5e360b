"""Redaction of answers and errors before they are written."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.records.chat import ChatResponse, ToolCall
from lm_eval_so.core.records.run import ErrorInfo
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError

_DEEPEST = 100
"""Levels of JSON that are kept: a body may be nested deeper than any program can read again."""


def clean_response(response: ChatResponse, redactor: Redactor) -> tuple[ChatResponse, int]:
    """Return a response without known secrets, and their number.

    Half a surrogate pair, which a token limit can leave behind, becomes U+FFFD: no file could
    hold it, and a number that JSON does not have becomes null. JSON that is nested too deeply is
    not kept.
    """
    has_nan = False
    if response.raw is not None or response.logprobs is not None:
        if _is_deep(response.raw) or _is_deep(response.logprobs):
            response = replace(response, raw=None, logprobs=None)
        has_nan = _has_nan(response.raw) or _has_nan(response.logprobs)
    # nearly every answer has nothing to clean, so all its texts are looked through at once
    if not has_nan and _is_clean("\n".join(_texts(response)), redactor):
        return response, 0
    scrub = _Scrub(redactor)
    cleaned = replace(
        response,
        text=scrub.text(response.text),
        tool_calls=tuple(map(scrub.call, response.tool_calls)),
        finish_reason=scrub.text_or_none(response.finish_reason),
        model=scrub.text_or_none(response.model),
        refusal=scrub.text_or_none(response.refusal),
        reasoning=scrub.text_or_none(response.reasoning),
        context=tuple(map(scrub.text, response.context)),
        context_ids=tuple(map(scrub.text, response.context_ids)),
        headers={name: scrub.text(value) for name, value in response.headers.items()},
        raw=scrub.json(response.raw),
        # token by token, a secret is in no text of its own and could be put together again
        logprobs=None if scrub.count else scrub.json(response.logprobs),
    )
    return cleaned, scrub.count


def clean_error(error: BackendError, redactor: Redactor) -> ErrorInfo:
    """Return the record of an error, without known secrets."""
    scrub = _Scrub(redactor)
    return ErrorInfo(
        kind=error.kind,
        message=scrub.text(error.message),
        http_status=error.http_status,
        code=scrub.text_or_none(error.code),
        hint=scrub.text_or_none(error.hint),
        partial_text=scrub.text_or_none(error.partial_text),
        details={} if _is_deep(error.details) else scrub.mapping(error.details),
    )


def error_of(info: ErrorInfo) -> BackendError:
    """Return the record of an error as an exception."""
    return BackendError(
        info.kind,
        info.message,
        retryable=False,
        http_status=info.http_status,
        code=info.code,
        partial_text=info.partial_text,
        hint=info.hint,
        details=info.details,
    )


class _Scrub:
    """Takes secrets out of one value after the other, and counts them."""

    def __init__(self, redactor: Redactor) -> None:
        self.count = 0
        self._redactor = redactor

    def text(self, text: str) -> str:
        kept, hits = self._redactor.redact_counting(_writable(text))
        self.count += hits
        return kept

    def text_or_none(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)

    def call(self, call: ToolCall) -> ToolCall:
        name, arguments = self.text(call.name), self.text(call.arguments)
        return replace(call, id=self.text_or_none(call.id), name=name, arguments=arguments)

    def mapping(self, values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        return {self.text(key): self.json(value) for key, value in values.items()}

    def json(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self.mapping(value)
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return [self.json(item) for item in value] if isinstance(value, list | tuple) else value


def _texts(response: ChatResponse) -> list[str]:
    texts = [response.text, response.finish_reason or "", response.model or ""]
    texts += filter(None, (response.refusal, response.reasoning))
    for call in response.tool_calls:
        texts += (call.id or "", call.name, call.arguments)
    texts += response.context
    texts += response.context_ids
    texts += response.headers.values()
    for value in (response.raw, response.logprobs):
        if value is not None:
            texts += _texts_in(value)
    return texts


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from _texts_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts_in(each)


def _has_nan(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_nan, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_nan, value))
    return isinstance(value, float) and not math.isfinite(value)


def _is_deep(value: JsonValue | Mapping[str, JsonValue]) -> bool:
    level: list[Any] = [] if value is None else [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, Mapping | list | tuple)
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
        ]
        if not level:
            return False
    return True


def _is_clean(text: str, redactor: Redactor) -> bool:
    return not redactor.finds(text) and (text.isascii() or _is_writable(text))


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _writable(text: str) -> str:
    if text.isascii() or _is_writable(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
