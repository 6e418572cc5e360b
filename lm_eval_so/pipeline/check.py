"""What is wrong with a config at any stage, found before anything is spent."""

from collections.abc import Iterator, Mapping

from lm_eval_so.comparator import compare as comparing
from lm_eval_so.comparator.exceptions import exception_problems
from lm_eval_so.comparator.finding import Shape, make_shape
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed, Warned
from lm_eval_so.core.records.enums import Direction, MetricKind
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.evaluator.bind import bind_metrics, gating_ids, sound_metrics
from lm_eval_so.evaluator.bound import BoundMetric
from lm_eval_so.generator import generate as generating
from lm_eval_so.runner import run as running


def check(
    config: Config, environ: Mapping[str, str], *, makes_dataset: bool = False
) -> list[Problem]:
    """Find everything that is wrong, at every stage.

    Args:
        config: The config.
        environ: Environment variables, for keys.
        makes_dataset: Whether the dataset is made first, of sources that are to be looked at.
    """
    of_metrics = evaluating.check(config, environ=environ)
    told = {problem.where for problem in of_metrics}
    of_gate = comparing.check(config, _shapes(config))
    return [
        *(generating.check(config) if makes_dataset else []),
        *running.check(config, environ),
        *of_metrics,
        # both stages know which metrics there are: a gate's mistake is told once
        *(problem for problem in of_gate if problem.where not in told),
        *exception_problems(config, environ),
    ]


def deciding(config: Config) -> tuple[str, ...]:
    """Return the metrics that may decide a verdict; of a config without problems."""
    bound = bind_metrics(config, {})
    gating = gating_ids(config, bound)
    return tuple(each.id for each in bound if each.id in gating and _may_decide(each, config))


def tell_gate(config: Config) -> Iterator[Event]:
    """Warn if no metric decides, and tell which are reported since they measure wording alone."""
    named = config.gate.metrics or {}
    bound = bind_metrics(config, {})
    wording = ", ".join(b.id for b in bound if b.measures_overlap and b.id not in named)
    if not deciding(config):
        text = "no metric gates, so nothing will be judged"
        hint = "name one under gate.metrics, with a margin or a bound"
        told = f"{text} ({wording}: wording only)" if wording else text
        yield Warned(stage="check", text=told, hint=hint)
    elif wording:
        text = f"reported and not gating, unless gate.metrics names it: {wording} (wording only)"
        yield Noticed(stage="check", text=text)


def _may_decide(each: BoundMetric, config: Config) -> bool:
    """Whether a metric that gates has something to be judged by."""
    section = (config.gate.metrics or {}).get(each.id)
    if section is not None and (section.min is not None or section.max is not None):
        return True
    if "baseline" in each.metric.requires:  # it is a comparison itself
        return False
    is_open = each.metric.kind is MetricKind.UNBOUNDED
    return not is_open or (section is not None and section.margin is not None)


def _shapes(config: Config) -> dict[str, Shape]:
    """Give what values the metrics take that can be made."""
    return {
        each.id: make_shape(
            each.metric.kind,
            Direction.HIGHER if each.metric.higher_is_better else Direction.LOWER,
            each.metric.range,
        )
        for _, each in sound_metrics(config)
    }
