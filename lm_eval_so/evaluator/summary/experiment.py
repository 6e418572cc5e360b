"""The head of a report: suite, dataset, settings, fingerprints and versions."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.build import hosts_told, shown_section
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.report import Experiment, MetricSummary
from lm_eval_so.core.records.run import BUDGET_LIMITS, BackendInfo, RunInfo
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.metrics.extras import library_versions
from lm_eval_so.evaluator.rows.sheet import MISSING, Sheet
from lm_eval_so.evaluator.scoring.gather import Gathered
from lm_eval_so.evaluator.summary.masking import written_system, written_value

_EXTRAS = ("bleu", "embed", "kiwi", "ko")
"""Extras whose libraries a metric names in its definition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Origin of the change under test, as far as the caller knows it."""

    suite_id: str | None = None
    """Identity of comment and baseline; default: the suite."""
    commit: str | None = None
    base_ref: str | None = None
    """Branch that the change is to be merged into."""


def make_experiment(
    config: Config,
    resources: Resources,
    gathered: Gathered,
    summaries: Mapping[str, MetricSummary],
    origin: Origin,
) -> Experiment:
    """Describe an evaluation.

    Args:
        config: The config.
        resources: Environment and redactor.
        gathered: Runs, metrics and scores.
        summaries: Figures by metric id.
        origin: Origin of the change under test.
    """
    sheet, answers, dataset = gathered.sheet, gathered.rows.answers, gathered.rows.dataset.ref
    infos = answers.infos
    missing = sheet.statuses.count(MISSING)
    is_complete = missing == 0 and all(info.state == "complete" for info in infos)
    is_complete &= _has_all_shards(infos)
    redact = resources.redactor.redact_json
    evaluator_config, judges = _evaluator_config(config, gathered.bound, resources.environ)
    evaluator_config = redact(evaluator_config)
    fingerprints = {
        "dataset": dataset.digest,
        "metrics": digest({name: summary.fingerprint for name, summary in summaries.items()}),
        "evaluator_config": digest(
            {
                **evaluator_config,
                "fingerprints": {name: each.fingerprint for name, each in summaries.items()},
                "judges": judges,
            }
        ),
        **_run_fingerprints(infos),
    }
    run_config = redact({**_run_config(config, infos, resources.environ), **_offered(infos)})
    return Experiment(
        suite=config.suite,
        suite_id=origin.suite_id or config.suite,
        commit=origin.commit,
        base_ref=origin.base_ref,
        eligible=is_complete,
        complete=is_complete,
        missing=missing,
        dataset=dataset,
        backend=_backend(infos, answers.label, sheet),
        run_config=run_config,
        evaluator_config=evaluator_config,
        fingerprints=fingerprints,
        versions=_versions(infos, gathered.bound),
        started_at=min((info.started_at for info in infos), default=None),
        finished_at=max((i.finished_at for i in infos if i.finished_at), default=None),
        evaluated_at=now_text(resources.environ),
        config=_config_name(config),
        runs=tuple(_shown_path(path, config) for path in answers.paths),
        budget=_budget(config, infos),
        sent_to=hosts_told(_asked(run_config, evaluator_config)),
    )


def _asked(run_config: Mapping[str, Any], evaluator_config: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the sections of chatbot, simulated user and judges, with their facts."""
    yield run_config["backend"]
    yield (run_config["run"]["simulator"] or {}).get("backend")
    for metric in evaluator_config["metrics"]:
        yield from (metric["backend"], *metric["panel"])


def _backend(infos: Sequence[RunInfo], label: str, sheet: Sheet) -> BackendInfo:
    models = tuple(sorted(sheet.models))
    if infos:
        told = {model for info in infos for model in info.backend.models_answered}
        return replace(infos[0].backend, models_answered=tuple(sorted({*told, *models})))
    return BackendInfo(
        name="file",
        label=label,
        model=models[0] if len(models) == 1 else None,
        models_answered=models,
    )


