"""Cases on the HTML page: their order, and all rows of a report as data for the script."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import Case, EvaluationReport
from lm_eval_so.core.templates.safe import cut
from lm_eval_so.core.words.formats import count
from lm_eval_so.reporter.views.cases import (
    case_view,
    is_answer,
    short_value,
    status_name,
)
from lm_eval_so.reporter.views.slices import by_name
from lm_eval_so.reporter.views.view import CaseView, ChangedView, ComparisonView, Finding, Words

FAILED, UNSCORED, WORSE, BETTER = 1, 2, 4, 8

_LONGEST = 4000
_DECIMALS = 6
_UNSAFE = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCase:
    """A case, and its baseline answer if it got worse."""

    case: CaseView
    before: str | None = None
    """The baseline's answer."""
    again: tuple[str, ...] = ()
    """Results of asking again."""


def first_rows(report: EvaluationReport, comparison: Comparison | None) -> list[int]:
    """Return the rows that stand before all others: rows that got worse, then rows that failed.

    The former are in the order of the comparison, the latter in that of the report. All other rows
    follow in the order of the dataset.
    """
    ranks = _ranks(report, comparison)
    rows = [row for row, sample_id in enumerate(report.samples.ids) if sample_id in ranks]
    return sorted(rows, key=lambda row: ranks[report.samples.ids[row]])


def first_cases(
    report: EvaluationReport, compared: ComparisonView | None, *, most: int, words: Words
) -> tuple[list[ShownCase], str | None]:
    """Return the first cases in that order, and a note if there are more.

    Args:
        report: Scores.
        compared: Samples that got worse, if there is a comparison.
        most: Largest number of cases.
        words: Texts of the topic `report`.
    """
    worse = {each.sample_id: each for each in compared.cases.worse} if compared else {}
    by_id: dict[str, list[Case]] = {}
    for case in report.errors:
        by_id.setdefault(case.sample_id, []).append(case)
    refs = report.samples.own_ids
    views = {
        sample_id: [
            case_view(case, report.metrics, words, refs)
            for case in sorted(kept, key=lambda case: case.repeat)
        ]
        for sample_id, kept in by_id.items()
    }
    found = [
        each
        for sample_id in dict.fromkeys((*worse, *report.failed_ids, *by_id))
        for each in _cases(views.get(sample_id, ()), worse.get(sample_id))
    ]
    total = max(len(found), len({*worse, *report.failed_ids}))
    shown = found[:most]
    note = words("cases_shown", shown=count(len(shown)), total=count(total))
    return shown, note if total > len(shown) else None


def _ranks(report: EvaluationReport, comparison: Comparison | None) -> Mapping[str, int]:
    changed = comparison.changed if comparison else ()
    worse = (case.sample_id for case in changed if case.change == "worse")
    ordered = dict.fromkeys((*worse, *report.failed_ids))
    return {sample_id: rank for rank, sample_id in enumerate(ordered)}


def _cases(kept: Sequence[CaseView], changed: ChangedView | None) -> Iterator[ShownCase]:
    """Yield the rows of a sample; if it got worse but did not fail, the comparison's texts of it."""
    for view in kept:
        yield _with_change(view, changed) if changed else ShownCase(case=view)
    if changed and not kept:
        yield _with_change(_of_change(changed), changed)


def _with_change(view: CaseView, changed: ChangedView) -> ShownCase:
    """Return a case with both scores of each metric that fell, and the present score of others."""
    told = tuple(f"{score.rsplit(' ', 3)[0]} " for score in changed.scores)
    others = (score for score in view.scores if not score.startswith(told))
    return ShownCase(
        case=replace(view, scores=(*changed.scores, *others)),
        before=changed.baseline_answer,
        again=changed.again,
    )


def _of_change(changed: ChangedView) -> CaseView:
    return CaseView(
        name=changed.ref or changed.sample_id,
        own_id=changed.sample_id if changed.ref else "",
        scores=(),
        input=changed.input or "",
        expected=changed.expected,
        answer=changed.candidate_answer,
        error=None,
        findings=tuple(Finding(metric="", reason=why, evidence=()) for why in changed.reasons),
    )


