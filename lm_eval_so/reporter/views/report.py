"""View of an evaluation report: scores, judges, cost and time."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from lm_eval_so.core.clock import parse_time
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import Case, EvaluationReport, JudgeHealth
from lm_eval_so.core.words.first_cases import unreviewed
from lm_eval_so.core.words.formats import count, percent, score, usd
from lm_eval_so.core.words.phrases import answers_text
from lm_eval_so.reporter.views.cases import (
    MISSING,
    case_view,
    cases_note,
    is_answer,
    status_name,
)
from lm_eval_so.reporter.views.metrics import codes_of, first_score, metric_row
from lm_eval_so.reporter.views.origin import commands, minute, report_origin
from lm_eval_so.reporter.views.slices import slice_rows
from lm_eval_so.reporter.views.view import (
    ABSENT,
    Breakdown,
    Cases,
    CaseView,
    CostRow,
    JudgeRow,
    ReportView,
    ScoredView,
    StatusRow,
    Words,
    words_of,
)

_MOST_MISSING = 5


def view_report(
    report: EvaluationReport,
    *,
    lead: str | None,
    language: Language,
    examples: int,
    is_compared: bool,
) -> ReportView:
    """Make the view of a report.

    Args:
        report: Report record.
        lead: Metric to break down; default: the first that is no cost or time.
        language: Language of the texts.
        examples: Cases at most.
        is_compared: Whether a comparison stands before it, which says how many tests nobody reviewed.
    """
    words = words_of("report", language)
    alone = () if is_compared else unreviewed(report, language)
    lead = lead if lead in report.metrics else first_score(report)
    groups = _alike(report)
    slices, hidden = slice_rows(report, lead, words) if lead else ([], 0)
    return ReportView(
        suite=report.experiment.suite,
        label=report.experiment.backend.label,
        facts=tuple(_facts(report, words)),
        warnings=(*_warnings(report, words, language), *alone),
        metrics=tuple(metric_row(key, m, words) for key, m in report.metrics.items()),
        statuses=tuple(_statuses(report, words)),
        breakdown=Breakdown(
            metric=lead or "",
            rows=tuple(slices),
            note=words("slices_hidden", n=count(hidden)) if hidden else None,
        ),
        cases=Cases(
            shown=tuple(_cases_once(report, groups[:examples], words)),
            note=cases_note(max(report.failed_count, len(groups)), len(groups[:examples]), words),
        ),
        judges=tuple(judge_row(key, judge, words) for key, judge in report.judges.items()),
        costs=tuple(cost_rows(report, words)),
        times=tuple(time_lines(report, words)),
        footer=tuple(report_origin(report, words)),
        commands=commands(report),
    )


def _alike(report: EvaluationReport) -> list[list[Case]]:
    """Return the rows that failed, those of a case with the same answer together, in the report's order."""
    found: dict[tuple[str, str, str | None], list[Case]] = {}
    for case in report.errors:
        found.setdefault((case.sample_id, case.status, case.answer), []).append(case)
    return [*found.values()]


def _cases_once(
    report: EvaluationReport, groups: Sequence[Sequence[Case]], words: Words
) -> Iterator[CaseView]:
    """Yield a case for each group: of several answers the first, with how many of all are like it."""
    shown = {same[0].sample_id for same in groups}
    columns = report.samples
    refs, asked = columns.own_ids, Counter(shown)
    if columns.file is None or any(columns.repeats):  # else to read each id takes long
        asked = Counter(filter(shown.__contains__, columns.ids))
    for same in groups:
        first = min(same, key=lambda case: case.repeat)
        view = case_view(first, report.metrics, words, refs)
        all_ = asked[first.sample_id]
        if all_ > 1:
            times = words("of_times", n=count(len(same)), k=count(all_))
            view = replace(view, name=refs.get(first.sample_id, first.sample_id), times=times)
        yield view


