import pytest

from lm_eval_so.core.backends.http.options import HttpOptions, ResponseSection, StatusSection
from lm_eval_so.core.backends.http.reading.mapping import ResponseMapping
from lm_eval_so.core.backends.http.reading.paths import compile_path, likely_path
from lm_eval_so.core.records.chat import ChatResponse, ToolCall
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.errors import BackendError


def read(values: object, *, status: dict[str, str] | None = None, **paths: object) -> ChatResponse:
    section = ResponseSection(**{"text": "answer", **paths})
    told = StatusSection(**(status or {}))
    options = HttpOptions(url="http://bot.invalid/", response=section, status=told)
    return ResponseMapping(options).read(values)


def test_read__everything():
    values = {
        "answer": "가",
        "docs": [{"id": 1, "text": "a"}, {"id": "b", "text": None}],
        "why": "stop",
        "m": "bot-1",
        "n": {"in": 12, "out": 0},
        "calls": [{"id": "c1", "name": "f", "arguments": {"a": "나"}}],
        "no": "",
        "thought": "흠",
    }
    response = read(
        values,
        context="docs[].text",
        context_ids="docs[].id",
        finish_reason="why",
        model="m",
        input_tokens="n.in",
        output_tokens="n.out",
        tool_calls="calls",
        refusal="no",
        reasoning="thought",
    )
    assert response.text == "가"
    assert (response.context, response.context_ids) == (("a",), ("1", "b"))
    assert (response.finish_reason, response.model) == ("stop", "bot-1")
    assert (response.usage.input_tokens, response.usage.output_tokens) == (12, 0)
    assert response.tool_calls == (ToolCall(id="c1", name="f", arguments='{"a": "나"}'),)
    assert (response.refusal, response.reasoning) == (None, "흠")


def test_read__what_is_not_told_is_null():
    response = read({"answer": "x"}, input_tokens="n.in", model="m", context="docs[].text")
    assert response == ChatResponse(text="x")


@pytest.mark.parametrize("tokens", [None, "12", -1, 1.5, True, {}, float("inf")])
def test_read__tokens_that_are_none(tokens: object):
    assert read({"answer": "x", "n": tokens}, input_tokens="n").usage.input_tokens is None


@pytest.mark.parametrize(
    ("answer", "text"),
    [("가", "가"), ("", ""), (["가", None, "나"], "가나"), (12, "12"), ([1.5, "a"], "1.5a")],
)
def test_read__text(answer: object, text: str):
    assert read({"answer": answer}).text == text


@pytest.mark.parametrize("answer", [{"text": "x"}, [{"text": "x"}], True, [[1]]])
def test_read__text_of_another_type(answer: object):
    with pytest.raises(BackendError, match=r"response\.text found .*, not a text"):
        read({"answer": answer})


def test_read__an_object_names_its_keys():
    with pytest.raises(BackendError) as failed:
        read({"answer": {"본문": "x", "b": 1}})
    assert failed.value.hint == "name a part of it: 본문, b"


@pytest.mark.parametrize("values", [{"answer": None}, {}, [], None, "x", 3])
def test_read__no_text(values: object):
    with pytest.raises(BackendError, match="found nothing; the response ") as failed:
        read(values)
    assert failed.value.details == {"option": "options.response.text"}


@pytest.mark.parametrize(
    ("path", "values", "is_silent"),
    [
        ("[].text", [], True),  # Rasa's bot that says nothing
        ("[0].text", [], True),
        ("answer", {"answer": []}, True),
        ("a.b[].text", {"a": {"b": []}}, True),
        ("a.b[].text", {"a": {}}, False),
        ("[].text", [{"image": "x.png"}], False),
        ("[].texts", [{"text": "x"}], False),
        ("[?who=='bot'].text", [{"who": "user", "text": "x"}], True),
        ("[?who=='bot'].texts", [{"who": "bot", "text": "x"}], False),
        ("turns[].parts[].text", {"turns": [{"parts": []}, {"parts": []}]}, True),
        ("turns[].part[].text", {"turns": [{"parts": []}]}, False),
        ("turns[-1].text | [0]", {"turns": []}, True),
        ("replies[].text", {"error": "busy", "replies": []}, False),
    ],
)
def test_read__an_empty_list_is_an_empty_answer(path: str, values: object, is_silent: bool):
    mapping = ResponseMapping(HttpOptions(url="http://a", response=ResponseSection(text=path)))
    if is_silent:
        assert mapping.read(values).text == ""
    else:
        with pytest.raises(BackendError, match="found nothing"):
            mapping.read(values)


