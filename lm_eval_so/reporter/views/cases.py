"""The rows that a person should look at, as they are shown."""

from collections.abc import Iterator, Mapping

from lm_eval_so.core.records.comparison import ChangedCase
from lm_eval_so.core.records.enums import RunStatus, ScoreStatus
from lm_eval_so.core.records.report import Case, EvaluationReport, MetricSummary
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.words.numbers import count, score
from lm_eval_so.reporter.views.metrics import code_name, valued
from lm_eval_so.reporter.views.view import ABSENT, CaseView, ChangedView, Finding, VoteView, Words

MISSING = "missing"
"""Status of a row that the run does not have."""

_LARGE = 1000


def case_view(case: Case, metrics: Mapping[str, MetricSummary], words: Words) -> CaseView:
    """Return a case: what was asked and answered, and why it is here."""
    answered = is_answer(case.status)
    return CaseView(
        sample_id=case.sample_id if not case.repeat else f"{case.sample_id} #{case.repeat}",
        scores=tuple(_scores(case, metrics, words))
        if answered
        else (words("no_answer", status=status_name(case.status, words)),),
        input=case.input,
        expected=case.expected,
        answer=case.answer if answered else None,
        error=None if answered else case.reason,
        findings=tuple(_findings(case, words)) if answered else (),
    )


def cases_note(report: EvaluationReport, shown: int, words: Words) -> str | None:
    """Say how many cases are not shown."""
    total = max(len(report.failed_ids), len(report.errors))
    if total <= shown:
        return None
    return words("cases_shown", shown=count(shown), total=count(total))


def is_answer(status: str) -> bool:
    """Return whether a status is one of an answer."""
    return status in set(RunStatus) and RunStatus(status).is_answer


def status_name(status: str, words: Words) -> str:
    """Return a status as people call it."""
    is_known = status == MISSING or status in set(RunStatus)
    return words(f"status_{status}") if is_known else status


def short_value(each: Score, metric: MetricSummary | None, words: Words) -> str:
    """Return the value of one row: its label, else the number with its unit, else why none."""
    if each.value is None:
        return code_name(each.code, words) if each.code else ABSENT
    if each.label:
        return each.label
    if metric is not None and metric.unit:
        return valued(each.value, metric, words)
    # a score of a case is mostly 0 or 1
    return score(each.value) if abs(each.value) >= _LARGE else f"{each.value:.3g}"


def _scores(case: Case, metrics: Mapping[str, MetricSummary], words: Words) -> Iterator[str]:
    for each in case.scores:
        if each.status is ScoreStatus.SCORED or each.metric in case.failed:
            yield f"{each.metric} {short_value(each, metrics.get(each.metric), words)}"


def _findings(case: Case, words: Words) -> Iterator[Finding]:
    """Yield why each failed metric failed, in the case's order.

    Of an older report, every reason.
    """
    by_metric = {each.metric: each for each in case.scores}
    for metric_id in case.failed or by_metric:
        each = by_metric.get(metric_id)
        if each is None or not (each.reason or each.code):
            continue
        is_panel = len(each.judge) > 1
        yield Finding(
            metric=metric_id,
            reason=_why(each, words),
            evidence=() if is_panel else tuple(e for vote in each.judge for e in vote.evidence),
            votes=tuple(_vote(vote, words) for vote in each.judge) if is_panel else (),
        )


def _why(each: Score, words: Words) -> str:
    code = code_name(each.code, words) if each.code else ""
    if each.status is ScoreStatus.UNSCORED and each.reason:
        return f"{code}: {each.reason}"
    return each.reason or code


def _vote(vote: JudgeVote, words: Words) -> VoteView:
    value = None if vote.value is None else f"{vote.value:.3g}"
    return VoteView(
        model=vote.model or ABSENT,
        said=code_name(vote.code, words) if vote.code else vote.label or value or ABSENT,
        reason=vote.reason,
        evidence=vote.evidence,
    )


def changed_views(cases: list[ChangedCase], words: Words) -> Iterator[ChangedView]:
    """Show the cases that changed, a sample once for all its metrics."""
    by_id: dict[str, list[ChangedCase]] = {}
    for case in cases:
        by_id.setdefault(case.sample_id, []).append(case)
    for sample_id, same in by_id.items():
        first = same[0]
        yield ChangedView(
            sample_id=sample_id,
            scores=tuple(f"{c.metric} {c.baseline:.3g} → {c.candidate:.3g}" for c in same),
            input=first.input,
            expected=first.expected,
            baseline_answer=first.baseline_answer,
            candidate_answer=first.candidate_answer,
            reasons=tuple(case.reason for case in same if case.reason),
            again=tuple(_again(same, words)),
        )


def _again(same: list[ChangedCase], words: Words) -> Iterator[str]:
    """Say how a sample did when asked again, once where its metrics agree."""
    metrics: dict[tuple[int, int], list[str]] = {}
    for case in same:
        if case.again is not None:
            metrics.setdefault(case.again, []).append(case.metric)
    for (worse, times), names in metrics.items():
        text = words("again", w=count(worse), n=count(times))
        yield text if len(metrics) == 1 else f"{', '.join(names)} {text}"
