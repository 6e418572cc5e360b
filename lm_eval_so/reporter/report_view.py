"""An evaluation report as it is shown."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from lm_eval_so.core.records.enums import Direction, Language, MetricKind, RunStatus, ScoreStatus
from lm_eval_so.core.records.report import (
    Case,
    EvaluationReport,
    JudgeHealth,
    MetricSummary,
    Slice,
    SliceFigures,
)
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.words.numbers import count, interval, percent, score, usd
from lm_eval_so.reporter.view import (
    CaseView,
    Finding,
    JudgeRow,
    MetricRow,
    ReportView,
    SliceRow,
    Words,
    words_of,
)

ABSENT = "–"
COMMIT_DIGITS = 7

_MOST_SLICES = 10
_DIGEST_DIGITS = 12
_LARGE = 1000
_HEX = re.compile(r"[0-9a-f]+")


def view_report(
    report: EvaluationReport, *, lead: str | None, language: Language, examples: int
) -> ReportView:
    """Make the view of a report.

    Args:
        report: The record.
        lead: Metric to break down; default: the first that is no cost or time.
        language: Language of the texts.
        examples: Cases at most.
    """
    words = words_of("report", language)
    lead = lead if lead in report.metrics else _first_score(report)
    cases = report.errors[:examples]
    return ReportView(
        suite=report.experiment.suite,
        label=report.experiment.backend.label,
        facts=tuple(_facts(report, words)),
        warnings=tuple(_warnings(report, words)),
        metrics=tuple(_metric_row(key, m, words) for key, m in report.metrics.items()),
        statuses=tuple((status, count(n)) for status, n in report.statuses.items()),
        lead=lead or "",
        slices=tuple(_slice_rows(report, lead, words)) if lead else (),
        cases=tuple(_case_view(case, words) for case in cases),
        cases_note=_cases_note(report, len(cases), words),
        judges=tuple(judge_row(key, judge, words) for key, judge in report.judges.items()),
        costs=tuple(cost_lines(report, words)),
        footer=tuple(report_footer(report, words)),
    )


def cost_lines(report: EvaluationReport, words: Words) -> Iterator[str]:
    """Give what the run cost and how long it took, one fact each."""
    cost = report.cost
    if cost.bot_usd is not None:
        yield words("cost_bot", usd=usd(cost.bot_usd), n=count(cost.bot_priced))
    else:
        yield words("cost_unknown")
    if cost.judges_usd is not None:
        yield words("cost_judges", usd=usd(cost.judges_usd))
    tokens_in, tokens_out = cost.usage.input_tokens, cost.usage.output_tokens
    if tokens_in is not None and tokens_out is not None:
        yield words("tokens", tokens_in=count(tokens_in), tokens_out=count(tokens_out))
    took = _seconds_between(report.experiment.started_at, report.experiment.finished_at)
    if took is not None:
        yield words("seconds", n=f"{took:,.0f}")
    latency = report.latency
    if latency.p50_ms is not None and latency.p95_ms is not None:
        p50, p95 = f"{latency.p50_ms:,.0f}", f"{latency.p95_ms:,.0f}"
        yield words("latency", p50=p50, p95=p95)
    if latency.cached:
        yield words("cached", n=count(latency.cached))


def report_footer(report: EvaluationReport, words: Words) -> Iterator[tuple[str, str]]:
    """Give what the report was measured with, as names and values."""
    experiment = report.experiment
    yield "lm-eval-so", experiment.versions.get("lm-eval-so", ABSENT)
    if experiment.commit:
        yield words("evaluated"), short_hash(experiment.commit, COMMIT_DIGITS)
    yield words("dataset"), short_hash(experiment.dataset.digest, _DIGEST_DIGITS)
    models = ", ".join(experiment.backend.models_answered) or experiment.backend.model
    if models:
        yield words("model"), models
    for name in ("metrics", "run"):
        if digest := experiment.fingerprints.get(name):
            yield words(f"fingerprint_{name}"), short_hash(digest, _DIGEST_DIGITS)


def judge_row(judge_id: str, judge: JudgeHealth, words: Words) -> JudgeRow:
    """Give the health of a judge."""
    lost = sum(n for code, n in judge.unscored.items() if code.startswith("judge_"))
    codes = ", ".join(f"{code} {count(n)}" for code, n in judge.unscored.items())
    return JudgeRow(
        id=judge_id,
        is_ok=judge.state == "ok",
        model=judge.model or ABSENT,
        scored=count(judge.rows - lost),
        valid_first=_share(judge.valid_first, judge.rows),
        repaired=f"{count(judge.repaired)} ({_share(judge.repaired, judge.rows)})",
        no_score=codes or "0",
        calibration=words(f"calibration_{judge.calibration}"),
    )


def _facts(report: EvaluationReport, words: Words) -> Iterator[str]:
    samples = len(set(report.samples.ids))
    repeats = max(report.samples.repeats, default=0) + 1
    size = "size_once" if repeats == 1 else "size_repeated"
    yield words(size, n=count(samples), repeats=count(repeats))
    answered = sum(n for s, n in report.statuses.items() if _is_answer(s))
    yield words("answered", n=count(answered))
    if lost := sum(report.statuses.values()) - answered:
        yield words("unanswered", n=count(lost))
    costs = [c for c in (report.cost.bot_usd, report.cost.judges_usd) if c is not None]
    if costs:
        yield usd(sum(costs))
    yield minute(report.experiment.evaluated_at)


def _warnings(report: EvaluationReport, words: Words) -> Iterator[str]:
    experiment = report.experiment
    if experiment.backend.details.get("demonstration") is True:
        yield words("demonstration", model=experiment.backend.model or experiment.backend.label)
    if not experiment.complete:
        yield words("incomplete", n=count(experiment.missing))
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


def _metric_row(metric_id: str, metric: MetricSummary, words: Words) -> MetricRow:
    n = count(metric.sample_count)
    if metric.vacuous:
        n += f" ({words('vacuous', n=count(metric.vacuous))})"
    return MetricRow(
        id=metric_id,
        arrow="↑" if metric.direction is Direction.HIGHER else "↓",
        mean=_score(metric.mean),
        interval=_interval(metric.ci95),
        std=_score(metric.std),
        n=n,
        no_score=count(metric.unscored),
        note=_note(metric, words),
    )


def _note(metric: MetricSummary, words: Words) -> str:
    if metric.kind is MetricKind.RATIO and metric.p50 is not None and metric.p95 is not None:
        return f"p50 {score(metric.p50)} · p95 {score(metric.p95)}"
    return words(f"category_{metric.category}")


def _slice_rows(report: EvaluationReport, lead: str, words: Words) -> Iterator[SliceRow]:
    slices_by: dict[str, list[tuple[Slice, SliceFigures]]] = {}
    for each in report.breakdowns:
        figures = each.metrics.get(lead)
        if figures is not None and (figures.n or figures.unscored):  # else it does not apply there
            slices_by.setdefault(each.by, []).append((each, figures))
    for by, slices in slices_by.items():
        if len(slices) == 1:  # all samples are alike in this
            continue
        name = words(f"by_{by}") if by in {"tag", "language", "length", "status"} else by
        for each, figures in slices[:_MOST_SLICES]:
            yield _slice_row(name, each, figures, words)


def _slice_row(by: str, each: Slice, figures: SliceFigures, words: Words) -> SliceRow:
    n = count(figures.n)
    return SliceRow(
        by=by,
        value=each.value,
        n=f"{n} ({words('small')})" if each.small else n,
        mean=_score(figures.mean),
        interval=_interval(figures.ci95),
    )


def _case_view(case: Case, words: Words) -> CaseView:
    is_answered = _is_answer(case.status)
    scored = [each for each in case.scores if each.status is ScoreStatus.SCORED]
    return CaseView(
        sample_id=case.sample_id if not case.repeat else f"{case.sample_id} #{case.repeat}",
        scores=tuple(_short_score(each) for each in scored)
        if is_answered
        else (words("no_answer", status=case.status),),
        input=case.input,
        expected=case.expected,
        answer=case.answer if is_answered else None,
        error=None if is_answered and case.kind == "quality" else case.reason,
        findings=tuple(
            Finding(metric=each.metric, reason=each.reason, evidence=_evidence(each))
            for each in case.scores
            if each.reason and is_answered
        ),
    )


def _short_score(each: Score) -> str:
    if each.label or each.value is None:
        return f"{each.metric} {each.label or ''}"
    # a score of a case is mostly 0 or 1; a time is a large number
    is_large = abs(each.value) >= _LARGE
    return f"{each.metric} {score(each.value) if is_large else f'{each.value:.3g}'}"


def _evidence(each: Score) -> tuple[str, ...]:
    return each.judge.evidence if each.judge else ()


def _cases_note(report: EvaluationReport, shown: int, words: Words) -> str | None:
    total = len(report.failed_ids)
    if total <= shown:
        return None
    return words("cases_shown", shown=count(shown), total=count(total))


def _first_score(report: EvaluationReport) -> str | None:
    kinds: Mapping[str, MetricKind] = {key: m.kind for key, m in report.metrics.items()}
    return next((key for key, kind in kinds.items() if kind is not MetricKind.RATIO), None)


def _is_answer(status: str) -> bool:
    return status in set(RunStatus) and RunStatus(status).is_answer


def _score(value: float | None) -> str:
    return ABSENT if value is None else score(value)


def _interval(bounds: tuple[float, float] | None) -> str:
    return ABSENT if bounds is None else interval(*bounds)


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else ABSENT


def short_hash(text: str, digits: int) -> str:
    """Shorten a commit or digest; any other text stays whole until secrets are out of it."""
    return text[:digits] if _HEX.fullmatch(text) else text


def minute(time: str) -> str:
    """Give a time of a record to the minute."""
    at = _parsed(time)
    return time if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _seconds_between(start: str | None, end: str | None) -> float | None:
    begin, finish = (_parsed(time) if time else None for time in (start, end))
    return (finish - begin).total_seconds() if begin and finish else None


def _parsed(time: str) -> datetime | None:
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        return None
