"""What stages tell whoever listens; they never print."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A stage starts; `total` units of work if that is known."""

    stage: str
    total: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Work is done: `done` units so far, of which `already` were there from an earlier run."""

    stage: str
    done: int
    already: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    """Units by how they ended, as "ok" or "error"."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """Those that ended in an error, by its kind."""
    limit: int | None = None
    """How many requests may be under way at once now."""
    cost_usd: float | None = None
    """Money spent so far; None if no price is known."""
    max_cost_usd: float | None = None
    """The budget, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something that the user should know."""

    stage: str
    text: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """A fact worth a line, good or neutral."""

    stage: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A stage is over, in one line."""

    stage: str
    text: str


Event = Began | Moved | Warned | Noticed | Ended
Listener = Callable[[Event], None]


def ignore(_: Event) -> None:
    """Listen to nothing."""
