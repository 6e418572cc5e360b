"""Traces as OTLP JSON lines, as SDKs and the Collector's file exporter write them; conversations are put together of spans."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import inf

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.generator.sources.base import (
    BadFileError,
    RawItem,
    Reason,
    Reject,
    SourceFile,
    excerpt,
    listed,
    numbered,
)
from lm_eval_so.generator.sources.json_file import read_jsonl
from lm_eval_so.generator.sources.json_values import BadJsonError, parse_strict, refuse_unwritable

_MOST_LINE = 1 << 24
"""Longest line in bytes: the Collector writes thousands of spans into one."""
_MOST_HELD = 50_000_000
_BEGINNING = re.compile(r'\s*\{\s*"resourceSpans"\s*:')
_ASKED = ("question", "query", "input", "message", "content")
_ANSWERED = ("answer", "output", "response", "result", "message", "content", "text")
_INNER = frozenset(
    {"LLM", "EMBEDDING", "RETRIEVER", "RERANKER", "TOOL", "GUARDRAIL", "EVALUATOR", "PROMPT"}
)
"""Kinds of spans in OpenInference whose input is not what the user wrote."""
_FLAT = (("llm.input_messages.", "llm.output_messages."), ("gen_ai.prompt.", "gen_ai.completion."))
"""Prefixes of attributes that hold a message in several: OpenInference, and GenAI as it was before 2025."""
_NAMES_SHOWN = 20
_BESIDE = 500
"""Characters that a trace takes beside its texts."""
_MOST_DOTS = 20
"""More than any name of an attribute has, and few enough to be nested."""

_Object = Mapping[str, JsonValue]
_Messages = list[JsonValue]


@dataclass(slots=True, kw_only=True)
class _Trace:
    """Findings in the spans of one trace, whatever their order."""

    id: str
    line: JsonValue
    start: float = inf
    conversation: str | None = None
    session: str | None = None
    top: tuple[tuple[bool, int, int, str], str, str] | None = None
    """Rank, question and answer of the span that tells what went in and out of the whole."""
    chat: tuple[tuple[int, str], str] | None = None
    """Rank of the chat that ended last, and its messages in and out as JSON, which takes a fifth of the memory."""
    names: dict[str, None] = field(default_factory=dict)
    """Names of attributes, until there is a question."""

    def add(self, span: _Object) -> int:
        """Add a span, and return how many characters more are held."""
        before, attributes = self._size(), _attributes(span)
        start, end = _nanos(span.get("startTimeUnixNano")), _nanos(span.get("endTimeUnixNano"))
        span_id, has_parent = str(span.get("spanId")), bool(span.get("parentSpanId"))
        self.start = min(self.start, start)
        self.conversation = self.conversation or _text(attributes.get("gen_ai.conversation.id"))
        self.session = self.session or _text(attributes.get("session.id"))
        question = _said(attributes.get("input.value"), _ASKED)
        kind = _text(attributes.get("openinference.span.kind"))
        if question and not (has_parent and kind in _INNER):
            rank = (has_parent, start, -end, span_id)
            if self.top is None or rank < self.top[0]:
                self.top = rank, question, _said(attributes.get("output.value"), _ANSWERED) or ""
        asked, answered = _chat(attributes)
        if asked and (self.chat is None or (end, span_id) > self.chat[0]):
            self.chat = (end, span_id), dump_line([asked, answered])
        if self.top or self.chat:
            self.names.clear()
        elif len(self.names) < _NAMES_SHOWN:
            self.names |= dict.fromkeys(attributes)
        return self._size() - before

    def _size(self) -> int:
        whole = len(self.top[1]) + len(self.top[2]) if self.top else 0
        return whole + (len(self.chat[1]) if self.chat else 0)

    @property
    def messages(self) -> _Messages:
        """Messages of the trace; empty if there is no question in it."""
        asked, answered = json.loads(self.chat[1]) if self.chat else ([], [])
        if self.top is None:
            return [*asked, *answered]
        _, question, answer = self.top
        said = [{"role": "assistant", "content": answer}] if answer else answered
        return [{"role": "user", "content": question}, *said]


def is_otlp(text: str) -> bool:
    """Return whether the beginning of a text is that of traces."""
    return _BEGINNING.match(text) is not None


def read_otlp(
    file: SourceFile, options: SourceSection, /, *, most: int = _MOST_HELD
) -> Iterator[RawItem | Reject]:
    """Read traces: a record for each conversation, with its `messages` and its `id`.

    Traces of one session are one conversation. Its `id` is that of the session, else of the trace. Spans
    with an error, and lines of logs and metrics, are blank records, so they count as skipped. More than
    `most` characters of conversations are an error, since they are held in memory until the file ends.
    """
    traces: dict[str, _Trace] = {}
    left_out: list[RawItem | Reject] = []
    has_spans, held = False, 0
    for item in read_jsonl(file, options, most=_MOST_LINE):
        if isinstance(item, Reject):
            left_out.append(item)
            continue
        spans = [*_spans(item.payload)]
        has_spans |= bool(spans)
        good = [span for span in spans if not _is_error(span)]
        blank = replace(item, payload={})
        left_out += [blank] * (len(spans) - len(good) if spans else 1)
        for span in good:
            trace_id = str(span.get("traceId"))
            if trace_id not in traces:
                traces[trace_id] = _Trace(id=trace_id, line=item.at["line"])
                held += _BESIDE
            held += traces[trace_id].add(span)
        if held > most:
            what = f"its conversations have more than {most:,} characters"
            raise BadFileError(Reason.TOO_LARGE, what, "split the file, for example by days")
    if not has_spans:
        what = "no line holds spans (resourceSpans)"
        hint = "write traces by an exporter of OTLP as JSON, and no logs and metrics alone"
        raise BadFileError(Reason.UNREADABLE, what, hint)
    yield from numbered(chain(left_out, _conversations(file, traces.values())))


def _spans(line: _Object) -> Iterator[_Object]:
    for resource in _objects(line.get("resourceSpans")):
        for scope in _objects(resource.get("scopeSpans")):
            yield from _objects(scope.get("spans"))


def _is_error(span: _Object) -> bool:
    status = span.get("status")
    return isinstance(status, dict) and status.get("code") in (2, "STATUS_CODE_ERROR")


def _conversations(file: SourceFile, traces: Iterable[_Trace]) -> Iterator[RawItem | Reject]:
    sessions: dict[tuple[bool, str], list[_Trace]] = {}
    for trace in traces:
        session = trace.conversation or trace.session
        sessions.setdefault((session is not None, session or trace.id), []).append(trace)
    for (_, name), members in sessions.items():
        said: _Messages = []
        for trace in sorted(members, key=lambda each: (each.start, each.id)):
            if new := trace.messages:
                said = _joined(said, new)
            else:
                hint = f"attributes: {excerpt(listed([*trace.names][:_NAMES_SHOWN]))}"
                what = "no span of the trace holds a question"
                error = BadFileError(Reason.NO_USER_TURN, what, hint)
                yield error.reject(file, {"line": trace.line, "trace": excerpt(trace.id)})
        if said:
            first = next(each for each in members if each.messages)
            at = {"line": first.line, "trace": first.id}
            yield RawItem(file=file, at=at, payload={"id": name, "messages": said})


def _joined(said: _Messages, new: _Messages) -> _Messages:
    """Return a conversation with the messages of its next trace, which may repeat all that was said before."""
    asks = [number for number, each in enumerate(new) if _is_users(each)]
    if len(asks) > sum(map(_is_users, said)):
        return new
    return said + new[asks[-1] if asks else 0 :]


def _said(value: JsonValue, keys: Sequence[str]) -> str | None:
    """Return a text; of JSON the text under the first of some keys."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[", '"')):
        parsed = _json(value)
        value = value if parsed is None else parsed
    while isinstance(value, dict):
        value = next((value[key] for key in keys if value.get(key)), None)
    return _text(value)


