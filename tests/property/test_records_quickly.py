"""The quick ways over a record give, byte for byte, what the plain ones give."""

import json
import math
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.hashing import (
    _given,
    _judged,
    canon,
    digest,
    revision,
    row_u64,
    sample_hash,
    sorted_u64,
    u64,
)
from lm_eval_so.core.records.chat import Message, ToolCall, Usage
from lm_eval_so.core.records.codec import dump_row, dumps, load_row, loads, to_json
from lm_eval_so.core.records.enums import Behavior, RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Response, Retry, RunResult, SimulatorUse, Turn
from lm_eval_so.core.records.sample import Passage, Relation, TestSample
from lm_eval_so.errors import ErrorKind, RecordError

KOREAN = st.sampled_from(["환불", "\u1112\u116a\u11ab", "café", "cafe\u0301"])  # NFC and NFD
TEXTS = (
    st.text(max_size=20) | KOREAN | st.text('e-0.19NaInfty\u2028\u2029\x85\x7f"\\/', max_size=12)
)
NUMBERS = (
    st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1e-5, 0.0])
)
TOKENS = st.none() | st.integers(0, 10**9)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
USAGE = st.builds(Usage, input_tokens=TOKENS, output_tokens=TOKENS, cached_tokens=TOKENS)
CALLS = st.lists(
    st.builds(ToolCall, id=st.none() | TEXTS, name=TEXTS, arguments=TEXTS), max_size=2
).map(tuple)
ROWS = st.builds(
    RunResult,
    sample_id=TEXTS,
    sample_hash=TEXTS,
    repeat=st.integers(0, 3),
    status=st.sampled_from(RunStatus),
    response=st.none()
    | st.builds(
        Response,
        text=TEXTS,
        tool_calls=CALLS,
        finish_reason=st.none() | TEXTS,
        context=st.lists(TEXTS, max_size=2).map(tuple),
        logprobs=st.none() | JSON,
        raw=st.none() | JSON,
    ),
    usage=USAGE,
    cost_usd=NUMBERS,
    latency_ms=NUMBERS,
    total_ms=NUMBERS,
    retries=st.lists(
        st.builds(Retry, kind=st.sampled_from(ErrorKind), wait_ms=st.floats(0, 1e9)), max_size=2
    ).map(tuple),
    error=st.none()
    | st.builds(ErrorInfo, kind=st.sampled_from(ErrorKind), message=TEXTS, details=OBJECTS),
    seed=st.none() | st.integers(0, 2**31 - 1),
    turns=st.lists(
        st.builds(Turn, user=TEXTS, status=st.sampled_from(RunStatus), cost_usd=NUMBERS), max_size=2
    ).map(tuple),
    simulator=st.none() | st.builds(SimulatorUse, usage=USAGE, cost_usd=NUMBERS),
)


MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=TEXTS | st.text(st.characters(categories=["Cs"]), max_size=1),
    tool_calls=st.just(()) | CALLS,
    tool_call_id=st.none() | TEXTS,
)
SAMPLES = st.builds(
    TestSample,
    id=TEXTS,
    messages=st.lists(MESSAGES, max_size=3).map(tuple),
    system=st.none() | TEXTS,
    tools=st.lists(OBJECTS, max_size=1).map(tuple),
    context=st.lists(
        st.builds(Passage, role=st.sampled_from(["given", "gold"]), text=TEXTS), max_size=1
    ).map(tuple),
    expected=st.none() | TEXTS,
    references=st.lists(TEXTS, max_size=2).map(tuple),
    behavior=st.sampled_from(Behavior),
    language=st.none() | TEXTS,
    metrics=st.dictionaries(TEXTS, OBJECTS, max_size=2),
    relation=st.none() | st.builds(Relation, base=TEXTS, type=TEXTS, expect=st.just("same")),
)


@given(ROWS)
def test_dump_row__same_bytes_as_json_would_write(row: RunResult):
    assert dump_row(row) == dumps(row)
    assert len(dump_row(row).splitlines()) == 1


@given(ROWS)
def test_load_row__same_row_as_the_strict_way(row: RunResult):
    line = (dumps(row) + "\n").encode()
    strict = loads(line, RunResult)
    quick = load_row(line)
    assert quick == strict or (quick is None and (b"NaN" in line or b"Infinity" in line))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", ["cost_usd", "raw", "details"])
def test_dump_row__refuses_what_json_has_not(place: str, number: float):
    values: dict[str, Any] = {"sample_id": "a", "sample_hash": "h", "status": RunStatus.OK}
    if place == "cost_usd":
        values["cost_usd"] = number
    elif place == "raw":
        values["response"] = Response(raw={"score": number})
    else:
        values["error"] = ErrorInfo(kind=ErrorKind.SERVER, message="", details={"score": number})
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_row(RunResult(**values))


@pytest.mark.parametrize(
    "line",
    [
        b'{"sample_id": "a", "sample_hash": "h", "status": "ok", "cost_usd": NaN}',
        b'{"sample_id": "a", "sample_hash": "h"}',
        b'{"sample_id": "a", "sample_hash": "h", "status": "ok", "schema": "lm-eval-so/run/2"}',
        b'{"sample_id": "a',
    ],
)
def test_load_row__leaves_what_is_wrong_to_the_strict_way(line: bytes):
    assert load_row(line) is None
    with pytest.raises(RecordError):
        loads(line, RunResult)


@given(SAMPLES)
def test_sample_hash__texts_alone_give_the_digest_of_the_whole_way(sample: TestSample):
    assert sample_hash(sample) == digest(_given(sample))


@given(SAMPLES)
def test_revision__plain_messages_give_the_digest_of_the_whole_way(sample: TestSample):
    assert revision(sample) == digest(_judged(sample))[:16]


@given(st.lists(TEXTS | st.integers() | st.booleans() | st.none(), max_size=4))
def test_u64__is_of_the_canonical_list(parts: list[Any]):
    assert u64(*parts) == int.from_bytes(sha256(canon(parts)).digest()[:8], "big")


@given(TEXTS, TEXTS, st.integers(0))
def test_row_u64__is_u64_of_the_same(sample_id: str, sample_hash_: str, repeat: int):
    assert row_u64(sample_id, sample_hash_, repeat) == u64(sample_id, sample_hash_, repeat)


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_sorted_u64__is_sorted(values: list[int]):
    assert list(sorted_u64(values)) == sorted(values)


def test_rows_of_every_kind_are_written_whole():
    row = RunResult(sample_id="a", sample_hash="h", status=RunStatus.OK, cost_usd=1.2e-05)
    assert json.loads(dump_row(row)) == to_json(row)
    assert '"cost_usd":1.2e-05' in dump_row(row)
