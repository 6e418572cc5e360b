"""Answers and errors on their way to a file: secrets out, text that can be written."""

from dataclasses import replace

from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.records.run import ErrorInfo
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError


def clean_response(response: ChatResponse, redactor: Redactor) -> tuple[ChatResponse, int]:
    """Give a response without known secrets, and how many there were.

    Half a surrogate pair, which a token limit can leave behind, becomes U+FFFD: no file could
    hold it.
    """
    count = 0

    def clean(text: str) -> str:
        nonlocal count
        kept, hits = redactor.redact_counting(_writable(text))
        count += hits
        return kept

    def clean_or_none(text: str | None) -> str | None:
        return None if text is None else clean(text)

    cleaned = replace(
        response,
        text=clean(response.text),
        tool_calls=tuple(
            replace(
                call,
                id=clean_or_none(call.id),
                name=clean(call.name),
                arguments=clean(call.arguments),
            )
            for call in response.tool_calls
        ),
        finish_reason=clean_or_none(response.finish_reason),
        model=clean_or_none(response.model),
        refusal=clean_or_none(response.refusal),
        reasoning=clean_or_none(response.reasoning),
        context=tuple(map(clean, response.context)),
        context_ids=tuple(map(clean, response.context_ids)),
    )
    return cleaned, count


def clean_error(error: BackendError, redactor: Redactor) -> ErrorInfo:
    """Give what is kept of an error, without known secrets."""

    def clean(text: str | None) -> str | None:
        return None if text is None else redactor.redact(_writable(text))

    return ErrorInfo(
        kind=error.kind,
        message=clean(error.message) or "",
        http_status=error.http_status,
        code=clean(error.code),
        hint=clean(error.hint),
        partial_text=clean(error.partial_text),
    )


def _writable(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
