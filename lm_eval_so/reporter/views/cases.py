"""Views of cases: failed, changed, flaky and exempted samples."""

from collections.abc import Iterator, Mapping, Sequence

from lm_eval_so.core.records.changes import ChangedCase, Exemption, FlakyCase
from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language, RunStatus, ScoreStatus
from lm_eval_so.core.records.report import Case, EvaluationReport, MetricSummary
from lm_eval_so.core.records.sample import SourcePlace
from lm_eval_so.core.records.score import JudgeVote, Score
from lm_eval_so.core.words import place_in_file
from lm_eval_so.core.words.formats import count, score
from lm_eval_so.reporter.views.metrics import code_name, valued
from lm_eval_so.reporter.views.view import (
    ABSENT,
    CaseView,
    ChangedCases,
    ChangedView,
    ExemptionRow,
    ExemptionTable,
    Finding,
    FlakyView,
    VoteView,
    Words,
)

MISSING = "missing"
"""Status of a row that the run does not have."""

_LARGE = 1000
_COUNTING = frozenset({"applied", "unused"})
"""States of an entry that takes effect, or has nothing to do."""


def case_view(
    case: Case, metrics: Mapping[str, MetricSummary], words: Words, refs: Mapping[str, str]
) -> CaseView:
    """Return a case: question, answer, and the reasons of its scores.

    Args:
        case: Row that the report keeps in full.
        metrics: Metrics of the report.
        words: Texts of the topic `report`.
        refs: The user's own ids by ours.
    """
    answered = is_answer(case.status)
    name = refs.get(case.sample_id, case.sample_id)
    return CaseView(
        name=name if not case.repeat else f"{name} #{case.repeat}",
        own_id="" if name == case.sample_id else case.sample_id,
        scores=tuple(_scores(case, metrics, words))
        if answered
        else (words("no_answer", status=status_name(case.status, words)),),
        input=case.input,
        expected=case.expected,
        answer=case.answer if answered else None,
        error=None if answered else case.reason,
        findings=tuple(findings(case, case.failed, words)) if answered else (),
    )


def cases_note(total: int, shown: int, words: Words) -> str | None:
    """Return how many cases are shown of how many; None if all are."""
    return words("cases_shown", shown=count(shown), total=count(total)) if total > shown else None


def source_text(source: SourcePlace, language: Language) -> str:
    """Return where a sample is from, as "returns.docx, page 2"."""
    told = place_in_file(source.at, language) or str(source.at.get("path", ""))
    return ", ".join(filter(None, (source.file, told)))


def is_answer(status: str) -> bool:
    """Return whether a status is one of an answer."""
    return status in set(RunStatus) and RunStatus(status).is_answer


def status_name(status: str, words: Words) -> str:
    """Return a status as people call it."""
    is_known = status == MISSING or status in set(RunStatus)
    return words(f"status_{status}") if is_known else status


def short_value(each: Score, metric: MetricSummary | None, words: Words) -> str:
    """Return the value of a row: its label, else the number with its unit, else the reason for none."""
    if each.value is None:
        return code_name(each.code, words) if each.code else ABSENT
    if each.label:
        return each.label
    if metric is not None and metric.unit:
        return valued(each.value, metric.unit, words)
    # a score of a case is mostly 0 or 1
    return score(each.value) if abs(each.value) >= _LARGE else f"{each.value:.3g}"


def _scores(case: Case, metrics: Mapping[str, MetricSummary], words: Words) -> Iterator[str]:
    for each in case.scores:
        if each.status is ScoreStatus.SCORED or each.metric in case.failed:
            yield f"{each.metric} {short_value(each, metrics.get(each.metric), words)}"


def findings(case: Case, metrics: Sequence[str], words: Words) -> Iterator[Finding]:
    """Yield the reason of the score by each metric that gives one, in the order given.

    Args:
        case: Row that the report keeps in full.
        metrics: Ids of metrics; none: all of the case, as of an older report, which names no failed ones.
        words: Texts of the topic `report`.
    """
    by_metric = {each.metric: each for each in case.scores}
    for metric_id in metrics or by_metric:
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


