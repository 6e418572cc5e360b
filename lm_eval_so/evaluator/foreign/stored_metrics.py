"""Metrics of another tool, whose scores are looked up instead of made."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from lm_eval_so.core.config.model import MetricSection
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.foreign.foreign_rows import ForeignRow
from lm_eval_so.evaluator.foreign.records import ForeignResults, Mark, Measure
from lm_eval_so.evaluator.metrics.base import Metric

_LONGEST_ID: Final = 60


class StoredMetric(Metric):
    """A metric whose scores another tool has given."""

    measure: Measure
    """The metric as its tool tells of it."""
    tool: str
    """The other tool."""
    marks: Mapping[tuple[str, int], Mark]
    """Scores by sample and repeat."""
    samples: frozenset[str]
    """Samples that it applies to."""

    def applies(self, sample: TestSample) -> bool:
        """Return whether any answer to the sample has a result of this metric, be it none."""
        return sample.id in self.samples

    def check_sample(self, sample: TestSample) -> list[Problem]:
        """Find nothing: the parameters of samples are the other tool's."""
        del sample
        return []

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the score that the other tool gave."""
        mark = self.marks.get((sample.id, run.repeat))
        if mark is None or mark.value is None:
            why = mark.reason if mark else f"{self.tool} gives no result of it"
            return self.unscored(sample, "metric_error", _line(why))
        if not mark.is_scored:
            return self.unscored(sample, "invalid_value", _line(mark.reason))
        return self.make_score(
            sample, value=mark.value, passed=mark.passed, reason=_line(mark.reason)
        )

    def definition(self) -> dict[str, JsonValue]:
        """Return what the file tells of how it was measured: never that of a metric of our own."""
        return {"name": self.measure.name, "tool": self.tool, **self.measure.definition}


def ids_of(measures: Sequence[Measure]) -> dict[str, str]:
    """Return the ids of metrics by name: lower case, and _ for what a config could not name."""
    ids: dict[str, str] = {}
    for measure in measures:
        name = unicodedata.normalize("NFC", measure.name)
        plain = re.sub(r"[^\w.-]+", "_", name).strip("_").lower()[:_LONGEST_ID] or "metric"
        number, unique = 2, plain
        while unique in ids.values():
            unique, number = f"{plain}_{number}", number + 1
        ids[measure.name] = unique
    return ids


def bind_measures(
    results: ForeignResults, rows: Sequence[ForeignRow], ids: Mapping[str, str]
) -> tuple[BoundMetric, ...]:
    """Return the metrics of foreign results.

    A row without an answer has no result of any metric: what applies to its sample is what its checks say, and
    metrics that are for all samples.

    Args:
        results: The results.
        rows: Rows of the results.
        ids: Ids of the metrics, by name.
    """
    everywhere = {row.sample.id for row in rows}
    told = {row.sample.id for row in rows if row.marks}
    bound = []
    for measure in results.measures:
        known = {
            (row.sample.id, row.run.repeat): row.marks[measure.name]
            for row in rows
            if measure.name in row.marks
        }
        samples = {sample_id for sample_id, _ in known}
        if measure.is_for_all:
            samples |= everywhere - told
        else:
            samples |= {row.sample.id for row in rows if ids[measure.name] in row.sample.metrics}
        facts: dict[str, Any] = {
            "name": measure.name,
            "kind": measure.kind,
            "range": measure.range,
            "higher_is_better": measure.higher_is_better,
            "category": measure.category,
            "measures_overlap": measure.measures_overlap,
            "measure": measure,
            "tool": results.tool,
            "marks": known,
            "samples": frozenset(samples),
        }
        kind = type("Stored", (StoredMetric,), facts)
        metric = kind(metric_id=ids[measure.name])
        bound.append(BoundMetric(metric=metric, section=MetricSection(name=results.tool)))
    return tuple(bound)


def _line(text: str | None) -> str | None:
    """Return a reason as one line."""
    return " ".join(text.split()) if text else None
