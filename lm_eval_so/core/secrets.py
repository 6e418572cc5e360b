"""Secrets: found by the variables that hold them, and taken out of every text by value."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

_NAMED_LIKE_A_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_SHORTEST_NAMED = 6
_SHORTEST_GUESSED = 8

# Shapes of well-known keys, for error bodies that quote a key which no variable holds.
_KEY_SHAPES = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"
    r"|AKIA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|xox[a-z]-[A-Za-z0-9-]{10,})"
)


@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes known secrets out of texts; its `repr` tells none of them."""

    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """(value, name) pairs, longest value first."""

    def redact(self, text: str) -> str:
        """Replace every known secret and everything shaped like a key."""
        return self.redact_counting(text)[0]

    def redact_json(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Like `redact`, for every text in JSON values; keys stay."""
        return {key: self._redact_any(value) for key, value in values.items()}

    def _redact_any(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return self.redact_json(value)
        if isinstance(value, list | tuple):
            return [self._redact_any(item) for item in value]
        return value

    def redact_counting(self, text: str) -> tuple[str, int]:
        """Like `redact`, and count the replacements."""
        count = 0
        for value, name in self.secrets:
            hits = text.count(value)
            if hits:
                text, count = text.replace(value, f"[redacted:{name}]"), count + hits
        text, shaped = _KEY_SHAPES.subn("[redacted:key]", text)
        return text, count + shaped


def make_redactor(environ: Mapping[str, str], named: Iterable[str] = ()) -> Redactor:
    """Know the secrets of an environment, raw, URL-encoded, in base64 and as JSON escapes them.

    Args:
        environ: The environment variables.
        named: Names that the config uses for keys; values of ≥ 6 characters count. Other
            variables count if they are named like a secret and hold ≥ 8 characters.
    """
    wanted = dict.fromkeys(named, _SHORTEST_NAMED)
    for name in environ:
        if _NAMED_LIKE_A_SECRET.search(name.upper()):
            wanted.setdefault(name, _SHORTEST_GUESSED)
    pairs: dict[str, str] = {}
    for name, shortest in wanted.items():
        value = environ.get(name, "").strip()
        if len(value) < shortest:
            continue
        encoded = base64.b64encode(value.encode()).decode().rstrip("=")
        for form in (value, quote(value, safe=""), json.dumps(value)[1:-1], encoded):
            pairs.setdefault(form, name)
    return Redactor(tuple(sorted(pairs.items(), key=lambda pair: -len(pair[0]))))
