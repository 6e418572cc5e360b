"""Cases that had an answer and have none now: a part of a comparison."""

from collections.abc import Mapping

from lm_eval_so.core.records.record import record


@record
class LostCase:
    """One of these cases."""

    sample_id: str
    ref: str | None = None
    """The user's own id."""
    input: str | None = None
    why: str
    """What kept the answer from coming, as "HTTP 500", timeout, or missing where nobody asked."""


@record
class Lost:
    """The cases that had an answer in the baseline and have none in the candidate."""

    n: int
    by: Mapping[str, int]
    """Cases by what kept the answer from coming, the most frequent first."""
    cases: tuple[LostCase, ...]
    """In the order of the dataset, the first 100."""