def _chat(attributes: _Object) -> tuple[_Messages, _Messages]:
    """Return the messages that a span says went into a model, and those that came out."""
    asked, answered = (
        _of_parts(attributes.get(f"gen_ai.{way}.messages")) for way in ("input", "output")
    )
    for ins, outs in _FLAT if not asked else ():
        asked, answered = _of_prefix(attributes, ins), _of_prefix(attributes, outs)
        if asked:
            break
    return asked, answered


def _of_parts(value: JsonValue) -> _Messages:
    """Return messages that are made of parts, a list or its JSON."""
    found: _Messages = []
    for each in _objects(_json(value) if isinstance(value, str) else value):
        parts = _objects(each.get("parts"))
        content, calls = _Messages(), _Messages()
        for part in parts:
            match part.get("type"):
                case "tool_call_response":
                    result = part.get("response", part.get("result"))
                    said = result if isinstance(result, str) else dump_line(result)
                    found.append({"role": "tool", "tool_call_id": part.get("id"), "content": said})
                case "tool_call":
                    calls.append(part)
                case "text":
                    content.append({"type": "text", "text": part.get("content")})
                case "reasoning":
                    pass
                case _:
                    content.append(part)
        if content or calls or not parts:
            whole = content if parts else each.get("content")
            found.append({"role": each.get("role"), "content": whole, "tool_calls": calls})
    return found


