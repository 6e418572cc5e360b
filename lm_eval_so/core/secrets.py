"""Secrets: recognized by name, shape and place, and replaced by value in every text."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from lm_eval_so.errors import LMEvalError

_NAMED_LIKE_A_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_CREDENTIAL_NAME = re.compile(
    r"auth(?!or(?!iz))|token(?!s)|secret|passw|cookie|credential"
    r"|(?:^|api|[-_.])(?:key|sig|signature)$|^code$",
    re.IGNORECASE,
)
"""Names of headers and parameters that carry credentials."""
_SCHEME = re.compile(r"(?:bearer|basic|token|apikey)\s+(\S+)\Z", re.IGNORECASE)
"""A whole Authorization header; a server may quote the part behind the scheme."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_SHORTEST_NAMED = 6
"""Fewest characters of a secret to look for. Shorter texts occur by chance in many answers, and are
guessed faster than found in a log."""
_SHORTEST_GUESSED = 8
_SHORTEST_CUT = 16
"""Fewest characters of a secret that are taken out although the rest of it is not there."""
_PIECE = _SHORTEST_CUT // 2
"""Size of the pieces into which a secret is cut: any part of `_SHORTEST_CUT` contains one of them."""
_RUN = re.compile(rf"[!-~]{{{_SHORTEST_CUT},}}")
_WORD_OR_NUMBER = re.compile(r"[^\W\d_]+|[\d.,:/+\s-]+")
"""Common content of answers, no secret: a word, an amount, a date, a phone number."""
_LONG_TOKEN = re.compile(
    r"(?=[A-Za-z_-]*\d)(?=[A-Z\d_-]*[a-z])(?=[a-z\d_-]*[A-Z])[A-Za-z0-9_-]{20,}|[0-9a-f]{32,}"
)
"""Random token: digits and letters of both cases without a break, or a long hexadecimal number; not
the name of a model, a deployment or a host."""
_BASE64 = "[A-Za-z0-9+/_-]"
_URL_SAFE = str.maketrans("+/", "-_")

# Shapes of well-known keys, for error bodies that quote a key which no variable holds.
_KEY_SHAPES = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"
    r"|AKIA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30,}|xox[a-z]-[A-Za-z0-9-]{10,})"
)
_USER = re.compile(r"(?<=://)[^/?#]*@")
_QUERY_VALUE = re.compile(r"(?<==)[^&#]+")


@dataclass(frozen=True, slots=True)
class Redactor:
    """Removes known secrets from texts; its `repr` shows none of them."""

    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """(form, name) pairs, longest form first: the secret, URL-encoded, and as JSON escapes it."""
    encoded: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """(core, name) pairs, longest core first: the part of a secret's base64 that does not depend on
    the neighbouring text."""
    pieces: Mapping[str, tuple[tuple[str, int, str], ...]] = field(default_factory=dict, repr=False)
    """Pieces of the forms and cores of 16 characters or more, each with the whole, its place in
    that, and the name."""
    values: frozenset[str] = field(default=frozenset(), repr=False)
    """The secrets as they are."""

    def finds(self, text: str) -> bool:
        """Return whether a text holds a secret; takes some ten microseconds."""
        for value, _ in self.secrets:  # `any` with a generator takes half as long again
            if value in text:
                return True
        for core, _ in self.encoded:
            if core in text:
                return True
        if next(_cuts(text, self.pieces), None) is not None:
            return True
        return _may_quote_key(text) and _KEY_SHAPES.search(text) is not None

    def redact(self, text: str) -> str:
        """Replace every known secret and everything shaped like a key."""
        return self.redact_counting(text)[0]

    def redact_json(self, value: Any) -> Any:
        """Replace secrets as `redact` does in every text of a JSON value; keys stay."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return {key: self.redact_json(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact_json(each) for each in value]
        return value

    def joined(self, other: "Redactor") -> "Redactor":
        """Return a redactor that removes the secrets of both."""
        forms = {**dict(other.secrets), **dict(self.secrets)}
        cores = {**dict(other.encoded), **dict(self.encoded)}
        return _redactor(forms, cores, self.values | other.values)

    def redact_counting(self, text: str) -> tuple[str, int]:
        """Replace secrets as `redact` does, and count the replacements."""
        count = 0
        for value, name in self.secrets:
            hits = text.count(value)
            if hits:
                text, count = text.replace(value, f"[redacted:{name}]"), count + hits
        found = [(core, name) for core, name in self.encoded if core in text]
        if found:
            text, hits = _without(text, _of_base64(text, found))
            count += hits
        text, hits = _without(text, _cuts(text, self.pieces))
        count += hits
        text, shaped = _KEY_SHAPES.subn("[redacted:key]", text)
        return text, count + shaped


def _of_base64(text: str, cores: Iterable[tuple[str, str]]) -> Iterator[tuple[int, int, str]]:
    """Yield the places of cores and the digits beside them, which may hold bits of a secret."""
    for core, name in cores:
        wide = re.compile(f"{re.escape(core)}{_BASE64}?=*")
        at = text.find(core)
        while at >= 0:
            whole = wide.match(text, at)
            has_neighbour = re.fullmatch(_BASE64, text[at - 1 : at]) is not None
            yield at - has_neighbour, whole.end() if whole else at + len(core), name
            at = text.find(core, at + 1)


def _cuts(
    text: str, pieces: Mapping[str, tuple[tuple[str, int, str], ...]]
) -> Iterator[tuple[int, int, str]]:
    """Yield the places of parts of secrets; few texts have so much ASCII without a blank."""
    for run in _RUN.finditer(text) if pieces else ():
        at = run.start()
        while at + _PIECE <= run.end():
            after = at + 1
            for whole, place, name in pieces.get(text[at : at + _PIECE], ()):
                before = _alike(reversed(text[max(0, at - place) : at]), reversed(whole[:place]))
                length = before + _alike(text[at : at + len(whole)], whole[place:])
                if length >= _SHORTEST_CUT:
                    yield at - before, at - before + length, name
                    after = max(after, at - before + length)
            at = after


def _alike(one: Iterable[str], other: Iterable[str]) -> int:
    """Return the number of characters with which two texts begin alike."""
    return sum(1 for _ in takewhile(lambda p: p[0] == p[1], zip(one, other, strict=False)))


def _without(text: str, found: Iterable[tuple[int, int, str]]) -> tuple[str, int]:
    """Replace places by the names of their secrets; places that overlap are replaced as one.

    They overlap where a secret repeats itself.
    """
    pieces, end, count = [], 0, 0
    for start, stop, name in sorted(found):
        if start >= end:
            pieces += [text[end:start], f"[redacted:{name}]"]
            count += 1
        end = max(end, stop)
    return ("".join([*pieces, text[end:]]), count) if count else (text, 0)


def _may_quote_key(text: str) -> bool:
    """Return whether `_KEY_SHAPES` may match; many times faster than the pattern."""
    return (
        ("-" in text and ("sk-" in text or "xox" in text))
        or ("_" in text and ("gh" in text or "github_pat_" in text))
        or "AKIA" in text
        or "AIza" in text
    )


def is_secret_name(name: str) -> bool:
    """Return whether a variable's name suggests a secret."""
    return bool(_NAMED_LIKE_A_SECRET.search(name.upper()))


