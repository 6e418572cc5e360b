"""The review page: a record of what it shows to HTML, in several pages if there is much of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.review_page import ReviewItem, ReviewPage
from lm_eval_so.core.templates.sandbox import asset, content_policy, fill_html, json_in_page
from lm_eval_so.core.words import say, texts

_PACKAGE = "lm_eval_so.core.review_page"
_TOPIC = "review_page."
_MOST_ITEMS = 1000
"""More of them make a press of a key slow."""
_MOST_BYTES = 4_900_000
"""Bytes of the items of a page, which is 5 MB with all that is around them."""
_NOT_IN_SCRIPT = ("flag_", "at_")
"""Beginnings of the texts that stand in the items already."""


def review_pages(page: ReviewPage) -> tuple[str, ...]:
    """Return the HTML pages, each complete by itself; the same items give the same text.

    Args:
        page: The items, in the order in which they are to be seen. A page takes at most 1,000 of them, or 5 MB.
    """
    parts = list(_parts(page.items))
    return tuple(
        _html(page, items, number=number, of=len(parts))
        for number, items in enumerate(parts, start=1)
    )


def page_name(stem: str, number: int) -> str:
    """Return the name of a page's file: `review.html`, then `review-2.html`.

    Args:
        stem: Name of the first one without its suffix.
        number: Number of the page, from 1.
    """
    return f"{stem}.html" if number == 1 else f"{stem}-{number}.html"


def _parts(items: Sequence[ReviewItem]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for item in items:
        values = _without_absent(to_json(item))
        taken = len(json_in_page(values).encode()) + 1
        if part and (len(part) == _MOST_ITEMS or size + taken > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(values)
        size += taken
    if part:
        yield part


def _without_absent(values: Any) -> Any:
    """Leave out what is null or empty, but for what stands in a list."""
    if isinstance(values, dict):
        kept = {key: _without_absent(value) for key, value in values.items()}
        return {key: value for key, value in kept.items() if value not in (None, [], "")}
    return [_without_absent(value) for value in values] if isinstance(values, list) else values


def _html(page: ReviewPage, items: Sequence[Mapping[str, Any]], *, number: int, of: int) -> str:
    language = Language(page.language)
    is_labels = page.mode == "labels"
    style, script = asset(_PACKAGE, "page.css"), asset(_PACKAGE, "page.js")

    def words(key: str, **figures: object) -> str:
        return say(f"{_TOPIC}{key}", language, figures)

    data = {
        "schema": page.schema,
        "mode": page.mode,
        "language": page.language,
        "dataset": to_json(page.dataset),
        "command": page.command,
        "items": items,
        "words": _in_script(language),
    }
    values = {
        "language": language.value,
        "title": words("title_labels" if is_labels else "title_review"),
        "name": page.dataset.name,
        "labels": is_labels,
        "part": number,
        "parts": of,
        "total": len(items),
        "flagged": sum("flags" in item for item in items),
        "shortcuts": _shortcuts(words, is_labels=is_labels),
        "csp": content_policy(style, script),
        "t": words,
    }
    trusted = {"style": style, "script": script, "data": json_in_page(data)}
    return fill_html(_PACKAGE, "page.html.j2", values, trusted=trusted, redact=lambda text: text)


def _in_script(language: Language) -> dict[str, str]:
    found = {
        code.removeprefix(_TOPIC): text
        for code, text in texts(language).items()
        if code.startswith(_TOPIC)
    }
    return {key: text for key, text in found.items() if not key.startswith(_NOT_IN_SCRIPT)}


def _shortcuts(words: Any, *, is_labels: bool) -> list[tuple[list[str], str]]:
    own = (
        [(["1–9"], words("key_label"))]
        if is_labels
        else [
            (["A"], words("accept")),
            (["E"], words("edit")),
            (["R", "1–5"], words("key_reject")),
            (["F"], words("key_flagged")),
            (["Ctrl", "↵"], words("keep")),
        ]
    )
    return [
        (["J", "K"], words("key_walk")),
        *own,
        (["U"], words("undo")),
        (["S"], words("key_save")),
        (["Esc"], words("key_leave")),
        (["?"], words("key_help")),
    ]
