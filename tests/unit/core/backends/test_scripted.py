import json
import unicodedata
from pathlib import Path

import pytest

from lm_eval_so.core.backends.base import BackendEnv
from lm_eval_so.core.backends.scripted import ScriptedBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall
from lm_eval_so.errors import BackendError, ErrorKind


async def ask(backend: ScriptedBackend, text: str = "hi", sample_id: str = "q1") -> ChatResponse:
    messages = (Message(role="user", content=text),)
    return await backend.send(ChatRequest(messages=messages, sample_id=sample_id))


def make(folder: Path = Path(), **options: object) -> ScriptedBackend:
    return ScriptedBackend(
        options=ScriptedBackend.Options.model_validate(options), env=BackendEnv(folder=folder)
    )


@pytest.mark.parametrize(
    ("match", "key"), [("id", "q1"), ("text", "환불은 며칠?"), ("regex", "환불.*며칠")]
)
async def test_send__finds_the_answer(match: str, key: str):
    backend = make(answers={key: "3일"}, match=match)
    assert (await ask(backend, "환불은 며칠?")).text == "3일"


@pytest.mark.parametrize("match", ["text", "regex"])
async def test_send__decomposed_korean_is_the_same_text(match: str):
    backend = make(answers={unicodedata.normalize("NFC", "환불"): "3일"}, match=match)
    assert (await ask(backend, unicodedata.normalize("NFD", "환불"))).text == "3일"


async def test_send__rows_of_a_file(tmp_path: Path):
    rows = [
        {"sample_id": "q1", "text": "3일"},
        {"sample_id": "q2", "tool_calls": [{"name": "find", "arguments": "{}"}]},
        {"sample_id": "q3", "error": {"kind": "rate_limit", "retry_after_s": 2}},
        {"sample_id": "q4", "refusal": "안 됩니다"},
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines), encoding="utf-8")
    backend = make(tmp_path, answers="answers.jsonl")
    assert list(backend.check()) == []
    assert (await ask(backend)).text == "3일"
    assert (await ask(backend, sample_id="q2")).tool_calls == (
        ToolCall(name="find", arguments="{}"),
    )
    assert (await ask(backend, sample_id="q4")).refusal == "안 됩니다"
    with pytest.raises(BackendError) as failed:
        await ask(backend, sample_id="q3")
    error = failed.value
    assert (error.kind, error.retryable, error.retry_after_s) == (ErrorKind.RATE_LIMIT, True, 2)


@pytest.mark.parametrize(("default", "text"), [("echo", "가"), ("모르겠습니다", "모르겠습니다")])
async def test_send__default(default: str, text: str):
    assert (await ask(make(default=default), "가")).text == text


async def test_send__nothing_written_is_not_found():
    with pytest.raises(BackendError) as failed:
        await ask(make())
    assert failed.value.kind is ErrorKind.NOT_FOUND


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ('{"sample_id": "q1"}', "give one of text"),
        ('{"sample_id": "q1", "txt": "x"}', "extra inputs are not permitted"),
        ('{"input": "x", "text": "y"}', 'a row has no "sample_id"'),
        ('{"sample_id": "q1", "text": ', "no JSON"),
    ],
)
def test_check__names_the_line(tmp_path: Path, row: str, what: str):
    (tmp_path / "a.jsonl").write_text(f'{{"sample_id": "q0", "text": "x"}}\n{row}\n')
    problem = next(iter(make(tmp_path, answers="a.jsonl").check()))
    assert what in problem.what
    assert "2" in f"{problem.where} {problem.what}"


def test_check__missing_file(tmp_path: Path):
    assert "no such file" in next(iter(make(tmp_path, answers="a.jsonl").check())).what


def test_check__bad_pattern():
    problem = next(iter(make(answers={"(": "x"}, match="regex").check()))
    assert "no regular expression" in problem.what


def test_reach__changes_with_the_answers(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text('{"sample_id": "q0", "text": "x"}')
    before = make(tmp_path, answers="a.jsonl").reach()
    (tmp_path / "a.jsonl").write_text('{"sample_id": "q0", "text": "y"}')
    assert make(tmp_path, answers="a.jsonl").reach() != before


async def test_send__answers_of_a_conversation_by_their_number():
    turns = ["번호는?", {"error": {"kind": "server"}}, {"text": "3일", "finish_reason": "length"}]
    backend = make(answers={"q1": {"turns": turns}})
    assert list(backend.check()) == []

    async def at(turn: int) -> ChatResponse:
        messages = (Message(role="user", content="취소요"),)
        return await backend.send(ChatRequest(messages=messages, sample_id="q1", turn=turn))

    assert (await at(0)).text == "번호는?"
    with pytest.raises(BackendError):
        await at(1)
    assert ((await at(2)).text, (await at(2)).finish_reason) == ("3일", "length")
    with pytest.raises(BackendError, match="no answer is written"):
        await at(3)


@pytest.mark.parametrize("row", [{"text": "a", "turns": ["b"]}, {"turns": [{}]}, {"turns": []}, {}])
def test_check__row_says_one_thing(row: dict):
    problems = list(make(answers={"q1": row}).check())
    assert [p.what for p in problems] == ["give one of text, tool_calls, refusal, error or turns"]
