"""Edit distance: how many characters must change to make one text of another."""

from collections import Counter

from lm_eval_so.core.text.forms import nfc


def is_nearly(one: str, other: str, *, similarity: float) -> bool:
    """Whether two texts are the same but for a small share of their characters.

    Args:
        one: A text, in any Unicode form.
        other: Another.
        similarity: 1 − edit distance / length of the longer text, at least; 0 … 1.
    """
    one, other = nfc(one), nfc(other)
    most = (1 - similarity) * max(len(one), len(other)) + 1e-9
    if one == other:
        return True
    if abs(len(one) - len(other)) > most or _bag_distance(one, other) > most:
        return False  # lower bounds, far cheaper than the distance itself
    return edit_distance(one, other) <= most


def edit_distance(one: str, other: str) -> int:
    """Give the Levenshtein distance: characters to insert, delete or replace.

    Bit-parallel, a column of the matrix a step: Myers (1999), JACM 46(3), in the form of Hyyrö
    (2003). Python's integers are the bit vectors, so a pair of 4,000 characters takes some
    milliseconds.
    """
    one, other = _differing(one, other)
    pattern, text = (one, other) if len(one) >= len(other) else (other, one)
    if not text:
        return len(pattern)
    where: dict[str, int] = {}
    for position, char in enumerate(pattern):
        where[char] = where.get(char, 0) | 1 << position
    everything = (1 << len(pattern)) - 1
    last = 1 << (len(pattern) - 1)
    rises, falls, distance = everything, 0, len(pattern)
    for char in text:
        equal = where.get(char, 0)
        down = equal | falls
        across = (((equal & rises) + rises) ^ rises) | equal
        rise_right = falls | (everything & ~(across | rises))
        fall_right = rises & across
        distance += bool(rise_right & last) - bool(fall_right & last)
        rise_right = rise_right << 1 | 1
        rises = (fall_right << 1 | ~(down | rise_right)) & everything
        falls = rise_right & down & everything
    return distance


def _bag_distance(one: str, other: str) -> int:
    """Give how many characters one text has that the other has not, order apart."""
    left, right = Counter(one), Counter(other)
    return max((left - right).total(), (right - left).total())


def _differing(one: str, other: str) -> tuple[str, str]:
    """Cut off what both start and end with."""
    shorter = min(len(one), len(other))
    start = next((i for i in range(shorter) if one[i] != other[i]), shorter)
    rest = shorter - start
    end = next((i for i in range(rest) if one[-1 - i] != other[-1 - i]), rest)
    return one[start : len(one) - end], other[start : len(other) - end]
