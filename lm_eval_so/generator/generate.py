"""The stage `generate`: sources to a dataset."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import SAMPLES_FILE
from lm_eval_so.core.events import Began, Ended, Listener, Noticed
from lm_eval_so.core.files import cannot_write
from lm_eval_so.core.records.dataset import DatasetInfo
from lm_eval_so.errors import ConfigError, DatasetError, NothingToDo
from lm_eval_so.generator.collect import STAGE, collect
from lm_eval_so.generator.dedup import drop_duplicates
from lm_eval_so.generator.freeze import (
    describe,
    differences,
    edit_problem,
    publish,
    put_aside,
    refuse_folder,
    write_metadata,
    write_outcomes,
)
from lm_eval_so.generator.outcomes import Tally
from lm_eval_so.generator.source_problems import check, config_problems

__all__ = ["Generated", "check", "config_problems", "generate", "preview", "stale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """Result of `generate`."""

    info: DatasetInfo
    folder: Path
    files: tuple[Path, ...]
    """Written files."""
    samples: int


def generate(
    config: Config, resources: Resources, *, out: Path | None = None, force: bool = False
) -> Generated:
    """Make the dataset and write it; the folder changes only once everything is made.

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
    refuse_folder(folder)
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
        info = _make(config, resources.listener, Path(made))
        if _is_edited(Path(made), folder, force=force):
            text = f"{folder / SAMPLES_FILE} was edited by hand: kept as {put_aside(folder)}"
            resources.listener(Noticed(stage=STAGE, text=text))
        files = publish(Path(made), folder)
    return Generated(info=info, folder=folder, files=files, samples=info.files[SAMPLES_FILE].rows)


def preview(
    config: Config, resources: Resources, *, out: Path | None = None, force: bool = False
) -> DatasetInfo:
    """Return the metadata of the dataset without writing it; arguments and errors as in `generate`."""
    folder = _folder(config, out)
    refuse_folder(folder)
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
        info = _make(config, resources.listener, Path(made))
        _is_edited(Path(made), folder, force=force)
    return info


def stale(config: Config, resources: Resources, *, out: Path | None = None) -> tuple[str, ...]:
    """Return the differences between the stored dataset and the current sources.

    Returns:
        A line for each file that differs, with its first differing line; empty if the dataset is up
        to date. Errors as in `generate`.
    """
    folder = _folder(config, out)
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
        _make(config, resources.listener, Path(made))
        return tuple(differences(Path(made), folder))


def _folder(config: Config, out: Path | None) -> Path:
    return out if out is not None else config.resolve(config.dataset.path)


def _is_edited(made: Path, folder: Path, *, force: bool) -> bool:
    """Return whether the samples of a folder were edited by hand, which is an error unless forced."""
    problem = edit_problem(made, folder)
    if problem is not None and not force:
        raise DatasetError.of([problem])
    return problem is not None


def _make(config: Config, listener: Listener, folder: Path) -> DatasetInfo:
    if not config.sources:
        hint = "add generator: {sources: […]}"
        raise ConfigError("the config has no generator section", hint=hint)
    if problems := list(config_problems(config)):
        raise ConfigError.of(problems)
    listener(Began(stage=STAGE, text=", ".join(source.id for source in config.sources)))
    tally = Tally(STAGE, listener)
    try:
        files = write_outcomes(drop_duplicates(collect(config, listener)), tally, folder)
    except OSError as error:
        raise cannot_write(folder, error) from None
    tally.end()
    if tally.problems:
        raise DatasetError.of(tally.problems)
    totals = tally.totals()
    counts = "read {records:,} = kept {kept:,} + rejected {rejected:,} + skipped {skipped:,}"
    text = counts.format_map(totals) + f" + duplicate {totals['duplicates']:,}"
    if not totals["kept"]:
        hint = "the warnings above say why" if tally.rejected else "they have no records"
        raise NothingToDo(f"the sources give no sample: {text}", hint=hint)
    listener(Ended(stage=STAGE, text=text))
    info = describe(config, tally, files)
    write_metadata(info, folder)
    return info
