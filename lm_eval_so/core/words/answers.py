"""From when the answers of a report are."""

from datetime import datetime

from lm_eval_so.core.clock import RECENT, parse_time
from lm_eval_so.core.records.costs import AnswerTimes, TimeSpan
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import say
from lm_eval_so.core.words.numbers import count


def answers_text(report: EvaluationReport, language: Language) -> str | None:
    """Say from when the answers are; None if all were asked just before they were scored."""
    times = report.answered
    if times is None or _are_of_now(times, parse_time(report.experiment.evaluated_at)):
        return None
    spans = {"asked": times.asked, "earlier": times.earlier, "cached": times.cached}
    parts = (_part(kind, span, language) for kind, span in spans.items() if span.n)
    total = sum(span.n for span in spans.values())
    figures = {"n": count(total), "parts": ", ".join(parts)}
    return say("report.answers_from", language, figures)


def _are_of_now(times: AnswerTimes, evaluated_at: datetime | None) -> bool:
    if times.earlier.n or times.cached.n:
        return False
    ends = [parse_time(text) for text in (times.asked.oldest, times.asked.newest)]
    return evaluated_at is None or all(at is None or abs(evaluated_at - at) < RECENT for at in ends)


def _part(kind: str, span: TimeSpan, language: Language) -> str:
    first, last = (_day(time) for time in (span.oldest, span.newest))
    shape = "unknown" if first is None else "day" if first == last else "days"
    figures = {"n": count(span.n), "first": first, "last": last}
    return say(f"report.answers_{kind}_{shape}", language, figures)


def _day(time: str | None) -> str | None:
    at = parse_time(time)
    return None if at is None else f"{at:%Y-%m-%d}"