def _has_all_shards(infos: Sequence[RunInfo]) -> bool:
    """Return whether the runs are whole, or together all shards of one."""
    shards = {info.shard for info in infos if info.shard is not None}
    counts = {shard.partition("/")[2] for shard in shards}
    is_whole = any(info.shard is None for info in infos)
    return is_whole or not shards or counts == {str(len(shards))}


def _run_fingerprints(infos: Sequence[RunInfo]) -> dict[str, str]:
    if not infos:
        return {}
    first = infos[0]
    return {"run": first.fingerprint, "reach": first.reach, "run_config": first.config_digest}


def _run_config(
    config: Config, infos: Sequence[RunInfo], environ: Mapping[str, str]
) -> dict[str, Any]:
    """Return the settings of the run: the address as the run tells it, no options of the backend."""
    backend = config.backend and config.backend.model_dump(mode="json", exclude={"options"})
    if backend and infos:
        backend["reach"] = dict(infos[0].backend.details)
    run = config.run.model_dump(mode="json", exclude={"simulator"})
    simulator = config.run.simulator
    run["simulator"] = simulator and {
        **simulator.model_dump(mode="json", exclude={"backend"}),
        "backend": shown_section(simulator.backend, config=config, environ=environ)[0],
    }
    return {"backend": backend, "system": written_system(config), "run": run}


def _offered(infos: Sequence[RunInfo]) -> dict[str, Any]:
    """Return the tools that the chatbot was offered, if any."""
    if not infos or not infos[0].tools:
        return {}
    return {"tools": [dict(tool) for tool in infos[0].tools], "tool_choice": infos[0].tool_choice}


def _evaluator_config(
    config: Config, bound: Sequence[BoundMetric], environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[str | None]]:
    """Return the settings of metrics and report, with digests of how the judges are reached."""
    sections, digests = [], list[str | None]()
    for each in bound:
        judges = [shown_section(j, config=config, environ=environ) for j in each.section.judges]
        digests += [reach for _, reach in judges]
        shown: list[Any] = [judge for judge, _ in judges]
        has_panel = bool(each.section.panel)
        # how a judge is asked decides what it costs, and no score
        section = each.section.model_dump(mode="json", exclude={"judge": {"executor"}})
        section["params"] = each.metric.params.model_dump(mode="json")
        for key in ("params", "only"):
            section[key] = written_value(section[key], config, key)
        section["backend"] = None if has_panel or not shown else shown[0]
        section["panel"] = shown if has_panel else []
        sections.append(section)
    return {
        "metrics": sections,
        "report": config.report.model_dump(mode="json", exclude_none=True),
    }, digests


def _versions(infos: Sequence[RunInfo], bound: Sequence[BoundMetric]) -> dict[str, str]:
    asked = {f"run.{name}": text for info in infos for name, text in info.versions.items()}
    here = {"lm-eval-so": version("LM-Eval-SO"), "python": platform.python_version()}
    here |= {"prices": version("genai-prices")}
    known = library_versions(_EXTRAS)
    used = {name for each in bound for name in each.metric.definition() if name in known}
    libraries = {name: str(known[name]) for name in sorted(used) if known[name]}
    return here | libraries | dict(sorted(asked.items()))


def _config_name(config: Config) -> str | None:
    file = config.where().file
    return Path(file).name if file else None


def _shown_path(path: Path, config: Config) -> str:
    """Return a path relative to the config's folder; outside of it only the name."""
    whole, folder = path.absolute(), config.folder.absolute()
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else path.name


def _budget(config: Config, infos: Sequence[RunInfo]) -> dict[str, Any]:
    limits = {name: getattr(config.run, name) for name in BUDGET_LIMITS}
    stopped = [dict(info.stopped) for info in infos if info.stopped is not None]
    state = {"stopped": stopped[0] if stopped else None}
    return {name: limit for name, limit in limits.items() if limit is not None} | state
