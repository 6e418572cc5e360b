"""`lm-eval-so/review-page/1`: the tests to decide about, or the answers to label, on a page."""

from typing import Literal

from lm_eval_so.core.records.record import record


@record
class ShownTurn:
    """One message of a test."""

    role: str
    text: str


@record
class ShownFlag:
    """A doubt about a test."""

    code: str
    text: str
    """Sentence for people."""


@record
class ShownCell:
    """One cell of a table row."""

    column: str
    """Empty if the table has no header."""
    text: str
    is_quoted: bool


@record
class ShownEvidence:
    """A quote in its surroundings."""

    role: Literal["given", "gold", "distractor"]
    """As in the sample's passage."""
    file: str
    """Empty for a passage that comes from no document."""
    place: str = ""
    """Place in the file for people: page, row, line."""
    heading: str = ""
    before: str = ""
    """Text before the quote in its paragraph, at most 600 characters, as `after`."""
    quote: str
    after: str = ""
    cells: tuple[ShownCell, ...] = ()
    """The row in which the quote stands, if it is one; before and after are empty then."""


@record
class ReviewItem:
    """One test to review, or one answer to label."""

    id: str
    rev: str
    """Revision of the test; in mode labels a digest of the answer."""
    type: str = ""
    language: str | None = None
    turns: tuple[ShownTurn, ...]
    """The question last, after what was said before."""
    expected: str | None = None
    behavior: str = "answer"
    evidence: tuple[ShownEvidence, ...] = ()
    must_say: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    goal: str | None = None
    """Goal of the user of a conversation to play; its question is how the user begins."""
    facts: tuple[str, ...] = ()
    """Facts that this user knows of their case."""
    success: tuple[str, ...] = ()
    """Conditions of that conversation's success."""
    flags: tuple[ShownFlag, ...] = ()
    status: str | None = None
    """State of the review; in mode labels the label that the answer has already."""
    metric: str | None = None
    """Metric whose label is wanted; this and what follows in mode labels only."""
    repeat: int | None = None
    answer: str | None = None
    answer_b: str | None = None
    """Other answer to choose from, shown second."""
    calls: str | None = None
    """Tools that the chatbot called for the answer, and their results."""
    context: str | None = None
    """System prompt and passages that the judge is shown besides."""
    labels: tuple[str, ...] = ()
    label_names: tuple[str, ...] = ()
    """Meaning of each label, in its place; empty if the labels are the user's own words."""
    rubric: str | None = None
    annotator: str | None = None
    """Person who gave the label in `status`."""
    note: str | None = None


@record
class ShownDataset:
    """Dataset or file of labels that a page is about."""

    name: str
    sha256: str
    """Digest of test.jsonl, or of the file of labels; decisions are kept under it."""


@record
class ReviewPage:
    """Everything that a review page shows."""

    schema: Literal["lm-eval-so/review-page/1"] = "lm-eval-so/review-page/1"
    mode: Literal["review", "labels"]
    language: str
    """Language of the page; each item has its own."""
    dataset: ShownDataset
    items: tuple[ReviewItem, ...]
    command: str
    """Command that takes the saved file; `{file}` stands for its name."""
