"""The identity of a run: its head in `run.json`, and the differences between two of them."""

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import ChatBackend
from lm_eval_so.core.backends.build import (
    backend_fingerprint,
    reach_digest,
    sent_params,
    shown_facts,
    shown_section,
)
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import as_written, is_secret_place
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.run import BackendInfo, RunInfo
from lm_eval_so.core.secrets import Redactor, hide_in_urls, is_secret_name
from lm_eval_so.runner.conversation.open_simulator import simulator_settings
from lm_eval_so.runner.plan.jobs import Plan, plan_rows, request_settings
from lm_eval_so.runner.plan.selection import FurtherAnswers, Selection, backend_section


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run as it would begin now, before anything is sent or written."""

    plan: Plan
    head: RunInfo
    """`run.json` before anything is asked."""


def new_run(
    config: Config,
    backend: ChatBackend,
    selection: Selection,
    resources: Resources,
    *,
    only: FurtherAnswers | None = None,
) -> NewRun:
    """Look at every sample, and return the run as it would begin now.

    Args:
        config: The config.
        backend: The chatbot.
        selection: The samples.
        resources: Environment and redactor.
        only: Rows to which the run is limited.

    Raises:
        DatasetError: If samples cannot be asked; names them all.
        NothingToDo: If the backend leaves all rows out.
    """
    skips = only.skips(backend.skips) if only else backend.skips
    has = selection.shard.has if selection.shard else None
    settings = request_settings(config, backend)
    plan = plan_rows(selection.read(), settings, skips=skips, has=has)
    found = head(config, backend, selection, plan, resources)
    whole = only.of if only is not None else selection.of
    if whole is not None:  # another number of repeats, and still the same run
        found = replace(found, config_digest=_config_digest(whole, resources))
    return NewRun(plan=plan, head=found)


def head(
    config: Config,
    backend: ChatBackend,
    selection: Selection,
    plan: Plan,
    resources: Resources,
) -> RunInfo:
    """Return the `run.json` of a run that has not asked anything yet, without secrets.

    A text that a variable filled in is shown as it was written, except in parameters, which tell
    one chatbot from another.

    Args:
        config: The config.
        backend: The chatbot.
        selection: The samples.
        plan: The rows.
        resources: Environment and redactor.

    Raises:
        NothingToDo: If the backend leaves all rows out.
    """
    redactor = resources.redactor
    written = config.located.written_below
    played = simulator_settings(config) if plan.simulates else {}
    return RunInfo(
        state="running",
        suite=config.suite,
        config_digest=_config_digest(config, resources),
        fingerprint=_fingerprint(config, backend, played),
        reach=reach_digest(backend),
        backend=_backend_info(config, backend, redactor),
        dataset=selection.dataset,
        repeats=config.run.repeats,
        seed=config.run.seed,
        planned=selection.count(plan.keys),
        tools=tuple(redactor.redact_json(as_written(config.tools, written("tools")))),
        tool_choice=as_written(config.tool_choice, written("tool_choice")),
        simulator=redactor.redact_json(played),
        shard=str(selection.shard) if selection.shard else None,
        share=selection.share,
        counts={},
        requests=0,
        versions={"lm-eval-so": version("LM-Eval-SO"), "python": platform.python_version()},
        started_at=now_text(resources.environ),
    )


def _config_digest(config: Config, resources: Resources) -> str:
    """Return the digest of a config and of how its judges and simulated users are reached.

    Options that may hold a key do not count: another key is no other config. Neither do defaults,
    written or not: a `ci` goes on after an upgrade that brought new keys.
    """
    environ = resources.environ
    reached = [
        shown_section(section, config=config, environ=environ)[1]
        for at, section in config.backend_sections()
        if at != ("backend",)  # its digest stands beside
    ]
    values = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for at, _ in config.backend_sections():
        section: Any = values
        for step in at:
            section = section[step]
        if "options" in section:
            section["options"] = _without_keys(section["options"], (*at, "options"), config)
    return digest({"config": values, "reached": reached})


def _without_keys(value: Any, path: tuple[str | int, ...], config: Config) -> Any:
    """Return options without possible keys; values of variables named like one stay as written."""
    if isinstance(value, dict):
        return {key: _without_keys(each, (*path, key), config) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_keys(each, (*path, at), config) for at, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    if any(is_secret_place(path[:end]) for end in range(1, len(path) + 1)):
        return None
    written = config.located.written.get(path)
    is_secret = written is not None and any(map(is_secret_name, written.variables))
    return hide_in_urls(written.text if written and is_secret else value)


def _backend_info(config: Config, backend: ChatBackend, redactor: Redactor) -> BackendInfo:
    section = backend_section(config)
    params = redactor.redact_json(sent_params(backend))
    told = {**backend.public_reach(), **backend.details()}
    details = redactor.redact_json(shown_facts(told, section, config=config))
    system = as_written(config.system, config.located.written_below("system"))
    model = params.get("model") or details.get("model")
    return BackendInfo(
        name=section.name,
        label=section.run_label,
        model=model if isinstance(model, str) else None,
        params=params,
        system=redactor.redact_json(system),
        details=details,
    )


def _fingerprint(config: Config, backend: ChatBackend, simulator: Mapping[str, JsonValue]) -> str:
    """Return the digest of everything that decides the rows: the backend, and tools and simulator if any."""
    alone = backend_fingerprint(
        backend_section(config), backend, system=config.system, seed=config.run.seed
    )
    given = {"tools": config.tools, "tool_choice": config.tool_choice, "simulator": dict(simulator)}
    more = {key: value for key, value in given.items() if value}
    return digest({"backend": alone, **more}) if more else alone


def differences(old: RunInfo, new: RunInfo) -> tuple[str, ...]:
    """Return the differences between two runs that keep one from resuming the other."""
    if (old.fingerprint, old.reach) == (new.fingerprint, new.reach):
        return tuple(_named("shard", old.shard, new.shard))
    found = [
        *_named("backend", old.backend.name, new.backend.name),
        *_of_mappings("params", old.backend.params, new.backend.params),
        *_named("seed", old.seed, new.seed),
        *(["system changed"] if old.backend.system != new.backend.system else []),
        *(["tools changed"] if _tools(old) != _tools(new) else []),
        *_of_mappings("run.simulator", old.simulator, new.simulator),
        *_of_mappings("options", old.backend.details, new.backend.details),
    ]
    if not found and old.fingerprint != new.fingerprint:
        found = ["what a variable of the config holds"]
    return tuple(found) or ("how the chatbot is reached",)


def unlike_here(
    info: RunInfo, config: Config, backend: ChatBackend, resources: Resources
) -> tuple[str, ...]:
    """Return the differences between a run and what this machine would ask for it.

    Args:
        info: Head of the run.
        config: The config, as it is here.
        backend: The chatbot, as it is here.
        resources: Redactor.
    """
    played = simulator_settings(config) if info.simulator else {}
    own = replace(
        info,
        fingerprint=_fingerprint(config, backend, played),
        reach=reach_digest(backend),
        backend=_backend_info(config, backend, resources.redactor),
    )
    return differences(info, own)


def _tools(info: RunInfo) -> tuple[object, ...]:
    return (*info.tools, info.tool_choice)


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