def secret_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that hold a secret, by their names and what `is_telling` says."""
    return sorted(n for n, value in environ.items() if is_secret_name(n) and is_telling(value))


def is_telling(value: str) -> bool:
    """Return whether a text may be hidden wherever it stands, without making nonsense of a log.

    It has 8 characters or more, and if it is but a word or a number, 16 or more.
    """
    size = len(value.strip())
    is_common = size < _SHORTEST_CUT and _WORD_OR_NUMBER.fullmatch(value.strip())
    return size >= _SHORTEST_GUESSED and not is_common


def is_credential_name(name: str) -> bool:
    """Return whether the name of a header or parameter suggests a credential."""
    return bool(_CREDENTIAL_NAME.search(name))


def is_reserved_name(name: str) -> bool:
    """Return whether a variable belongs to the Action (inputs, tokens); a config may not name it."""
    return name == "GITHUB_TOKEN" or name.startswith(("INPUT_", "ACTIONS_"))


def sent_secrets(
    place: str, text: str, filled: Mapping[str, str], *, label: str
) -> Iterator[tuple[str, str]]:
    """Yield the secrets in a header or parameter that every request carries.

    A literal counts if it looks like a credential. The value of a variable counts unless it is a
    word or a number, which are common in answers. If the name suggests a credential, any value counts.

    Args:
        place: Name of the header or parameter.
        text: Value of the header or parameter.
        filled: Values of the variables in it, by name.
        label: Name for literal secrets.

    Yields:
        Names and values.
    """
    named = is_credential_name(place)
    for name, value in filled.items():
        if named or not _WORD_OR_NUMBER.fullmatch(value):
            yield name, value
    if "{{" in text or "{%" in text:
        return  # a template: what it comes to is not known here
    whole = not filled
    if named and not _WORD_OR_NUMBER.fullmatch(text):
        yield label, text
        yield from ((label, found[1]) for found in [_SCHEME.match(text)] if found)
    for token in _LONG_TOKEN.findall(text) if whole else ():
        yield label, token


def url_secrets(
    text: str, filled: Mapping[str, str] | None = None, *, label: str
) -> Iterator[tuple[str, str]]:
    """Yield the secrets in the URLs of a text: passwords, and credentials in query and path.

    Args:
        text: The text.
        filled: Values of the variables in it, by name.
        label: Name for the secrets.
    """
    for url in _URL.findall(text):
        try:
            parts = urlsplit(url)
        except ValueError:
            continue
        user = parts.netloc.rpartition("@")[0]
        name, colon, password = user.partition(":")
        if colon or not _WORD_OR_NUMBER.fullmatch(name):  # a lone name may be a token
            for secret in (password if colon else name, user):
                yield label, secret
                yield label, unquote(secret)
            yield label, base64.b64encode(unquote(user).encode()).decode()  # sent as Basic
        for key, value in parse_qsl(parts.query):
            inner = {n: v for n, v in (filled or {}).items() if v and v in value}
            yield from sent_secrets(key, value, inner, label=label)
        for token in _LONG_TOKEN.findall(parts.path):
            yield label, token


def hide_in_urls(text: str) -> str:
    """Return a text with user, password and query values removed from its URLs."""
    return _URL.sub(lambda found: _bare(found[0]), text) if "://" in text else text


def _bare(url: str) -> str:
    before, mark, query = _USER.sub("", url).partition("?")
    return before + mark + _QUERY_VALUE.sub("", query)


def make_redactor(
    environ: Mapping[str, str],
    named: Iterable[str] = (),
    *,
    files: Mapping[str, str] | None = None,
    sent: Iterable[tuple[str, str]] = (),
) -> Redactor:
    """Make a redactor of the secrets in an environment: raw, URL-encoded, base64 and JSON-escaped.

    Parts of them count, too, from 16 characters on.

    Only the secret parts of a URL count, unless the name of its variable suggests a secret.

    Args:
        environ: The environment variables.
        named: Variables that the config names for keys; values of ≥ 6 characters count. Other
            variables count if their name suggests a secret and they hold ≥ 8 characters.
        files: Contents of the key files that the config names, by path; ≥ 6 characters.
        sent: Names and values of other secrets sent with requests; ≥ 6 characters.
    """
    named = frozenset(named)
    known: list[tuple[str, str, int]] = []
    for name in sorted({*named, *environ}):
        value = environ.get(name, "").strip()
        if name in named and not _URL.match(value):
            known.append((name, value, _SHORTEST_NAMED))
        elif is_secret_name(name):
            known.append((name, value, _SHORTEST_GUESSED))
        known += [(n, part, _SHORTEST_NAMED) for n, part in url_secrets(value, label=name)]
    for name, value in (files or {}).items():
        is_url = bool(_URL.match(value))
        texts = url_secrets(value, label=name) if is_url else [(name, value)]
        known += [(n, text, _SHORTEST_NAMED) for n, text in texts]
    known += [(name, value, _SHORTEST_NAMED) for name, value in sent]
    known += [(n, found[1], least) for n, value, least in known if (found := _SCHEME.match(value))]
    forms: dict[str, str] = {}
    cores: dict[str, str] = {}
    values: set[str] = set()
    for name, value, shortest in known:
        if len(value) < shortest:
            continue
        values.add(value)
        for form in _forms(value):
            forms.setdefault(form, name)
        for core in _base64_cores(value):
            cores.setdefault(core, name)
    return _redactor(forms, cores, frozenset(values))


def _redactor(
    forms: Mapping[str, str], cores: Mapping[str, str], values: frozenset[str]
) -> Redactor:
    ordered = (
        sorted(each.items(), key=lambda pair: (-len(pair[0]), pair)) for each in (forms, cores)
    )
    secrets, encoded = map(tuple, ordered)
    return Redactor(secrets, encoded, _pieces({**cores, **forms}), values)


def _pieces(names: Mapping[str, str]) -> dict[str, tuple[tuple[str, int, str], ...]]:
    """Cut texts into pieces, without a rest; no address, whose beginning many others share."""
    found: dict[str, tuple[tuple[str, int, str], ...]] = {}
    for whole, name in names.items():
        if len(whole) < _SHORTEST_CUT or "://" in whole:
            continue
        for place in range(0, len(whole) - _PIECE + 1, _PIECE):
            piece = whole[place : place + _PIECE]
            found[piece] = (*found.get(piece, ()), (whole, place, name))
    return found


def _forms(value: str) -> Iterator[str]:
    yield value
    yield quote(value, safe="", errors="surrogatepass")
    yield json.dumps(value)[1:-1]
    yield value.replace("/", "\\/")  # as PHP's JSON has it


def _base64_cores(value: str) -> Iterator[str]:
    """Yield the digits that occur in any base64 of a text with a value in it, at any offset.

    Three bytes become four digits, so there are three offsets. Digits with bits of a neighbour are
    left out.
    """
    secret = value.encode("utf-8", "surrogatepass")
    for before in range(3):
        digits = base64.b64encode(bytes(before) + secret).decode()
        core = digits[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        yield core
        yield core.translate(_URL_SAFE)
        yield quote(core, safe="")


def clean_exception(error: Exception, redactor: Redactor) -> None:
    """Take known secrets out of an exception."""
    error.args = tuple(redactor.redact_json(error.args))
    if isinstance(error, LMEvalError):
        error.problems = tuple(
            replace(
                each, what=redactor.redact(each.what), hint=each.hint and redactor.redact(each.hint)
            )
            for each in error.problems
        )
