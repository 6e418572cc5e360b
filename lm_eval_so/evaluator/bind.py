"""The metrics of a config: found, checked, built."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from lm_eval_so.core.asking.asker import Answer
from lm_eval_so.core.config.load import config_problems
from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.files import read_text
from lm_eval_so.core.hashing import digest
from lm_eval_so.core.records.chat import ChatRequest
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import InputError, LMEvalError, Problem, nearest
from lm_eval_so.evaluator.metrics.base import Metric, MetricEnv, metrics
from lm_eval_so.evaluator.score import BoundMetric, parse_pass_if

Ask = Callable[[ChatRequest], Awaitable[Answer]]


def find_problems(config: Config) -> list[Problem]:
    """Find what is wrong with the metrics and the gate, each with its line."""
    problems: list[Problem] = []
    if not config.metrics:
        hint = "name at least one, as exact_match"
        problems.append(Problem(what="no metrics", where=config.where("metrics"), hint=hint))
    for position, section in enumerate(config.metrics):
        problems += _metric_problems(config, position, section)
    problems += _gate_problems(config)
    return problems


def bind_metrics(config: Config, asks: Mapping[str, Ask]) -> tuple[BoundMetric, ...]:
    """Build the metrics of a config that has no problems.

    Args:
        config: The config.
        asks: How the judge of a metric is asked, by metric id.
    """
    return tuple(
        BoundMetric(
            metric=_build(metrics.resolve(section.name), config, section, asks.get(section.id)),
            section=section,
            passes=parse_pass_if(section.pass_if) if section.pass_if else None,
        )
        for section in config.metrics
    )


def sample_problems(bound: Sequence[BoundMetric], sample: TestSample) -> Iterator[Problem]:
    """Find what is wrong with a sample's own parameters."""
    for each in bound:
        if each.id in sample.metrics:
            yield from each.metric.check_sample(sample)


def gating_ids(config: Config, bound: Sequence[BoundMetric]) -> tuple[str, ...]:
    """Give the metrics that gate, in the config's order; by default each that is a score."""
    if config.gate.metrics is not None:
        return tuple(each.id for each in bound if each.id in config.gate.metrics)
    scores = {MetricKind.BINARY, MetricKind.BOUNDED}
    return tuple(each.id for each in bound if each.metric.kind in scores)


def _metric_problems(config: Config, position: int, section: MetricSection) -> Iterator[Problem]:
    try:
        found = metrics.resolve(section.name, where=config.where("metrics", position, "name"))
    except InputError as error:
        yield from error.problems
        return
    if "judge" in found.requires and section.backend is None:
        hint = "add a backend, as {name: openai, params: {model: …}}"
        where = config.where("metrics", position)
        yield Problem(what=f"the metric {section.id} needs a judge", where=where, hint=hint)
    if section.pass_if is not None:
        try:
            parse_pass_if(section.pass_if)
        except ValueError:
            where = config.where("metrics", position, "pass_if")
            yield Problem(what=f'"{section.pass_if}" is no comparison with a number', where=where)
    at = ("metrics", position, "params")
    try:
        metric = _build(found, config, section, None)
        problems = metric.check_params()
        digest(metric.definition())  # it stands in the report: better now than after all is paid
    except ValidationError as error:
        yield from config_problems(error, config.located, model=found.Params, at=at)
    except LMEvalError:
        raise
    except Exception as error:  # noqa: BLE001 - a metric of others fails in ways of its own
        what = f"the metric {section.id} fails: {type(error).__name__}: {error}"
        yield Problem(what=what, where=config.where("metrics", position))
    else:
        for problem in problems:
            yield Problem(what=problem.what, where=config.where(*at), hint=problem.hint)


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


def _build(found: type[Metric], config: Config, section: MetricSection, ask: Ask | None) -> Metric:
    judge = section.backend
    env = MetricEnv(
        language=config.language,
        ask=ask,
        judge_model=judge.model if judge else None,
        judge_params=judge.params if judge else {},
        template=section.judge.template,
        read_file=lambda name: _read(config.resolve(Path(name))),
    )
    return found(params=section.params, metric_id=section.id, env=env)


def _read(path: Path) -> str | None:
    return read_text(path) if path.is_file() else None
