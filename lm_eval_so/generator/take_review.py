"""The way of a review back into a dataset: every decision is held against the test that it is about."""

from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.core.dataset import METADATA_FILE, SAMPLES_FILE, load_dataset
from lm_eval_so.core.files import write_all
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import DatasetError, NothingToDo, Problem, Where
from lm_eval_so.generator.dataset.hand_edits import is_as_made
from lm_eval_so.generator.dataset.reviewed import as_decided, publish_reviewed
from lm_eval_so.generator.dataset.stored import read_samples
from lm_eval_so.generator.dataset.to_review import page_of, review_texts, write_review
from lm_eval_so.generator.dataset_tools.verify import main_language
from lm_eval_so.generator.review.decision_file import decision_table, read_decision_file
from lm_eval_so.generator.review.decisions import read_decisions
from lm_eval_so.generator.review.fitting import fit

_TABLE = "review.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Decisions that were taken over."""

    accepted: int
    edited: int
    rejected: int
    open: int
    """Tests that the next `generate` writes."""
    problems: tuple[Problem, ...]
    """Decisions that were left out."""
    files: tuple[Path, ...]
    language: Language
    """Language of what is told about it."""

    @property
    def n(self) -> int:
        """Number of decisions."""
        return self.accepted + self.edited + self.rejected


def take_review(
    folder: Path, file: Path, *, partial: bool = False, language: Language | None = None
) -> Taken:
    """Take the decisions of a file over into a dataset: all, or none if one of them does not fit.

    A decision fits if its test has the `rev` that was reviewed. One that was taken over before counts once.

    Args:
        folder: Folder of the dataset.
        file: File of decisions, as the review page or a spreadsheet saves it.
        partial: Whether the decisions that fit are taken over, whatever the others are.
        language: Language of the page on which the rest is reviewed; None: that of most tests.

    Raises:
        DatasetError: With the problem and line of each decision that does not fit; or the dataset is not
            one of `generate`, or was edited by hand.
        InputError: If a file cannot be read or written.
    """
    if not all((folder / name).exists() for name in (METADATA_FILE, SAMPLES_FILE)):
        hint = "name the folder of a dataset that generate made"
        raise DatasetError(f"{folder} has no {METADATA_FILE} or no {SAMPLES_FILE}", hint=hint)
    if not is_as_made(folder):
        hint = "run generate first: it says what to do about the edits"
        where = Where(file=str(folder / SAMPLES_FILE))
        raise DatasetError("the tests were edited by hand", where=where, hint=hint)
    samples, kept = read_samples(folder), read_decisions(folder)
    held, problems = fit(read_decision_file(file), samples, kept)
    if problems and not partial:
        raise DatasetError.of(problems)
    decisions = kept.with_more(held.new)
    left = as_decided(samples, decisions)
    lacking, files = publish_reviewed(folder, left, decisions)
    language = language or main_language(left)
    pages = write_review(folder, language, shown_as=folder.as_posix())
    return Taken(
        accepted=held.counts["accept"],
        edited=held.counts["edit"],
        rejected=held.counts["reject"],
        open=lacking,
        problems=tuple(problems),
        files=(*files, *pages),
        language=language,
    )


def export_review(
    folder: Path, language: Language | None, *, table: bool, everything: bool = False
) -> tuple[Path, ...]:
    """Write the tests to review into a dataset's folder, and return the files.

    Args:
        folder: Folder of the dataset.
        language: Language of the page; None: that of most tests.
        table: Whether it is a table for a spreadsheet instead of the page.
        everything: Whether tests that were reviewed or are a team's own are among them.

    Raises:
        NothingToDo: If there is no test to review.
        InputError: If the dataset cannot be read, or the folder not written to.
    """
    language = language or main_language(load_dataset(folder))
    shown_as = folder.as_posix()
    page = page_of(folder, language, shown_as=shown_as, everything=everything)
    if not page.items:
        raise NothingToDo("every test was reviewed", hint="--all takes them all")
    if table:
        return write_all({folder / _TABLE: decision_table(page.items)})
    texts = review_texts(folder, language, shown_as=shown_as, everything=everything)
    return write_all({folder / name: text for name, text in texts.items()})
