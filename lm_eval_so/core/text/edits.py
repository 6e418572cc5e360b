"""What two texts share: edit distance and longest common subsequence, both by rapidfuzz."""

from collections.abc import Sequence

from lm_eval_so.core.text.forms import nfc


def is_nearly(one: str, other: str, *, similarity: float) -> bool:
    """Whether two texts are the same but for a small share of their characters.

    Args:
        one: A text, in any Unicode form.
        other: Another.
        similarity: 1 − edit distance / length of the longer text, at least; 0 … 1.
    """
    one, other = nfc(one), nfc(other)
    most = int((1 - similarity) * max(len(one), len(other)) + 1e-9)
    return edit_distance(one, other, at_most=most) <= most


def edit_distance(one: Sequence[str], other: Sequence[str], *, at_most: int | None = None) -> int:
    """Give the Levenshtein distance: units to insert, delete or replace.

    Args:
        one: A text, or units of one.
        other: Another.
        at_most: Where counting may stop: anything above it comes out as one more than it.

    Source: Levenshtein (1966), Soviet Physics Doklady 10(8), 707–710.
    """
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - no help text needs it

    return Levenshtein.distance(one, other, score_cutoff=at_most)


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Give the length of the longest common subsequence: units in the same order, gaps allowed."""
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - no help text needs it

    return LCSseq.similarity(one, other)
