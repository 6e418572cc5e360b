"""The stage `generate`: sources to a dataset."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import SAMPLES_FILE
from lm_eval_so.core.events import Began, Ended, Listener, Noticed, ignore
from lm_eval_so.core.files import cannot_write
from lm_eval_so.core.records.dataset import DatasetInfo
from lm_eval_so.errors import BudgetSpent, ConfigError, DatasetError, NothingToDo
from lm_eval_so.generator.collect import STAGE, collect
from lm_eval_so.generator.dataset.freeze import (
    describe,
    differences,
    edit_problem,
    publish,
    put_aside,
    refuse_folder,
    write_metadata,
    write_outcomes,
)
from lm_eval_so.generator.dataset.tried import Tried
from lm_eval_so.generator.dedup import drop_duplicates
from lm_eval_so.generator.from_documents import Writing, has_documents, told
from lm_eval_so.generator.outcomes import Kept, Outcome, Read, Tally
from lm_eval_so.generator.source_problems import check, config_problems
from lm_eval_so.generator.writing.write import Results

__all__ = [
    "Generated",
    "check",
    "config_problems",
    "generate",
    "generate_with_model",
    "has_model",
    "preview",
    "stale",
    "try_out",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """Result of `generate`."""

    info: DatasetInfo
    folder: Path
    files: tuple[Path, ...]
    """Written files."""
    samples: int

    @property
    def is_short(self) -> bool:
        """Whether fewer tests stand than were wanted."""
        return self.info.plan is not None and bool(self.info.plan.unfilled)


def has_model(config: Config) -> bool:
    """Return whether a config names a model that writes tests, and wants some."""
    section = config.generator
    return section is not None and section.writer is not None and section.synthesise is not None


def generate(
    config: Config, resources: Resources, *, out: Path | None = None, force: bool = False
) -> Generated:
    """Make the dataset and write it; the folder changes only once everything is made.

    Tests that were written from documents stay as they are. What is missing of them is written by
    rule where no model is named; no model is asked (`generate_with_model` does that).

    Args:
        config: The config, with a `generator` section.
        resources: Resources of the command; only the listener is used.
        out: Folder of the dataset; default: dataset.path.
        force: Replace samples that were edited by hand, and keep the edited file beside them.

    Raises:
        ConfigError: If there is no `generator` section, or it has problems.
        DatasetError: With every source that cannot be used; or the samples were edited by hand.
        NothingToDo: If the sources can be read but give no sample.
        InputError: If the folder cannot be written to, or holds a dataset not made by `generate`.
    """
    folder = _folder(config, out)
    parts = _read(config, resources.listener, folder)
    return _publish(config, resources, parts, parts.writing.by_rule(), force=force)


async def generate_with_model(
    config: Config,
    resources: Resources,
    *,
    out: Path | None = None,
    force: bool = False,
    offline: bool = False,
) -> Generated:
    """Like `generate`, and write the tests that are missing by the model of the config.

    What was written before a budget ran out or the user stopped it is kept, and the next call goes on.

    Args:
        config: The config, with a `generator` section.
        resources: Resources of the command.
        out: Folder of the dataset; default: dataset.path.
        force: Replace samples that were edited by hand, and keep the edited file beside them.
        offline: Whether only the cache is asked.

    Raises:
        LMEvalError: As `generate` does, before anything is asked; or what ended the asking early.
    """
    folder = _folder(config, out)
    parts = _read(config, resources.listener, folder)
    if not parts.writing.asks:
        return _publish(config, resources, parts, parts.writing.by_rule(), force=force)
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:  # mistakes come before money
        _make(config, ignore, Path(made), parts, parts.writing.by_rule())
        _is_edited(Path(made), folder, force=force)
    options = parts.writing.options(resources.listener, offline=offline)
    outcome = await parts.writing.by_models(resources, options)
    is_budget = isinstance(outcome.failure, BudgetSpent)
    is_worth_keeping = outcome.written or (is_budget and parts.has_samples)
    if outcome.failure is not None and not is_worth_keeping:
        raise outcome.failure
    made_now = _publish(config, resources, parts, outcome, force=force)
    if outcome.failure is not None:
        raise outcome.failure
    return made_now


async def try_out(config: Config, resources: Resources, tests: int) -> Tried:
    """Write a few missing tests, one of each type in turn; nothing is kept but the cache.

    Args:
        config: The config, with a model in its `generator` section.
        resources: Resources of the command.
        tests: Number of tests.

    Raises:
        LMEvalError: As `generate_with_model` does.
    """
    parts = _read(config, resources.listener, _folder(config, None))
    return await parts.writing.try_out(resources, tests)


def preview(
    config: Config, resources: Resources, *, out: Path | None = None, force: bool = False
) -> DatasetInfo:
    """Return the metadata of the dataset without writing it; arguments and errors as in `generate`."""
    folder = _folder(config, out)
    parts = _read(config, resources.listener, folder)
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
        info = _make(config, resources.listener, Path(made), parts, parts.writing.by_rule())
        _is_edited(Path(made), folder, force=force)
    return info


def stale(config: Config, resources: Resources, *, out: Path | None = None) -> tuple[str, ...]:
    """Return the differences between the stored dataset and the current sources.

    Returns:
        A line for each file that differs, with its first differing line; empty if the dataset is up
        to date. Errors as in `generate`.
    """
    folder = _folder(config, out)
    parts = _read(config, resources.listener, folder, is_checked=False)
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
        _make(config, resources.listener, Path(made), parts, parts.writing.by_rule())
        return tuple(differences(Path(made), folder))


def _folder(config: Config, out: Path | None) -> Path:
    return out if out is not None else config.resolve(config.dataset.path)


def _is_edited(made: Path, folder: Path, *, force: bool) -> bool:
    """Return whether the samples of a folder were edited by hand, which is an error unless forced."""
    problem = edit_problem(made, folder)
    if problem is not None and not force:
        raise DatasetError.of([problem])
    return problem is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What the dataset is made of."""

    folder: Path
    outcomes: Iterable[Outcome]
    writing: Writing
    licenses: dict[str, str | None]
    """License of each document, by its file."""

    @property
    def has_samples(self) -> bool:
        """Whether the sources give samples, or tests from documents stand."""
        return self.writing.stands or any(isinstance(each, Kept) for each in self.outcomes)


