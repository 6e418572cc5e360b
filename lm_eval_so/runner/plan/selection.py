"""What a run asks, and where its files are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.records.run import DatasetRef
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import ConfigError, NothingToDo
from lm_eval_so.runner.plan.jobs import LEFT_OUT
from lm_eval_so.runner.plan.shards import Shard, ShardSamples

Skips = Callable[[str, str, int], bool]
"""Whether a row is left out, by sample id, digest and repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The samples of a run."""

    dataset: DatasetRef
    samples: Iterable[TestSample]
    """Those of the shard, in the order of the dataset; to be read as often as needed."""
    folder: Path
    """Where the run's files are."""
    shard: Shard | None

    def count(self, keys: Sequence[int]) -> int:
        """Count the rows that the run should have.

        Raises:
            NothingToDo: If the backend leaves all of them out.
        """
        planned = sum(key != LEFT_OUT for key in keys)
        if planned == 0 and self.shard is None:  # a shard may have none: the others have them
            hint = "look at backend.options"
            raise NothingToDo("no sample of the dataset has a recorded answer", hint=hint)
        return planned


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherAnswers:
    """More answers to some samples of a run that was asked before."""

    ids: frozenset[str]
    first: int
    """Number of the first further answer: those before it are the run's."""

    def skips(self, skips: Skips) -> Skips:
        """Return what leaves out all other rows, and those that the backend does."""

        def also(sample_id: str, sample_hash: str, repeat: int) -> bool:
            is_other = repeat < self.first or sample_id not in self.ids
            return is_other or skips(sample_id, sample_hash, repeat)

        return also


def select(config: Config, *, out: Path | None, shard: Shard | None) -> Selection:
    """Read the dataset and choose the samples and the folder of a run.

    Raises:
        InputError: If the dataset cannot be used.
    """
    told = config.dataset
    dataset = load_dataset(
        config.resolve(told.path), name=told.name, version=told.version, shown_as=told.path
    )
    return Selection(
        dataset=dataset.ref,
        samples=ShardSamples(dataset, shard) if shard else dataset,
        folder=out or run_folder(config, shard),
        shard=shard,
    )


def run_folder(config: Config, shard: Shard | None = None) -> Path:
    """Give the folder of the config's run: `<run.out>/<backend.label>`, of a shard with "-2of3"."""
    label = backend_section(config).run_label + (shard.suffix if shard else "")
    return config.resolve(config.run.out) / label


def backend_section(config: Config) -> BackendSection:
    """Return the section of the chatbot under test.

    Raises:
        ConfigError: If there is none.
    """
    if config.backend is None:
        hint = "name the chatbot: backend: {name: openai, params: {model: …}}"
        raise ConfigError('the key "backend" is missing', where=config.where("backend"), hint=hint)
    return config.backend
