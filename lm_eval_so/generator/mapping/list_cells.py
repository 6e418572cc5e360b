"""Cells with several texts, as tables of people have them: `3 days; Monday`."""

import re
from collections.abc import Iterator

from pydantic import JsonValue

from lm_eval_so.core.records.codec import dump_line
from lm_eval_so.generator.mapping.fields import json_of
from lm_eval_so.generator.sources.base import excerpt
from lm_eval_so.generator.sources.json_values import BadJsonError

_COMMAS = ",，、"
_COMMA = f"(?<![0-9])[{_COMMAS}]|[{_COMMAS}](?![0-9])"
"""A comma that is no part of a number, as that of 3,000 is."""
_BREAK = "[;；\n]"
_KEPT = (
    f'(?<![^\\s(\\[;；{_COMMAS}])"[^"\n]+"'  # a quote after a digit stands for inches
    "|[“‘「『][^”’」』\n]*[”’」』]"
    "|&#?[0-9A-Za-z]{1,10};"  # of HTML, which tables from a CMS hold
)
_OR = r"\s[|｜]\s"
"""A bar between alternatives; without blanks around it, it is part of a phrase."""
_WHOLE_QUOTE = re.compile('"([^"\n]+)"|“([^”\n]+)”')
_SHOWN = 60
_ENDS = {"keywords": _BREAK, "forbidden": _BREAK, "tags": f"{_BREAK}|{_COMMA}"}
"""Pattern of what ends a text of a field."""
LISTS = tuple(_ENDS)
"""Fields of which one cell may hold several texts."""


def read_cell(text: str, field: str) -> list[JsonValue]:
    """Return the texts of a cleaned cell; of a JSON list its items.

    Semicolons and line breaks end a text; between tags, which are labels, commas do, too. Nothing is
    cut inside quotes, and a text in quotes loses them. A cell without such a mark stays as it is.

    Args:
        text: The cell.
        field: One of `LISTS`.
    """
    if (items := _json_list(text)) is not None:
        return items
    end = _ENDS[field]
    return [*map(_unquoted, _cut(text, end))] if re.search(end, text) else [text]


def read_phrases(text: str) -> list[JsonValue]:
    """Return the phrases of a cleaned cell as `read_cell` does; one with ` | ` in it becomes `{any_of: […]}`.

    In a cell with such a bar, too, a text in quotes loses them, so that quotes keep a bar in a phrase.
    """
    if _json_list(text) is not None or not re.search(_OR, text):
        return read_cell(text, "keywords")
    phrases: list[JsonValue] = []
    for part in _cut(text, _BREAK):
        forms: list[JsonValue] = [*filter(None, map(_unquoted, _cut(part, _OR)))]
        phrases += [{"any_of": forms}] if len(forms) > 1 else forms
    return phrases


def _cut(text: str, end: str) -> list[str]:
    """Return the parts of a text between what ends one, without blank ones; nothing is cut inside quotes."""
    parts, start = [], 0
    for match in re.finditer(f"{_KEPT}|(?P<end>{end})", text):
        if match["end"]:
            parts.append(text[start : match.start()])
            start = match.end()
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def _json_list(text: str) -> list[JsonValue] | None:
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        items = json_of(text)
    except BadJsonError:  # a label in brackets
        return None
    return items if isinstance(items, list) else None


def _unquoted(text: str) -> str:
    match = _WHOLE_QUOTE.fullmatch(text)
    return (match[1] or match[2]).strip() if match else text


class CellNotes:
    """Cells of a file that were cut, and phrases that look as if they should have been."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], tuple[str, int]] = {}
        """Example and number of the cells that were cut or left whole, by field and column."""

    def add(self, field: str, column: str, text: str) -> None:
        """Look at one cell of a field of `LISTS`."""
        if _json_list(text) is not None:
            return
        read = read_phrases(text) if field == "keywords" else read_cell(text, field)
        is_choice = any(isinstance(each, dict) for each in read)
        is_cut = is_choice or len(read) > 1
        if is_cut or (_ENDS[field] == _BREAK and re.search(_COMMA, text)):
            kind = "or" if is_choice else "cut" if is_cut else "whole"
            example, n = self._found.get((kind, field, column), (text, 0))
            self._found[kind, field, column] = example, n + 1

    def told(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield (code, figures) of a notice for each column with such cells: their number and an example."""
        for kind, field, column in sorted(self._found, key=lambda each: each[0]):
            example, n = self._found[kind, field, column]
            figures = {"column": column, "n": f"{n:,}", "example": _shown(example)}
            if kind != "whole":
                read = read_phrases(example) if field == "keywords" else read_cell(example, field)
                parts = ", ".join(map(_shown_part, read))
                yield f"{kind}_{field}", {**figures, "parts": parts}
            # else they know how to separate phrases
            elif self._found.keys().isdisjoint({("cut", field, column), ("or", field, column)}):
                yield f"whole_{field}", figures


def _shown_part(part: JsonValue) -> str:
    forms = part.get("any_of") if isinstance(part, dict) else None
    if isinstance(forms, list):
        return " | ".join(_shown(str(form)) for form in forms)
    return _shown(str(part))


def _shown(text: str) -> str:
    return dump_line(excerpt(text)[:_SHOWN])
