"""Which variables and files a config names for keys."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.config.model import BackendSection, Config


def key_variables(config: Config) -> tuple[str, ...]:
    """Give the names of the variables that backends and judges take keys from, sorted."""
    return tuple(sorted({name for s in _sections(config) for name in _named(s, "_env")}))


def key_files(config: Config) -> dict[str, str]:
    """Give what stands in the files that backends and judges take keys from, by path."""
    texts: dict[str, str] = {}
    for name in sorted({name for s in _sections(config) for name in _named(s, "_file")}):
        try:
            texts[name] = (config.folder / name).read_text("utf-8", "replace").strip()
        except OSError:
            continue  # the backend's own check says that it is missing
    return texts


def missing_keys(config: Config, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Give the variables that must hold a key and are empty, sorted."""
    needed = {n for s in _sections(config) for n in (*_named(s, "_env"), *_default_key(s))}
    return tuple(sorted(name for name in needed if not environ.get(name, "").strip()))


def _sections(config: Config) -> tuple[BackendSection, ...]:
    return tuple(section for _, section in config.backend_sections())


def _named(section: BackendSection, ending: str) -> Iterator[str]:
    for key, value in section.options.items():
        if key.endswith(ending) and isinstance(value, str) and value:
            yield value
        elif key.endswith(ending) and isinstance(value, Mapping):
            yield from (name for name in value.values() if isinstance(name, str))
    listed = section.options.get("env")
    if ending == "_env" and section.name == "http" and isinstance(listed, list):
        yield from (name for name in listed if isinstance(name, str))


def _default_key(section: BackendSection) -> Iterator[str]:
    if section.name == "openai" and not {"api_key_env", "api_key_file"} & section.options.keys():
        yield "OPENAI_API_KEY"
