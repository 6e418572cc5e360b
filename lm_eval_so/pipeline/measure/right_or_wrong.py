"""Metrics that say of a single answer whether it is right."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import ValidationError

from lm_eval_so.core.config.model import Config, MetricSection
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.evaluator.binding.bind import bind_metrics, sound_metrics
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.pipeline.measure.further import is_alone

Passes = Callable[[float], bool]


def right_or_wrong(config: Config, report: EvaluationReport) -> dict[str, Passes]:
    """Return the metrics that say right or wrong of an answer alone, with the test of a score.

    Args:
        config: The config; of one that names no metrics the report's count.
        report: Report under test.
    """
    sections = config.metrics or _sections(report)
    whole = config.model_copy(update={"metrics": sections})
    sound = {each.id: each for _, each in sound_metrics(whole)}
    able = [section for section in sections if _has_parts(section.id, sound)]
    bound = bind_metrics(config.model_copy(update={"metrics": able}), {})
    return {each.id: _test_of(each) for each in bound if each.decides and is_alone(each)}


def _test_of(bound: BoundMetric) -> Passes:
    return bound.passes or bound.metric.is_right


def _has_parts(metric: str, sound: Mapping[str, BoundMetric]) -> bool:
    """Return whether a metric can be made, and all that it is built from."""
    return metric in sound and all(_has_parts(p, sound) for p in sound[metric].metric.part_ids)


def _sections(report: EvaluationReport) -> Sequence[MetricSection]:
    kept = report.experiment.evaluator_config.get("metrics")
    try:
        return [MetricSection.model_validate(e) for e in kept] if isinstance(kept, list) else []
    except ValidationError:  # of another version
        return []
