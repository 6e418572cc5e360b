"""Answers of programs, and files of a cache, may hold anything."""

from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.asking.cache.file import Kept, decode, encode
from lm_eval_so.core.backends.own_code.interface import response_of
from lm_eval_so.core.records.chat import ChatResponse, Usage
from lm_eval_so.core.records.codec import checked
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import BackendError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)
FIELDS = st.sampled_from(sorted(ChatResponse.__dataclass_fields__))


@given(JSON | st.dictionaries(FIELDS, JSON | st.floats()))
def test_response_of__an_answer_or_an_error_of_ours(values: object):
    try:
        response = response_of(values, source="bot")
    except BackendError as error:
        response = None
        told = error.message
    assert checked(response) == response if response else told.startswith("bot gave ")


@given(st.binary(max_size=200))
def test_decode__anything(data: bytes):
    decode(data)


@given(TEXTS, TEXTS, st.none() | st.integers(0, 2**40), st.sampled_from(RunStatus), JSON)
def test_encode__comes_back(
    text: str, reasoning: str, tokens: int | None, status: RunStatus, raw: object
):
    usage = Usage(input_tokens=tokens)
    response = ChatResponse(text=text, reasoning=reasoning, usage=usage, raw=raw)
    kept = Kept(status=status, response=response, latency_ms=1.5)
    assert decode(encode(kept)) == kept
