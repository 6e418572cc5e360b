"""Requests collected for a batch service: files, and answers that the cache keeps."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from servers.batch_server import BatchServer, Line, echo
from servers.runs import endpoint, make, resources, write_dataset

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.asking.batch.collected import open_collected
from lm_eval_so.core.asking.batch.service import BatchLimits, BatchSettings
from lm_eval_so.core.asking.open import open_asker
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.errors import CannotMeasure, InputError


def requests(n: int) -> list[ChatRequest]:
    texts = (f"환불은 며칠? #{number}" for number in range(n))
    return [ChatRequest(messages=(Message(role="user", content=text),)) for text in texts]


async def ask(folder: Path, server: BatchServer, limits: BatchLimits) -> list[Answer]:
    """Ask 23 requests in two rounds, each twice."""
    config = make(folder, endpoint(server.url), run={"cache": "cache.sqlite"})
    shared, section = resources(), config.backend
    assert section is not None
    how = BatchSettings(run=config.run, stage="evaluate", limits=limits)
    async with (
        open_asker(section, config=config, resources=shared) as asker,
        open_collected(asker, folder / "log", shared, how) as collected,
    ):
        for _ in range(2):
            await collected.begin_round()
            answers = [await collected.ask(request) for request in requests(23) * 2]
            await collected.hand_over()
            await collected.read_all()
        assert collected.left == 0
        return answers


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        (BatchLimits(requests=5), [5, 5, 5, 5, 2]),
        (BatchLimits(size=900), [3] * 7 + [1]),
    ],
)
async def test_ask__as_many_files_as_it_takes(
    tmp_path: Path, limits: BatchLimits, sizes: list[int]
):
    write_dataset(tmp_path, 1)
    with BatchServer() as server:
        server.direct = echo
        answers = await ask(tmp_path, server, limits)
        batches = server.book.batches.values()
        assert [batch["request_counts"]["total"] for batch in batches] == sizes
        assert len(server.book.direct) == 1
        uploaded = [data for name, data in server.book.files.items() if name.startswith("file-")]
        assert all(len(data) <= limits.size for data in uploaded)
    texts = [each.response.text if each.response else "" for each in answers]
    assert texts == [f"답: {each.messages[0].content}" for each in requests(23)] * 2


async def test_read_all__answers_that_the_cache_cannot_keep_stay_with_the_service(tmp_path: Path):
    write_dataset(tmp_path, 1)
    broken: list[str] = []

    def break_cache(method: str, path: str) -> None:
        if path.endswith("/content") and not broken:
            broken.append(method)
            with closing(sqlite3.connect(tmp_path / "cache.sqlite")) as cache:
                cache.execute("DROP TABLE answers")

    with BatchServer() as server:
        server.direct, server.after = echo, break_cache
        with pytest.raises(CannotMeasure, match="does not keep the answers of batch batch_0"):
            await ask(tmp_path, server, BatchLimits())
        assert len(await ask(tmp_path, server, BatchLimits())) == 46
        assert len(server.book.batches) == 1


async def test_open__links_are_refused(tmp_path: Path):
    write_dataset(tmp_path, 1)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "batch.ids").symlink_to(tmp_path / "test.jsonl")
    with BatchServer(lambda _: Line()) as server:
        with pytest.raises(InputError, match="is a link"):
            await ask(tmp_path, server, BatchLimits())
        assert server.book.seen == []