class _Texts:
    """Texts without secrets, cut to a length, each kept once."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._places: dict[str, int] = {}
        self.all: list[str] = []

    def place(self, text: str | None) -> int:
        """Return the place of a text; -1 if there is none."""
        if text is None:
            return -1
        found = self._places.get(text)
        if found is None:
            found = self._places[text] = len(self.all)
            self.all.append(cut(self._redact(text), _LONGEST))
        return found


def case_data(
    report: EvaluationReport,
    comparison: Comparison | None,
    *,
    worse: Sequence[ChangedView],
    words: Words,
    redact: Callable[[str], str],
) -> str:
    """Return the rows as JSON that may stand in a script element.

    Args:
        report: Report record.
        comparison: Comparison, if there is one.
        worse: Views of the samples that got worse.
        words: Texts of the topic `report`.
        redact: Function that takes secrets out of a text.
    """
    columns, texts = report.samples, _Texts(redact)
    size = len(columns.ids)
    nothing: tuple[None, ...] = (None,) * size
    data = {
        "id": [texts.place(each) for each in columns.ids],
        "ref": [texts.place(each or None) for each in columns.refs or nothing],
        "repeat": columns.repeats,
        "status": [texts.place(status_name(each, words)) for each in columns.statuses],
        "flags": _flags(report, comparison),
        "first": first_rows(report, comparison),
        "input": [texts.place(each) for each in columns.inputs or nothing],
        "expected": [texts.place(each) for each in columns.expected or nothing],
        "answer": [texts.place(each) for each in columns.answers or nothing],
        "tags": [[texts.place(tag) for tag in each] for each in columns.tags or ((),) * size],
        "language": [texts.place(each) for each in columns.languages or nothing],
        "labels": [
            {
                "by": texts.place(name),
                "name": texts.place(by_name(name, words)),
                "values": [texts.place(value) for value in each.values],
                "rows": each.places,
            }
            for name, each in columns.labels.items()
        ],
        "metrics": [texts.place(name) for name in columns.scores],
        "lower": [_is_lower(report, name) for name in columns.scores],
        "scores": [[_short(v) for v in values] for values in columns.scores.values()],
        "more": _more(report, texts, words),
        "before": _before(comparison, texts),
        "change": _change(worse, texts),
        "texts": texts.all,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_UNSAFE)


def _flags(report: EvaluationReport, comparison: Comparison | None) -> list[int]:
    columns, failed = report.samples, {*report.failed_ids}
    by_change: dict[str, set[str]] = {"worse": set(), "better": set()}
    for change in comparison.changed if comparison else ():
        by_change[change.change].add(change.sample_id)
    unscored = _unscored_rows(report)
    found = []
    for row, (sample_id, status) in enumerate(zip(columns.ids, columns.statuses, strict=True)):
        is_lost = row in unscored or not is_answer(status)
        found.append(
            FAILED * (sample_id in failed and not is_lost)
            + UNSCORED * is_lost
            + WORSE * (sample_id in by_change["worse"])
            + BETTER * (sample_id in by_change["better"])
        )
    return found


def _unscored_rows(report: EvaluationReport) -> set[int]:
    """Return the rows that lack a score by a fault, of metrics that count such rows."""
    found: set[int] = set()
    for name, values in report.samples.scores.items():
        metric = report.metrics.get(name)
        if metric is None or not {*metric.unscored_by} - {"cached", "not_reported"}:
            continue
        spared = {*report.samples.not_applicable.get(name, ())}
        spared |= {*report.samples.cached} if "cached" in metric.unscored_by else set()
        found |= {row for row, v in enumerate(values) if v is None and row not in spared}
    return found


def _more(report: EvaluationReport, texts: _Texts, words: Words) -> dict[str, Any]:
    """Return the details of the cases that the report keeps in full, by row."""
    columns = report.samples
    rows = {key: row for row, key in enumerate(zip(columns.ids, columns.repeats, strict=True))}
    found: dict[str, Any] = {}
    for case in report.errors:
        row = rows.get((case.sample_id, case.repeat))
        if row is None:
            continue
        shown = case_view(case, report.metrics, words, {})
        labels = {
            each.metric: short_value(each, report.metrics.get(each.metric), words)
            for each in case.scores
        }
        found[str(row)] = {
            "input": texts.place(case.input),
            "error": texts.place(shown.error),
            "labels": [
                texts.place(labels.get(name)) if name in labels else -1 for name in columns.scores
            ],
            "why": [
                {
                    "metric": texts.place(each.metric),
                    "reason": texts.place(each.reason),
                    "evidence": [texts.place(text) for text in each.evidence],
                    "votes": [
                        {
                            "model": texts.place(vote.model),
                            "said": texts.place(vote.said),
                            "reason": texts.place(vote.reason),
                            "evidence": [texts.place(text) for text in vote.evidence],
                        }
                        for vote in each.votes
                    ],
                }
                for each in shown.findings
            ],
        }
    return found


def _before(comparison: Comparison | None, texts: _Texts) -> Mapping[str, int]:
    """Return the baseline's answers to samples that changed, by the place of their id."""
    changed = comparison.changed if comparison else ()
    return {
        str(texts.place(case.sample_id)): texts.place(case.baseline_answer)
        for case in changed
        if case.baseline_answer is not None
    }


def _change(worse: Sequence[ChangedView], texts: _Texts) -> Mapping[str, Any]:
    """Return the drops of samples that got worse, and the results of asking again, by place of the id."""
    return {
        str(texts.place(case.sample_id)): {
            "scores": [texts.place(text) for text in case.scores],
            "again": [texts.place(text) for text in case.again],
        }
        for case in worse
    }


def _is_lower(report: EvaluationReport, name: str) -> bool:
    metric = report.metrics.get(name)
    return metric is not None and metric.direction.value == "lower"


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
