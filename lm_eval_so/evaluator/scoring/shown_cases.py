"""Rows that a person should look at: those without an answer, then the failed ones."""

import heapq
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lm_eval_so.core.columns.column import Picked
from lm_eval_so.core.records.enums import Language, MetricKind
from lm_eval_so.core.records.report import Case
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words import Wording
from lm_eval_so.core.words.phrases import problem_in_each
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.rows.sheet import Sheet, is_fault
from lm_eval_so.evaluator.sample_text import shown_input

Kind = Literal["infrastructure", "quality"]
_Key = tuple[bool, tuple[float, ...], str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    key: _Key
    case: Case

    def __lt__(self, other: "_Found") -> bool:
        return self.key > other.key  # the heap gives the least urgent one up first


class Cases:
    """Choice among all rows that keeps no more cases than are shown.

    Args:
        bound: The metrics.
        gating: Ids of the metrics that gate; the first of them orders the cases.
        most: Cases to show in full.
    """

    def __init__(self, bound: Sequence[BoundMetric], *, gating: Sequence[str], most: int) -> None:
        self._metrics = {each.id: each.metric for each in bound}
        self._order = [*gating, *(each.id for each in bound if each.id not in gating)]
        self._most = most
        self._language = bound[0].metric.env.language if bound else Language.EN
        self._lost = array("I")
        self._failed = array("I")
        self._shown: list[_Found] = []

    def add(self, row: int, sample: TestSample, run: RunResult, scores: Sequence[Score]) -> None:
        """Consider a row that was asked, by its number in the sheet."""
        faults = [s for s in scores if is_fault(s)]
        if faults or not run.status.is_answer:
            self._lost.append(row)
            self._keep(sample, run, scores, "infrastructure", faults)
            return
        failed = [s for s in scores if self._has_failed(s)]
        if failed:
            self._failed.append(row)
            self._keep(sample, run, scores, "quality", failed)

    def shown(self) -> tuple[Case, ...]:
        """Return the cases to show: without an answer first, then worst first."""
        return tuple(found.case for found in sorted(self._shown, key=lambda found: found.key))

    def ids(self, sheet: Sheet) -> Sequence[str]:
        """Return the ids of all samples with a case, in the same order.

        Args:
            sheet: The scores, by which rows are ordered: a key for each row would take more memory.
        """

        def id_of(row: int) -> str:
            return sheet.samples.ids[sheet.sample_of[row]]

        failed = sorted(sorted(self._failed), key=id_of)
        for metric_id in reversed(self._order):  # sorts are stable
            values = sheet.columns[metric_id].values
            ranks = array("d", (self._rank(metric_id, value) for value in values))
            failed.sort(key=ranks.__getitem__)
        rows = array("I", (*sorted(sorted(self._lost), key=id_of), *failed))
        if sheet.in_file and not sheet.has_repeats:
            return Picked(sheet.samples.ids, rows)
        found = map(id_of, rows)
        return tuple(dict.fromkeys(found) if sheet.has_repeats else found)

    def _keep(
        self,
        sample: TestSample,
        run: RunResult,
        scores: Sequence[Score],
        kind: Kind,
        why: Sequence[Score],
    ) -> None:
        ranks = {score.metric: self._rank(score.metric, score.value) for score in scores}
        ordered = tuple([ranks[name] for name in self._order]) if kind == "quality" else ()
        key = (kind == "quality", ordered, sample.id, run.repeat)
        if len(self._shown) == self._most and (not self._most or key > self._shown[0].key):
            return
        ordered_why = sorted(why, key=lambda score: self._order.index(score.metric))
        case = self._case(sample, run, scores, kind=kind, why=ordered_why)
        found = _Found(key=key, case=case)
        if len(self._shown) < self._most:
            heapq.heappush(self._shown, found)
        else:
            heapq.heapreplace(self._shown, found)

    def _case(
        self,
        sample: TestSample,
        run: RunResult,
        scores: Sequence[Score],
        *,
        kind: Kind,
        why: Sequence[Score],
    ) -> Case:
        reason, in_each = _reason(run, next(iter(why), None), self._language)
        return Case(
            sample_id=sample.id,
            repeat=run.repeat,
            kind=kind,
            status=run.status.value,
            input=shown_input(sample, run),
            expected=sample.expected,
            answer=run.text if run.response else None,
            reason=reason,
            reason_in=in_each,
            scores=tuple(scores),
            tags=sample.tags,
            language=sample.language,
            failed=tuple(score.metric for score in why),
        )

    def _rank(self, metric_id: str, value: float | None) -> float:
        """Return a number that is small for a bad value, infinite without a value."""
        if value is None:
            return math.inf
        return value if self._metrics[metric_id].higher_is_better else -value

    def _has_failed(self, score: Score) -> bool:
        """Return whether a score fails: by `passed`, else by the lower half of its range."""
        if score.passed is not None:
            return not score.passed
        metric = self._metrics[score.metric]
        if score.value is None or metric.range is None or metric.kind is not MetricKind.BOUNDED:
            return False
        low, high = metric.range
        share = (score.value - low) / (high - low)
        return (share if metric.higher_is_better else 1 - share) < 0.5


def _reason(run: RunResult, score: Score | None, language: Language) -> tuple[str, Wording]:
    """Return why a row is shown, and the same in every language if it is known in several."""
    told: str | None = None
    in_each: Wording = {}
    if not run.status.is_answer or score is None:
        head = run.status.value
        if run.error is not None and not run.status.is_answer:
            in_each = problem_in_each(run.error.message)
            told = in_each[language]
    else:
        what = score.code if score.value is None else score.label or f"{score.value:g}"
        head, told, in_each = f"{score.metric} {what}", score.reason, score.reason_in
    each = {key: f"{head}: {text}" for key, text in in_each.items()}
    return f"{head}: {told}" if told else head, each
