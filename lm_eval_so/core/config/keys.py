"""Which environment variables a config names for keys."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.config.model import BackendSection, Config


def key_variables(config: Config) -> tuple[str, ...]:
    """Give the names of the variables that backends and judges take keys from, sorted."""
    sections = [config.backend, *(metric.backend for metric in config.metrics)]
    return tuple(sorted({name for s in sections if s for name in _named(s)}))


def _named(section: BackendSection) -> Iterator[str]:
    for key, value in section.options.items():
        if key.endswith("_env") and isinstance(value, str) and value:
            yield value
        elif key.endswith("_env") and isinstance(value, Mapping):
            yield from (name for name in value.values() if isinstance(name, str))


def missing_keys(config: Config, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Give the variables that must hold a key and are empty, sorted."""
    sections = [config.backend, *(metric.backend for metric in config.metrics)]
    needed = {name for s in sections if s for name in (*_named(s), *_default_key(s))}
    return tuple(sorted(name for name in needed if not environ.get(name, "").strip()))


def _default_key(section: BackendSection) -> Iterator[str]:
    if section.name == "openai" and "api_key_env" not in section.options:
        yield "OPENAI_API_KEY"
