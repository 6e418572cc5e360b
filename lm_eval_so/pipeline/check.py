"""The check of a config for all stages before anything is spent, and the metrics that its gate decides by."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from lm_eval_so.comparator.effect.finding import make_shape
from lm_eval_so.comparator.exemptions.files import exception_problems
from lm_eval_so.comparator.gate.check import check as check_gate
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed, Warned
from lm_eval_so.core.files import folder_problems
from lm_eval_so.core.records.enums import Claim, Direction, MetricKind
from lm_eval_so.errors import Problem, refuse
from lm_eval_so.evaluator import evaluation_plan as evaluation
from lm_eval_so.evaluator.binding.bind import bind_metrics, gating_ids, sound_metrics
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.binding.metric_problems import dataset_problems
from lm_eval_so.generator import source_problems
from lm_eval_so.pipeline.control import control_problems
from lm_eval_so.runner import run_problems

__all__ = [
    "Stage",
    "check",
    "deciding",
    "gate_problems",
    "tell_gate",
    "watching_hints",
]

Stage = Literal["generate", "run", "evaluate"]


def check(
    config: Config,
    environ: Mapping[str, str],
    *,
    needs: Collection[Stage],
    folders: Callable[[Config], Iterable[Path]] = lambda _: (),
) -> Iterator[Problem]:
    """Find all problems of a config, at every stage.

    Args:
        config: The config.
        environ: Environment variables, for keys.
        needs: Stages that come next; only for these a missing key, package, source or section of the
            config is a problem.
        folders: Function that returns the folders that are written to.
    """
    of_metrics = evaluation.check(config, environ=environ if "evaluate" in needs else None)
    told = {problem.where for problem in of_metrics}
    yield from (
        # `ci` makes the dataset without the models that write tests, and needs no key of theirs
        source_problems.check(config, environ if {*needs} == {"generate"} else None)
        if "generate" in needs
        else source_problems.config_problems(config)
    )
    yield from run_problems.check(config, environ if "run" in needs else None)
    yield from of_metrics
    # both stages know which metrics there are: a gate's mistake is told once
    of_gate = gate_problems(config, environ)
    yield from (problem for problem in of_gate if problem.where not in told)
    yield from control_problems(config)
    if "generate" not in needs:  # else it is made anew
        yield from dataset_problems(config)
    yield from folder_problems(folders(config))


def refuse_rules(config: Config, environ: Mapping[str, str], *, scores: bool) -> None:
    """Refuse metrics and a gate that cannot be used here, before anything is asked.

    Args:
        config: A config by main's rules, without the metrics that cannot be measured here.
        environ: Environment variables.
        scores: Whether answers are scored here, for which judges need their keys.

    Raises:
        ConfigError: Lists every problem.
    """
    of_metrics = evaluation.check(config, environ=environ if scores else None)
    told = {problem.where for problem in of_metrics}
    of_gate = gate_problems(config, environ)
    refuse([*of_metrics, *(each for each in of_gate if each.where not in told)])


def gate_problems(config: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Find the problems of the gate, the quarantine and the accept file."""
    shapes = {
        each.id: make_shape(
            each.metric.kind,
            Direction.HIGHER if each.metric.higher_is_better else Direction.LOWER,
            each.metric.range,
        )
        for _, each in sound_metrics(config)
    }
    yield from check_gate(config, shapes)
    yield from exception_problems(config, environ)


def deciding(config: Config) -> tuple[str, ...]:
    """Return the metrics that may decide a verdict; of a config without problems."""
    return _deciding(config, bind_metrics(config, {}))


def tell_gate(config: Config) -> Iterator[Event]:
    """Warn of a gate that cannot do what it says, and name metrics that are only reported as wording."""
    if config.gate.claim is Claim.THESE and config.run.repeats == 1:
        yield Warned(
            stage="check",
            text="claim: these needs two answers to each question, and run.repeats is 1",
            hint="set run.repeats to 2 or more; a baseline needs as many (baseline.repeats)",
        )
    if (
        config.gate.stop != "never"
        and not config.run.cache
        and any(m.judges for m in config.metrics)
    ):
        yield Warned(
            stage="check",
            text="without run.cache each look of gate.stop asks the judges again about all answers",
            hint="leave run.cache on: the chatbot itself is never asked from it",
        )
    named = config.gate.metrics or {}
    bound = bind_metrics(config, {})
    wording = ", ".join(b.id for b in bound if b.measures_overlap and b.id not in named)
    if not _deciding(config, bound):
        text = "no metric gates, so nothing will be judged"
        hint = "name one under gate.metrics, with a margin or a bound"
        told = f"{text} ({wording}: wording only)" if wording else text
        yield Warned(stage="check", text=told, hint=hint)
    elif wording:
        text = f"reported and not gating, unless gate.metrics names it: {wording} (wording only)"
        yield Noticed(stage="check", text=text)


def watching_hints(config: Config) -> Iterator[Event]:
    """Name the gating metrics whose cases are not watched, since they do not say right or wrong."""
    if config.gate.broken == "off":
        return
    bound = bind_metrics(config, {})
    gating = gating_ids(config, bound)
    scores = frozenset({MetricKind.BINARY, MetricKind.BOUNDED})
    for each in bound:
        if each.id in gating and each.metric.kind in scores and not each.decides:
            text = f"give {each.id} a pass_if to have its cases watched"
            yield Noticed(stage="check", text=text)


def _deciding(config: Config, bound: Sequence[BoundMetric]) -> tuple[str, ...]:
    gating = gating_ids(config, bound)
    return tuple(each.id for each in bound if each.id in gating and _may_decide(each, config))


def _may_decide(each: BoundMetric, config: Config) -> bool:
    """Return whether a metric that gates has a bound or a baseline to be judged by."""
    section = (config.gate.metrics or {}).get(each.id)
    if section is not None and (section.min is not None or section.max is not None):
        return True
    if "baseline" in each.metric.requires:  # it is a comparison itself
        return False
    is_open = each.metric.kind is MetricKind.UNBOUNDED
    return not is_open or (section is not None and section.margin is not None)
