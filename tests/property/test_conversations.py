"""Chats and traces of any content: no line raises, none is lost, and no one who speaks is named."""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.load import make_config
from lm_eval_so.errors import CannotMeasure, InputError
from lm_eval_so.generator.generate import generate

STAMPS = st.sampled_from(
    [
        "[{}] [오후 3:21] ",
        "[{}] [3:21 PM] ",
        "2024. 3. 4. 오후 3:21, {} : ",
        "Mar 4, 2024, 3:21 PM, {} : ",
    ]
)
NAMES = ("김미소 상담원", "홍길동", "Dana Park")
TEXTS = st.text("환불은? 님[]:,.-0123오후\u202f\u200b\r", max_size=14) | st.sampled_from(
    [
        "사진",
        "홍길동님이 나갔습니다.",
        "김미소입니다",
        "2024. 13. 45. 오후 3:21, x : y",
        "[x] [오후 99:99] y",
    ]
)
MESSAGE = st.builds(
    lambda stamp, name, text: stamp.format(name) + text, STAMPS, st.sampled_from(NAMES), TEXTS
)
DAYS = st.sampled_from(
    ["", "--------------- 2024년 3월 4일 월요일 ---------------", "2024년 3월 5일 화요일"]
)

KEYS = st.sampled_from(
    ["resourceSpans", "scopeSpans", "spans", "attributes", "key", "value", "stringValue", "status", "code",
     "traceId", "startTimeUnixNano", "arrayValue", "kvlistValue", "values", "role", "parts", "type", "content",
     "messages", "conversations", "from", "tool_calls", "function", "name"]
)  # fmt: skip
LEAVES = st.sampled_from(
    ["user", "assistant", "tool", "text", "tool_call", "x", "", "9" * 30, '[{"role": "user"}]', '"\\ud800"', 2]
) | st.none() | st.booleans()  # fmt: skip
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["input.value", "output.value", "session.id", "gen_ai.input.messages", "gen_ai.output.messages",
         "gen_ai.prompt.0.role", "gen_ai.prompt.0.content", "gen_ai.prompt.0.content.x", "llm.input_messages.",
         "llm.input_messages.0.message.role", f"llm.input_messages.0.message.{'a.' * 2000}b", "llm.input_messages.0.message.contents.0", "openinference.span.kind"]
    ),
    st.fixed_dictionaries({"stringValue": LEAVES}) | JSON,
    max_size=6,
)  # fmt: skip
SPAN = st.builds(
    lambda trace, found, more: {
        "traceId": trace,
        "attributes": [{"key": key, "value": value} for key, value in found.items()],
        **more,
    },
    st.sampled_from(["a", "b", ""]),
    ATTRIBUTES,
    st.just({}) | st.dictionaries(KEYS, JSON, max_size=2),
)
TALK = st.builds(
    lambda key, messages: {key: messages},
    st.sampled_from(["messages", "conversations"]),
    st.lists(st.dictionaries(KEYS, LEAVES, max_size=3) | JSON, max_size=4) | JSON,
)


def written(name: str, text: str, **source: Any) -> str:
    """Return what `generate` writes; "" if there is nothing in a file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(text.encode())
        values = {
            "version": 1,
            "suite": "x",
            "dataset": {"path": "d"},
            "generator": {"sources": [{"id": "s", "path": name, **source}]},
        }
        try:
            made = generate(make_config(values, folder=Path(folder)), Resources())
        except (CannotMeasure, InputError) as error:
            return str(error)
        (counts,) = made.info.sources
        assert counts.records == counts.kept + counts.rejected + counts.skipped + counts.duplicates
        return "".join(path.read_text("utf-8") for path in made.files)


@settings(max_examples=40, deadline=None)
@given(st.lists(MESSAGE | DAYS | TEXTS, max_size=8), st.sampled_from(["last", "every", "scenario"]))
@example(["[김미소 상담원] [오후 3:21] 네", "Dana Park left."], "last")
def test_kakaotalk__no_line_raises_or_tells_a_name(lines: list[str], turns: str) -> None:
    found = written("chat.txt", "\n".join(lines), format="kakaotalk", staff=[NAMES[0]], turns=turns)
    for name in (*NAMES, "김미소"):
        spoke = any(f"[{name}]" in line or f" {name} : " in line for line in lines)
        assert name not in found or not (spoke or name == "김미소"), found


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(SPAN, max_size=3), min_size=1, max_size=4), JSON)
def test_otlp__no_span_raises(lines: list[Any], rest: Any) -> None:
    objects = [{"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]} for spans in lines]
    text = "".join(json.dumps(each) + "\n" for each in (*objects, {"resourceSpans": rest}))
    written("traces.jsonl", text)


@settings(max_examples=50, deadline=None)
@given(st.lists(TALK, max_size=4), st.sampled_from(["last", "first", "every", "scenario"]))
def test_conversations__no_message_raises(rows: list[Any], turns: str) -> None:
    written("chat.jsonl", "".join(json.dumps(row) + "\n" for row in rows), turns=turns)
