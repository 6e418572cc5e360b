"""What was measured, with what: the head of a report."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.build import shown_section
from lm_eval_so.core.clock import now_text
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.config.variables import as_written, text_as_written
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.report import Case, Experiment, MetricSummary
from lm_eval_so.core.records.run import BackendInfo, DatasetRef, RunInfo
from lm_eval_so.evaluator.join import Answers
from lm_eval_so.evaluator.metrics.extras import library_versions
from lm_eval_so.evaluator.score import BoundMetric
from lm_eval_so.evaluator.scoring import Scoring
from lm_eval_so.evaluator.sheet import MISSING, Sheet

_EXTRAS = ("bleu", "embed", "kiwi", "ko")
"""Extras whose libraries a metric names in its definition."""
_JUDGES = frozenset({"judge", "panel"})
"""What of a definition tells of judges: their parameters are compared by value."""
_LIMITS = ("max_cost_usd", "max_requests", "max_time_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the evaluated change comes from, as far as its caller knows."""

    suite_id: str | None = None
    """Identity of comment and baseline; default: the suite."""
    commit: str | None = None
    base_ref: str | None = None
    """Branch that it is to go into."""


def make_experiment(
    config: Config,
    resources: Resources,
    *,
    dataset: DatasetRef,
    answers: Answers,
    scoring: Scoring,
    summaries: Mapping[str, MetricSummary],
    origin: Origin,
) -> Experiment:
    """Describe an evaluation.

    Args:
        config: The config.
        resources: Environment and redactor.
        dataset: The dataset.
        answers: The runs.
        scoring: The scores.
        summaries: Their figures, by metric id.
        origin: Where the change comes from.
    """
    sheet, infos = scoring.sheet, answers.infos
    missing = sheet.statuses.count(MISSING)
    is_complete = missing == 0 and all(info.state == "complete" for info in infos)
    redact = resources.redactor.redact_json
    evaluator_config, judges = _evaluator_config(config, scoring.bound, resources.environ)
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
        run_config=redact({**_run_config(config, infos, resources.environ), **_offered(infos)}),
        evaluator_config=evaluator_config,
        fingerprints=fingerprints,
        versions=_versions(infos, scoring.bound),
        started_at=min((info.started_at for info in infos), default=None),
        finished_at=max((i.finished_at for i in infos if i.finished_at), default=None),
        evaluated_at=now_text(resources.environ),
        config=_config_name(config),
        runs=tuple(_shown_path(path, config) for path in answers.paths),
        budget=_budget(config, infos),
    )


def shown_summary(summary: MetricSummary, config: Config) -> MetricSummary:
    """Return a summary whose definition has parameters as the config writes them.

    The fingerprint stays that of their values: two reports measured the same only if these agree.
    """
    shown = {
        key: value if key in _JUDGES else _as_written(value, config, "params")
        for key, value in summary.definition.items()
    }
    return replace(summary, definition=shown)


def shown_case(case: Case, config: Config) -> Case:
    """Return a case whose scores quote parameters as the config writes them."""
    written = params_written(config)
    scores = tuple(
        replace(
            score,
            reason=score.reason and text_as_written(score.reason, written),
            details=as_written(score.details, written),
        )
        for score in case.scores
    )
    return replace(case, reason=text_as_written(case.reason, written), scores=scores)


def params_written(config: Config) -> dict[str, str]:
    """Return how parameters of metrics were written, by what they come to."""
    return _written(config, "params")


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


def _run_fingerprints(infos: Sequence[RunInfo]) -> dict[str, str]:
    if not infos:
        return {}
    first = infos[0]
    return {"run": first.fingerprint, "reach": first.reach, "run_config": first.config_digest}


def _run_config(
    config: Config, infos: Sequence[RunInfo], environ: Mapping[str, str]
) -> dict[str, Any]:
    """Return how the chatbot is asked.

    Of how it is reached what the run told of it, and no options.
    """
    backend = config.backend and config.backend.model_dump(mode="json", exclude={"options"})
    if backend and infos:
        backend["reach"] = dict(infos[0].backend.details)
    run = config.run.model_dump(mode="json", exclude={"simulator"})
    simulator = config.run.simulator
    run["simulator"] = simulator and {
        **simulator.model_dump(mode="json", exclude={"backend"}),
        "backend": shown_section(simulator.backend, config=config, environ=environ)[0],
    }
    system = as_written(config.system, config.located.written_below("system"))
    return {"backend": backend, "system": system, "run": run}


def _offered(infos: Sequence[RunInfo]) -> dict[str, Any]:
    """Return the tools that the chatbot was offered, if any."""
    if not infos or not infos[0].tools:
        return {}
    return {"tools": [dict(tool) for tool in infos[0].tools], "tool_choice": infos[0].tool_choice}


def _evaluator_config(
    config: Config, bound: Sequence[BoundMetric], environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[str | None]]:
    """Return how was scored, and digests of how the judges are reached."""
    sections, digests = [], list[str | None]()
    for each in bound:
        judges = [shown_section(j, config=config, environ=environ) for j in each.section.judges]
        digests += [reach for _, reach in judges]
        shown: list[Any] = [judge for judge, _ in judges]
        has_panel = bool(each.section.panel)
        section = each.section.model_dump(mode="json")
        section["params"] = each.metric.params.model_dump(mode="json")
        for key in ("params", "only"):
            section[key] = _as_written(section[key], config, key)
        section["backend"] = None if has_panel or not shown else shown[0]
        section["panel"] = shown if has_panel else []
        sections.append(section)
    return {"metrics": sections, "report": config.report.model_dump(mode="json")}, digests


def _as_written(value: Any, config: Config, key: str) -> Any:
    """Return a value of a metric's section in which what a variable filled in stands as written."""
    return as_written(value, _written(config, key))


def _written(config: Config, key: str) -> dict[str, str]:
    return {
        each.value: each.text
        for path, each in config.located.written.items()
        if each.value and path[0] == "metrics" and path[2:3] == (key,)
    }


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
    """Return a path seen from the config's folder; of one elsewhere only the name."""
    whole, folder = path.absolute(), config.folder.absolute()
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else path.name


def _budget(config: Config, infos: Sequence[RunInfo]) -> dict[str, Any]:
    limits = {name: getattr(config.run, name) for name in _LIMITS}
    stopped = [dict(info.stopped) for info in infos if info.stopped is not None]
    state = {"stopped": stopped[0] if stopped else None}
    return {name: limit for name, limit in limits.items() if limit is not None} | state
