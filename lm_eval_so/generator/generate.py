"""The stage `generate`: sources to a dataset."""

from dataclasses import replace
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener, ignore
from lm_eval_so.core.records.dataset import DatasetInfo
from lm_eval_so.errors import BudgetSpent, ConfigError
from lm_eval_so.generator.dataset import tried
from lm_eval_so.generator.dataset.hand_edits import Edits, refuse_folder
from lm_eval_so.generator.dataset.make import (
    Generated,
    Parts,
    publish_parts,
    read_parts,
    rehearse,
)
from lm_eval_so.generator.dataset.summary import summary
from lm_eval_so.generator.dataset.to_review import write_review
from lm_eval_so.generator.dataset.tried import Tried
from lm_eval_so.generator.source_problems import config_problems
from lm_eval_so.generator.writing.model.write_rounds import Results

__all__ = [
    "Edits",
    "Generated",
    "generate",
    "generate_with_model",
    "has_model",
    "open_dataset",
    "preview",
    "try_out",
    "write_dataset",
]


def has_model(config: Config) -> bool:
    """Return whether a config names a model that writes tests, and wants some."""
    section = config.generator
    return section is not None and section.writer is not None and section.synthesise is not None


def generate(
    config: Config, resources: Resources, *, out: Path | None = None, edits: Edits = Edits.REFUSE
) -> Generated:
    """Make the dataset and write it; the folder changes only once everything is made.

    Tests that were written from documents stay as they are. What is missing of them is written by
    rule where no model is named; no model is asked (`generate_with_model` does that).

    Args:
        config: The config, with a `generator` section.
        resources: Resources of the command; only the listener is used.
        out: Folder of the dataset; default: dataset.path.
        edits: Fate of imported samples that were edited by hand.

    Raises:
        ConfigError: If there is no `generator` section, or it has problems.
        DatasetError: With every source that cannot be used; or the samples were edited by hand.
        NothingToDo: If the sources can be read but give no sample.
        InputError: If the folder cannot be written to, or holds a dataset not made by `generate`.
    """
    parts = open_dataset(config, resources.listener, out, edits)
    return write_dataset(config, resources, parts, parts.writing.by_rule(), edits)


async def generate_with_model(
    config: Config,
    resources: Resources,
    *,
    out: Path | None = None,
    edits: Edits = Edits.REFUSE,
    offline: bool = False,
) -> Generated:
    """Like `generate`, and write the tests that are missing by the model of the config.

    What was written before a budget ran out or the user stopped it is kept, and the next call goes on.

    Args:
        config: The config, with a `generator` section.
        resources: Resources of the command.
        out: Folder of the dataset; default: dataset.path.
        edits: Fate of imported samples that were edited by hand.
        offline: Whether only the cache is asked.

    Raises:
        LMEvalError: As `generate` does, before anything is asked; or what ended the asking early.
    """
    parts = open_dataset(config, resources.listener, out, edits)
    if parts.writing.by_model is None:
        return write_dataset(config, resources, parts, parts.writing.by_rule(), edits)
    rehearse(config, ignore, parts, edits)
    options = parts.writing.options(resources.listener, offline=offline)
    outcome = await parts.writing.by_models(resources, options)
    is_budget = isinstance(outcome.failure, BudgetSpent)
    is_worth_keeping = outcome.written or (is_budget and parts.has_samples)
    if outcome.failure is not None and not is_worth_keeping:
        raise outcome.failure
    made_now = write_dataset(config, resources, parts, outcome, edits)
    if outcome.failure is not None:
        raise outcome.failure
    return made_now


async def try_out(
    config: Config, resources: Resources, tests: int, *, offline: bool = False
) -> Tried:
    """Write a few missing tests, one of each type in turn; nothing is kept but the cache.

    Args:
        config: The config, with a model in its `generator` section.
        resources: Resources of the command.
        tests: Number of tests.
        offline: Whether only the cache is asked.

    Raises:
        LMEvalError: As `generate_with_model` does.
    """
    parts = _read(config, resources.listener, _folder(config, None))
    return await tried.try_out(parts.writing, resources, tests, offline=offline)


def preview(
    config: Config, resources: Resources, *, out: Path | None = None, edits: Edits = Edits.REFUSE
) -> DatasetInfo:
    """Return the metadata of the dataset without writing it; arguments and errors as in `generate`."""
    parts = open_dataset(config, resources.listener, out, edits)
    return rehearse(config, resources.listener, parts, edits)


def open_dataset(
    config: Config, listener: Listener, out: Path | None = None, edits: Edits = Edits.REFUSE
) -> Parts:
    """Read the sources, and what stands in the folder of the dataset.

    Args:
        config: The config, with a `generator` section.
        listener: Listener of the stage.
        out: Folder of the dataset; default: dataset.path.
        edits: Fate of edits by hand; those to keep are read as decisions.

    Raises:
        LMEvalError: As `generate` does, but for edits by hand that are refused.
    """
    folder = _folder(config, out)
    refuse_folder(folder)
    return _read(config, listener, folder, edits)


def write_dataset(
    config: Config, resources: Resources, parts: Parts, outcome: Results, edits: Edits
) -> Generated:
    """Write the dataset, and the page on which people review what nobody has reviewed.

    Args:
        config: The config.
        resources: Resources of the command; only the listener is used.
        parts: Parts of the dataset.
        outcome: Tests that were written now.
        edits: Fate of imported samples that were edited by hand.

    Raises:
        LMEvalError: As `generate` does.
    """
    made = publish_parts(config, resources.listener, parts, outcome, edits=edits)
    named = config.dataset.path if made.folder == _folder(config, None) else made.folder
    shown_as = named.as_posix()
    pages = write_review(made.folder, config.language, shown_as=shown_as)
    told = summary(made.info, made.folder, config.language, shown_as=shown_as, pages=pages)
    if told is not None:
        resources.listener(told)
    return replace(made, files=(*made.files, *pages))


def _folder(config: Config, out: Path | None) -> Path:
    return out if out is not None else config.resolve(config.dataset.path)


def _read(config: Config, listener: Listener, folder: Path, edits: Edits = Edits.REFUSE) -> Parts:
    if not config.sources:
        hint = "add generator: {sources: […]}"
        raise ConfigError("the config has no generator section", hint=hint)
    if problems := list(config_problems(config)):
        raise ConfigError.of(problems)
    return read_parts(config, listener, folder, edits)
