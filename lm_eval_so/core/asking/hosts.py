"""Hosts that a config has asked, held against those that may get its keys."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lm_eval_so.core.backends.base import ChatBackend, SharedOptions
from lm_eval_so.core.backends.build import make_backend
from lm_eval_so.core.backends.credentials import shared_addresses
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.yaml_lines import Path_
from lm_eval_so.core.http.hosts import AllowedHosts, Host, host_of
from lm_eval_so.core.secrets import is_credential_name, is_secret_name
from lm_eval_so.errors import InputError, Problem, Where

_WRITE_IT = "write it as https://host/path"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedHost:
    """A host that the config names."""

    host: Host | None
    """Null if the address is none, or may be read in two ways."""
    where: Where
    has_keys: bool
    """Whether requests to it carry credentials."""


def named_hosts(config: Config, environ: Mapping[str, str]) -> Iterator[NamedHost]:
    """Yield the hosts that the config names: of all its backends and their proxies, and `gate.control_url`.

    A section with mistakes is left out; its own check tells them.

    Args:
        config: The config.
        environ: Environment variables, which may hold addresses.
    """
    for at, section in config.backend_sections():
        try:
            backend = make_backend(section, config=config, where_path=at, environ=environ)
        except InputError:
            continue
        yield from hosts_of(backend, config=config, where_path=at)
    if config.gate.control_url:
        # what is asked there gets the chatbot's keys
        url, where = config.gate.control_url, config.where("gate", "control_url")
        yield NamedHost(host=host_of(url), where=where, has_keys=True)


def hosts_of(backend: ChatBackend, *, config: Config, where_path: Path_) -> Iterator[NamedHost]:
    """Yield the hosts that a backend asks, its proxy included.

    Args:
        backend: The backend.
        config: The config.
        where_path: Place of its section, as ("backend",).
    """
    addresses = list(backend.addresses().items())
    has_keys = _carries_keys(backend, config, where_path)
    if isinstance(backend.options, SharedOptions):
        addresses += shared_addresses(backend.options, backend.env)
    for option, url in addresses:
        where = config.where(*where_path, "options", *option.split("."))
        yield NamedHost(host=host_of(url), where=where, has_keys=has_keys or "@" in url)


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
