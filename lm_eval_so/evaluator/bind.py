"""The metrics of a config: found, checked, built."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.config.sound import Sound, make_sound
from lm_eval_so.core.files import read_text
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.enums import MetricKind, ScoreStatus
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import ConfigError, InputError, LMEvalError, Problem, nearest
from lm_eval_so.evaluator.embedders import (
    embed_locally,
    embed_remotely,
    local_model,
    missing_extra,
)
from lm_eval_so.evaluator.metrics.base import Metric, metrics
from lm_eval_so.evaluator.metrics.env import BaselineAnswers, Judge, MetricEnv
from lm_eval_so.evaluator.score import BoundMetric, parse_pass_if, settled
from lm_eval_so.evaluator.stages import part_problems, with_parts


def find_problems(config: Config) -> list[Problem]:
    """Find what is wrong with the metrics and the gate, each with its line."""
    problems: list[Problem] = []
    if not config.metrics:
        hint = "name at least one, as exact_match"
        where = config.where("metrics")
        lacking = Problem(what="no metrics", where=where, hint=hint, about="surroundings")
        problems.append(lacking)
    problems += _id_problems(config)
    for position, section in enumerate(config.metrics):
        problems += _metric_problems(config, position, section)
    problems += part_problems(config, dict(sound_metrics(config)))
    problems += _gate_problems(config)
    return problems


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
    return with_parts(
        [
            _bind(config, section, judges.get(section.id, ()), of.get(section.id))
            for section in config.metrics
        ]
    )


def sound_metrics(config: Config) -> Iterator[tuple[int, BoundMetric]]:
    """Return each metric that can be made, by position; what is wrong with it is told elsewhere."""
    for position, section in enumerate(config.metrics):
        try:
            params = _sound_params(config, position, metrics.resolve(section.name))
            yield position, _bind(config, _with_params(section, params), ())
        except Exception:  # noqa: BLE001, S112 - a metric of others fails in ways of its own
            continue


def bind_labelling(config: Config) -> tuple[BoundMetric, ...]:
    """Return the metrics that judge by labels; they ask nobody.

    Raises:
        ConfigError: If there is none.
    """
    found = tuple(each for each in bind_metrics(config, {}) if each.metric.labels)
    if not found:
        what, hint = "no metric here judges by labels", "llm_judge and llm_scale do"
        raise ConfigError(what, where=config.where("metrics"), hint=hint)
    return found


def sample_problems(bound: Sequence[BoundMetric], sample: TestSample) -> Iterator[Problem]:
    """Find what is wrong with a sample's own parameters, or with what it expects."""
    for each in bound:
        if each.metric.own_params(sample) or (
            each.metric.checks_every_sample and _applies(each, sample)
        ):
            try:
                yield from each.metric.check_sample(sample)
            except LMEvalError:
                raise
            except Exception as error:  # noqa: BLE001 - a metric of others fails in ways of its own
                why = f"{type(error).__name__}: {error}"
                yield Problem(what=f"the metric {each.id} fails at sample {sample.id}: {why}")


def gating_ids(config: Config, bound: Sequence[BoundMetric]) -> tuple[str, ...]:
    """Return the metrics that gate, in the config's order.

    By default scores of more than wording.
    """
    if config.gate.metrics is not None:
        return tuple(each.id for each in bound if each.id in config.gate.metrics)
    scores = {MetricKind.BINARY, MetricKind.BOUNDED}
    by_default = (b for b in bound if b.metric.kind in scores and not b.measures_overlap)
    return tuple(each.id for each in by_default)


def _applies(bound: BoundMetric, sample: TestSample) -> bool:
    score = settled(bound, sample, None)
    return score is not None and score.status is not ScoreStatus.NOT_APPLICABLE


def _id_problems(config: Config) -> Iterator[Problem]:
    ids = [section.id for section in config.metrics]
    for position, metric_id in enumerate(ids):
        if metric_id in ids[:position]:
            what = f'two metrics have the id "{metric_id}"'
            where = config.where("metrics", position)
            yield Problem(what=what, where=where, hint="give one another `id`")


def _metric_problems(config: Config, position: int, section: MetricSection) -> Iterator[Problem]:
    try:
        found = metrics.resolve(section.name, where=config.where("metrics", position, "name"))
    except InputError as error:
        yield from error.problems
        return
    yield from _judge_problems(found, config, position, section)
    if section.pass_if is not None:
        try:
            parse_pass_if(section.pass_if)
        except ValueError:
            where = config.where("metrics", position, "pass_if")
            yield Problem(what=f'"{section.pass_if}" is no comparison with a number', where=where)
    at = ("metrics", position, "params")
    params = _sound_params(config, position, found)
    yield from params.problems
    if params.value is None:
        return
    try:
        metric = _build(found, config, _with_params(section, params), ())
        problems = metric.check_params()
        digest(metric.definition())  # it stands in the report: better now than after all is paid
    except InputError as error:
        yield from error.problems
    except LMEvalError:
        raise
    except Exception as error:  # noqa: BLE001 - a metric of others fails in ways of its own
        if not params.problems:  # with a mistake in its parameters it may well fail
            what = f"the metric {section.id} fails: {type(error).__name__}: {error}"
            yield Problem(what=what, where=config.where("metrics", position))
    else:
        if "judge" in metric.requires - found.requires and not section.judges:
            yield _no_judge(config, position, section)
        for problem in () if params.told else problems:
            yield replace(problem, where=config.where(*at))


