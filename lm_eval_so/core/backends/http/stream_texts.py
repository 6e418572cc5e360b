"""The texts of a stream: new pieces of an answer, or each all of it so far."""

from dataclasses import dataclass, field

_FEWEST_TEXTS = 3
_FEWEST_LETTERS = 8
"""Different characters: a bot that says "ha", "haha", "hahaha" does not repeat itself."""


@dataclass(slots=True)
class StreamTexts:
    """The texts of the events, in order; each a new piece, or each all of the answer so far."""

    is_cumulative: bool = False
    parts: list[str] = field(default_factory=list)
    """Of cumulative texts the last one only."""
    count: int = 0
    continued: int = 0
    """Texts that begin with the text before them."""
    grown: int = 0
    """Those of them that are longer than it."""

    @property
    def whole(self) -> str:
        """The answer so far."""
        return "".join(self.parts)

    def add(self, text: str) -> None:
        """Take the text of an event."""
        last = self.parts[-1] if self.parts else ""
        if self.count and text.startswith(last):
            self.continued += 1
            self.grown += len(text) > len(last)
        self.count += 1
        if self.is_cumulative:
            self.parts.clear()
        self.parts.append(text)

    @property
    def look_cumulative(self) -> bool:
        """Whether every text begins with the one before it, as pieces of an answer do not."""
        is_chain = self.continued == self.count - 1 and self.grown >= _FEWEST_TEXTS - 1
        return is_chain and len(set(self.parts[-1])) >= _FEWEST_LETTERS

    @property
    def look_like_pieces(self) -> bool:
        """Return whether no text begins with the one before it, as texts so far do."""
        return self.count >= _FEWEST_TEXTS and self.continued == 0
