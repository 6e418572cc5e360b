"""Backends from sections of the config, with every problem and its line."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue

from lm_eval_so.core.backends.base import BackendEnv, ChatBackend, Secrets, SharedOptions, backends
from lm_eval_so.core.backends.credentials import (
    NamedHost,
    host_problem,
    hosts_of,
    shared_problems,
)
from lm_eval_so.core.backends.faults import public_url
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.config.validate import Validated, lies_in, validate_parts
from lm_eval_so.core.config.variables import (
    as_written,
    problem_as_written,
    reserved_problem,
    text_as_written,
)
from lm_eval_so.core.config.yaml_lines import Path_
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.http.hosts import AllowedHosts, host_of
from lm_eval_so.core.secrets import hide_in_urls
from lm_eval_so.errors import ConfigError, InputError, LMEvalError, Problem, Where, refuse


def build_backend(
    section: BackendSection,
    *,
    config: Config,
    where_path: Path_,
    environ: Mapping[str, str] | None,
    hosts: AllowedHosts | None = None,
) -> ChatBackend:
    """Make the backend that a section names; nothing is opened or sent.

    Args:
        section: Section of the config.
        config: The whole config, for `run` and for the places of keys.
        where_path: Place of the section, as ("backend",) or ("metrics", 0, "backend").
        environ: Environment variables; None: the config alone is looked at.
        hosts: Hosts that may be asked; None: any.

    Raises:
        UnknownName: If no such backend is known.
        ConfigError: With every wrong or missing key, variable, file and package.
    """
    backend_type = backends.resolve(section.name, where=config.where(*where_path, "name"))
    params, options = _sound(backend_type, section, config, where_path)
    problems = [*params.problems, *options.problems]
    if params.value is None or options.value is None:
        raise ConfigError.of(problems)
    env = _env(config, environ or {})
    try:
        refuse(list(_reserved(backend_type.secrets(options.value), config, where_path)))
        backend = backend_type(params=params.value, options=options.value, env=env)
        found = list(backend.check_options() if environ is None else backend.check())
        if environ is not None and isinstance(options.value, SharedOptions):
            found += [each for each in shared_problems(options.value, env) if each not in found]
    except InputError as error:
        raise ConfigError.of([*problems, *error.problems]) from None
    except LMEvalError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        refuse(problems)  # with mistakes in its options it may well fail
        raise _cannot_be_made(section, error, config, where_path) from None
    written = _texts_written(options.value, config, where_path)
    placed = [_placed(problem_as_written(p, written), config, where_path) for p in found]
    reported = params.reported | options.reported
    problems += [each for each in placed if not lies_in(each, reported)]
    if hosts is not None:
        named = hosts_of(backend, config=config, where_path=where_path)
        problems += filter(None, (host_problem(each, hosts) for each in named))
    refuse(problems)
    return backend


def make_backend(
    section: BackendSection, *, config: Config, where_path: Path_, environ: Mapping[str, str]
) -> ChatBackend:
    """Make the backend of a section without a look at variables, files and packages.

    Args and errors as in `build_backend`, but for variables, files and packages.
    """
    backend_type = backends.resolve(section.name, where=config.where(*where_path, "name"))
    params, options = _sound(backend_type, section, config, where_path)
    if params.value is None or options.value is None or params.problems or options.problems:
        raise ConfigError.of([*params.problems, *options.problems])
    try:
        refuse(list(_reserved(backend_type.secrets(options.value), config, where_path)))
        env = _env(config, environ)
        return backend_type(params=params.value, options=options.value, env=env)
    except LMEvalError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        raise _cannot_be_made(section, error, config, where_path) from None


def find_secrets(section: BackendSection, *, config: Config, where_path: Path_) -> Secrets:
    """Return the secrets of a section, and the names of their sources.

    Errors as in `make_backend`.
    """
    backend_type = backends.resolve(section.name, where=config.where(*where_path, "name"))
    _, options = _sound(backend_type, section, config, where_path)
    try:
        return Secrets() if options.value is None else backend_type.secrets(options.value)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        raise _cannot_be_made(section, error, config, where_path) from None


def program_of(section: BackendSection, *, config: Config, where_path: Path_) -> str:
    """Return the function or program that a built-in backend has run, as the config writes it.

    "" if there is none; errors as in `make_backend`.
    """
    backend_type = backends.resolve(section.name, where=config.where(*where_path, "name"))
    _, options = _sound(backend_type, section, config, where_path)
    text = "" if options.value is None else backend_type.runs(options.value)
    return text_as_written(text, config.located.written_below(*where_path, "options"))


def _sound(
    backend_type: type[ChatBackend], section: BackendSection, config: Config, where_path: Path_
) -> tuple[Validated[BaseModel], Validated[BaseModel]]:
    """Return the valid parts of parameters and options, with the problems of the rest."""
    models: tuple[type[BaseModel], type[BaseModel]] = (backend_type.Params, backend_type.Options)
    given, at = config.located, where_path
    params = validate_parts(models[0], given, at=(*at, "params"), values=section.params)
    options = validate_parts(models[1], given, at=(*at, "options"), values=section.options)
    return params, options


def _reserved(secrets: Secrets, config: Config, where_path: Path_) -> Iterator[Problem]:
    for source in secrets.sources:
        where = config.where(*where_path, "options", *source.key)
        problem = None if source.is_file else reserved_problem(source.name, where)
        if problem is not None:
            yield problem


def _cannot_be_made(
    section: BackendSection, error: Exception, config: Config, where_path: Path_
) -> ConfigError:
    what = f"the backend {section.name} cannot be made: {type(error).__name__}: {error}"
    problem = Problem(what=what, where=config.where(*where_path, "name"))
    return ConfigError.of([problem_as_written(problem, config.located.written_below(*where_path))])


def with_path(target: str, address: str) -> str:
    """Return an address; an origin alone gets what another address has behind its origin.

    A preview deployment has another host and the same paths.
    """
    behind = _HOST.sub("", address, count=1)
    is_bare = _HOST.fullmatch(target) is not None and behind.startswith(("/", "?"))
    return target + behind if is_bare else target


def _texts_written(options: BaseModel, config: Config, where_path: Path_) -> dict[str, str]:
    """Return the options as they were written, by their values; paths are told as they are."""
    at = (*where_path, "options")
    return {
        each.value: each.text
        for path, each in config.located.written.items()
        if path[: len(at)] == at
        and each.value
        and not isinstance(getattr(options, str(path[len(at)]), None), Path)
    }


def _env(config: Config, environ: Mapping[str, str]) -> BackendEnv:
    return BackendEnv(
        environ=environ,
        folder=config.folder,
        concurrency=config.run.concurrency,
        timeout_s=config.run.timeout_s,
        wants_ttft=any(metric.name == "ttft_ms" for metric in config.metrics),
        keeps_raw=config.run.keep_raw,
    )


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


def sent_params(backend: ChatBackend) -> dict[str, JsonValue]:
    """Return the parameters that each request carries, defaults of the backend included."""
    params: dict[str, JsonValue] = backend.params.model_dump(mode="json")
    return params


def backend_fingerprint(
    section: BackendSection, backend: ChatBackend, *, system: str | None, seed: int
) -> str:
    """Return the digest of all that decides an answer; the way to the chatbot stays out."""
    return digest(
        {"backend": section.name, "params": sent_params(backend), "seed": seed, "system": system}
    )


def reach_digest(backend: ChatBackend) -> str:
    """Return the digest of the way to the chatbot, without credentials."""
    return digest(dict(backend.reach()))


def shown_facts(
    told: Mapping[str, JsonValue], section: BackendSection, *, config: Config
) -> dict[str, JsonValue]:
    """Return the facts of a backend as files may hold them.

    Values of variables stand as they were written, but for the host of an address, which tells one
    endpoint from another. URLs lose user, password and the values of their query.

    Args:
        told: `public_reach` and `details` of the backend.
        section: Section of the config.
        config: Whole config.
    """
    below = config.located.written_below(*section_path(section, config), "options")
    written = {**below, **dict(_urls_written(below))}
    return {key: _without_url_secrets(as_written(each, written)) for key, each in told.items()}


def shown_section(
    section: BackendSection, *, config: Config, environ: Mapping[str, str]
) -> tuple[dict[str, JsonValue], str | None]:
    """Return the facts of a backend for files, and the digest of the way to it.

    The options are left out; no facts if the backend cannot be made here.
    """
    at = section_path(section, config)
    try:
        backend = make_backend(section, config=config, where_path=at, environ=environ)
        reach = shown_facts(backend.public_reach(), section, config=config)
        digested = reach_digest(backend)
    except Exception:  # noqa: BLE001 - a report of answers at hand does not need the backend
        reach, digested = {}, None
    return {**section.model_dump(mode="json", exclude={"options"}), "reach": reach}, digested


def hosts_told(sections: Iterable[Mapping[str, Any] | None]) -> tuple[str, ...]:
    """Return the hosts of sections with their facts, as `shown_section` makes them, sorted."""
    found = set[str]()
    for section in sections:
        reach = (section or {}).get("reach") or {}
        addresses = [reach[key] for key in _ADDRESSES if isinstance(reach.get(key), str)]
        found.update(str(host) for host in map(host_of, addresses) if host)
    return tuple(sorted(found))


def section_path(section: BackendSection, config: Config) -> Path_:
    """Return the place of a backend's section in the config."""
    found = (path for path, each in config.backend_sections() if each is section)
    return next(found, ("backend",))


_ADDRESSES = ("base_url", "endpoint", "url")
"""Facts that hold an address: the options in `address_option` of the built-in backends."""
_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def _urls_written(written: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield addresses with variables in them as they may be shown: host as it is, path as written."""
    for value, text in written.items():
        if not (host := _HOST.match(value)):
            continue
        path = _HOST.sub("", text, count=1).partition("?")[0].partition("#")[0]
        is_split = _HOST.match(text) is not None and "${" in path
        shown = public_url(host[0]) + path if is_split else public_url(value)
        yield from ((url, shown) for url in (value, public_url(value)))


def _without_url_secrets(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return hide_in_urls(value)
    if isinstance(value, dict):
        return {hide_in_urls(key): _without_url_secrets(each) for key, each in value.items()}
    return [_without_url_secrets(each) for each in value] if isinstance(value, list) else value


def _placed(problem: Problem, config: Config, where_path: Path_) -> Problem:
    place = problem.where or Where()
    if place.file is not None:
        return problem
    keys = place.key.split(".") if place.key else []
    return replace(problem, where=config.where(*where_path, *keys))
