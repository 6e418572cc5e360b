"""However a stream is cut into chunks, the same answer comes out; whatever a server sends, no crash."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from itertools import pairwise

import jmespath
from hypothesis import given
from hypothesis import strategies as st

from lm_eval_so.core.backends.http.options import HttpOptions, ResponseSection, StreamSection
from lm_eval_so.core.backends.http.reading.mapping import ResponseMapping
from lm_eval_so.core.backends.http.reading.paths import compile_path
from lm_eval_so.core.backends.http.reading.stream import StreamMapping
from lm_eval_so.core.records.chat import ChatResponse
from lm_eval_so.core.templates.user import TemplateFault, UserTemplate
from lm_eval_so.errors import BackendError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PATHS = {
    "text": "a.b || a || b[0]",
    "context": "c[].t",
    "tool_calls": "d",
    "input_tokens": "e",
    "finish_reason": "f",
}
URL = "http://bot.invalid/"
MAPPING = ResponseMapping(HttpOptions(url=URL, response=ResponseSection(**PATHS)))


def answered(pieces: list[bytes], form: str, *, cumulative: bool | None = False) -> ChatResponse:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    section = StreamSection(
        format=form,
        delta="" if form == "text" else "d",
        done="" if form == "text" else "END",
        cumulative=cumulative,
    )
    reader = StreamMapping(section, ResponseMapping(HttpOptions(url=URL)))
    kind = "text/event-stream" if form == "sse" else "text/plain"
    read = reader.read(chunks(), {"content-type": kind}, began=0.0, keeps_raw=False)
    return asyncio.run(read)[0]


@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    st.lists(st.integers(0, 400), max_size=6),
    st.sampled_from(["sse", "ndjson", "text"]),
)
def test_stream__cuts_do_not_matter(deltas: list[str], cuts: list[int], form: str) -> None:
    if form == "text":
        whole = "".join(deltas).encode()
    else:
        before, after = ("data: ", "\n\n") if form == "sse" else ("", "\n")
        events = [json.dumps({"d": delta}, ensure_ascii=False) for delta in deltas]
        last = "END" if form == "sse" else '"END"'
        whole = "".join(f"{before}{each}{after}" for each in (*events, last)).encode()
        whole = whole.replace(b'"END"', b"END")
    places = sorted({0, *(cut % (len(whole) + 1) for cut in cuts), len(whole)})
    pieces = [whole[i:j] for i, j in pairwise(places)]
    assert answered(pieces or [b""], form).text == "".join(deltas)


def cut(whole: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, *(each % (len(whole) + 1) for each in cuts), len(whole)})
    return [whole[i:j] for i, j in pairwise(places)]


def stream_of(deltas: list[str]) -> bytes:
    events = [json.dumps({"d": delta}, ensure_ascii=False) for delta in deltas]
    return "".join(f"data: {each}\n\n" for each in (*events, "END")).encode()


CUTS = st.lists(st.integers(0, 400), max_size=6)


@given(st.lists(TEXTS, min_size=1, max_size=4), CUTS)
def test_stream__texts_so_far_come_to_the_last(deltas: list[str], cuts: list[int]) -> None:
    so_far = ["".join(deltas[: i + 1]) for i in range(len(deltas))]
    pieces = cut(stream_of(so_far), cuts)
    assert answered(pieces, "sse", cumulative=True).text == so_far[-1]


@given(st.lists(TEXTS, min_size=1, max_size=6), CUTS)
def test_stream__pieces_are_joined_unless_each_begins_with_the_one_before(
    deltas: list[str], cuts: list[int]
) -> None:
    said = [each for each in deltas if each]
    is_chain = len(said) > 2 and all(b.startswith(a) for a, b in pairwise(said))
    with suppress(BackendError) if is_chain else nullcontext():
        text = answered(cut(stream_of(deltas), cuts), "sse", cumulative=None).text
        assert text == "".join(deltas)


@given(JSON)
def test_mapping__any_json_is_an_answer_or_a_bad_response(values: object) -> None:
    for shape in (values, {"a": values, "c": values, "d": values, "e": values, "f": values}):
        with suppress(BackendError):
            response = MAPPING.read(shape)
            assert isinstance(response.text, str)
            assert all(isinstance(text, str) for text in response.context)


STEPS = st.sampled_from(["a", "b", "c", "[0]", "[-1]", "[1]"])


@given(
    st.lists(STEPS, min_size=1, max_size=4),
    st.recursive(
        st.none() | st.integers() | st.just(""),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
        max_leaves=12,
    ),
)
def test_path__plain_ones_find_what_jmespath_finds(steps: list[str], values: object) -> None:
    path = ".".join(steps).replace(".[", "[")
    assert compile_path(path)(values) == jmespath.search(path, values)


@given(TEXTS)
def test_template__any_source_is_a_text_or_a_fault(source: str) -> None:
    for each in (source, "{{ " + source + " }}", "{% " + source + " %}"):
        try:
            text = UserTemplate(each, known=("a",)).render({"a": "x"})
        except TemplateFault:
            continue
        assert isinstance(text, str)


@given(TEXTS)
def test_template__tojson_is_read_back(text: str) -> None:
    shown = UserTemplate("{{ a | tojson }}", known=("a",)).render({"a": text})
    assert json.loads(shown) == text
    assert "\\u" not in shown or any(ord(c) < 32 for c in text) or "\\u" in text
