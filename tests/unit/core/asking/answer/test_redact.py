import math

import pytest

from lm_eval_so.core.asking.answer.redact import clean_error, clean_response, error_of
from lm_eval_so.core.records.chat import ChatResponse, ToolCall
from lm_eval_so.core.secrets import Redactor, make_redactor
from lm_eval_so.errors import BackendError, ErrorKind

KEY = "hunter2-hunter2"
REDACTOR = make_redactor({"BOT_TOKEN": KEY})


def test_clean_response__every_text_and_a_count():
    response = ChatResponse(
        text=f"키는 {KEY}, {KEY}",
        tool_calls=(ToolCall(id=KEY, name=KEY, arguments=KEY),),
        finish_reason=KEY,
        model=KEY,
        refusal=KEY,
        reasoning=KEY,
        context=(KEY,),
        context_ids=(KEY,),
    )
    cleaned, count = clean_response(response, REDACTOR)
    assert KEY not in repr(cleaned)
    assert cleaned.text == "키는 [redacted:BOT_TOKEN], [redacted:BOT_TOKEN]"
    assert count == 11


def test_clean_response__nothing_to_clean_stays_equal():
    response = ChatResponse(text="환불 \U0001f600 e\u0301 \r\n", model="m")
    assert clean_response(response, REDACTOR) == (response, 0)


def test_clean_response__half_a_surrogate_pair_can_be_written():
    cleaned, _ = clean_response(ChatResponse(text="좋아요 \ud83d"), Redactor())
    assert cleaned.text == "좋아요 \ufffd"


def test_clean_error__all_texts():
    error = BackendError(
        ErrorKind.SERVER, KEY, retryable=True, code=KEY, hint=KEY, partial_text=KEY, http_status=500
    )
    info = clean_error(error, REDACTOR)
    assert KEY not in repr(info)
    assert (info.kind, info.http_status) == (ErrorKind.SERVER, 500)


def test_clean_response__secrets_in_headers_and_raw_and_log_probabilities():
    response = ChatResponse(
        text="x",
        headers={"x-request-id": f"r-{KEY}"},
        raw={"said": [KEY, 1]},
        logprobs=[{"token": KEY, "logprob": -0.5}],
    )
    cleaned, count = clean_response(response, REDACTOR)
    assert KEY not in repr(cleaned)
    assert cleaned.raw == {"said": ["[redacted:BOT_TOKEN]", 1]}
    assert cleaned.logprobs is None  # of tokens a secret could be put together again
    assert count == 2
    kept = ChatResponse(text="x", logprobs=[{"token": "가", "logprob": -0.5}])
    assert clean_response(kept, REDACTOR) == (kept, 0)


def test_clean_response__json_nested_beyond_measure_is_not_kept():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    cleaned, _ = clean_response(ChatResponse(text="x", raw=deep), REDACTOR)
    assert cleaned == ChatResponse(text="x")
    error = BackendError(ErrorKind.SERVER, "x", retryable=True, details={"body": deep})
    assert clean_error(error, REDACTOR).details == {}
    while deep:  # or the garbage collector has to go as deep
        deep = deep.pop()


def test_clean_error__can_be_raised_again():
    error = BackendError(
        ErrorKind.NOT_FOUND, KEY, retryable=True, hint="h", code="c", http_status=404
    )
    again = error_of(clean_error(error, REDACTOR))
    assert (again.kind, again.message, again.hint) == (
        ErrorKind.NOT_FOUND,
        "[redacted:BOT_TOKEN]",
        "h",
    )
    assert (again.code, again.http_status) == ("c", 404)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_clean_response__a_number_that_json_does_not_have_is_null(number: float):
    told = {"content": [{"token": "환", "logprob": number}]}
    cleaned, count = clean_response(ChatResponse(text="a", logprobs=told, raw=told), REDACTOR)
    kept = {"content": [{"token": "환", "logprob": None}]}
    assert (cleaned.logprobs, cleaned.raw, count) == (kept, kept, 0)
    error = BackendError(ErrorKind.SERVER, "x", retryable=True, details={"categories": told})
    assert clean_error(error, REDACTOR).details == {"categories": kept}
