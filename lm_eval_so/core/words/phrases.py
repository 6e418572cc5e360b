"""Phrases made of records: the age of answers, lost answers, exemptions, problems."""

import re
from dataclasses import replace
from datetime import datetime

from lm_eval_so.core.clock import RECENT, parse_time
from lm_eval_so.core.records.comparison import Exemption, Lost, LostCase
from lm_eval_so.core.records.costs import AnswerTimes, TimeSpan
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import say, texts
from lm_eval_so.core.words.formats import count, score
from lm_eval_so.errors import Problem

_MOST_NAMES = 5
_CONTENT_ID = re.compile(r"s[0-9a-f]{16}")
"""Id made by `generate`, meaningless to people."""


def answers_text(report: EvaluationReport, language: Language) -> str | None:
    """Return a sentence on the age of the answers; None if all were asked just before scoring."""
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


def exemption_warning(exemption: Exemption, language: Language) -> str | None:
    """Return a warning that an exemption has no effect or lost it; None if it works.

    A sample or metric counts again after the entry's day, or once it fell further than accepted.
    """
    state, is_accepted = exemption.state, exemption.max_drop is not None
    if state in {"applied", "unused"}:
        return None
    key = f"{state}_{'accept' if is_accepted else 'quarantine'}" if state == "expired" else state
    is_of_metric = state == "unknown_metric" or exemption.sample_id is None
    if exemption.meant is not None:
        key += "_near"
    told = {
        "where": exemption.where,
        "what": exemption.metric if is_of_metric else exemption.sample_id,
        "near": exemption.meant,
        "until": exemption.until,
        "drop": score(exemption.drop or 0.0),
        "max_drop": f"{exemption.max_drop or 0.0:g}",
    }
    return say(f"comparison.exempt_{key}", language, told)


def lost_headline(lost: Lost, language: Language) -> str:
    """Return a sentence on the number of cases that lost their answer."""
    key = "lost_one" if lost.n == 1 else "lost_many"
    return say(f"comparison.{key}", language, {"n": count(lost.n)})


def lost_reasons(lost: Lost, language: Language) -> str:
    """Return the causes of the lost answers, as HTTP 500: 2, timeout: 1."""
    named = texts(language)
    whys = {why: named.get(f"report.status_{why}", why) for why in lost.by}
    return ", ".join(f"{whys[why]}: {count(n)}" for why, n in lost.by.items())


def lost_names(lost: Lost) -> tuple[str, ...]:
    """Return the names of the first cases: the user's own ids, or else the question."""
    return tuple(map(_name, lost.cases[:_MOST_NAMES]))


def _name(case: LostCase) -> str:
    if case.ref:
        return case.ref
    is_content = _CONTENT_ID.fullmatch(case.sample_id) is not None
    asked = " ".join((case.input or "").split())
    return asked if is_content and asked else case.sample_id


def unmeasured_sentence(problem: Problem, language: Language) -> str:
    """Return a sentence that nothing could be measured: reason, place and advice."""
    what = problem.what.removeprefix("could not measure: ")
    told = problem_sentence(replace(problem, what=what), language)
    return say("comment.unmeasured", language, {"problem": told})


def problem_sentence(problem: Problem, language: Language) -> str:
    """Return a sentence on a problem: what, where and advice, as far as it says so."""
    what = " · ".join(filter(None, (problem.what.rstrip("."), str(problem.where or ""))))
    fix = say("comment.fix", language, {"hint": problem.hint}) if problem.hint else ""
    told = " ".join(filter(None, (f"{what}." if what else "", fix)))
    return " ".join(told.replace("`", "").split())  # as a terminal marks words
