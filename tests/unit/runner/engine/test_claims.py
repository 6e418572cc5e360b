"""Chunks that workers claim, without workers: what they write is written here."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from servers.runs import endpoint, make, resources, rows, write_dataset

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import Dataset
from lm_eval_so.core.hashing import sample_hash
from lm_eval_so.core.records.codec import dump_row
from lm_eval_so.core.records.enums import RunStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.errors import Interrupted, LMEvalError
from lm_eval_so.runner.engine.assignment import Chunk
from lm_eval_so.runner.engine.claims import Claims
from lm_eval_so.runner.plan.selection import RunOptions, Selection
from lm_eval_so.runner.run import run
from lm_eval_so.runner.store.fingerprint import NewRun
from lm_eval_so.runner.store.recorder import Recorder

Wrote = Callable[[Chunk, Sequence[int]], None]


class Asking:
    """An engine that hands the claims of a run to a test."""

    def __init__(self, look: Callable[[Claims, Wrote], None]) -> None:
        self.look = look

    async def begin(self, config: Config, options: RunOptions) -> None:
        pass

    async def ask_all(
        self, config: Config, selection: Selection, new: NewRun, recorder: Recorder
    ) -> LMEvalError | None:
        dataset = selection.samples
        assert isinstance(dataset, Dataset)
        samples = list(dataset)

        def wrote(chunk: Chunk, numbers: Sequence[int]) -> None:
            """Write what a worker leaves: the rows of some samples."""
            part = recorder.run_dir.path / "parts" / chunk.part
            part.mkdir(parents=True)
            lines = [
                dump_row(
                    RunResult(
                        sample_id=samples[number].id,
                        sample_hash=sample_hash(samples[number]),
                        status=RunStatus.OK,
                        fingerprint=recorder.head.fingerprint,
                    )
                )
                for number in numbers
            ]
            (part / "run_results.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")

        self.look(Claims(recorder, new.plan, dataset, size=4), wrote)
        return None


async def ask(folder: Path, look: Callable[[Claims, Wrote], None]) -> list[str]:
    """Let a test claim the rows of ten samples, and return those in the log in the end."""
    write_dataset(folder, 10)
    config = make(folder, endpoint("http://127.0.0.1:9/v1"))
    with suppress(Interrupted):
        await run(config, resources(), RunOptions(engine=Asking(look), out=folder / "run"))
    return [row["sample_id"] for row in rows(folder / "run")]


def claimed(claims: Claims, worker: str) -> Chunk:
    chunk = claims.claim(worker)
    assert chunk is not None
    return chunk


async def test_claim__each_row_once_until_all_are_there(tmp_path: Path) -> None:
    def look(claims: Claims, wrote: Wrote) -> None:
        chunks = [claimed(claims, worker) for worker in "aab"]
        assert [(chunk.number, len(chunk.keys)) for chunk in chunks] == [(0, 4), (1, 4), (2, 2)]
        assert len({chunk.part for chunk in chunks}) == 3
        assert claims.claim("b") is None
        for left, (chunk, numbers) in enumerate(
            zip(reversed(chunks), [[8, 9], [4, 5, 6, 7], [0, 1, 3]], strict=True)
        ):
            wrote(chunk, numbers)
            assert len(claims) == 3 - left
            assert claims.settle(chunk) is (chunk.number != 0)
        assert (len(claims), claims.came) == (0, {"a": 7, "b": 2})

    assert await ask(tmp_path, look) == [f"q{i:04}" for i in (8, 9, 4, 5, 6, 7, 0, 1, 3)]
    assert not [*(tmp_path / "run" / "parts").iterdir()]

    def go_on(claims: Claims, wrote: Wrote) -> None:
        chunk = claimed(claims, "c")
        assert (len(claims), chunk.number, len(chunk.keys)) == (1, 0, 1)
        wrote(chunk, [1, 2])  # one that is there already
        assert claims.settle(chunk)

    assert await ask(tmp_path, go_on) == [f"q{i:04}" for i in range(10)]


async def test_give_back__rest_of_a_lost_worker_is_asked_last_alone_then_in_halves(
    tmp_path: Path,
) -> None:
    def look(claims: Claims, wrote: Wrote) -> None:
        first, second = claimed(claims, "a"), claimed(claims, "a")
        wrote(first, [0])
        wrote(second, [4, 5, 6, 7])
        for chunk in (first, second):
            claims.give_back(chunk)
        assert len(claims) == 2
        healthy = claimed(claims, "b")
        assert (healthy.number, claims.claim("b")) == (2, None)  # the rest of the first is suspect
        rest = claimed(claims, "c")
        assert (rest.number, rest.keys, claims.claim("c")) == (0, first.keys[1:], None)
        claims.give_back(rest)
        wrote(healthy, [8])
        claims.give_back(healthy)  # that its worker is lost may be chance
        halves = claimed(claims, "d"), claimed(claims, "e")
        assert [half.keys for half in halves] == [rest.keys[:1], rest.keys[1:]]
        last = claimed(claims, "f")
        wrote(last, [9])
        assert claims.settle(last)
        claims.give_back(halves[0])  # a row that was lost by itself is given up
        wrote(halves[1], [2, 3])
        claims.give_back(halves[1])
        assert (len(claims), claims.claim("f")) == (0, None)

    asked = await ask(tmp_path, look)
    assert sorted(asked) == [f"q{i:04}" for i in range(10)]
    bad = [row for row in rows(tmp_path / "run") if row["status"] == "error"]
    assert [(row["sample_id"], row["error"]["kind"]) for row in bad] == [("q0001", "worker_killed")]
