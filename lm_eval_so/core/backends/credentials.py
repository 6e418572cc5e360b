"""Keys and other secrets of a backend: from a variable or a file, never from the config; hosts that get them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lm_eval_so.core.backends.base import BackendEnv, ChatBackend, SharedOptions
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.yaml_lines import Path_
from lm_eval_so.core.http.hosts import AllowedHosts, Host, host_of
from lm_eval_so.core.secrets import is_credential_name, is_secret_name
from lm_eval_so.errors import Problem, Where

_WRITE_IT = "write it as https://host/path"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedHost:
    """A host that the config names."""

    host: Host | None
    """Null if the address is none, or may be read in two ways."""
    where: Where
    has_keys: bool
    """Whether requests to it carry credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret and its source; its `repr` does not tell it."""

    value: str = field(default="", repr=False)
    """Without blanks and line ends around it; "" if there is none."""
    source: str = ""
    """Name of the variable or path of the file, for error texts; "" if none is named."""
    key: str = ""
    """The option that names the source, as "options.api_key_env"."""
    is_file: bool = False


def find_secret(options: SharedOptions, name: str, env: BackendEnv) -> Secret:
    """Read the secret that `<name>_file` or `<name>_env` of the options names; the file wins."""
    file = getattr(options, f"{name}_file", None)
    variable: str = getattr(options, f"{name}_env", "") or ""
    if file is None:
        return _of_variable(variable, f"options.{name}_env", env)
    return _of_file(str(file), f"options.{name}_file", env)


def read_secret(file: Path) -> str:
    """Return the secret in a file, without blanks around it; "" if it cannot be read."""
    try:
        return file.read_text("utf-8", "replace").strip()
    except OSError:
        return ""  # the backend's own check says that it is missing


def secret_problem(secret: Secret, *, hint: str | None = None) -> Problem | None:
    """Return the problem of a secret that is needed, or None."""
    where = Where(key=secret.key)
    if secret.source and not secret.value:
        what = "has nothing in it, or is not there" if secret.is_file else "is not set"
        return Problem(
            what=f"{secret.source} {what}",
            where=where,
            hint=hint or ("write the secret into it" if secret.is_file else "export it"),
        )
    if not (secret.value.isascii() and secret.value.isprintable()):
        return Problem(
            what=f"{secret.source} holds a character that no key has",
            where=where,
            hint="give it anew, without line ends and letters other than ASCII",
        )
    return None


def shared_headers(options: SharedOptions, env: BackendEnv) -> dict[str, str]:
    """Return the headers that the options ask for, those with secrets included."""
    return {
        **options.headers,
        **{name: secret.value for name, secret in _header_secrets(options, env)},
    }


def shared_problems(options: SharedOptions, env: BackendEnv) -> Iterator[Problem]:
    """Find missing variables and files of the options that every backend has."""
    secrets = [secret for _, secret in _header_secrets(options, env)]
    for secret in (*secrets, find_secret(options, "proxy", env)):
        problem = secret_problem(secret)
        if problem is not None:
            yield problem
    if options.verify is not True and not (env.folder / options.verify).is_file():
        what = f"no file of authorities {options.verify}"
        yield Problem(what=what, where=Where(key="options.verify"))


def hosts_of(backend: ChatBackend, *, config: Config, where_path: Path_) -> Iterator[NamedHost]:
    """Yield the hosts that a backend asks, its proxy included.

    Args:
        backend: The backend.
        config: The config.
        where_path: Place of its section, as ("backend",).
    """
    has_keys, own = _carries_keys(backend, config, where_path), backend.addresses()
    # a proxy of an encrypted request sees no key but its own
    reads_keys = has_keys and not all(url.lower().startswith("https:") for url in own.values())
    addresses = [(option, url, has_keys) for option, url in own.items()]
    if isinstance(backend.options, SharedOptions):
        shared = _shared_addresses(backend.options, backend.env)
        addresses += ((option, url, reads_keys) for option, url in shared)
    for option, url, sees_keys in addresses:
        where = config.where(*where_path, "options", *option.split("."))
        yield NamedHost(host=host_of(url), where=where, has_keys=sees_keys or "@" in url)


def host_problem(named: NamedHost, allowed: AllowedHosts) -> Problem | None:
    """Return the problem of a host that may not be asked; None if it may.

    Args:
        named: The host.
        allowed: The hosts that the workflow allows.
    """
    host, where = named.host, named.where
    if host is None:
        what = "nobody can tell for sure which host this address leads to"
        return Problem(what=what, where=where, hint=_WRITE_IT)
    if not allowed.has(host):
        hint = f"add {host} to allowed_hosts of the workflow's step, if it may get the keys"
        return Problem(what=f"{host} is not among the allowed hosts", where=where, hint=hint)
    if named.has_keys and not (host.is_encrypted or host.is_private):
        hint = "write https://; http:// is for loopback, private addresses and names of services"
        return Problem(what=f"keys would go to {host} unencrypted", where=where, hint=hint)
    return None


def _shared_addresses(options: SharedOptions, env: BackendEnv) -> Iterator[tuple[str, str]]:
    """Yield addresses of the options that every backend has, by option: a proxy, and a header Host.

    By that header a server that many share knows whom a request is for.
    """
    proxy = find_secret(options, "proxy", env)
    if proxy.value:
        url = proxy.value if "://" in proxy.value else f"http://{proxy.value}"
        yield proxy.key.removeprefix("options."), url
    literal = {name: ("headers", text) for name, text in options.headers.items()}
    held = {name: (each.key, each.value) for name, each in _header_secrets(options, env)}
    for name, (key, text) in {**literal, **held}.items():
        if name.strip().lower() == "host":
            yield key.removeprefix("options.").partition(".")[0], f"https://{text}"


def _carries_keys(backend: ChatBackend, config: Config, where_path: Path_) -> bool:
    """Return whether requests of a backend carry credentials, as far as its options tell."""
    secrets = type(backend).secrets(backend.options)
    below = [*where_path, "options"]
    filled = (
        name
        for path, written in config.located.written.items()
        if [*path[: len(below)]] == below or path[:1] == ("system",)
        for name in written.variables
    )
    return (
        bool(secrets.variables or secrets.files)
        or any(is_credential_name(str(key[1])) for key in secrets.sent)
        or any(map(is_secret_name, filled))
    )


def _header_secrets(options: SharedOptions, env: BackendEnv) -> Iterator[tuple[str, Secret]]:
    for header, name in options.headers_env.items():
        yield header, _of_variable(name, f"options.headers_env.{header}", env)
    for header, path in options.headers_file.items():
        yield header, _of_file(str(path), f"options.headers_file.{header}", env)


def _of_variable(name: str, key: str, env: BackendEnv) -> Secret:
    value = env.environ.get(name, "").strip() if name else ""
    return Secret(value=value, source=name, key=key)


def _of_file(path: str, key: str, env: BackendEnv) -> Secret:
    return Secret(value=read_secret(env.folder / path), source=path, key=key, is_file=True)
