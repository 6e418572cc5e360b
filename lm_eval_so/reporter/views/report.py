"""View of an evaluation report."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.numbers import count, percent, score, usd
from lm_eval_so.core.words.phrases import answers_text
from lm_eval_so.reporter.views.cases import MISSING, case_view, cases_note, is_answer, status_name
from lm_eval_so.reporter.views.cost import cost_lines, cost_rows, time_lines, total_usd
from lm_eval_so.reporter.views.judges import judge_row
from lm_eval_so.reporter.views.metrics import first_score, metric_row
from lm_eval_so.reporter.views.origin import commands, minute, report_origin
from lm_eval_so.reporter.views.slices import slice_rows
from lm_eval_so.reporter.views.view import (
    ABSENT,
    Breakdown,
    Cases,
    ReportView,
    ScoredView,
    StatusRow,
    Words,
    words_of,
)

_MOST_MISSING = 5


def view_report(
    report: EvaluationReport, *, lead: str | None, language: Language, examples: int
) -> ReportView:
    """Make the view of a report.

    Args:
        report: Report record.
        lead: Metric to break down; default: the first that is no cost or time.
        language: Language of the texts.
        examples: Cases at most.
    """
    words = words_of("report", language)
    lead = lead if lead in report.metrics else first_score(report)
    cases = report.errors[:examples]
    slices, hidden = slice_rows(report, lead, words) if lead else ([], 0)
    return ReportView(
        suite=report.experiment.suite,
        label=report.experiment.backend.label,
        facts=tuple(_facts(report, words)),
        warnings=tuple(_warnings(report, words, language)),
        metrics=tuple(metric_row(key, m, words) for key, m in report.metrics.items()),
        statuses=tuple(_statuses(report, words)),
        breakdown=Breakdown(
            metric=lead or "",
            rows=tuple(slices),
            note=words("slices_hidden", n=count(hidden)) if hidden else None,
        ),
        cases=Cases(
            shown=tuple(case_view(case, report.metrics, words) for case in cases),
            note=cases_note(report, len(cases), words),
        ),
        judges=tuple(judge_row(key, judge, words) for key, judge in report.judges.items()),
        costs=tuple(cost_rows(report, words)),
        times=tuple(time_lines(report, words)),
        footer=tuple(report_origin(report, words)),
        commands=commands(report),
    )


def view_for_comment(report: EvaluationReport, language: Language) -> ScoredView:
    """Make the view of a report that a comment shows below the comparison."""
    words = words_of("report", language)
    return ScoredView(
        costs=tuple(cost_lines(report, words)),
        judges=tuple(judge_row(key, judge, words) for key, judge in report.judges.items()),
    )


def _facts(report: EvaluationReport, words: Words) -> Iterator[str]:
    samples = len(set(report.samples.ids))
    repeats = max(report.samples.repeats, default=0) + 1
    size = "size_once" if repeats == 1 else "size_repeated"
    yield words(size, n=count(samples), repeats=count(repeats))
    answered = sum(n for s, n in report.statuses.items() if is_answer(s))
    yield words("answered", n=count(answered))
    if lost := sum(report.statuses.values()) - answered:
        yield words("unanswered", n=count(lost))
    if (total := total_usd(report)) is not None:
        yield usd(total)
    yield minute(report.experiment.evaluated_at)


def _statuses(report: EvaluationReport, words: Words) -> Iterator[StatusRow]:
    rows = sum(report.statuses.values())
    for status, n in report.statuses.items():
        share = percent(n / rows) if rows else ABSENT
        yield StatusRow(status=status_name(status, words), n=count(n), share=share)


def _warnings(report: EvaluationReport, words: Words, language: Language) -> Iterator[str]:
    experiment = report.experiment
    if experiment.backend.details.get("demonstration") is True:
        yield words("demonstration", model=experiment.backend.model or experiment.backend.label)
    if text := answers_text(report, language):
        yield text
    yield from _incomplete(report, words)
    if experiment.dataset.unreviewed:
        yield words("unreviewed", n=count(experiment.dataset.unreviewed))
    for key, judge in report.judges.items():
        reasons = "; ".join(words(f"judge_why_{code}") for code in judge.why)
        if judge.state != "ok":
            yield words("judge_warning", judge=key, reasons=reasons)
        if judge.injection_flags:
            yield words("injection_flags", judge=key, n=count(judge.injection_flags))
    for key, metric in report.metrics.items():
        # a time of another day is not missing in this run
        if lost := metric.unscored - metric.unscored_by.get("cached", 0):
            text = words("unscored", metric=key, n=count(lost), rows=count(metric.rows + lost))
            worst = metric.mean_if_missing_worst
            yield text if worst is None else f"{text} {words('worst_case', mean=score(worst))}"


def _incomplete(report: EvaluationReport, words: Words) -> Iterator[str]:
    experiment, columns = report.experiment, report.samples
    if experiment.complete:
        return
    text = words("incomplete", n=count(experiment.missing))
    lost = [i for i, s in zip(columns.ids, columns.statuses, strict=True) if s == MISSING]
    if lost:
        some = ", ".join(list(dict.fromkeys(lost))[:_MOST_MISSING])
        text += f" {words('missing_first', ids=some)}"
    yield text
    stopped = experiment.budget.get("stopped")
    if isinstance(stopped, Mapping) and isinstance(by := stopped.get("by"), str):
        yield words("stopped", by=by)
