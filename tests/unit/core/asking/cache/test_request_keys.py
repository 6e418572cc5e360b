from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.asking.cache.cache import RequestKeys
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.chat import ChatRequest, Message, ToolCall, message_values

SIDES = {"fingerprint": "f" * 64, "reach": "r" * 64}

_text = st.text(st.characters(codec=None), max_size=20)
_json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_text, inner, max_size=2),
    max_leaves=4,
)
_mapping = st.dictionaries(_text, _json, max_size=2)
_message = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=_text,
    name=st.none() | _text,
    tool_calls=st.lists(st.builds(ToolCall, name=_text, arguments=_text), max_size=1).map(tuple),
    tool_call_id=st.none() | _text,
)
_request = st.builds(
    ChatRequest,
    messages=st.lists(_message, max_size=2).map(tuple),
    system=st.none() | _text,
    params=_mapping,
    tools=st.lists(_mapping, max_size=1).map(tuple),
    tool_choice=_json,
    response_format=st.none() | _mapping,
    seed=st.none() | st.integers(min_value=0, max_value=2**31 - 1),
    repeat=st.integers(min_value=0, max_value=9),
    turn=st.integers(min_value=0, max_value=9),
)


def decisive(request: ChatRequest) -> dict[str, Any]:
    form = request.response_format
    return {
        "v": 1,
        **SIDES,
        "system": request.system,
        "params": dict(request.params),
        "messages": [message_values(message) for message in request.messages],
        "tools": [dict(tool) for tool in request.tools],
        "tool_choice": request.tool_choice,
        "response_format": form and dict(form),
        "seed": request.seed,
        "repeat": request.repeat,
        "turn": request.turn,
    }


@given(st.lists(_request, min_size=1, max_size=3), st.data())
def test_request_keys__gives_the_digest_of_all_that_decides(
    requests: list[ChatRequest], data: st.DataObject
):
    keys = RequestKeys(**SIDES)
    for request in requests:
        similar = replace(request, seed=1, messages=data.draw(st.lists(_message).map(tuple)))
        for each in (request, similar, request):
            assert keys(each) == digest(decisive(each))


def test_request_keys__same_settings_in_another_order_are_the_same():
    keys = RequestKeys(**SIDES)
    messages = (Message(role="user", content="환불?"),)
    one = ChatRequest(messages=messages, params={"a": 1, "b": 2})
    other = ChatRequest(messages=messages, params={"b": 2, "a": 1})
    assert keys(one) == keys(other)
