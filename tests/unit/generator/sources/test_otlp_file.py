import json
from functools import partial
from typing import Any

import pytest

from lm_eval_so.generator.sources.base import FileError
from lm_eval_so.generator.sources.otlp_file import is_otlp, read_otlp


def span(trace: str, number: int, parent: str = "", **attributes: Any) -> dict[str, Any]:
    return {
        "traceId": trace,
        "spanId": f"{number:016x}",
        "parentSpanId": parent,
        "startTimeUnixNano": str(number),
        "endTimeUnixNano": str(1000 + number),
        "attributes": [{"key": k.replace("__", "."), "value": v} for k, v in attributes.items()],
    }


def text(value: str) -> dict[str, str]:
    return {"stringValue": value}


def spoken(*said: tuple[str, str]) -> dict[str, str]:
    return text(
        json.dumps([{"role": r, "parts": [{"type": "text", "content": t}]} for r, t in said])
    )


def line(*spans: Any) -> str:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]})


def read(shop: Any, *lines: str, **options: Any) -> list[Any]:
    shop.write("traces.jsonl", "\n".join(lines) + "\n")
    return shop.read(partial(read_otlp, **options), "traces.jsonl")


def said(item: Any) -> list[tuple[str, str]]:
    def whole(content: Any) -> str:
        return content if isinstance(content, str) else "".join(part["text"] for part in content)

    return [(m["role"], whole(m["content"])) for m in item.payload["messages"]]


ASKED = spoken(("system", "짧게"), ("user", "자료: …\n환불은?"))
CHAT = {"gen_ai__input__messages": ASKED, "gen_ai__output__messages": spoken(("assistant", "3일"))}


def test_read_otlp__what_went_in_and_out_of_the_whole_comes_first(shop: Any) -> None:
    inner = span(
        "t", 3, "1", **CHAT, input__value=text("자료: …"), openinference__span__kind=text("LLM")
    )
    chain = span("t", 2, "1", input__value=text('{"query": {"message": "환불은?"}}'))
    nested = span("t", 3, "2", input__value=text("환불 기간"))
    web = span("t", 1)
    for order in ([inner, nested, chain, web], [web, chain, nested, inner]):
        (item,) = read(shop, *map(line, order))
        assert said(item) == [("user", "환불은?"), ("assistant", "3일")]
        assert item.payload["id"] == "t"
    (item,) = read(shop, line(web, inner))
    assert said(item) == [("system", "짧게"), ("user", "자료: …\n환불은?"), ("assistant", "3일")]


@pytest.mark.parametrize(
    ("value", "question"),
    [
        ("환불은?", "환불은?"),
        ('{"question": "환불은?", "input": "x"}', "환불은?"),
        ('"환불은?"', "환불은?"),
        ("{환불} 뜻이?", "{환불} 뜻이?"),
        ('{"question": "\\ud800"}', '{"question": "\\ud800"}'),
        ('{"messages": []}', None),
        ("[1, 2]", None),
        ("  ", None),
    ],
)
def test_read_otlp__the_question_in_an_input(shop: Any, value: str, question: str | None) -> None:
    (item,) = read(shop, line(span("t", 1, input__value=text(value))))
    assert (said(item) if question else item.reason) == (
        [("user", question)] if question else "no_user_turn"
    )


def test_read_otlp__the_chat_that_ended_last_counts(shop: Any) -> None:
    late = span("t", 2, gen_ai__input__messages=spoken(("user", "교환은?")))
    (item,) = read(shop, line(late), line(span("t", 1, **CHAT)))
    assert said(item) == [("user", "교환은?")]


