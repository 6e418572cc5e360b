"""From a section of the config to a backend, with every problem and its line."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError

from lm_eval_so.core.backends.base import BackendEnv, ChatBackend, SharedOptions, backends
from lm_eval_so.core.backends.credentials import shared_problems
from lm_eval_so.core.config.load import config_problems
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.yaml_lines import Path_
from lm_eval_so.errors import ConfigError, LMEvalError, Problem, Where


def build_backend(
    section: BackendSection, *, config: Config, where_path: Path_, environ: Mapping[str, str]
) -> ChatBackend:
    """Make the backend that a section names; nothing is opened or sent.

    Args:
        section: What the config says of it.
        config: The whole config, for `run` and for the places of keys.
        where_path: Where the section stands, as ("backend",) or ("metrics", 0, "backend").
        environ: Environment variables.

    Raises:
        UnknownName: If no such backend is known.
        ConfigError: With every wrong or missing key, variable, file and package.
    """
    backend_type = backends.resolve(section.name, where=config.where(*where_path, "name"))
    problems: list[Problem] = []

    def validated(model: type[BaseModel], values: Mapping[str, Any], part: str) -> Any:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            at = (*where_path, part)
            problems.extend(config_problems(error, config.located, model=model, at=at))
            return None

    params = validated(backend_type.Params, section.params, "params")
    options = validated(backend_type.Options, section.options, "options")
    if problems:
        raise ConfigError.of(problems)
    env = _env(config, environ)
    try:
        backend = backend_type(params=params, options=options, env=env)
        found = list(backend.check())
        if isinstance(options, SharedOptions):
            found += [each for each in shared_problems(options, env) if each not in found]
        problems += [_placed(problem, config, where_path) for problem in found]
    except LMEvalError:
        raise
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        what = f"the backend {section.name} cannot be made: {type(error).__name__}: {error}"
        raise ConfigError(what, where=config.where(*where_path, "name")) from None
    if problems:
        raise ConfigError.of(problems)
    return backend


def _env(config: Config, environ: Mapping[str, str]) -> BackendEnv:
    return BackendEnv(
        environ=environ,
        folder=config.folder,
        concurrency=config.run.concurrency,
        timeout_s=config.run.timeout_s,
        wants_ttft=any(metric.name == "ttft_ms" for metric in config.metrics),
        keeps_raw=config.run.keep_raw,
    )


def sent_params(backend: ChatBackend) -> dict[str, JsonValue]:
    """Give the parameters that each request carries, defaults of the backend included."""
    params: dict[str, JsonValue] = backend.params.model_dump(mode="json")
    return params


def backend_fingerprint(
    section: BackendSection, backend: ChatBackend, *, system: str | None, seed: int
) -> str:
    """Give the digest of what decides an answer; how the chatbot is reached stays out."""
    return digest(
        {"backend": section.name, "params": sent_params(backend), "seed": seed, "system": system}
    )


def reach_digest(backend: ChatBackend) -> str:
    """Give the digest of how the chatbot is reached, without credentials."""
    return digest(dict(backend.reach()))


def _placed(problem: Problem, config: Config, where_path: Path_) -> Problem:
    place = problem.where or Where()
    if place.file is not None:
        return problem
    keys = place.key.split(".") if place.key else []
    return Problem(what=problem.what, where=config.where(*where_path, *keys), hint=problem.hint)
