"""`lm-eval-so/staleness/1`: tests whose source has changed since they were made."""

from dataclasses import replace
from typing import Literal, Self

from lm_eval_so.core.records.record import record

StaleState = Literal["same", "near", "changed", "gone", "new"]


@record
class StaleTest:
    """One test, held against its source as it is now."""

    id: str
    origin: Literal["document", "row"]
    """document: it quotes a document; row: it was imported from a source."""
    state: StaleState
    """same: the quote stands, and so does what is around it; near: it stands, and what is around it changed;
    changed: it reads otherwise now, or a row gives other values; gone: nothing like it is left; new: a row that
    the dataset does not have yet."""
    question: str
    file: str
    """Path relative to the config file."""
    heading: str | None = None
    """Heading above the quote."""
    old: str | None = None
    """The quote, of `near` the whole paragraph; of a row the expected answer."""
    new: str | None = None
    """The text there now; null if there is none."""
    numbers: tuple[tuple[str, str], ...] = ()
    """Numbers that changed: (old, new), each as it is written; empty where one side has none."""
    still_says: tuple[str, ...] = ()
    """Old numbers that the expected answer has."""
    in_pull_request: bool | None = None
    """Whether the pull request changes the file; null if no base commit is known."""

    def without_texts(self) -> Self:
        """Return the test without question, quote and expected answer; that numbers changed stays known."""
        numbers = tuple(("", "") for _ in self.numbers[:1])
        blank = replace(self, question="", heading=None, old=None, new=None, still_says=())
        return replace(blank, numbers=numbers)

    @property
    def is_stale(self) -> bool:
        """Whether the test no longer fits its source."""
        return self.state != "same"


@record
class Staleness:
    """Tests of a dataset, held against its sources."""

    schema: Literal["lm-eval-so/staleness/1"] = "lm-eval-so/staleness/1"
    dataset: str
    """Name of the dataset."""
    is_made: bool = True
    """Whether there is a dataset at all."""
    of: int
    """Tests of the dataset."""
    tests: tuple[StaleTest, ...]
    """Every test that quotes a document, in the order of the dataset, and every row that differs; in a comparison
    only those that no longer fit."""
    new_passages: int = 0
    """Paragraphs, list items and rows that no document had when the tests were written."""
    unanswerable: int = 0
    """Tests without an answer in the documents, which no rule can hold against new passages."""

    def with_states(self, *states: StaleState) -> tuple[StaleTest, ...]:
        """Return the tests in one of some states."""
        return tuple(test for test in self.tests if test.state in states)

    @property
    def quoted(self) -> tuple[StaleTest, ...]:
        """The tests whose quote no longer stands."""
        return tuple(t for t in self.with_states("changed", "gone") if t.origin == "document")

    @property
    def rows(self) -> tuple[StaleTest, ...]:
        """The imported tests that differ from their rows."""
        return tuple(t for t in self.tests if t.origin == "row" and t.is_stale)

    def fails(self, *, strict: bool) -> bool:
        """Return whether the dataset is out of date; by paragraphs around quotes only if strict."""
        near = strict and bool(self.with_states("near"))
        return not self.is_made or bool(self.quoted or self.rows) or near