def view_for_comment(report: EvaluationReport, language: Language) -> ScoredView:
    """Make the view of a report that a comment shows below the comparison."""
    words = words_of("report", language)
    return ScoredView(
        costs=tuple(cost_lines(report, words)),
        judges=tuple(judge_row(key, judge, words) for key, judge in report.judges.items()),
    )


def _facts(report: EvaluationReport, words: Words) -> Iterator[str]:
    samples = report.sample_count
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
    if experiment.backend.name == "scripted":
        yield words("written_down")
    if text := answers_text(report, language):
        yield text
    yield from _incomplete(report, words)
    for key, judge in report.judges.items():
        reasons = "; ".join(words(f"judge_why_{code}") for code in judge.why)
        if judge.state != "ok":
            yield words("judge_warning", judge=key, reasons=reasons)
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
    rows, refs = enumerate(columns.statuses), columns.own_ids
    lost = dict.fromkeys(columns.ids[row] for row, status in rows if status == MISSING)
    if lost:
        some = ", ".join(refs.get(name, name) for name in [*lost][:_MOST_MISSING])
        text += f" {words('missing_first', ids=some)}"
    yield text
    stopped = experiment.budget.get("stopped")
    if isinstance(stopped, Mapping) and isinstance(by := stopped.get("by"), str):
        yield words("stopped", by=by)


def judge_row(judge_id: str, judge: JudgeHealth, words: Words) -> JudgeRow:
    """Return the health of a judge."""
    lost = sum(n for code, n in judge.unscored.items() if code.startswith("judge_"))
    return JudgeRow(
        id=judge_id,
        is_ok=judge.state == "ok",
        model=judge.model or ABSENT,
        scored=count(judge.rows - lost),
        repaired=f"{count(judge.repaired)} ({_share(judge.repaired, judge.rows)})",
        no_score=codes_of(judge.unscored, words) or "0",
        order_flips=_percent(judge.order_flip_rate),
        retest=_retest(judge),
        alpha=_number(judge.alpha),
        kappa=_kappa(judge, words),
        j=_number(judge.calibration.j),
        notes=tuple(_notes(judge, words)),
    )


def _retest(judge: JudgeHealth) -> str:
    if judge.retest_agreement is None:
        return ABSENT
    same = round(judge.retest_agreement * judge.retested)
    return f"{count(same)}/{count(judge.retested)}"


def _kappa(judge: JudgeHealth, words: Words) -> str:
    checked = judge.calibration
    state = words(f"calibration_{checked.state}")
    if checked.kappa is None:
        return state
    kappa = _number(checked.kappa)
    return kappa if checked.state == "ok" else f"{kappa} ({state})"


def _notes(judge: JudgeHealth, words: Words) -> Iterator[str]:
    for member in judge.per_judge:
        told = {"model": member.model or ABSENT, "votes": count(member.votes)}
        if member.differs is None:
            yield words("note_votes", **told)
        else:
            yield words("note_member", **told, share=percent(member.differs))
    if judge.unknown_rate:
        yield words("note_unknown", share=percent(judge.unknown_rate))
    if judge.first_position_share is not None:
        yield words("note_first", share=percent(judge.first_position_share))
    if judge.longer_won_share is not None:
        yield words("note_longer", share=percent(judge.longer_won_share))
    if judge.length_rho is not None:
        yield words("note_length", rho=score(judge.length_rho))
    yield from (words(f"judge_note_{code}") for code in judge.notes)


def _number(value: float | None) -> str:
    return ABSENT if value is None else score(value)


def _percent(value: float | None) -> str:
    return ABSENT if value is None else percent(value)


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else ABSENT


