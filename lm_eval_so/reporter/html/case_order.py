"""Order of the cases on the HTML page, and the cases that show without a script."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.report import Case, EvaluationReport
from lm_eval_so.core.words.numbers import count
from lm_eval_so.reporter.views.cases import case_view
from lm_eval_so.reporter.views.view import CaseView, ChangedView, ComparisonView, Finding, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCase:
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
) -> tuple[list[FirstCase], str | None]:
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
    found = [
        each
        for sample_id in dict.fromkeys((*worse, *report.failed_ids, *by_id))
        for each in _cases(by_id.get(sample_id, ()), worse.get(sample_id), report, words)
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


def _cases(
    kept: Sequence[Case], changed: ChangedView | None, report: EvaluationReport, words: Words
) -> Iterator[FirstCase]:
    """Yield the rows of a sample; if it got worse but did not fail, the comparison's texts of it."""
    for case in sorted(kept, key=lambda case: case.repeat):
        view = case_view(case, report.metrics, words)
        yield _with_change(view, changed) if changed else FirstCase(case=view)
    if changed and not kept:
        yield _with_change(_of_change(changed), changed)


def _with_change(view: CaseView, changed: ChangedView) -> FirstCase:
    """Return a case with both scores of each metric that fell, and the present score of others."""
    told = tuple(f"{score.rsplit(' ', 3)[0]} " for score in changed.scores)
    others = (score for score in view.scores if not score.startswith(told))
    return FirstCase(
        case=replace(view, scores=(*changed.scores, *others)),
        before=changed.baseline_answer,
        again=changed.again,
    )


def _of_change(changed: ChangedView) -> CaseView:
    return CaseView(
        sample_id=changed.sample_id,
        scores=(),
        input=changed.input or "",
        expected=changed.expected,
        answer=changed.candidate_answer,
        error=None,
        findings=tuple(Finding(metric="", reason=why, evidence=()) for why in changed.reasons),
    )
