"""The making of a dataset: sources and documents read, tests added, files written at once."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Began, Ended, Listener, Noticed, Warned, ignore
from lm_eval_so.core.records.dataset import DatasetInfo, PlanInfo
from lm_eval_so.errors import DatasetError, NothingToDo
from lm_eval_so.generator.dataset.freeze import (
    describe,
    publish,
    write_metadata,
    write_outcomes,
)
from lm_eval_so.generator.dataset.from_documents import Writing, has_documents
from lm_eval_so.generator.dataset.hand_edits import Edits, edits_by_hand, is_edited, put_aside
from lm_eval_so.generator.dedup import collect_distinct
from lm_eval_so.generator.outcomes import STAGE, Kept, Outcome, Read, Tally, notice
from lm_eval_so.generator.review.decisions import Decisions, read_decisions
from lm_eval_so.generator.writing.conflicts import conflict_lines
from lm_eval_so.generator.writing.write import NO_CHUNK, NOT_ASKED, Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """Result of `generate`."""

    info: DatasetInfo
    folder: Path
    files: tuple[Path, ...]
    samples: int

    @property
    def is_short(self) -> bool:
        """Whether fewer tests stand than were wanted."""
        return self.info.plan is not None and bool(self.info.plan.unfilled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Sources, documents and standing tests that a dataset is made of."""

    folder: Path
    outcomes: Iterable[Outcome]
    writing: Writing
    decisions: Decisions
    licenses: dict[str, str | None]
    """License of each document, by its file."""

    @property
    def has_samples(self) -> bool:
        """Whether the sources give samples, or tests from documents stand."""
        return self.writing.stands or any(isinstance(each, Kept) for each in self.outcomes)


def read_parts(config: Config, listener: Listener, folder: Path, edits: Edits) -> Parts:
    """Read the sources and what stands, as people decided; where no test is written the sources are a stream.

    Edits by hand that are to be kept are decisions, too.
    """
    decisions = read_decisions(folder)
    if edits is Edits.KEEP:
        parts = _read_decided(config, ignore, folder, decisions)
        with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
            make_parts(config, ignore, Path(made), parts, parts.writing.by_rule())
            decisions = decisions.with_more(edits_by_hand(Path(made), folder))
    return _read_decided(config, listener, folder, decisions)


def _read_decided(config: Config, listener: Listener, folder: Path, decisions: Decisions) -> Parts:
    listener(Began(stage=STAGE, text=", ".join(source.id for source in config.sources)))
    decide = partial(decisions.outcomes, listener=listener, language=config.language)
    outcomes: Iterable[Outcome] = collect_distinct(config, listener, decide)
    read: list[Outcome] = []
    if has_documents(config, folder):
        outcomes = read = [*outcomes]
    found = [each for each in read if isinstance(each, Read)]
    imported = [each.sample for each in read if isinstance(each, Kept)]
    documents = [each.document for each in found]
    writing = Writing(config, folder, documents=documents, imported=imported, decisions=decisions)
    for text, is_settled in conflict_lines(documents, config.language):
        listener((Noticed if is_settled else Warned)(stage=STAGE, text=text))
    licenses = {each.file.name: each.file.license for each in found}
    return Parts(
        folder=folder,
        outcomes=outcomes,
        writing=writing,
        decisions=decisions,
        licenses=licenses,
    )


def publish_parts(
    config: Config, listener: Listener, parts: Parts, outcome: Results, *, edits: Edits
) -> Generated:
    """Make the dataset and put it into its folder; errors as in `generate`."""
    folder = parts.folder
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
        info = make_parts(config, listener, Path(made), parts, outcome)
        if not info.review:
            _refuse_nothing(config, info.plan)
            listener(notice(config.language, "no_tests"))
        if is_edited(Path(made), folder, edits):
            file, aside = put_aside(folder)
            listener(notice(config.language, "edited", file=file, aside=aside))
        files = publish(Path(made), folder)
    return Generated(info=info, folder=folder, files=files, samples=sum(info.review.values()))


def rehearse(config: Config, listener: Listener, parts: Parts, edits: Edits) -> DatasetInfo:
    """Make all that needs no model and write nothing, so that mistakes and edits by hand come before money."""
    with tempfile.TemporaryDirectory(prefix="lm-eval-so-") as made:
        info = make_parts(config, listener, Path(made), parts, parts.writing.by_rule())
        is_edited(Path(made), parts.folder, edits)
    return info


def _refuse_nothing(config: Config, plan: PlanInfo | None) -> None:
    """Refuse a dataset without a sample, unless its documents are only to be kept."""
    if plan is None or not plan.wanted:
        return
    reasons = ", ".join(f"{reason} {n}" for reason, n in plan.unfilled.items())
    hint = "generate --try 5 shows what the model proposes"
    if config.generator is None or config.generator.writer is None:
        hint = "name a model by generator.backend; without one, tests come from tables and headings"
    elif plan.unfilled.keys() == {NO_CHUNK}:
        hint = "add documents to generator.sources"
    elif plan.unfilled.keys() == {NOT_ASKED}:  # as in `ci`, which asks no model that writes
        hint = "run lm-eval-so generate, which asks the model, and commit the dataset"
    raise NothingToDo(f"no test could be written: {reasons}", hint=hint)


def make_parts(
    config: Config, listener: Listener, folder: Path, parts: Parts, outcome: Results
) -> DatasetInfo:
    """Write the files of a dataset into a folder that nobody else has, and return its metadata."""
    tally = Tally(listener, config.language)
    added = parts.writing.added(outcome, parts.licenses)
    files = write_outcomes(parts.outcomes, tally, folder, added)
    tally.end()
    if tally.problems:
        raise DatasetError.of(tally.problems)
    totals = tally.totals()
    text = tally.summary()
    if not totals["kept"] and not added.documents:
        hint = "the warnings above say why" if tally.rejected else "they have no records"
        raise NothingToDo(f"the sources give no sample: {text}", hint=hint)
    listener(Ended(stage=STAGE, text=text))
    parts.decisions.write(folder)
    return write_metadata(describe(config, tally, files, added), folder)
