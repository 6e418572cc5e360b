from lm_eval_so.core.asking.redact import clean_error, clean_response
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
