"""Events that stages send to a listener; stages never print."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A stage begins; `total` is its number of units of work, if known."""

    stage: str
    total: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Progress: `done` units so far, of which `already` come from an earlier run."""

    stage: str
    done: int
    already: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    """Units by outcome, as "ok" or "error"."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """Errors by kind."""
    limit: int | None = None
    """Current limit of concurrent requests."""
    cost_usd: float | None = None
    """Money spent so far; None if no price is known."""
    max_cost_usd: float | None = None
    """Budget, if there is one."""
    note: str = ""
    """More about how it goes, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning for the user."""

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
    """A stage ended, with a summary in one line."""

    stage: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """A verdict, in the lines that people see first."""

    stage: str
    headline: str
    lines: tuple[str, ...] = ()
    """Further lines, ready for a terminal of 80 columns."""
    is_warning: bool = False
    """Whether the verdict lets a change in, but not in silence."""


Event = Began | Moved | Warned | Noticed | Ended | Concluded
Listener = Callable[[Event], None]


def ignore(_: Event) -> None:
    """Ignore an event."""
