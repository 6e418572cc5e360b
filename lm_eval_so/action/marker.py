"""The first two lines of a comment, which GitHub does not show: its suite, and the run that wrote it."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Self
from urllib.parse import quote, unquote

from lm_eval_so.core.records.enums import Verdict

_MARKER = re.compile(r"<!-- lm-eval-so/comment/1 suite=(\S*) -->")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_STATE = re.compile(r"<!-- lm-eval-so/state/1 (\{[^\n]*\}) -->")
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """State of a comment: the run that wrote it. All zero if unreadable, which counts as the oldest."""

    run: int = 0
    attempt: int = 0
    job: str = ""
    """Digest of the job."""
    head: str = ""
    sum: str = ""
    """Digest of the text."""
    verdict: str = ""
    """Last measured verdict, of this run or an earlier one; "" if not known."""
    at: str = ""
    """Commit of that verdict."""
    regressed: str = ""
    """Digest of what got worse then; "" if not known, as where nothing could be measured since."""

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
        except (ValueError, RecursionError):
            return cls()
        names = {"run": int, "attempt": int, "job": str, "head": str, "sum": str}
        if not all(isinstance(values.get(name), kind) for name, kind in names.items()):
            return cls()
        told = (str(values.get("verdict")), str(values.get("at")))
        is_known = told[0] in list(Verdict) and _COMMIT.fullmatch(told[1])
        verdict, at = told if is_known else ("", "")
        regressed = str(values.get("regressed", ""))
        known = {name: values[name] for name in names}
        return cls(**known, verdict=verdict, at=at, regressed=regressed)

    def line(self) -> str:
        """Return the line that `read` reads."""
        values = asdict(self)
        return f"<!-- lm-eval-so/state/1 {json.dumps(values)} -->"


def marker(suite_id: str) -> str:
    """Return the first line of a suite's comment, by which it is found again."""
    encoded = quote(suite_id, safe="/._-", errors="replace")
    while "--" in encoded:  # two hyphens could close the HTML comment
        encoded = encoded.replace("--", "-%2D")
    return f"<!-- lm-eval-so/comment/1 suite={encoded} -->"


def suite_of(body: str) -> str | None:
    """Return the suite whose comment this is; None if it is no comment of ours."""
    match = _MARKER.fullmatch(header(body)[0])
    return unquote(match[1]) if match else None


def header(body: str) -> list[str]:
    """Return the first two lines of a comment; one if it has only one."""
    return body.replace("\r\n", "\n").split("\n", 2)[:2]


def is_same(left: str, right: str) -> bool:
    """Return whether two comments hold the same text, whatever GitHub made of the line ends."""
    return left.replace("\r\n", "\n").rstrip() == right.rstrip()


def digest(text: str) -> str:
    """Return the digest of a text for the state."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
