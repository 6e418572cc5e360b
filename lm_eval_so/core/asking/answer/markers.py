"""Markers around foreign text in instructions, which that text cannot write itself."""

from collections.abc import Iterable, Sequence
from itertools import count

from lm_eval_so.core.hashing import digest

_MARKER_DIGITS = 6


def choose_marker(seed: str, texts: Sequence[str]) -> str:
    """Return a marker that is part of no text, so that no text can end its own block."""
    return next(
        marker
        for attempt in count()
        if (marker := digest([seed, attempt])[:_MARKER_DIGITS])
        and not any(marker in text for text in texts)
    )


def between_markers(texts: Iterable[tuple[str, str]], marker: str) -> str:
    """Return texts as blocks, each between markers that begin with its word."""
    return "\n\n".join(f"<<{word} {marker}>>\n{text}\n<<END {marker}>>" for word, text in texts)
