"""The pages that people read, and their fenced blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
READMES = (ROOT / "README.md", ROOT / "README.ko.md")
PAGES = (*READMES, *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    language: str
    text: str

    @property
    def is_workflow(self) -> bool:
        """Whether it is a workflow of GitHub."""
        return self.language == "yaml" and "\njobs:\n" in self.text

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(page.relative_to(ROOT).as_posix(), line, match[1], match[2])


def without_fences(text: str) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", text)


def without_code(text: str) -> str:
    """Return the prose of a page: blocks are left out, code spans are blanked."""
    return re.sub(r"`[^`\n]+`", "code", without_fences(text))