def _read(config: Config, listener: Listener, folder: Path, *, is_checked: bool = True) -> _Parts:
    """Read the sources and what stands; where no test is written the sources are a stream."""
    if not config.sources:
        hint = "add generator: {sources: […]}"
        raise ConfigError("the config has no generator section", hint=hint)
    if is_checked:
        refuse_folder(folder)
    if problems := list(config_problems(config)):
        raise ConfigError.of(problems)
    listener(Began(stage=STAGE, text=", ".join(source.id for source in config.sources)))
    outcomes: Iterable[Outcome] = drop_duplicates(collect(config, listener))
    read: list[Outcome] = []
    if has_documents(config):
        outcomes = read = [*outcomes]
    found = [each for each in read if isinstance(each, Read)]
    imported = [each.sample for each in read if isinstance(each, Kept)]
    writing = Writing(
        config, folder, documents=[each.document for each in found], imported=imported
    )
    licenses = {each.file.name: each.file.license for each in found}
    return _Parts(folder=folder, outcomes=outcomes, writing=writing, licenses=licenses)


def _publish(
    config: Config, resources: Resources, parts: _Parts, outcome: Results, *, force: bool
) -> Generated:
    folder = parts.folder
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
        info = _make(config, resources.listener, Path(made), parts, outcome)
        if _is_edited(Path(made), folder, force=force):
            text = f"{folder / SAMPLES_FILE} was edited by hand: kept as {put_aside(folder)}"
            resources.listener(Noticed(stage=STAGE, text=text))
        files = publish(Path(made), folder)
    return Generated(info=info, folder=folder, files=files, samples=info.files[SAMPLES_FILE].rows)


def _make(
    config: Config, listener: Listener, folder: Path, parts: _Parts, outcome: Results
) -> DatasetInfo:
    tally = Tally(STAGE, listener)
    added = parts.writing.added(outcome, parts.licenses)
    try:
        files = write_outcomes(parts.outcomes, tally, folder, added)
    except OSError as error:
        raise cannot_write(folder, error) from None
    tally.end()
    if tally.problems:
        raise DatasetError.of(tally.problems)
    totals = tally.totals()
    counts = "read {records:,} = kept {kept:,} + rejected {rejected:,} + skipped {skipped:,}"
    text = counts.format_map(totals) + f" + duplicate {totals['duplicates']:,}"
    if not totals["kept"] and not added.documents:
        hint = "the warnings above say why" if tally.rejected else "they have no records"
        raise NothingToDo(f"the sources give no sample: {text}", hint=hint)
    for line in told(added):
        listener(Noticed(stage=STAGE, text=line))
    listener(Ended(stage=STAGE, text=text))
    return write_metadata(describe(config, tally, files, added), folder)
