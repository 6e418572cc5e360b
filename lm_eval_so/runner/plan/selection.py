"""The selection of a run: its samples, its folder and its options."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.records.run import DatasetRef, LimitShare
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.pasted import command_line
from lm_eval_so.errors import ConfigError, NothingToDo
from lm_eval_so.runner.plan.jobs import LEFT_OUT
from lm_eval_so.runner.plan.shard import (
    Shard,
    as_shard,
    limit_shares,
    share_problems,
    share_text,
    tell_share,
)

if TYPE_CHECKING:
    from lm_eval_so.runner.live_executor import Engine

__all__ = [
    "AS_CONFIGURED",
    "FurtherAnswers",
    "RunOptions",
    "Selection",
    "Shard",
    "backend_section",
    "run_folder",
    "select",
    "share_problems",
    "share_text",
    "tell_share",
]

_MOST_HELD = 2**22
"""Bytes of a dataset whose samples are held while a run asks them; in memory they take six times as many."""

Skips = Callable[[str, str, int], bool]
"""Test whether a row is left out, by sample id, digest and repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of the stage `run` that stand in no config."""

    out: Path | None = None
    """Folder of the run; default: that of the config."""
    fresh: bool = False
    """Put an earlier run in that folder aside, and ask past the cache."""
    keep_errors: bool = False
    """Do not ask again what failed in an earlier run."""
    shard: Shard | None = None
    """The part of the dataset to ask; default: the whole."""
    of: Config | None = None
    """Config that the run belongs to, where it asks only the first of its repeats."""
    goes_on: bool = False
    """Whether this process has begun the run, so that it only goes on and is not resumed."""
    engine: "Engine | None" = None
    """Asks in the place of this process."""

    def folder(self, config: Config) -> Path:
        """Return the folder of the run."""
        return self.out or run_folder(config, self.shard)

    def command(self, config: Config) -> str:
        """Return the command line that resumes a run which was started from Python."""
        file = config.located.file or CONFIG_FILE.name
        return command_line("run", file, options={"-o": self.out, "--shard": self.shard})


AS_CONFIGURED = RunOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The samples of a run."""

    dataset: DatasetRef
    samples: Iterable[TestSample]
    """Samples of the whole dataset in its order, readable any number of times."""
    folder: Path
    """Folder of the run's files."""
    shard: Shard | None
    within: Config
    """Config to ask by: that of the whole run, with the shard's shares in the place of its limits."""
    share: Mapping[str, LimitShare] = field(default_factory=dict)
    """Shares of the shard of the limits of the whole run."""
    size: int = 0
    """Bytes of the dataset's file."""
    of: Config | None = None
    """Config that the run belongs to, if it is not the one that it is asked by."""

    def read(self) -> Iterable[TestSample]:
        """Return the samples, read once if the dataset is small, else anew with each iteration."""
        return tuple(self.samples) if self.size <= _MOST_HELD else self.samples

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
    """More answers to some samples of a run that was asked before.

    They may be asked in several passes: each names all that were asked so far, and what is new.
    """

    until: Mapping[str, int]
    """Answers that a sample should have in all, the run's own included, by id."""
    first: int
    """Number of the first further answer; the answers before it are the run's own."""
    of: Config
    """Config of the run itself, by which further answers of an earlier pass are known."""

    def skips(self, skips: Skips) -> Skips:
        """Return a test that leaves out all other rows, and the rows that the backend leaves out."""

        def also(sample_id: str, sample_hash: str, repeat: int) -> bool:
            is_other = not self.first <= repeat < self.until.get(sample_id, 0)
            return is_other or skips(sample_id, sample_hash, repeat)

        return also


def select(config: Config, options: RunOptions = AS_CONFIGURED) -> Selection:
    """Read the dataset and choose the samples and the folder of a run.

    Raises:
        InputError: If the dataset cannot be used, or a limit does not suffice for all shards.
    """
    told = config.dataset
    dataset = load_dataset(
        config.resolve(told.path), name=told.name, version=told.version, shown_as=told.path
    )
    return Selection(
        dataset=dataset.ref,
        samples=dataset,
        folder=options.folder(config),
        shard=options.shard,
        share=limit_shares(config.run, options.shard),
        within=as_shard(config, options.shard),
        size=dataset.size,
        of=options.of,
    )


def run_folder(config: Config, shard: Shard | None = None) -> Path:
    """Return the folder of the config's run: `<run.out>/<backend.label>`, of a shard with "-2of3"."""
    label = backend_section(config).run_label + (shard.suffix if shard else "")
    return config.resolve(config.run.out) / label


def backend_section(config: Config) -> BackendSection:
    """Return the section of the chatbot under test.

    Raises:
        ConfigError: If there is none.
    """
    if config.backend is None:
        hint = (
            "lm-eval-so init --url URL asks your chatbot once and writes it; "
            "or backend: {name: openai, params: {model: …}}"
        )
        raise ConfigError('the key "backend" is missing', where=config.where("backend"), hint=hint)
    return config.backend
