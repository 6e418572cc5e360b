"""Whatever a server sends, it becomes an answer or an error of an attempt, never a crash."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.asking.redact import clean_response
from lm_eval_so.core.backends.faults import http_error, retry_after_s
from lm_eval_so.core.backends.wire import read_response, request_body
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.errors import BackendError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "error", "code", "usage", "tool_calls"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.integers(300, 599), st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_http_error__any_body(status: int, body: bytes):
    error = http_error(status, {}, body)
    assert error.http_status == status
    assert len(error.message) <= 2000


@given(st.text(max_size=30) | st.floats().map(str))
def test_retry_after_s__any_header(text: str):
    for name in ("retry-after", "retry-after-ms"):
        seconds = retry_after_s({name: text})
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


@given(JSON)
def test_read_response__any_json(values: object):
    try:
        response = read_response(200, {}, json.dumps(values).encode())
    except BackendError:
        return
    assert isinstance(response.text, str)


@given(st.text())
def test_request_body__text_arrives_as_it_is(text: str):
    message = Message(role="user", content=text)
    sent = json.loads(request_body(ChatRequest(messages=(message,)), with_seed=True))
    assert sent["messages"][0]["content"] == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_clean_response__any_text_can_be_written(text: str):
    cleaned, _ = clean_response(ChatResponse(text=text + "\ud83d"), Redactor())
    assert cleaned.text.encode().decode() == text + "\ufffd"
