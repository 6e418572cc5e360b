"""The metrics of a config, built and bound to judges, baselines and parts."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from pydantic import BaseModel

from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.config.validate import Validated, validate_parts
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.errors import ConfigError
from lm_eval_so.evaluator.binding.bound import BoundMetric, parse_pass_if
from lm_eval_so.evaluator.binding.embedders import embed_locally, embed_remotely, local_model
from lm_eval_so.evaluator.metrics.base import Metric, metrics
from lm_eval_so.evaluator.metrics.env import BaselineAnswers, Judge, MetricEnv


def bind_metrics(
    config: Config,
    judges: Mapping[str, tuple[Judge, ...]],
    baselines: Mapping[str, BaselineAnswers] | None = None,
) -> tuple[BoundMetric, ...]:
    """Build the metrics of a config that has no problems.

    Args:
        config: The config.
        judges: The judges by metric id.
        baselines: Answers of a baseline by metric id.
    """
    of = baselines or {}
    alone: dict[str, BoundMetric] = {}
    for section in config.metrics:
        judged_by, baseline = judges.get(section.id, ()), of.get(section.id)
        kind = metrics.resolve(section.name)
        metric = make_metric(kind, config, section, judged_by, baseline)
        alone[section.id] = _bound(metric, section)
    made: dict[str, BoundMetric] = {}

    def with_parts(metric_id: str) -> BoundMetric:
        if metric_id not in made:
            each = alone[metric_id]
            parts = tuple(map(with_parts, each.metric.part_ids))
            made[metric_id] = _bound(each.metric, each.section, parts)
        return made[metric_id]

    return tuple(map(with_parts, alone))


def sound_metrics(config: Config) -> Iterator[tuple[int, BoundMetric]]:
    """Yield each metric that can be made, with its position; `find_problems` tells of the others."""
    for position, section in enumerate(config.metrics):
        try:
            kind = metrics.resolve(section.name)
            params = valid_params(config, position, kind)
            sound = section.model_copy(update={"params": params.values})
            yield position, _bound(make_metric(kind, config, sound, _unasked(sound)), sound)
        except Exception:  # noqa: BLE001, S112 - a plugin may fail in any way
            continue


def unasked_judges(config: Config) -> dict[str, tuple[Judge, ...]]:
    """Return judges, by metric id, that stand for those of a config and are never asked."""
    return {section.id: _unasked(section) for section in config.metrics}


def bind_labelling(config: Config) -> tuple[BoundMetric, ...]:
    """Return the metrics that judge by labels, bound to no judge.

    Raises:
        ConfigError: If the config has none.
    """
    found = tuple(each for each in bind_metrics(config, {}) if each.has_labels)
    if not found:
        what, hint = (
            "no metric here judges by labels",
            "llm_judge, llm_scale, pairwise, conversation, agent, goal and answer_relevancy do",
        )
        raise ConfigError(what, where=config.where("metrics"), hint=hint)
    return found


def gating_ids(config: Config, bound: Sequence[BoundMetric]) -> tuple[str, ...]:
    """Return the ids of the metrics that gate, in the config's order.

    By default all binary and bounded ones that measure more than wording.
    """
    if config.gate.metrics is not None:
        return tuple(each.id for each in bound if each.id in config.gate.metrics)
    scores = {MetricKind.BINARY, MetricKind.BOUNDED}
    by_default = (b for b in bound if b.metric.kind in scores and not b.measures_overlap)
    return tuple(each.id for each in by_default)


def in_order(bound: Sequence[BoundMetric]) -> list[BoundMetric]:
    """Return metrics and their parts, each part before what is built from it."""
    found: dict[str, BoundMetric] = {}

    def add(each: BoundMetric) -> None:
        for part in each.parts:
            add(part)
        found.setdefault(each.id, each)

    for each in bound:
        add(each)
    return list(found.values())


def valid_params(config: Config, position: int, kind: type[Metric]) -> Validated[BaseModel]:
    """Return the parameters of a metric, as far as they are valid, with the problems of the rest."""
    given, at = config.metrics[position].params, ("metrics", position, "params")
    return validate_parts(kind.Params, config.located, at=at, values=given)


def make_metric(
    kind: type[Metric],
    config: Config,
    section: MetricSection,
    judges: tuple[Judge, ...] = (),
    baseline: BaselineAnswers | None = None,
) -> Metric:
    """Build a metric by its section of the config."""
    embeds = "embedder" in kind.requires  # then its backend is no judge
    env = MetricEnv(
        language=config.language,
        judges=() if embeds else judges,
        embed=embed_remotely(judges[0].ask) if embeds and judges else embed_locally,
        embedder=None if embeds and section.judges else local_model(),
        quorum=section.judge.quorum,
        template=section.judge.language,
        template_file=section.judge.template_file,
        baseline=baseline,
        system=config.system,
        tools=config.tools,
        folder=config.folder,
        read_file=lambda name: config.read_for(section.id, Path(name)),
    )
    metric = kind(params=section.params, metric_id=section.id, env=env)
    metric.sample_keys = section.sample_keys
    return metric


def _bound(
    metric: Metric, section: MetricSection, parts: tuple[BoundMetric, ...] = ()
) -> BoundMetric:
    passes = parse_pass_if(section.pass_if) if section.pass_if else None
    return BoundMetric(metric=metric, section=section, passes=passes, parts=parts)


def _unasked(section: MetricSection) -> tuple[Judge, ...]:
    return tuple(
        Judge(ask=_refuse_to_ask, model=judge.model, params=judge.params)
        for judge in section.judges
    )


async def _refuse_to_ask(request: object) -> NoReturn:
    raise AssertionError(f"a plan asks nobody: {request}")
