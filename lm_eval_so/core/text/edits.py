"""Similarity of texts: edit distance and longest common subsequence, by rapidfuzz."""

from collections.abc import Collection, Sequence

from lm_eval_so.core.text.forms import nfc


def is_nearly(one: str, other: str, *, similarity: float) -> bool:
    """Return whether two texts are equal except for a small share of their characters.

    Args:
        one: A text, in any Unicode form.
        other: Another.
        similarity: Least value of 1 − edit distance / length of the longer text, 0 … 1.
    """
    one, other = nfc(one), nfc(other)
    most = int((1 - similarity) * max(len(one), len(other)) + 1e-9)
    return edit_distance(one, other, at_most=most) <= most


def nearest_text(text: str, known: Collection[str], *, similarity: float) -> str | None:
    """Return the nearest known text; None if none is near, or several are equally near.

    Args:
        text: Text to look for.
        known: Texts in the same Unicode form.
        similarity: Least share of the characters of both texts that they have in common, in order.
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
        at_most: Limit of counting; a larger distance is returned as the limit plus one.

    Source: Levenshtein (1966), Soviet Physics Doklady 10(8), 707–710.
    """
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - no help text needs it

    return Levenshtein.distance(one, other, score_cutoff=at_most)


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence: units in the same order, gaps allowed."""
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - no help text needs it

    return LCSseq.similarity(one, other)


def find_nearly(piece: str, text: str, *, similarity: float) -> tuple[int, int] | None:
    """Return the place in a text that is most like a piece, end exclusive; None if none is near.

    Args:
        piece: A text that is not empty.
        text: A longer one.
        similarity: Least share of the characters of both that they have in common, in order, 0 … 1.
    """
    from rapidfuzz.fuzz import partial_ratio_alignment  # noqa: PLC0415 - no help text needs it

    if len(piece) > len(text):
        return None
    found = partial_ratio_alignment(piece, text, score_cutoff=100 * similarity)
    return None if found is None else (found.dest_start, found.dest_end)


def best_place(piece: str, text: str, *, at_least: float = 0.0) -> tuple[float, int, int]:
    """Return the place in a text that is most like a piece: (likeness 0 … 1, start, end exclusive).

    A text that is shorter than the piece is compared as a whole, so that a short one is not like a
    long one that contains it.

    Args:
        piece: A text.
        text: Another.
        at_least: Least likeness that counts; less is 0.
    """
    from rapidfuzz.fuzz import partial_ratio_alignment, ratio  # noqa: PLC0415 - no help text needs it

    if len(text) <= len(piece):
        return ratio(piece, text, score_cutoff=100 * at_least) / 100, 0, len(text)
    found = partial_ratio_alignment(piece, text, score_cutoff=100 * at_least)
    return (0.0, 0, 0) if found is None else (found.score / 100, found.dest_start, found.dest_end)
