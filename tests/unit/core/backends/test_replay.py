from dataclasses import replace
from pathlib import Path

import pytest

from lm_eval_so.core.backends.replay import ReplayBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Message, ToolCall, Usage
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Response, RunResult, Turn
from lm_eval_so.errors import BackendError, ErrorKind


def write_run(folder: Path, *rows: RunResult) -> Path:
    lines = "".join(dumps(row) + "\n" for row in rows)
    (folder / "run_results.jsonl").write_text(lines, encoding="utf-8")
    return folder


def row(sample_id: str, text: str | None = "3일", **fields: object) -> RunResult:
    given = {"sample_hash": "h", "status": RunStatus.OK, **fields}
    response = None if text is None else Response(text=text, finish_reason="stop")
    return RunResult(sample_id=sample_id, response=response, **given)


async def ask(
    path: Path, sample_id: str = "q1", *, repeat: int = 0, sample_hash: str = "h"
) -> ChatResponse:
    backend = ReplayBackend(options=ReplayBackend.Options(run=path))
    metadata = {"sample_hash": sample_hash}
    request = ChatRequest(messages=(), sample_id=sample_id, repeat=repeat, metadata=metadata)
    return await backend.send(request)


async def test_send__recorded_latency_usage_and_status(tmp_path: Path):
    usage = Usage(input_tokens=3)
    recorded = row(
        "q1", status=RunStatus.TRUNCATED, usage=usage, latency_ms=12.5, ttft_ms=3.0, model="m"
    )
    response = await ask(write_run(tmp_path, recorded))
    assert response.text == "3일"
    assert response.status is RunStatus.TRUNCATED
    assert (response.usage, response.latency_ms, response.ttft_ms) == (usage, 12.5, 3.0)
    assert response.model == "m"


async def test_send__last_row_and_its_repeat_count(tmp_path: Path):
    folder = write_run(tmp_path, row("q1", "가"), row("q1", "나", repeat=1), row("q1", "다"))
    assert (await ask(folder)).text == "다"
    assert (await ask(folder / "run_results.jsonl", repeat=1)).text == "나"


@pytest.mark.parametrize(("sample_id", "sample_hash"), [("q2", "h"), ("q1", "other")])
async def test_send__other_or_changed_sample_is_not_found(
    tmp_path: Path, sample_id: str, sample_hash: str
):
    with pytest.raises(BackendError) as failed:
        await ask(write_run(tmp_path, row("q1")), sample_id, sample_hash=sample_hash)
    assert failed.value.kind is ErrorKind.NOT_FOUND


async def test_send__recorded_error_stays_one(tmp_path: Path):
    error = ErrorInfo(kind=ErrorKind.SERVER, message="boom", http_status=500)
    recorded = row("q1", None, status=RunStatus.ERROR, error=error)
    with pytest.raises(BackendError) as failed:
        await ask(write_run(tmp_path, recorded))
    assert (failed.value.kind, failed.value.retryable) == (ErrorKind.SERVER, False)