def _of_prefix(attributes: _Object, prefix: str) -> _Messages:
    """Return messages that are spread over attributes, as `PREFIX0.message.role`."""
    tree: dict[str, JsonValue] = {}
    for name, value in attributes.items():
        if name.startswith(prefix) and name.count(".") < _MOST_DOTS:
            *steps, last = name.removeprefix(prefix).split(".")
            branch = tree
            for step in steps:
                inner = branch.setdefault(step, {})
                branch = inner if isinstance(inner, dict) else {}
            branch[last] = value
    return [_unwrapped(each) for each in _numbered(tree)]


def _unwrapped(value: JsonValue) -> dict[str, JsonValue]:
    message = _inner(value, "message")
    parts: _Messages = [
        _inner(each, "message_content") for each in _numbered(message.get("contents"))
    ]
    calls: _Messages = [_inner(each, "tool_call") for each in _numbered(message.get("tool_calls"))]
    content = message.get("content")
    return {
        **message,
        "content": parts if content is None and parts else content,
        "tool_calls": calls,
    }


def _inner(value: JsonValue, name: str) -> dict[str, JsonValue]:
    outer = value if isinstance(value, dict) else {}
    inner = outer.get(name)
    return inner if isinstance(inner, dict) else outer


def _numbered(value: JsonValue) -> list[JsonValue]:
    """Return the values under 0, 1, 2, … in this order."""
    tree = value if isinstance(value, dict) else {}
    numbers = [key for key in tree if key.isascii() and key.isdecimal()]
    return [tree[key] for key in sorted(numbers, key=lambda key: (len(key), key))]


def _attributes(span: _Object, key: str = "attributes") -> dict[str, JsonValue]:
    return {str(each.get("key")): _value(each.get("value")) for each in _objects(span.get(key))}


def _value(value: JsonValue) -> JsonValue:
    """Return the JSON value of a value of an attribute."""
    if not isinstance(value, dict):
        return None
    if isinstance(array := value.get("arrayValue"), dict):
        return [_value(each) for each in _objects(array.get("values"))]
    if isinstance(pairs := value.get("kvlistValue"), dict):
        return _attributes(pairs, "values")
    return next(iter(value.values()), None)


def _objects(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: JsonValue) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None


def _json(text: str) -> JsonValue:
    try:
        value = parse_strict(text)
        refuse_unwritable(value)
    except BadJsonError:
        return None
    return value


def _nanos(value: JsonValue) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _is_users(message: JsonValue) -> bool:
    return isinstance(message, dict) and message.get("role") == "user"