def changed_cases(
    comparison: Comparison, report: EvaluationReport | None, words: Words
) -> ChangedCases:
    """Return the samples that changed, and those without a score as far as the report names them.

    Args:
        comparison: Comparison record.
        report: Candidate's report, if it is at hand.
        words: Texts of the topic `comment`.
    """
    worse = [case for case in comparison.changed if case.change == "worse"]
    gains = [case for case in comparison.changed if case.change == "better"]
    better = {case.sample_id: case.ref or case.sample_id for case in gains}
    kept, refs = (report.errors, report.samples.own_ids) if report else ((), {})
    unscored = [refs.get(c.sample_id, c.sample_id) for c in kept if c.kind == "infrastructure"]
    return ChangedCases(
        worse=tuple(_changed_views(worse, words)),
        better=tuple(better.values()),
        unscored=tuple(dict.fromkeys(unscored)),
        unscored_rows=_unscored_rows(comparison, report),
        flaky=tuple(_flaky_views(comparison.flaky, words)),
    )


def _changed_views(cases: list[ChangedCase], words: Words) -> Iterator[ChangedView]:
    """Yield the cases that changed, each sample once for all its metrics."""
    by_id: dict[str, list[ChangedCase]] = {}
    for case in cases:
        by_id.setdefault(case.sample_id, []).append(case)
    for sample_id, same in by_id.items():
        first = same[0]
        yield ChangedView(
            sample_id=sample_id,
            ref=first.ref,
            scores=tuple(f"{c.metric} {c.baseline:.3g} → {c.candidate:.3g}" for c in same),
            input=first.input,
            expected=first.expected,
            baseline_answer=first.baseline_answer,
            candidate_answer=first.candidate_answer,
            reasons=tuple(case.reason for case in same if case.reason),
            again=tuple(_again(same, words)),
        )


def _again(same: list[ChangedCase], words: Words) -> Iterator[str]:
    """Yield the results of asking a sample again, once if its metrics agree."""
    metrics: dict[tuple[int, int], list[str]] = {}
    for case in same:
        if case.again is not None:
            metrics.setdefault(case.again, []).append(case.metric)
    for (worse, times), names in metrics.items():
        text = words("again", w=count(worse), n=count(times))
        yield text if len(metrics) == 1 else f"{', '.join(names)} {text}"


def _unscored_rows(comparison: Comparison, report: EvaluationReport | None) -> str:
    gating = [key for key, metric in comparison.metrics.items() if metric.gating]
    known = report.metrics if report else {}
    rows = max((known[key].unscored for key in gating if key in known), default=0)
    return count(rows) if rows else ""


def exemption_tables(
    comparison: Comparison, report: EvaluationReport | None, words: Words
) -> Iterator[ExemptionTable]:
    """Yield a table for each file that has entries; those that no longer hold come first.

    Args:
        comparison: The entries, and what they did.
        report: Report that knows the user's own ids; None where it is not at hand.
        words: Texts of the topic `comment`.
    """
    refs = zip(report.samples.ids, report.samples.refs or (), strict=False) if report else ()
    own_ids = {sample_id: ref for sample_id, ref in refs if ref}
    for key, found in (("quarantine", comparison.quarantine), ("accept", comparison.accept)):
        if not found:
            continue
        ordered = sorted(found, key=lambda each: each.state in _COUNTING)
        yield ExemptionTable(
            title=f"table_{key}",
            has_limits=key == "accept",
            rows=tuple(_exemption_row(each, own_ids, words) for each in ordered),
        )


def _flaky_views(cases: tuple[FlakyCase, ...], words: Words) -> Iterator[FlakyView]:
    """Yield the samples that asking again showed to be flaky, metrics with equal counts together."""
    metrics: dict[tuple[str, tuple[int, int]], list[str]] = {}
    for case in cases:
        name = case.ref or case.sample_id
        metrics.setdefault((name, case.again), []).append(case.metric)
    for (name, (worse, times)), same in metrics.items():
        again = words("again", w=count(worse), n=count(times))
        yield FlakyView(name=name, metrics=", ".join(same), again=again)


def _exemption_row(exemption: Exemption, own_ids: Mapping[str, str], words: Words) -> ExemptionRow:
    name = exemption.sample_id
    scores = (
        f"{key} {_exempted_value(old)} → {_exempted_value(new)}"
        for key, (old, new) in exemption.scores.items()
    )
    most = exemption.max_drop
    return ExemptionRow(
        sample_id=own_ids.get(name, name) if name else words("whole_metric"),
        metric=exemption.metric or words("all_metrics"),
        is_sample=name is not None,
        scores=", ".join(scores) or ABSENT,
        limit=ABSENT if most is None else f"{most:g}",
        drop=ABSENT if exemption.drop is None else f"{exemption.drop:.3g}",
        until=exemption.until,
        state=words(f"state_{exemption.state}"),
        reason=exemption.reason,
    )


def _exempted_value(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3g}"
