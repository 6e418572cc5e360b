"""Conditions of a run: rules that differ from main's, the forecast, the judges' health, statuses and latency."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from lm_eval_so.core.records.comparison import Comparison
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.measured_with import RuleChange
from lm_eval_so.core.records.report import EvaluationReport, JudgeHealth
from lm_eval_so.core.words.formats import count, percent
from lm_eval_so.core.words.phrases import forecast_sentence
from lm_eval_so.core.words.rules_text import RulesText
from lm_eval_so.reporter.html import drawings
from lm_eval_so.reporter.views.cases import is_answer, status_name
from lm_eval_so.reporter.views.view import ABSENT, Words, words_of

_LATENCY: Final = "latency_ms"
_MOST_RULES: Final = 50
_WITH_VALUES: Final = frozenset({"setting", "file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """A rule that differs from main's."""

    rule: str
    base: str
    head: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A share of a judge's rows, against the limit that it should keep."""

    name: str
    share: str
    bar: Markup
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPart:
    """A status of answers that occurs."""

    name: str
    n: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Conditions under which a run was measured."""

    rules: tuple[RuleRow, ...]
    forecast: Markup
    """Share of runs that fail though nothing changed; empty without a forecast."""
    forecast_text: str
    meters: dict[str, tuple[Meter, ...]]
    """Meters of each judge, by metric."""
    statuses: tuple[StatusPart, ...]
    status_bar: Markup
    latency: Markup
    """Share of answers up to each time; empty if it is no metric."""


def conditions_of(
    report: EvaluationReport,
    comparison: Comparison | None,
    rules: RulesText | None,
    language: Language,
) -> Conditions:
    """Return the conditions of a run.

    Args:
        report: Scores.
        comparison: Verdict, if there is one.
        rules: Rules that differ, in words.
        language: Language of the texts.
    """
    words = words_of("page", language)
    found = comparison.rules.changes if comparison and comparison.rules else ()
    told = rules.changes if rules else ()
    forecast = comparison.forecast if comparison else None
    rows = sum(report.statuses.values())
    occurring = {status: n for status, n in report.statuses.items() if n}
    tones = {status: "pass" if is_answer(status) else "bad" for status in occurring}
    return Conditions(
        rules=tuple(
            _rule(change, text, words)
            for change, text in zip(found[:_MOST_RULES], told[:_MOST_RULES], strict=True)
        ),
        forecast=drawings.parts([(1 - forecast.fails, "rest"), (forecast.fails, "bad")])
        if forecast
        else Markup(),
        forecast_text=forecast_sentence(forecast, language) if forecast else "",
        meters={key: tuple(_meters(judge, words)) for key, judge in report.judges.items()},
        statuses=tuple(
            StatusPart(
                name=status_name(status, words_of("report", language)),
                n=count(n),
                tone=tones[status],
            )
            for status, n in occurring.items()
        ),
        status_bar=drawings.parts(
            [(n / max(1, rows), tones[status]) for status, n in occurring.items()]
        ),
        latency=_latency(report),
    )


def _rule(change: RuleChange, text: str, words: Words) -> RuleRow:
    has_values = change.kind in _WITH_VALUES and (change.base or change.head) is not None
    name = f"{change.metric}.{change.key}" if change.metric else change.key
    return RuleRow(
        rule=name if has_values else text,
        base=(change.base or ABSENT) if has_values else "",
        head=(change.head or ABSENT) if has_values else "",
        effect=words(f"effect_{change.effect}"),
    )


def _meters(judge: JudgeHealth, words: Words) -> Iterator[Meter]:
    """Yield the shares that are known; a limit is the one by which `why` warns."""
    lost = sum(n for code, n in judge.unscored.items() if code.startswith("judge_"))
    rows = judge.rows or 1
    shares: tuple[tuple[str, float | None, float | None, str], ...] = (
        ("valid_first", judge.valid_first / rows, None, ""),
        ("repaired", judge.repaired / rows, 0.05, "repaired"),
        ("no_verdict", lost / rows, 0.05, "unscored"),
        ("unknown", judge.unknown_rate, 0.10, "unknown"),
        ("order_flips", judge.order_flip_rate, 0.20, "order_flips"),
        ("unquoted", judge.unquoted_share, 0.10, "unquoted"),
        ("claimless", judge.claimless_share, 0.05, "claimless"),
        ("retest", judge.retest_agreement, 0.90, "retest"),
        ("alpha", judge.alpha, 0.667, "alpha"),
        ("j", judge.calibration.j, 0.5, "j_low"),
    )
    for key, share, limit, code in shares:
        if share is not None:
            is_over = code in judge.why or (code == "j_low" and "j_weak" in judge.why)
            is_number = key in {"alpha", "j"}
            yield Meter(
                name=words(f"meter_{key}"),
                share=f"{share:.2f}" if is_number else percent(share),
                bar=drawings.meter(share, limit, is_over=is_over),
                is_over=is_over,
            )


def _latency(report: EvaluationReport) -> Markup:
    key = next((key for key, m in report.metrics.items() if m.name == _LATENCY), None)
    times = report.samples.scores.get(key, ()) if key else ()
    cached = {*report.samples.cached}
    known = [value for row, value in enumerate(times) if value is not None and row not in cached]
    marks = [v for v in (report.latency.p50_ms, report.latency.p95_ms) if v is not None]
    return drawings.curve(known, marks)
