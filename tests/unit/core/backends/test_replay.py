from pathlib import Path

import pytest

from lm_eval_so.core.backends.replay import ReplayBackend
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse, Usage
from lm_eval_so.core.records.codec import dumps
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import ErrorInfo, Response, RunResult
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
