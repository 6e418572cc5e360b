"""The first two lines of a comment: whose it is, and which run wrote it. Neither is shown."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

_STATE = re.compile(r"<!-- lm-eval-so/state/1 (\{[^\n]*\}) -->")
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Which run wrote a comment; all zero if that cannot be read, which counts as the oldest."""

    run: int = 0
    attempt: int = 0
    job: str = ""
    """Digest of the job."""
    head: str = ""
    sum: str = ""
    """Digest of the text."""

    @property
    def age(self) -> tuple[int, int]:
        """Run and attempt: the greater is the newer."""
        return self.run, self.attempt

    @classmethod
    def read(cls, body: str) -> Self:
        """Read the second line of a comment."""
        match = _STATE.fullmatch(header(body)[-1])
        try:
            values = json.loads(match[1]) if match else {}
        except ValueError:
            return cls()
        names = {"run": int, "attempt": int, "job": str, "head": str, "sum": str}
        if not all(isinstance(values.get(name), kind) for name, kind in names.items()):
            return cls()
        return cls(**{name: values[name] for name in names})

    def line(self) -> str:
        """Give the line that `read` reads."""
        values = {name: getattr(self, name) for name in ("run", "attempt", "job", "head", "sum")}
        return f"<!-- lm-eval-so/state/1 {json.dumps(values)} -->"


def marker(suite_id: str) -> str:
    """Give the first line of a suite's comment, by which it is found again."""
    encoded = quote(suite_id, safe="/._-", errors="replace")
    while "--" in encoded:  # two hyphens could close the HTML comment
        encoded = encoded.replace("--", "-%2D")
    return f"<!-- lm-eval-so/comment/1 suite={encoded} -->"


def header(body: str) -> list[str]:
    """Give the first two lines of a comment, or the one that there is."""
    return body.replace("\r\n", "\n").split("\n", 2)[:2]


def is_same(left: str, right: str) -> bool:
    """Whether two comments hold the same text, whatever GitHub made of the line ends."""
    return left.replace("\r\n", "\n").rstrip() == right.rstrip()


def digest(text: str) -> str:
    """Give what stands for a text in the state."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