def _sound_params(config: Config, position: int, found: type[Metric]) -> Sound[BaseModel]:
    given, at = config.metrics[position].params, ("metrics", position, "params")
    return make_sound(found.Params, config.located, at=at, values=given)


def _with_params(section: MetricSection, params: Sound[BaseModel]) -> MetricSection:
    """Return the section with what is sound of its parameters."""
    return section.model_copy(update={"params": params.values})


def _judge_problems(
    found: type[Metric], config: Config, position: int, section: MetricSection
) -> Iterator[Problem]:
    if "judge" in found.requires and not section.judges:
        yield _no_judge(config, position, section)
    if section.backend is not None and section.panel:
        where = config.where("metrics", position, "panel")
        yield Problem(what="give either backend or panel", where=where)
    elif section.judge.quorum is not None and section.judge.quorum > max(1, len(section.panel)):
        what = "judge.quorum is more than the judges that there are"
        yield Problem(what=what, where=config.where("metrics", position, "judge", "quorum"))
    if "embedder" in found.requires:
        yield from _embedder_problems(config, position, section)
        return
    for path, judge in section.backend_sections():
        where = config.where("metrics", position, *path)
        if judge.options.get("api") == "embeddings":
            yield Problem(what="a judge cannot answer by embeddings", where=where)
    for number, judge in enumerate(section.panel):
        if judge in section.panel[:number]:
            hint = "the cache would give both one answer; name another model, or another seed"
            where = config.where("metrics", position, "panel", number)
            yield Problem(what="this judge sits on the panel twice", where=where, hint=hint)


def _no_judge(config: Config, position: int, section: MetricSection) -> Problem:
    hint = "add a backend, as {name: openai, params: {model: …}}"
    where = config.where("metrics", position)
    return Problem(what=f"the metric {section.id} needs a judge", where=where, hint=hint)


def _embedder_problems(config: Config, position: int, section: MetricSection) -> Iterator[Problem]:
    at = config.where("metrics", position)
    if not section.judges:
        missing = missing_extra(section.id)
        if missing is not None:
            yield replace(missing, where=at)
    elif section.panel:
        yield Problem(what=f"{section.id} takes one backend, no panel", where=at)
    elif section.judges[0].options.get("api") != "embeddings":
        what = f"the backend of {section.id} gives no embeddings"
        hint = "name openai, or what speaks like it, and set options.api: embeddings"
        yield Problem(what=what, where=config.where("metrics", position, "backend"), hint=hint)


def _gate_problems(config: Config) -> Iterator[Problem]:
    known = [section.id for section in config.metrics]
    for name in config.gate.metrics or {}:
        if name not in known:
            close = nearest(name, known)
            what = f'gate.metrics names "{name}", which is no metric here'
            yield Problem(
                what=what + (f' (did you mean "{close}"?)' if close else ""),
                where=config.where("gate", "metrics", name),
                hint=None if close or not known else f"metrics here: {', '.join(known)}",
            )


def _bind(
    config: Config,
    section: MetricSection,
    judges: tuple[Judge, ...],
    baseline: BaselineAnswers | None = None,
) -> BoundMetric:
    metric = _build(metrics.resolve(section.name), config, section, judges, baseline)
    passes = parse_pass_if(section.pass_if) if section.pass_if else None
    return BoundMetric(metric=metric, section=section, passes=passes)


def _build(
    found: type[Metric],
    config: Config,
    section: MetricSection,
    judges: tuple[Judge, ...],
    baseline: BaselineAnswers | None = None,
) -> Metric:
    embeds = "embedder" in found.requires  # then its backend is no judge
    env = MetricEnv(
        language=config.language,
        judges=() if embeds else judges,
        embed=embed_remotely(judges[0].ask) if embeds and judges else embed_locally,
        embedder=None if embeds and section.judges else local_model(),
        quorum=section.judge.quorum,
        template=section.judge.template,
        baseline=baseline,
        read_file=lambda name: _read(config.resolve(Path(name))),
    )
    metric = found(params=section.params, metric_id=section.id, env=env)
    metric.sample_keys = section.sample_keys
    return metric


def _read(path: Path) -> str | None:
    return read_text(path) if path.is_file() else None