def test_read__no_text_is_fine_beside_a_call_a_refusal_or_a_status():
    call = {"tools": [{"function": {"name": "f", "arguments": "{}"}}]}
    assert read(call, tool_calls="tools").tool_calls[0].name == "f"
    assert read({"no": "안 돼요"}, refusal="no").refusal == "안 돼요"
    assert read({"b": True}, status={"filtered": "b"}).status is RunStatus.FILTERED
    with pytest.raises(BackendError):
        read({"tools": []}, tool_calls="tools")


def test_read__keys_of_a_hostile_server_stay_on_one_line():
    with pytest.raises(BackendError) as failed:
        read({"a\n::error::b": 1, "k" * 500: 2, **{f"x{i}": i for i in range(50)}})
    assert "\n" not in failed.value.message
    assert len(failed.value.message) < 300


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_read__numbers_that_no_json_has(number: float):
    with pytest.raises(BackendError, match="found nothing") as failed:
        read({"n": number})
    assert failed.value.partial_text in {'{"n": NaN}', '{"n": Infinity}'}


def test_read__tool_calls_of_another_shape():
    with pytest.raises(BackendError, match=r"not a list of \{id, name, arguments\}"):
        read({"answer": "", "t": ["f"]}, tool_calls="t")


@pytest.mark.parametrize(
    ("path", "quoted"),
    [
        ("답변.텍스트", '"답변"."텍스트"'),
        ("답변[0].text || 'ㄱㄴ'", "\"답변\"[0].text || 'ㄱㄴ'"),
        ("x-answer", '"x-answer"'),
        ("items[?종류 == '답'].본문 | [0]", 'items[?"종류" == \'답\']."본문" | [0]'),
    ],
)
def test_compile_path__shows_the_quoted_form(path: str, quoted: str):
    with pytest.raises(ValueError, match="quoted") as failed:
        compile_path(path)
    assert f"write '{quoted}'" in str(failed.value)


def test_compile_path__a_function_that_meets_another_type_finds_nothing():
    assert compile_path("join(', ', a)")({"a": 3}) is None


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"답변": {"텍스트": "가"}, "sources": [{"text": "x"}]}, '"답변"."텍스트"'),
        ({"choices": [{"message": {"role": "assistant", "content": "가"}}]},
         "choices[0].message.content"),
        ({"id": "1", "long": "this is the longest"}, "long"),
        ({"n": 1}, None),
        ([], None),
    ],
)  # fmt: skip
def test_likely_path__finds_the_text(values: object, path: str | None):
    assert likely_path(values, "x") == path
    if path is not None:
        assert isinstance(compile_path(path)(values), str)


def test_likely_path__the_same_letters_in_the_other_unicode_form():
    composed, decomposed = "답변", "\u1103\u1161\u11b8\u1107\u1167\u11ab"
    values = {decomposed: "가", "answer": "나"}
    path = likely_path(values, f'"{composed}"')
    assert path is not None
    assert path.isascii()
    assert compile_path(path)(values) == "가"


def test_read__a_list_of_parts_names_their_keys():
    with pytest.raises(BackendError) as failed:
        read({"a": [{"type": "text", "text": "답"}]}, text="a")
    assert failed.value.hint == "put [] and a part of each behind it: type, text"


def test_likely_path__no_role_or_id():
    values = {"choices": [{"message": {"role": "assistant", "content": None}}], "id": "x"}
    assert likely_path(values, "choices[0].message.content") is None
