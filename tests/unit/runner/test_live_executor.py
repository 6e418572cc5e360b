"""A pass over the jobs: conversations that end, are forgotten, or are cut off."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest
from servers.runs import make, resources, rows, write_dataset

from lm_eval_so.core.backends.base import Capabilities, ChatBackend, backends
from lm_eval_so.core.events import Event, Warned
from lm_eval_so.core.records.chat import ChatRequest, ChatResponse
from lm_eval_so.errors import BackendError, CannotMeasure, ErrorKind, Interrupted
from lm_eval_so.runner.run import run

TURNS = [{"user": f"질문 {n}"} for n in "가나다"]


class Remembering(ChatBackend):
    """Keeps conversations by their session, and fails where a test says so."""

    capabilities = Capabilities(offline=True, stateful=True, priced=False)
    kept: ClassVar[dict[str, int]] = {}
    ended: ClassVar[list[str]] = []
    fails_on: ClassVar[str] = ""
    breaks_at_end: ClassVar[bool] = False
    stop: ClassVar[asyncio.Event | None] = None

    async def send(self, request: ChatRequest) -> ChatResponse:
        said = request.messages[-1].content
        count = self.kept[request.session] = self.kept.get(request.session, 0) + 1
        if self.stop is not None:
            self.stop.set()
        await asyncio.sleep(0.01)
        if said == self.fails_on:
            kind = ErrorKind.QUOTA if said == "한도" else ErrorKind.SERVER
            raise BackendError(kind, "no", retryable=False)
        return ChatResponse(text=f"{said} {count}번째 답", finish_reason="stop")

    async def end_session(self, session: str) -> None:
        del self.kept[session]
        self.ended.append(session)
        if self.breaks_at_end:
            raise RuntimeError("secret detail")


@pytest.fixture
def backend() -> type[Remembering]:
    Remembering.kept, Remembering.ended = {}, []
    Remembering.fails_on, Remembering.breaks_at_end, Remembering.stop = "", False, None
    if "test_remembering" not in backends.names():
        backends.register("test_remembering", Remembering)
    return Remembering


def section() -> dict[str, Any]:
    return {"name": "test_remembering", "label": "bot"}


async def test_run__every_conversation_is_ended_once(
    tmp_path: Path, backend: type[Remembering]
) -> None:
    backend.fails_on = "나쁜 질문"
    samples = [{"id": f"q{i}", "input": f"질문 {i}"} for i in range(8)]
    samples += [{"id": "s", "scenario": {"turns": TURNS}}, {"id": "x", "input": "나쁜 질문"}]
    write_dataset(tmp_path, samples)
    info = await run(make(tmp_path, section()), resources())
    assert info.counts == {"ok": 9, "error": 1}
    assert (len(backend.ended), len({*backend.ended}), backend.kept) == (10, 10, {})
    played = rows(tmp_path / "runs" / "bot")[8]
    assert [turn["text"] for turn in played["turns"]] == [
        "질문 가 1번째 답",
        "질문 나 2번째 답",
        "질문 다 3번째 답",
    ]


async def test_run__trouble_at_the_end_of_conversations_is_told_once(
    tmp_path: Path, backend: type[Remembering]
) -> None:
    backend.breaks_at_end = True
    write_dataset(tmp_path, 5)
    events: list[Event] = []
    info = await run(make(tmp_path, section()), resources(events))
    assert info.counts == {"ok": 5}
    told = [event.text for event in events if isinstance(event, Warned)]
    assert told == ["the backend cannot forget conversations: RuntimeError"]


async def test_run__what_ends_the_run_cuts_conversations_off(
    tmp_path: Path, backend: type[Remembering]
) -> None:
    backend.fails_on = "한도"
    samples = [{"id": "s", "scenario": {"turns": TURNS}}, {"id": "x", "input": "한도"}]
    write_dataset(tmp_path, samples)
    with pytest.raises(CannotMeasure):
        await run(make(tmp_path, section()), resources())
    assert not (tmp_path / "runs" / "bot" / "run_results.jsonl").is_file()
    assert (backend.kept, len(backend.ended)) == ({}, 2)


async def test_run__interrupted_conversation_is_forgotten_too(
    tmp_path: Path, backend: type[Remembering]
) -> None:
    write_dataset(tmp_path, [{"id": "s", "scenario": {"turns": TURNS * 10}}])
    given = resources()
    backend.stop = given.stop
    with pytest.raises(Interrupted):
        await run(make(tmp_path, section()), given)
    assert (backend.kept, len(backend.ended)) == ({}, 1)
    assert not (tmp_path / "runs" / "bot" / "run_results.jsonl").is_file()
