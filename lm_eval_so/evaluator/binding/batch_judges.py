"""The judges that are asked by batch: which, how their requests are collected, where their logs are."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from lm_eval_so.core.asking.batch.batch_log import going
from lm_eval_so.core.asking.batch.collected import (
    Collected,
    ask_nobody,
    naming_log,
    open_collected,
)
from lm_eval_so.core.asking.batch.service import BatchSettings, cancel
from lm_eval_so.core.asking.open import build_asked, key_maker, open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.batches import BatchState
from lm_eval_so.core.backends.build import sent_params
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.events import Noticed
from lm_eval_so.core.hashing import digest
from lm_eval_so.errors import UsageError
from lm_eval_so.evaluator.binding.judges import OpenJudge, ParamsAsker

_STAGE = "evaluate"
_STOP = "evaluate --cancel-batch"


class BatchJudges:
    """Judges that are asked by batch, open; none of them if the config wants none.

    Args:
        judges: Sections of the config with the requests to their backends.
    """

    def __init__(self, judges: Sequence[tuple[BackendSection, Collected]]) -> None:
        self._judges = judges
        self._all = list(dict.fromkeys(collected for _, collected in judges))

    def __bool__(self) -> bool:
        return bool(self._all)

    @property
    def left(self) -> int:
        """Number of requests of the last round that came back from their batch without an answer."""
        return sum(each.left for each in self._all)

    @property
    def is_short(self) -> bool:
        """Whether requests of the last round wait for money that others may not have needed."""
        return any(each.is_short for each in self._all)

    async def begin_round(self, *, collects: bool) -> None:
        """Begin a round; arguments and errors as of `Collected.begin_round`."""
        for each in self._all:
            await each.begin_round(collects=collects)

    async def end_round(self) -> bool:
        """Hand over what was collected and wait; return whether new answers came.

        Raises:
            LMEvalError: As `Collected.read_all`.
        """
        for each in self._all:
            await each.hand_over()
        return any([await each.read_all() for each in self._all])

    def tell_unread(self) -> None:
        """Warn of every batch that a service still works on."""
        for each in self._all:
            each.tell_unread(_STOP)

    def forget(self) -> None:
        """Remove the logs of batches: the evaluation that they were for is done."""
        for each in self._all:
            each.forget()

    @asynccontextmanager
    async def collecting(
        self, section: BackendSection, *, config: Config, resources: Resources
    ) -> AsyncIterator[ParamsAsker]:
        """Open a judge whose requests are collected; one that is asked live is not asked.

        Args:
            section: Section of the judge.
            config: Whole config.
            resources: Resources of the evaluation.
        """
        del config, resources
        collected = self._find(section)
        if collected is None:
            yield ParamsAsker(ask_nobody, {})
        else:
            yield ParamsAsker(collected.ask, sent_params(collected.asker.backend))

    def answered(self, opens: OpenJudge) -> OpenJudge:
        """Return an opener of judges that have their answers from batches, and are asked the rest.

        Args:
            opens: Opener of all other judges.
        """

        @asynccontextmanager
        async def open_one(
            section: BackendSection, *, config: Config, resources: Resources
        ) -> AsyncIterator[ParamsAsker]:
            collected = self._find(section)
            if collected is not None:
                yield ParamsAsker(collected.ask_rest, sent_params(collected.asker.backend))
                return
            async with opens(section, config=config, resources=resources) as asker:
                yield ParamsAsker(asker.ask, {})

        return open_one if self else opens

    def _find(self, section: BackendSection) -> Collected | None:
        return next((collected for each, collected in self._judges if each == section), None)


@asynccontextmanager
async def open_batch_judges(config: Config, resources: Resources) -> AsyncIterator[BatchJudges]:
    """Open the judges that a config wants to be asked by batch, each once for all its metrics.

    Raises:
        InputError: If a section cannot be used, or another process asks the same judge by batch.
        CannotMeasure: If the cache cannot be used.
        BackendError: If a backend cannot get ready.
    """
    async with AsyncExitStack() as stack:
        opened: dict[Path, Collected] = {}
        judges = []
        for section in _sections(config):
            folder = _log_folder(section, config, resources)
            if folder not in opened:
                opening = open_asker(section, config=config, resources=resources)
                asker = await stack.enter_async_context(opening)
                how = BatchSettings(run=config.run, stage=_STAGE)
                collecting = open_collected(asker, folder, resources, how)
                opened[folder] = await stack.enter_async_context(collecting)
            judges.append((section, opened[folder]))
        yield BatchJudges(judges)


def refuse_to_forget(config: Config, resources: Resources) -> None:
    """Refuse to ask a judge live while a batch of it is still being answered.

    Raises:
        UsageError: If a batch of such a judge is not over.
    """
    if config.run.cache is False or not _logs(config.resolve(config.run.cache)).is_dir():
        return
    read = {_log_folder(section, config, resources) for section in _sections(config)}
    for metric in config.metrics:
        for section in metric.judges:
            folder = _log_folder(section, config, resources)
            if folder not in read and (ids := going(folder)):
                what = f"batch {ids[0]} of a judge of {metric.id} goes on"
                hint = "read it with executor: batch (after --cancel-batch, if it is to end now)"
                raise UsageError(what, hint=hint)


async def cancel_judges(config: Config, resources: Resources) -> list[BatchState]:
    """Cancel the batches of all judges; the next evaluation reads the answers that they have by then.

    Raises:
        InputError: If the config cannot be used, or no batch of its judges is under way.
        BackendError: If a service cannot be asked.
    """

    def tell(state: BatchState) -> None:
        text = f"batch {state.id}: {state.status}; the next evaluation reads what it answered"
        resources.listener(Noticed(stage=_STAGE, text=text))

    states: dict[str, BatchState] = {}
    for section in _sections(config):
        folder = _log_folder(section, config, resources)
        ids = [i for i in going(folder) if i not in states]
        if ids:
            async with open_asker(section, config=config, resources=resources) as asker:
                with naming_log(folder):
                    told = await cancel(asker.backend.batches(), ids, tell)
                states |= {state.id: state for state in told}
    if not states:
        hint = "a judge is asked by batch if its metric says judge: {executor: batch}"
        raise UsageError("no batch of a judge goes on", hint=hint)
    return list(states.values())


def _sections(config: Config) -> Iterator[BackendSection]:
    """Yield the judges that are asked by batch; none without a cache, as where a commit brings its own."""
    for metric in config.metrics:
        if metric.judge.executor == "batch" and config.run.cache is not False:
            yield from metric.judges


def _log_folder(section: BackendSection, config: Config, resources: Resources) -> Path:
    """Return the folder of a judge's log of batches: beside the cache, which keeps the answers."""
    environ, hosts = resources.environ, resources.hosts
    backend = build_asked(section, config=config, environ=environ, hosts=hosts)
    keys = key_maker(section, backend)
    name = digest([config.suite, keys.fingerprint, keys.reach])[:12]
    assert config.run.cache is not False  # noqa: S101 - all who ask looked before
    return _logs(config.resolve(config.run.cache)) / f"{section.run_label}-{name}"


def _logs(cache: Path) -> Path:
    """Return the folder of the logs beside a cache; git ignores what is named like a cache of ours."""
    return cache.with_name(f"{cache.name}.batches")
