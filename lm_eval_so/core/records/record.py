"""The decorator that makes a class a record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TypeVar, dataclass_transform

from pydantic import ConfigDict

T = TypeVar("T")
_MOST_NAMED = 5
"""Most metrics in a short text of a record."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen, slotted, keyword-only dataclass whose fields describe themselves.

    A text under a field becomes its description in the JSON Schema (`field_texts`). A dataclass costs a third of
    a pydantic model to build; validation happens only where a file is read (`codec`).
    """
    config = ConfigDict(ser_json_inf_nan="constants", serialize_by_alias=True)
    cls.__pydantic_config__ = config  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def short_text(name: str, facts: Sequence[str], metrics: Sequence[str]) -> str:
    """Return a record in one line, as Report(shop: 60 samples, exact_match 0.897, … 3 more)."""
    more = len(metrics) - _MOST_NAMED
    shown = [*facts, *metrics[:_MOST_NAMED], *([f"… {more} more"] if more > 0 else [])]
    return f"{name}({', '.join(shown)})"


def html_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as notebooks show it; every text is escaped."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(each)}</{tag}>" for each in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><caption>{escape(caption)}</caption>{line(heads, 'th')}{body}</table>"


def shown_number(value: float | None) -> str:
    """Return a figure for people at a prompt; – if there is none."""
    return "–" if value is None else f"{value:.3f}"


def shown_span(found: tuple[float, float] | None) -> str:
    """Return an interval for people at a prompt; – if there is none."""
    return "–" if found is None else f"{found[0]:.3f} … {found[1]:.3f}"
