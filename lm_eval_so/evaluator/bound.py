"""A metric as the config wants it applied."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.enums import MetricKind
from lm_eval_so.evaluator.metrics.base import Metric

Passes = Callable[[float], bool]

_OURS = "lm_eval_so."
"""Modules of metrics whose scores need no check."""
_OF_SAMPLE = ("expected", "context", "scenario", "relation", "params.")
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundMetric:
    """A metric as the config wants it applied."""

    metric: Metric
    section: MetricSection
    passes: Passes | None = None
    """When a value passes; None: as the metric says."""
    parts: tuple["BoundMetric", ...] = ()
    """What it is built from."""
    id: str = field(init=False)
    """Id of the metric in the report."""
    always_applies: bool = field(init=False)
    """Whether it applies to every sample, so that none need be looked at."""
    is_for_all: bool = field(init=False)
    """Whether the config means every sample."""
    chooses: bool = field(init=False)
    """Whether the metric itself says to which samples it applies."""
    sample_needs: tuple[str, ...] = field(init=False)
    """What a sample must have, sorted."""
    run_needs: tuple[str, ...] = field(init=False)
    """Fields of a row that must be told."""
    measures_overlap: bool = field(init=False)
    """Whether it, or all that it is built from, tells only how near the wording is."""
    is_ours: bool = field(init=False)
    is_batched: bool = field(init=False)
    """Whether it scores many answers at once."""
    is_over_repeats: bool = field(init=False)
    """Whether it scores all answers to a sample together."""
    is_late: bool = field(init=False)
    """Whether it, or a part of it, holds a sample against another one."""

    def __post_init__(self) -> None:
        kind, needs = type(self.metric), sorted(self.metric.requires)
        repeats = "repeats" in needs or kind.score_repeats is not Metric.score_repeats
        of_sample = tuple(need for need in needs if need.startswith(_OF_SAMPLE))
        only = self.section.only
        is_open = getattr(self.metric.applies, "__func__", None) is Metric.applies
        facts = {
            "id": self.metric.id,
            "always_applies": is_open and not (of_sample or only.tags or only.language),
            "is_for_all": not (only.tags or only.language),
            "chooses": not is_open,
            "sample_needs": of_sample,
            "run_needs": tuple(n.removeprefix("run.") for n in needs if n.startswith("run.")),
            "measures_overlap": self.metric.measures_overlap
            or (bool(self.parts) and all(part.measures_overlap for part in self.parts)),
            "is_ours": kind.__module__.startswith(_OURS),
            "is_batched": kind.score_batch is not Metric.score_batch,
            "is_over_repeats": repeats,
            "is_late": ("relation" in needs and bool(self.metric.part_ids))
            or any(part.is_late for part in self.parts),
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    @property
    def decides(self) -> bool:
        """Return whether it says of an answer that it passes or fails."""
        return self.passes is not None or self.metric.kind is MetricKind.BINARY


def parse_pass_if(text: str) -> Passes:
    """Turn ">= 0.8" into a check of a value.

    Raises:
        ValueError: If it is no comparison with a number.
    """
    sign = next((sign for sign in _COMPARISONS if text.strip().startswith(sign)), None)
    if sign is None:
        raise ValueError(f"{text!r} is no comparison")
    bound = float(text.strip().removeprefix(sign))
    compare = _COMPARISONS[sign]
    return lambda value: compare(value, bound)