@pytest.mark.parametrize("key", ["session__id", "gen_ai__conversation__id"])
def test_read_otlp__a_session_is_one_conversation_with_or_without_its_history(
    shop: Any, key: str
) -> None:
    def turn(number: int, *before: tuple[str, str]) -> str:
        asked = spoken(("system", "짧게"), *before, ("user", f"{number}?"))
        answered = spoken(("assistant", f"{number}."))
        more = {"gen_ai__input__messages": asked, "gen_ai__output__messages": answered}
        return line(span(f"t{number}", number, **{key: text("s")}, **more))

    whole = [
        ("system", "짧게"),
        ("user", "1?"),
        ("assistant", "1."),
        ("user", "2?"),
        ("assistant", "2."),
    ]
    (item,) = read(shop, turn(2), turn(1))
    assert said(item) == whole
    assert (item.payload["id"], item.at["line"]) == ("s", 1)
    (item,) = read(shop, turn(2, *whole[1:3]), turn(1))
    assert said(item) == whole


def test_read_otlp__messages_of_every_kind(shop: Any) -> None:
    def values(value: Any) -> Any:
        """Return a JSON value as an attribute may hold it."""
        if isinstance(value, list):
            return {"arrayValue": {"values": [values(each) for each in value]}}
        if isinstance(value, dict):
            pairs = [{"key": k, "value": values(v)} for k, v in value.items()]
            return {"kvlistValue": {"values": pairs}}
        return text(value)

    call = {"type": "tool_call", "id": "c", "name": "f", "arguments": '{"a":1}'}
    asked = [
        {"role": "user", "parts": [{"type": "text", "content": "?"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "음"}, call]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "3일"}]},
        {"role": "user", "parts": [{"type": "blob", "content": "x"}]},
    ]
    (item,) = read(shop, line(span("t", 1, gen_ai__input__messages=values(asked))))
    user, assistant, tool, picture = item.payload["messages"]
    assert user["content"] == [{"type": "text", "text": "?"}]
    assert assistant["tool_calls"] == [call]
    assert (tool["tool_call_id"], tool["content"]) == ("c", "3일")
    assert picture["content"] == [{"type": "blob", "content": "x"}]

    prefix = "llm__input_messages__0__message__"
    parts = {
        f"{prefix}role": text("user"),
        f"{prefix}contents__0__message_content__type": text("text"),
        f"{prefix}contents__0__message_content__text": text("?"),
    }
    (item,) = read(shop, line(span("t", 1, **parts)))
    assert item.payload["messages"][0]["content"] == [{"type": "text", "text": "?"}]


def test_read_otlp__what_is_left_out_is_counted(shop: Any) -> None:
    bad = {**span("t", 1, **CHAT), "status": {"code": 2}}
    items = read(shop, line(bad, span("u", 2, **CHAT)), "{", '{"resourceLogs": []}')
    assert [item.payload for item in items[:1]] == [{}]
    assert items[1].reason == "bad_json"
    assert items[2].payload == {}
    assert said(items[3])[-1] == ("assistant", "3일")
    assert [item.at["record"] for item in items] == [1, 2, 3, 4]


def test_read_otlp__values_of_no_known_type_cost_nothing(shop: Any) -> None:
    kind = {"arrayValue": {"values": [text("LLM")]}}
    odd = span("t", 1, "9", **CHAT, input__value=text("환불은?"), openinference__span__kind=kind)
    (item,) = read(shop, line({**odd, "status": {"code": [2]}}))
    assert said(item)[0] == ("user", "환불은?")


def test_read_otlp__a_file_of_something_else(shop: Any) -> None:
    (error,) = read(shop, '{"a": 1}')
    assert isinstance(error, FileError)
    assert error.what == "no line holds spans (resourceSpans)"
    assert is_otlp('\n { "resourceSpans": [')
    assert not is_otlp('{"a": "resourceSpans"}')


def test_read_otlp__too_many_conversations_for_memory(shop: Any) -> None:
    same = [line(span("t", number, **CHAT)) for number in range(20)]
    assert len(read(shop, *same, most=3000)) == 1  # of a trace only the last chat is held
    (error,) = read(shop, *(line(span(f"t{n}", n, **CHAT)) for n in range(20)), most=3000)
    assert (error.reason, error.hint) == ("too_large", "split the file, for example by days")


def test_read_otlp__a_long_line_of_the_collector(shop: Any) -> None:
    spans = [span(f"t{number}", number, **CHAT) for number in range(3000)]
    assert len(line(*spans)) > 1 << 20
    assert len(read(shop, line(*spans))) == 3000
