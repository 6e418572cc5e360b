"""Chunks of a run: those that nobody asks yet, and those that workers have claimed."""

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from lm_eval_so.core.dataset import Dataset
from lm_eval_so.runner.engine.assignment import Chunk
from lm_eval_so.runner.plan.jobs import Plan, jobs
from lm_eval_so.runner.store.recorder import Recorder
from lm_eval_so.runner.store.worker_rows import add_parts


class Claims:
    """Hands out the rows that a run lacks, and takes what came of them into its log.

    Args:
        recorder: Recorder of the run.
        plan: Rows of the run.
        dataset: Samples of the rows.
        size: Samples a chunk.
    """

    def __init__(self, recorder: Recorder, plan: Plan, dataset: Dataset, *, size: int) -> None:
        self.under_way: dict[str, Chunk] = {}
        """Chunks that workers have claimed, by part."""
        self.came: Counter[str] = Counter()
        """Rows that came, by worker."""
        self._recorder, self._plan, self._dataset, self._size = recorder, plan, dataset, size
        self._parts = count(1)
        starts = enumerate(dataset.starts(size))
        chunks = (Chunk(number=number, at=at, samples=size) for number, at in starts)
        self._open = deque(chunk for chunk in chunks if any(self._lacking(self._keys(chunk))))

    def __len__(self) -> int:
        """Return the number of chunks whose rows are not all in the log."""
        return len(self._open) + len(self.under_way)

    def claim(self, worker: str) -> Chunk | None:
        """Return a chunk that a worker claims; None if there is none for it at present.

        A chunk that a worker was lost with is asked last, by a worker that has no other.
        """
        if not self._open:
            return None
        held = [chunk for chunk in self.under_way.values() if chunk.worker == worker]
        if held and any(chunk.is_suspect for chunk in (*held, self._open[0])):
            return None
        chunk = self._open.popleft()
        keys = array("Q", self._lacking(chunk.keys or self._keys(chunk)))
        part = f"{chunk.number:06}-{worker}-{next(self._parts)}"
        self.under_way[part] = replace(chunk, keys=keys, worker=worker, part=part)
        return self.under_way[part]

    def settle(self, chunk: Chunk) -> bool:
        """Take the rows of a claim into the log, and return whether all of them came."""
        del self.under_way[chunk.part]
        self.came[chunk.worker] += add_parts(self._recorder, [chunk.part])
        return not any(self._lacking(chunk.keys))

    def give_back(self, chunk: Chunk) -> None:
        """Take the rows of a claim whose worker is lost, and open what is left of it.

        The second time it comes in halves, and a single row is given up: it killed who asked it.
        """
        if self.settle(chunk):
            return
        keys = array("Q", self._lacking(chunk.keys))
        if chunk.is_suspect and len(keys) == 1:
            self._give_up(chunk)
            return
        half = len(keys) // 2 if chunk.is_suspect else 0
        for some in filter(None, (keys[:half], keys[half:])):
            self._open.append(replace(chunk, keys=some, is_suspect=True))

    def _give_up(self, chunk: Chunk) -> None:
        planned = self._keys(chunk)
        done = {*planned} - {*self._lacking(chunk.keys)}
        samples = self._dataset.some(chunk.at, chunk.samples)
        for job in jobs(samples, planned, done, self._plan.settings):
            self._recorder.record_killed(job)

    def _keys(self, chunk: Chunk) -> Sequence[int]:
        """Return the keys of all rows of a chunk."""
        rows = self._size * self._plan.settings.repeats
        return self._plan.keys[chunk.number * rows : (chunk.number + 1) * rows]

    def _lacking(self, keys: Iterable[int]) -> Iterator[int]:
        return filter(self._recorder.done.offsets.lacks, keys)
