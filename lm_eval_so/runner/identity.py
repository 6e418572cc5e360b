"""What makes a run this run: its head in `run.json`, and how two of them differ."""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from pydantic import JsonValue

from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.backends.build import backend_fingerprint, reach_digest, sent_params
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.run import BackendInfo, DatasetRef, RunInfo


def head(
    config: Config,
    section: BackendSection,
    backend: ChatBackend,
    dataset: DatasetRef,
    *,
    planned: int,
    started_at: str,
) -> RunInfo:
    """Give the `run.json` of a run that has not asked anything yet."""
    params = sent_params(backend)
    details: Mapping[str, JsonValue] = {**backend.reach(), **backend.details()}
    model = params.get("model") or details.get("model")
    return RunInfo(
        state="running",
        suite=config.suite,
        config_digest=digest(config.model_dump(mode="json", by_alias=True)),
        fingerprint=backend_fingerprint(
            section, backend, system=config.system, seed=config.run.seed
        ),
        reach=reach_digest(backend),
        backend=BackendInfo(
            name=section.name,
            label=section.run_label,
            model=model if isinstance(model, str) else None,
            params=params,
            system=config.system,
            details=details,
        ),
        dataset=dataset,
        repeats=config.run.repeats,
        seed=config.run.seed,
        planned=planned,
        counts={},
        requests=0,
        versions={"lm-eval-so": version("LM-Eval-SO"), "python": platform.python_version()},
        started_at=started_at,
    )


def differences(old: RunInfo, new: RunInfo) -> tuple[str, ...]:
    """Say what sets two runs apart, so that the rows of one are not those of the other."""
    if (old.fingerprint, old.reach) == (new.fingerprint, new.reach):
        return ()
    found = [
        *_named("backend", old.backend.name, new.backend.name),
        *_of_mappings("params", old.backend.params, new.backend.params),
        *_named("seed", old.seed, new.seed),
        *(["system changed"] if old.backend.system != new.backend.system else []),
        *_of_mappings("options", old.backend.details, new.backend.details),
    ]
    return tuple(found) or ("how the chatbot is reached",)


def _of_mappings(
    name: str, old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]
) -> Iterator[str]:
    for key in sorted({*old, *new}):
        yield from _named(f"{name}.{key}", old.get(key), new.get(key))


def _named(name: str, old: JsonValue, new: JsonValue) -> Iterator[str]:
    if old == new:
        return
    shown = f"{_short(old)} → {_short(new)}"
    yield f"{name} {shown}" if len(shown) <= 60 else f"{name} changed"


def _short(value: JsonValue) -> str:
    return "none" if value is None else str(value)