async def test_send__plain_answers_from_anywhere(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    lines = ['{"id": "q1", "answer": "사흘"}', "", '{"id": "q1", "answer": null, "repeat": 1}']
    path.write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    assert (await ask(path)).text == "사흘"
    with pytest.raises(BackendError) as failed:
        await ask(path, repeat=1)
    assert failed.value.kind is ErrorKind.NOT_FOUND


def test_check__every_bad_line(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "q1"}\n{"id": "q2", "answer": "x"}\nnope\n')
    backend = ReplayBackend(options=ReplayBackend.Options(run=path))
    assert [p.where.line for p in backend.check() if p.where] == [1, 3]


def test_check__missing_folder(tmp_path: Path):
    backend = ReplayBackend(options=ReplayBackend.Options(run=tmp_path / "nope"))
    assert "no recorded answers" in next(iter(backend.check())).what


@pytest.mark.parametrize(("on_missing", "skips"), [("skip", True), ("error", False)])
def test_skips__only_where_it_is_asked_for(tmp_path: Path, on_missing: str, skips: bool):
    options = ReplayBackend.Options(run=write_run(tmp_path, row("q1")), on_missing=on_missing)
    backend = ReplayBackend(options=options)
    assert backend.skips("q2", "h", 0) is skips
    assert not backend.skips("q1", "h", 0)


def talk(*texts: str) -> tuple[Message, ...]:
    roles = ("user", "assistant")
    return tuple(Message(role=roles[n % 2], content=text) for n, text in enumerate(texts))


async def ask_after(path: Path, *messages: Message) -> ChatResponse:
    backend = ReplayBackend(options=ReplayBackend.Options(run=path))
    return await backend.send(ChatRequest(messages=messages, sample_id="s"))


async def test_send__each_turn_of_a_conversation(tmp_path: Path):
    turns = (
        Turn(user="취소요", text="번호는?", status=RunStatus.TRUNCATED, latency_ms=5.0),
        Turn(user="네", text="3일", status=RunStatus.OK, usage=Usage(input_tokens=9)),
    )
    said = Response(text="3일", messages=talk("취소요", "번호는?", "네", "3일"), refusal="r")
    recorded = row("s", turns=turns, usage=Usage(input_tokens=12), latency_ms=7.0)
    folder = write_run(tmp_path, replace(recorded, response=said))
    first = await ask_after(folder, *talk("취소요"))
    assert (first.text, first.latency_ms, first.status) == ("번호는?", 5.0, RunStatus.TRUNCATED)
    assert first.refusal is None
    last = await ask_after(folder, *talk("취소요", "번호는?", "네"))
    assert (last.text, last.usage, last.refusal) == ("3일", Usage(input_tokens=9), "r")
    with pytest.raises(BackendError, match="no further answer"):
        await ask_after(folder, *talk("취소요", "번호는?", "네", "3일", "더"))


async def test_send__rounds_of_tools_are_told_once(tmp_path: Path):
    call = ToolCall(id="c", name="weather", arguments="{}")
    asked = Message(role="assistant", tool_calls=(call,))
    result = Message(role="tool", tool_call_id="c", content="3")
    messages = (*talk("날씨?"), asked, result, Message(role="assistant", content="3도"))
    said = Response(text="3도", messages=messages, tool_calls=(call,), finish_reason="stop")
    recorded = row("s", usage=Usage(input_tokens=9), latency_ms=7.0)
    folder = write_run(tmp_path, replace(recorded, response=said))
    first = await ask_after(folder, *talk("날씨?"))
    assert (first.tool_calls, first.finish_reason) == ((call,), "tool_calls")
    assert (first.usage, first.latency_ms) == (Usage(input_tokens=0), 0.0)
    last = await ask_after(folder, *talk("날씨?"), asked, result)
    assert (last.text, last.tool_calls, last.finish_reason) == ("3도", (), "stop")
    assert (last.usage, last.latency_ms) == (Usage(input_tokens=9), 7.0)


async def test_send__failed_conversation_fails_where_it_did(tmp_path: Path):
    turns = (
        Turn(user="취소요", text="번호는?", status=RunStatus.OK),
        Turn(user="네", status=RunStatus.TIMEOUT),
    )
    error = ErrorInfo(kind=ErrorKind.TIMEOUT, message="no answer within 60 s")
    recorded = row("s", None, status=RunStatus.TIMEOUT, turns=turns, error=error)
    folder = write_run(tmp_path, recorded)
    assert (await ask_after(folder, *talk("취소요"))).text == "번호는?"
    with pytest.raises(BackendError) as failed:
        await ask_after(folder, *talk("취소요", "번호는?", "네"))
    assert failed.value.kind is ErrorKind.TIMEOUT


def plain(folder: Path, *lines: str) -> Path:
    path = folder / "answers.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


KNOWN = (
    '{"id": "q1", "answer": "3일입니다", "context": ["환불은 3일"], "context_ids": ["d1", "d2"],'
    ' "tool_calls": [{"name": "find", "arguments": "{\\"q\\": \\"환불\\"}"}], "refusal": null,'
    ' "finish_reason": "length", "usage": {"input_tokens": 9}, "model": "m", "question": "며칠?"}'
)
CALL = ToolCall(name="find", arguments='{"q": "환불"}')


async def test_send__plain_answers_keep_what_is_known_of_them(tmp_path: Path):
    assert await ask(plain(tmp_path, KNOWN)) == ChatResponse(
        text="3일입니다",
        context=("환불은 3일",),
        context_ids=("d1", "d2"),
        tool_calls=(CALL,),
        finish_reason="length",
        usage=Usage(input_tokens=9),
        model="m",
    )


async def test_send__plain_answers__once_its_calls_are_answered_the_text_is_left(tmp_path: Path):
    result = Message(role="tool", tool_call_id="call_0", content="3")
    asked = Message(role="assistant", tool_calls=(CALL,))
    backend = ReplayBackend(options=ReplayBackend.Options(run=plain(tmp_path, KNOWN)))
    request = ChatRequest(messages=(*talk("며칠?"), asked, result), sample_id="q1")
    response = await backend.send(request)
    assert (response.text, response.tool_calls) == ("3일입니다", ())
    assert response.usage == Usage(input_tokens=0)


@pytest.mark.parametrize(
    ("given", "text"),
    [('"tool_calls": [{"name": "find"}]', ""), ('"refusal": "안 됩니다"', "")],
)
async def test_send__plain_answers__calls_or_a_refusal_are_an_answer(
    tmp_path: Path, given: str, text: str
):
    response = await ask(plain(tmp_path, f'{{"id": "q1", "answer": null, {given}}}'))
    assert response.text == text
    assert response.tool_calls or response.refusal


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ('"context_ids": "d1"', "context_ids"),
        ('"context_ids": [1]', "context_ids[0]"),
        ('"context": [{"text": "a"}]', "context[0]"),
        ('"tool_calls": [{"name": "find", "arguments": {"q": 1}}]', "tool_calls[0].arguments"),
        ('"tool_calls": [{"function": {"name": "find"}}]', "tool_calls[0].name"),
        ('"usage": {"input_tokens": "many"}', "usage.input_tokens"),
        ('"repeat": "first"', "repeat"),
    ],
)
def test_check__a_wrong_shape_is_told_with_its_line_and_key(tmp_path: Path, given: str, key: str):
    path = plain(tmp_path, '{"id": "q0", "answer": "x"}', f'{{"id": "q1", "answer": "x", {given}}}')
    (problem,) = ReplayBackend(options=ReplayBackend.Options(run=path)).check()
    assert problem.where is not None
    assert (problem.where.file, problem.where.line, problem.where.key) == (str(path), 2, key)
