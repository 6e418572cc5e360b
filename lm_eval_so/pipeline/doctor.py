"""The checks of `doctor`: everything that the config names, and one request on demand."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from lm_eval_so.core.asking.cost.prices import known_rates
from lm_eval_so.core.asking.open import build_asked, open_asker
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.build import sent_params, shown_facts
from lm_eval_so.core.config.model import BackendSection, Config
from lm_eval_so.core.dataset import load_dataset
from lm_eval_so.core.records.chat import ChatRequest, Message
from lm_eval_so.core.records.codec import to_json
from lm_eval_so.core.records.record import record
from lm_eval_so.core.records.run import ErrorInfo
from lm_eval_so.pipeline.check import deciding
from lm_eval_so.runner.plan.selection import backend_section
from lm_eval_so.runner.run import run_folder

__all__ = ["Asked", "ask_once", "facts", "written_to"]

_GREETING = "Hello"


@record
class Asked:
    """Result of one request."""

    question: str
    status: str
    answer: Mapping[str, JsonValue] | None
    """The response as metrics would see it; null if there is none."""
    raw: JsonValue
    """The response as it came; null if the backend does not keep it."""
    error: ErrorInfo | None
    latency_ms: float | None
    cost_usd: float | None


def facts(config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the facts of a config that has passed its checks, by subject."""
    found = {"config": config.located.file or "made in Python"}
    path = config.resolve(config.dataset.path)
    if path.exists():
        ref = load_dataset(path, name=config.dataset.name, version=config.dataset.version).ref
        languages = f" ({', '.join(ref.languages)})" if ref.languages else ""
        found["dataset"] = f"{ref.name or config.dataset.path}, samples: {ref.n:,}{languages}"
    else:
        found["dataset"] = f"{path} is not made yet; generate makes it"
    found["chatbot"] = _backend_fact(backend_section(config), config, environ)
    for metric in config.metrics:
        judges = [_backend_fact(judge, config, environ) for judge in metric.judges]
        if judges:
            found[f"judge of {metric.id}"] = "; ".join(judges)
    if config.run.simulator is not None:
        section = config.run.simulator.backend
        found["simulated user"] = _backend_fact(section, config, environ)
    found["metrics"] = ", ".join(metric.id for metric in config.metrics) or "none"
    found["gate"] = ", ".join(deciding(config)) or "none"
    found["written to"] = ", ".join(map(str, written_to(config)))
    if config.baseline.path is not None:
        is_there = config.resolve(config.baseline.path).is_file()
        found["baseline"] = f"{config.baseline.path}{'' if is_there else ' is not there yet'}"
    return found


def written_to(config: Config) -> tuple[Path, ...]:
    """Return the folders of runs and reports, unless an option names others.

    Without a chatbot there is no folder of a run; `check` tells that the chatbot is missing.
    """
    runs = () if config.backend is None else (run_folder(config),)
    return (*runs, config.resolve(config.report.out))


async def ask_once(config: Config, resources: Resources, question: str | None = None) -> Asked:
    """Ask the chatbot one question, past the cache.

    Args:
        config: The config.
        resources: Resources of the command.
        question: The question; default: that of the first sample.

    Raises:
        InputError: If the backend cannot be made.
        BackendError: If it cannot be reached or refuses the credentials.
    """
    run = config.run.model_copy(update={"cache": False, "keep_raw": True})
    alone = config.model_copy(update={"run": run})
    section = backend_section(alone)
    question = next(_first_question(config), _GREETING) if question is None else question
    async with open_asker(section, config=alone, resources=resources) as asker:
        request = ChatRequest(
            messages=(Message(role="user", content=question),),
            system=config.system,
            params=sent_params(asker.backend),
            session="doctor",
            sample_id="doctor",
        )
        answer = await asker.ask(request)
        await asker.backend.end_session(request.session)
    said = answer.response
    return Asked(
        question=question,
        status=answer.status.value,
        answer=_told(to_json(replace(said, raw=None))) if said else None,
        raw=said.raw if said else None,
        error=answer.error,
        latency_ms=answer.latency_ms,
        cost_usd=answer.cost_usd,
    )


def _told(values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Leave out the fields that the response does not tell."""
    inner = {k: _told(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    return {k: v for k, v in inner.items() if v is not None and v not in ([], {})}


def _backend_fact(section: BackendSection, config: Config, environ: Mapping[str, str]) -> str:
    backend = build_asked(section, config=config, environ=environ)
    reach = shown_facts(backend.public_reach(), section, config=config)
    address = reach.get("base_url") or reach.get("url")
    priced = "" if not backend.capabilities.priced else ", price unknown"
    if backend.capabilities.priced and known_rates(backend) is not None:
        priced = ", price known"
    return f"{section.run_label}{f' at {address}' if address else ''}{priced}"


def _first_question(config: Config) -> Iterator[str]:
    path = config.resolve(config.dataset.path)
    if not path.exists():
        return
    for sample in islice(load_dataset(path), 1):
        if sample.scenario is None:
            yield sample.question
        elif sample.scenario.turns:
            yield sample.scenario.turns[0].user
        elif sample.scenario.simulated_user and sample.scenario.simulated_user.opening:
            yield sample.scenario.simulated_user.opening
