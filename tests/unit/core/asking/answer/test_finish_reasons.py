import pytest

from lm_eval_so.core.asking.answer.outcome import status_of_response, with_known_finish
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.errors import BackendError, ErrorKind


@pytest.mark.parametrize(
    ("told", "kept", "status"),
    [
        (None, None, "ok"),
        ("stop", "stop", "ok"),
        ("STOP", "stop", "ok"),
        ("end_turn", "stop", "ok"),
        ("stop_sequence", "stop", "ok"),
        ("STOP_SEQUENCE", "stop", "ok"),
        ("COMPLETE", "stop", "ok"),
        ("eos_token", "stop", "ok"),
        ("eos", "stop", "ok"),
        ("word", "stop", "ok"),
        ("stop_before", "stop", "ok"),
        ("length", "length", "truncated"),
        ("max_tokens", "length", "truncated"),
        ("MAX_TOKENS", "length", "truncated"),
        ("FINISH_REASON_MAX_TOKENS", "length", "truncated"),
        ("maxTokens", "length", "truncated"),
        ("max_output_tokens", "length", "truncated"),
        ("model_length", "length", "truncated"),
        ("model_context_window_exceeded", "length", "truncated"),
        ("pause_turn", "length", "truncated"),
        ("ERROR_LIMIT", "length", "truncated"),
        ("USER_CANCEL", "length", "truncated"),
        ("limit", "length", "truncated"),
        ("token_limit", "length", "truncated"),
        ("time_limit", "length", "truncated"),
        ("cancelled", "length", "truncated"),
        ("end_token", "length", "truncated"),
        ("tool_calls", "tool_calls", "ok"),
        ("function_call", "tool_calls", "ok"),
        ("tool_use", "tool_calls", "ok"),
        ("TOOL_CALL", "tool_calls", "ok"),
        ("content_filter", "content_filter", "filtered"),
        ("content-filter", "content_filter", "filtered"),
        ("content_filtered", "content_filter", "filtered"),
        ("guardrail_intervened", "content_filter", "filtered"),
        ("ERROR_TOXIC", "content_filter", "filtered"),
        ("SAFETY", "content_filter", "filtered"),
        ("RECITATION", "content_filter", "filtered"),
        ("LANGUAGE", "content_filter", "filtered"),
        ("BLOCKLIST", "content_filter", "filtered"),
        ("PROHIBITED_CONTENT", "content_filter", "filtered"),
        ("SPII", "content_filter", "filtered"),
        ("refusal", "refusal", "refused"),
        ("OTHER", "OTHER", "ok"),
        ("끝", "끝", "ok"),
        ("-", "-", "ok"),
    ],
)
def test_with_known_finish__words_of_every_maker(told: str | None, kept: str | None, status: str):
    response = with_known_finish(ChatResponse(text="3일", finish_reason=told))
    assert (response.finish_reason, status_of_response(response)) == (kept, status)


@pytest.mark.parametrize("told", ["error", "ERROR"])
def test_with_known_finish__an_end_by_error_is_no_answer(told: str):
    with pytest.raises(BackendError) as failed:
        with_known_finish(ChatResponse(text="3", finish_reason=told))
    error = failed.value
    assert (error.kind, error.retryable, error.partial_text) == (ErrorKind.SERVER, True, "3")
    assert told in error.message
