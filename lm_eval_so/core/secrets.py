"""Secrets: found by the variables that hold them, and taken out of every text by value."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

_NAMED_LIKE_A_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_SCHEME = re.compile(r"(?:bearer|basic|token|apikey)\s+(\S+)\Z", re.IGNORECASE)
"""A whole Authorization header: a server may quote what stands behind the scheme alone."""
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

    def finds(self, text: str) -> bool:
        """Whether there is anything to take out of a text; said in a few microseconds."""
        for value, _ in self.secrets:  # `any` with a generator takes half as long again
            if value in text:
                return True
        return _may_quote_key(text) and _KEY_SHAPES.search(text) is not None

    def redact(self, text: str) -> str:
        """Replace every known secret and everything shaped like a key."""
        return self.redact_counting(text)[0]

    def redact_json(self, value: Any) -> Any:
        """Like `redact`, for every text in a JSON value; keys stay."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return {key: self.redact_json(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact_json(each) for each in value]
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


def _may_quote_key(text: str) -> bool:
    """Whether `_KEY_SHAPES` may find something: a look at the text is many times faster."""
    return (
        ("-" in text and ("sk-" in text or "xox" in text))
        or ("_" in text and ("gh" in text or "github_pat_" in text))
        or "AKIA" in text
        or "AIza" in text
    )


def is_secret_name(name: str) -> bool:
    """Whether a variable is named like one that holds a secret."""
    return bool(_NAMED_LIKE_A_SECRET.search(name.upper()))


def make_redactor(
    environ: Mapping[str, str],
    named: Iterable[str] = (),
    *,
    files: Mapping[str, str] | None = None,
) -> Redactor:
    """Know the secrets of an environment, raw, URL-encoded, in base64 and as JSON escapes them.

    Args:
        environ: The environment variables.
        named: Names that the config uses for keys; values of ≥ 6 characters count. Other
            variables count if they are named like a secret and hold ≥ 8 characters.
        files: What stands in the files that the config names for keys, by path; ≥ 6 characters.
    """
    wanted = dict.fromkeys(named, _SHORTEST_NAMED)
    for name in environ:
        if _NAMED_LIKE_A_SECRET.search(name.upper()):
            wanted.setdefault(name, _SHORTEST_GUESSED)
    pairs: dict[str, str] = {}
    known = [(name, environ.get(name, "").strip(), least) for name, least in wanted.items()]
    known += [(name, value, _SHORTEST_NAMED) for name, value in (files or {}).items()]
    known += [(n, found[1], least) for n, value, least in known if (found := _SCHEME.match(value))]
    for name, value, shortest in known:
        if len(value) < shortest:
            continue
        encoded = base64.b64encode(value.encode()).decode().rstrip("=")
        for form in (value, quote(value, safe=""), json.dumps(value)[1:-1], encoded):
            pairs.setdefault(form, name)
    return Redactor(tuple(sorted(pairs.items(), key=lambda pair: -len(pair[0]))))
