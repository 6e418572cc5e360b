"""Address and credentials of a team's own endpoint, and the parts that may be shown."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from pydantic import JsonValue

from lm_eval_so.core.backends.base import BackendEnv, Secrets, SecretSource
from lm_eval_so.core.backends.credentials import shared_headers
from lm_eval_so.core.backends.error_texts import Case
from lm_eval_so.core.backends.faults import explained, is_forbidden, public_url
from lm_eval_so.core.backends.http.options import HttpOptions
from lm_eval_so.core.backends.http.template import CONTROL, LONE, TEMPLATE
from lm_eval_so.core.config.yaml_lines import Path_
from lm_eval_so.core.hashing import digest, digest_text
from lm_eval_so.core.http.hosts import host_of
from lm_eval_so.core.secrets import Redactor, is_secret_name, make_redactor, url_secrets
from lm_eval_so.errors import BackendError, ErrorKind, Problem, Where

_ANY = "https://host"
_SECRET_KEY = re.compile(r"key|token|sig|code|secret|passw|auth", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An endpoint; its `repr` tells no secret."""

    url: str = field(repr=False)
    """Without user and password."""
    headers: Mapping[str, str] = field(repr=False)
    """Headers with secrets."""
    env: Mapping[str, str] = field(repr=False)
    """Variables that templates may use."""
    sources: tuple[str, ...]
    """Names of the variables and files that hold the credentials."""
    held: Mapping[str, str]
    """By header, the variable or file that holds its whole value."""
    redactor: Redactor

    @property
    def public(self) -> str:
        """The URL as it may be shown."""
        return public_url(self.url)

    @property
    def key(self) -> str:
        """Digest that tells credentials apart without telling them."""
        return digest([dict(self.headers), dict(self.env)])[:12]

    @property
    def env_digests(self) -> dict[str, JsonValue]:
        """Digests of the variables that are no secrets: another value makes another request."""
        shown = {name: value for name, value in self.env.items() if not is_secret_name(name)}
        return {name: digest_text(value)[:12] for name, value in shown.items()}


def find_address(options: HttpOptions, env: BackendEnv) -> Address:
    """Return the endpoint that options name, with its secrets."""
    url, user = _split(options.url)
    named = {*options.headers_env, *options.headers_file}
    headers = {n: v for n, v in shared_headers(options, env).items() if n in named}
    if user and "authorization" not in {n.lower() for n in (*headers, *options.headers)}:
        headers["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
    variables = [*options.headers_env.values(), *options.env]
    values = {name: env.environ.get(name, "") for name in variables}
    files = {str(path): headers.get(name, "") for name, path in options.headers_file.items()}
    sent = url_secrets(options.url, label="options.url")
    return Address(
        url=url,
        headers=headers,
        env={name: values[name] for name in options.env},
        sources=tuple(dict.fromkeys((*variables, *files))),
        held={**options.headers_env, **{n: str(p) for n, p in options.headers_file.items()}},
        redactor=make_redactor(values, variables, files=files, sent=sent),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the requests that make an answer."""

    told: str = ""
    """Beginning of an error of it; "" for the question's own."""
    option: str = "options.url"
    """Key of its address."""
    url: str = ""
    """Address; "" for that of the options."""
    is_heard: bool | None = None
    """Whether the chatbot has taken in the question if this fails; None: as its status says."""


Tell = Callable[[Step], AbstractContextManager[None]]
"""Function that puts errors inside its context into words, as those of a request."""


def same_host(target: str, base: str) -> str:
    """Return an address that a server named; the keys go to no other host by its word.

    Args:
        target: Address or path.
        base: Address that was asked.

    Raises:
        BackendError: `invalid_request`, if it is at another host.
    """
    url = urljoin(base, target)
    host = host_of(url)
    if host is None or host != host_of(base):
        what = f"the server says that the answer is at another host, {host or public_url(url)}"
        hint = "if that may get the headers, write its address into poll.url"
        details = {"option": "options.poll.url"}
        raise BackendError(
            ErrorKind.INVALID_REQUEST, what, retryable=False, hint=hint, details=details
        )
    return url


def absolute(url: str, base: str) -> str:
    """Return the address of a path on the host of another; an address stays as it is."""
    if not url.startswith("/") or url.startswith("//"):
        return url
    try:
        parts = urlsplit(base)
    except ValueError:
        return url  # told as a problem of the other
    return f"{parts.scheme}://{parts.netloc}{url}"


def url_problems(url: str, *, key: str = "options.url") -> Iterator[Problem]:
    """Find the problems of a URL, without showing its secrets."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is none
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        parts, is_address = urlsplit(""), False
    where = Where(key=key)
    if not is_address or CONTROL.search(url):
        hint = "write it as https://host/path"
        if key != "options.url":
            hint += ", or as /path on the host of options.url"
        yield Problem(what=f'"{public_url(url)}" is no address', where=where, hint=hint)
    elif TEMPLATE.search(parts.netloc):
        # else a row of the dataset could send the key to another host
        what = f"the host of {key} cannot come from a template"
        yield Problem(what=what, where=where, hint="write it, or ${NAME} for a variable")


def address_problems(options: HttpOptions) -> Iterator[Problem]:
    """Find the problems of all addresses of the options."""
    yield from url_problems(options.url)
    for key, url in other_urls(options):
        is_of_answer = key.startswith("options.poll") and LONE.fullmatch(url)
        if is_of_answer or (absolute(url, _ANY) != url and not CONTROL.search(url)):
            continue
        problems = [*url_problems(url, key=key)]
        if not problems and "@" in urlsplit(url).netloc:
            what, hint = f"{key} holds a user", "send it by headers, which all requests carry"
            problems.append(Problem(what=what, where=Where(key=key), hint=hint))
        yield from problems


def public_query(url: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters behind an address without those that are named like a secret."""
    pairs = {**dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)), **query}
    return {name: value for name, value in pairs.items() if not _SECRET_KEY.search(name)}