def cost_lines(report: EvaluationReport, words: Words) -> Iterator[str]:
    """Yield cost and time of the run, one fact each, for a comment."""
    cost, allowed = report.cost, _allowed_usd(report)
    if (total := total_usd(report)) is not None:
        told = {"usd": usd(total), "allowed": usd(allowed or 0.0)}
        yield words("cost_total" if allowed is None else "cost_total_of", **told)
    if cost.bot_usd is not None:
        yield words("cost_bot", usd=usd(cost.bot_usd), n=count(cost.bot_priced))
    else:
        yield words("cost_unknown")
    if cost.simulator_usd is not None:
        yield words("cost_simulator", usd=usd(cost.simulator_usd))
    if cost.judges_usd is not None:
        yield words("cost_judges", usd=usd(cost.judges_usd))
    tokens_in, tokens_out = cost.usage.input_tokens, cost.usage.output_tokens
    if tokens_in is not None and tokens_out is not None:
        yield words("tokens", tokens_in=count(tokens_in), tokens_out=count(tokens_out))
    took = seconds_between(report.experiment.started_at, report.experiment.finished_at)
    if took is not None:
        yield words("seconds", n=f"{took:,.0f}")
    latency = report.latency
    if latency.p50_ms is not None and latency.p95_ms is not None:
        p50, p95 = f"{latency.p50_ms:,.0f}", f"{latency.p95_ms:,.0f}"
        yield words("latency", p50=p50, p95=p95)
    if latency.cached:
        yield words("cached", n=count(latency.cached))


def _allowed_usd(report: EvaluationReport) -> float | None:
    """Return the budget of the run in US dollars; None if it had none."""
    run = report.experiment.run_config.get("run")
    allowed = run.get("max_cost_usd") if isinstance(run, Mapping) else None
    return float(allowed) if isinstance(allowed, int | float) else None


def cost_rows(report: EvaluationReport, words: Words) -> Iterator[CostRow]:
    """Yield the costs of chatbot, simulated user and judges, apart."""
    cost = report.cost
    yield _row(words("part_bot"), cost.bot_usd, cost.bot_priced, cost.bot_rows, cost.usage)
    if cost.simulator_rows:
        yield _row(
            words("part_simulator"),
            cost.simulator_usd,
            cost.simulator_priced,
            cost.simulator_rows,
            cost.simulator_usage,
        )
    if report.judges:
        yield _row(
            words("part_judges"),
            cost.judges_usd,
            cost.judges_priced,
            cost.judges_rows,
            cost.judges_usage,
        )


def time_lines(report: EvaluationReport, words: Words) -> Iterator[str]:
    """Yield the run's time, its latencies, and the cost that the cache saved."""
    took = seconds_between(report.experiment.started_at, report.experiment.finished_at)
    if took is not None:
        yield words("took", n=f"{took:,.0f}")
    latency = report.latency
    spread = (latency.p50_ms, latency.p95_ms, latency.max_ms)
    if latency.n and None not in spread:
        p50, p95, most = (f"{each:,.0f}" for each in spread)
        yield words("latency_whole", n=count(latency.n), p50=p50, p95=p95, max=most)
    if latency.cached:
        yield words("latency_cached", n=count(latency.cached))
    if report.cost.bot_saved_usd:
        yield words("saved", usd=usd(report.cost.bot_saved_usd))


def total_usd(report: EvaluationReport) -> float | None:
    """Return the known cost of all parts."""
    cost = report.cost
    known = [c for c in (cost.bot_usd, cost.simulator_usd, cost.judges_usd) if c is not None]
    return sum(known) if known else None


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Return the seconds from one time of a record to another."""
    begin, finish = (parse_time(time) if time else None for time in (start, end))
    return (finish - begin).total_seconds() if begin and finish else None


def _row(part: str, cost: float | None, priced: int, rows: int, usage: Usage) -> CostRow:
    return CostRow(
        part=part,
        cost=ABSENT if cost is None else usd(cost),
        rows=count(rows) if rows else ABSENT,
        unpriced=count(rows - priced) if rows else ABSENT,
        tokens_in=_tokens(usage.input_tokens),
        tokens_out=_tokens(usage.output_tokens),
    )


def _tokens(n: int | None) -> str:
    return ABSENT if n is None else count(n)
