"""Askers from sections of the config, opened and closed."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lm_eval_so.core.asking.cache.cache import AnswerCache, RequestKeys, is_cacheable, open_cache
from lm_eval_so.core.asking.cost.prices import known_rates
from lm_eval_so.core.asking.endpoint.admission import Endpoint
from lm_eval_so.core.asking.live import LiveAsker, Target
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.asking.retry import Policy
from lm_eval_so.core.backends.base import ChatBackend, backends
from lm_eval_so.core.backends.build import (
    backend_fingerprint,
    build_backend,
    reach_digest,
    section_path,
)
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.events import Warned
from lm_eval_so.core.files import RAISE_IT, open_limit
from lm_eval_so.errors import BackendError, ConfigError, ErrorKind, InputError, LMEvalError, Problem

if TYPE_CHECKING:
    from lm_eval_so.core.http.hosts import AllowedHosts

_STAGES = {"metrics": "evaluate", "generator": "generate"}
"""Stage that asks a backend, by the key of the config that it stands in; others are asked by `run`."""
_OTHER_FILES = 32
"""Files open besides requests: results, cache, the folder's lock, the loop, and files read or
written in passing."""


@asynccontextmanager
async def open_asker(
    section: BackendSection, *, config: Config, resources: Resources, asks: bool = True
) -> AsyncIterator[LiveAsker]:
    """Open the backend of a section, and close it in the end.

    Askers of one endpoint share limit, breaker and pace; all askers share the budget.

    Args:
        section: Section of the config.
        config: Whole config.
        resources: Environment, listener, stop event, budget.
        asks: Whether this process asks; else the backend is not made ready, and no cache is opened.

    Raises:
        InputError: With every problem of the section.
        BackendError: If the backend cannot get ready.
        LMEvalError: In the end, if the last request showed that asking on makes no sense.
    """
    at = section_path(section, config)
    stage = _STAGES.get(str(at[0]), "run")
    hosts = resources.hosts
    backend = build_asked(section, config=config, environ=resources.environ, hosts=hosts)
    resources.budget.limit(config.run)
    if asks:
        await _get_ready(backend)
    cache: AnswerCache | None = None
    try:
        cache = _open_cache(backend, config, resources, stage=stage) if asks else None
        target = Target(
            backend=backend,
            policy=_policy(backend, config),
            label=section.run_label,
            stage=stage,
            where=lambda key: config.where(*at, *key.split(".")),
            seed=config.run.seed,
        )
        endpoint = resources.endpoint(backend, label=target.label, stage=stage)
        endpoint.pace.limit(
            requests_per_s=config.run.max_requests_per_s,
            tokens_per_min=config.run.max_tokens_per_min,
        )
        _fit_files(target, endpoint, config, resources)
        key_of = key_maker(section, backend)
        asker = LiveAsker(target, resources, cache=cache, key_of=key_of)
        yield asker
        if asker.ending is not None:  # shown by the last request, so nobody was told yet
            raise asker.ending
    finally:
        if cache is not None:
            cache.close()
        if asks:
            await _let_go(backend, resources, stage=stage)


def build_asked(
    section: BackendSection,
    *,
    config: Config,
    environ: Mapping[str, str] | None,
    hosts: "AllowedHosts | None" = None,
) -> ChatBackend:
    """Make the backend of a section; nothing is opened or sent.

    Args:
        section: Section of the config.
        config: Whole config.
        environ: Environment variables; None: the config alone is looked at.
        hosts: Hosts that may be asked; None: any.

    Raises:
        ConfigError: With every problem of the section, a price that the budget needs included.
    """
    at = section_path(section, config)
    backend = build_backend(section, config=config, where_path=at, environ=environ, hosts=hosts)
    is_asked = environ is not None
    if is_asked and config.run.max_cost_usd is not None and known_rates(backend) is None:
        where = config.where(*at)
        hint = f"set {where.key}.options.price or remove run.max_cost_usd"
        raise ConfigError(f"no price known for {section.run_label}", where=where, hint=hint)
    return backend


def backend_problems(
    section: BackendSection,
    *,
    config: Config,
    environ: Mapping[str, str] | None,
    hosts: "AllowedHosts | None" = None,
) -> list[Problem]:
    """Find everything that is wrong with the backend of a section, before anything is spent.

    Arguments as of `build_asked`.
    """
    try:
        build_asked(section, config=config, environ=environ, hosts=hosts)
    except InputError as error:
        return list(error.problems)
    return []


def batch_problems(
    section: BackendSection,
    *,
    config: Config,
    environ: Mapping[str, str] | None,
    key: tuple[str | int, ...],
    needs_cache: bool = False,
) -> list[Problem]:
    """Find what keeps a backend from being asked by batch.

    Args:
        section: Section of the backend.
        config: Whole config.
        environ: Environment variables; None: the config alone is looked at.
        key: Path of the key that wants it to be asked so.
        needs_cache: Whether the answers are kept nowhere but in the cache.
    """
    at, where = section_path(section, config), config.where(*key)
    try:
        backend = build_backend(section, config=config, where_path=at, environ=environ)
    except InputError:  # told by whoever checks the backend
        return []
    if not backend.capabilities.batch:
        what = f"the backend {section.name} has no batch service"
        able = " and ".join(backends.builtin_with(lambda each: each.capabilities.batch))
        hint = f"{able} have one; ask others with {where.key}: live"
        return [Problem(what=what, where=where, hint=hint)]
    if needs_cache and cache_path(backend, config) is None:
        what = "answers of a batch are kept in the cache, which is off"
        if config.run.cache is not False:
            what = f"answers of a batch are kept in the cache, and those of {section.name} are not"
        hint = f"ask with {where.key}: live, or have them cached (run.cache, options.cacheable)"
        return [Problem(what=what, where=where, hint=hint)]
    return []


def key_maker(section: BackendSection, backend: ChatBackend) -> RequestKeys:
    """Return the function that makes the digests of requests to a backend: keys of the cache."""
    # system prompt and seed are each request's own
    fingerprint = backend_fingerprint(section, backend, system=None, seed=0)
    return RequestKeys(fingerprint=fingerprint, reach=reach_digest(backend))


def cache_path(backend: ChatBackend, config: Config) -> Path | None:
    """Return the file that may answer for a backend; None if there is none."""
    if config.run.cache is False or not is_cacheable(backend):
        return None
    return config.resolve(config.run.cache)


def _fit_files(target: Target, endpoint: Endpoint, config: Config, resources: Resources) -> None:
    """Lower the limit of an endpoint to the requests for which this process may open files."""
    free, each = resources.endpoints.free_files, target.backend.capabilities.files
    if free is None or each == 0:
        return
    askers = max(1, sum(1 for _ in config.backend_sections()))
    share = (free - _OTHER_FILES) // askers
    fits = max(1, share // each)
    if fits < endpoint.limiter.most:
        endpoint.limiter.narrow(fits)
        text = f"{target.label}: at most {fits} at once, "
        text += f"for this process may open {open_limit():,} files"
        resources.listener(Warned(stage=target.stage, text=text, hint=RAISE_IT))


def _policy(backend: ChatBackend, config: Config) -> Policy:
    run = config.run
    return Policy(
        timeout_s=getattr(backend.options, "timeout_s", None) or run.timeout_s,
        max_attempts=run.max_attempts,
        row_deadline_s=run.row_deadline_s,
        max_retry_after_s=run.max_retry_after_s,
    )


def _open_cache(
    backend: ChatBackend, config: Config, resources: Resources, *, stage: str
) -> AnswerCache | None:
    path = cache_path(backend, config)
    if path is None:
        return None

    def warn(text: str) -> None:
        resources.listener(Warned(stage=stage, text=text))

    # what writes tests keeps its answers nowhere else until all are judged
    at_once = stage == _STAGES["generator"]
    return open_cache(path, warn, refresh=resources.refreshes_cache, at_once=at_once)


async def _get_ready(backend: ChatBackend) -> None:
    try:
        await backend.open()
    except LMEvalError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        name = backend.name or type(backend).__name__
        what = f"the backend {name} cannot get ready: {type(error).__name__}: {error}"
        raise BackendError(ErrorKind.CALLABLE, what, retryable=False) from None


async def _let_go(backend: ChatBackend, resources: Resources, *, stage: str) -> None:
    try:
        await backend.close()
    except Exception as error:  # noqa: BLE001 - a plugin's; what was answered is worth more
        name = backend.name or type(backend).__name__
        text = f"the backend {name} does not close: {type(error).__name__}: {error}"
        resources.listener(Warned(stage=stage, text=resources.redactor.redact(text)))