def query_names(url: str, query: Mapping[str, Any]) -> list[JsonValue]:
    """Return the names of the parameters behind an address."""
    names = (name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return [*dict.fromkeys((*names, *query))]


def public_requests(told: JsonValue, *, only_names: bool) -> JsonValue:
    """Return options of requests with their addresses as they may be shown, and the queries apart.

    Args:
        told: Options of a request, or of several, as JSON.
        only_names: Whether the values of queries are left out.
    """
    if isinstance(told, list):
        return [public_requests(each, only_names=only_names) for each in told]
    if not isinstance(told, dict) or not told.get("url"):
        return told
    url = str(told["url"])
    query = query_names(url, {}) if only_names else public_query(url, {})
    return {**told, "url": public_url(url), **({"query": query} if query else {})}


def with_templates(found: Secrets, options: HttpOptions) -> Secrets:
    """Add the variables that templates may use, and the texts of the queries."""
    named = enumerate(options.env)
    of_templates = (SecretSource(name=name, key=("env", place)) for place, name in named)
    sent = {**found.sent, **dict(_query_texts(options.query))}
    for key, url in other_urls(options):
        pairs = parse_qsl(url.partition("?")[2])
        sent |= {(key.split(".")[1], name): value for name, value in pairs}
    return Secrets(sources=(*found.sources, *of_templates), sent=sent)


def other_urls(options: HttpOptions) -> Iterator[tuple[str, str]]:
    """Yield the addresses of other requests than the question's, as they are written, by key."""
    yield from ((f"{key}.url", section.url) for key, section in options.openings)
    if options.poll and options.poll.url:
        yield "options.poll.url", options.poll.url


def _query_texts(query: Mapping[str, Any]) -> Iterator[tuple[Path_, str]]:
    for name, value in query.items():
        if isinstance(value, str):
            yield ("query", name), value
        for place, text in enumerate(value if isinstance(value, list) else ()):
            if isinstance(text, str):
                yield ("query", name, place), text


def in_our_words(
    error: BackendError, address: Address, step: Step, *, learned: Redactor
) -> BackendError:
    """Return the error of a request in our words, without secrets that the server may quote.

    Args:
        error: Error of the attempt.
        address: The endpoint.
        step: The request.
        learned: Takes out the secrets that are known since the start.
    """
    case, hint, sources = None, None, ", ".join(address.sources)
    if is_forbidden(error):
        case = Case.FORBIDDEN
    elif error.kind is ErrorKind.AUTH:
        case = Case.KEY_REFUSED if sources else Case.HEADER_MISSING
        hint = _about_credentials(address)
    elif error.kind is ErrorKind.NOT_FOUND:
        case = Case.URL_UNKNOWN
    facts = {
        "key": sources,
        "blamed": f"the key in {sources} may not do this" if sources else "it wants a key",
        "url": public_url(step.url) if step.url else address.public,
        "option": step.option,
    }
    redactor = address.redactor.joined(learned) if learned.values else address.redactor
    clean = redactor.redact_json
    told = explained(error, case, facts=facts, clean=clean, hint=hint)
    if step.is_heard is not None:
        told.taken_in = step.is_heard
    if step.told:
        told.message = f"{step.told}: {told.message}"
        told.args = (told.message,)
        told.problems = (replace(told.problems[0], what=told.message),)
    return told


def _about_credentials(address: Address) -> str | None:
    """Return a hint about refused credentials; None if nothing is known of them."""
    # what is forgotten most: a variable with the key alone
    example = {"authorization": ", such as Bearer KEY"}
    told = [
        f"{source} must hold the whole value of the header {name}{example.get(name.lower(), '')}"
        for name, source in address.held.items()
    ]
    return "; ".join(told) or None


def _split(url: str) -> tuple[str, str]:
    """Return a URL without user and password, and these as user:password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, ""
    user, at, host = parts.netloc.rpartition("@")
    return (parts._replace(netloc=host).geturl(), unquote(user)) if at else (url, "")
