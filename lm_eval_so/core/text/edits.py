"""What two texts share: edit distance and longest common subsequence, both by rapidfuzz."""

from collections.abc import Collection, Sequence

from lm_eval_so.core.text.forms import nfc


def is_nearly(one: str, other: str, *, similarity: float) -> bool:
    """Return whether two texts are the same but for a small share of their characters.

    Args:
        one: A text, in any Unicode form.
        other: Another.
        similarity: 1 − edit distance / length of the longer text, at least; 0 … 1.
    """
    one, other = nfc(one), nfc(other)
    most = int((1 - similarity) * max(len(one), len(other)) + 1e-9)
    return edit_distance(one, other, at_most=most) <= most


def nearest_text(text: str, known: Collection[str], *, similarity: float) -> str | None:
    """Give the text that looks most like another; None if none is near, or several are equally so.

    Args:
        text: What is looked for.
        known: Texts in the same Unicode form.
        similarity: Share of the characters of both that they have in common, in order, at least.
    """
    from rapidfuzz import process  # noqa: PLC0415 - no help text needs it
    from rapidfuzz.distance import Indel  # noqa: PLC0415 - as above

    scorer = Indel.normalized_similarity
    near = process.extract(text, known, scorer=scorer, limit=2, score_cutoff=similarity)
    is_clear = near and (len(near) == 1 or near[0][1] > near[1][1])
    return near[0][0] if is_clear else None


def edit_distance(one: Sequence[str], other: Sequence[str], *, at_most: int | None = None) -> int:
    """Return the Levenshtein distance: units to insert, delete or replace.

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
