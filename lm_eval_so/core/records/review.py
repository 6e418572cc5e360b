"""`lm-eval-so/review/1`: decisions of people about tests."""

from typing import Literal

from lm_eval_so.core.records.record import record
from lm_eval_so.core.records.sample import TestSample

Ruling = Literal["accept", "edit", "reject"]
Reason = Literal["wrong_answer", "not_answerable", "unnatural", "duplicate", "other"]


@record
class ReviewHead:
    """First line of a file of decisions."""

    schema: Literal["lm-eval-so/review/1"] = "lm-eval-so/review/1"
    dataset_sha256: str
    """Digest of the test.jsonl that was reviewed."""
    reviewer: str | None = None


@record
class Decision:
    """A decision about one test: each further line of that file, and each line of `review.jsonl`."""

    schema: Literal["lm-eval-so/decision/1"] = "lm-eval-so/decision/1"
    """Absent in files of the page."""
    id: str
    """Id of the test."""
    rev: str
    """Revision of the test that the person saw."""
    decision: Ruling
    question: str | None = None
    """Last message of the user, if an edit changes it, as the next two."""
    expected: str | None = None
    must_say: tuple[str, ...] | None = None
    """Phrases that every right answer contains; empty: none."""
    reason: Reason | None = None
    """Cause of a rejection."""
    note: str | None = None
    reviewer: str | None = None
    """In review.jsonl, as the next one: the person."""
    sample: TestSample | None = None
    """The test that was rejected; or one of a source, or edited by hand, as it was edited."""
