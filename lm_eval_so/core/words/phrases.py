"""Phrases made of records: the age of answers, lost answers, exemptions, problems, the anchor.

An error says in English what is wrong and what to do, wherever it is raised, as the terminal shows it. Where it
stands in something written in another language, its message is recognised by its English wording and
worded anew, with the same names and figures. What has no wording here, as a message of an endpoint or a
plugin, is a quotation.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, lru_cache

from lm_eval_so.core.clock import RECENT, parse_time
from lm_eval_so.core.records.asked_rounds import Rounds
from lm_eval_so.core.records.changes import Exemption, Lost, LostCase
from lm_eval_so.core.records.comparison import (
    AnchorComparison,
    BaselineRef,
    Control,
    ForecastNote,
    Reason,
)
from lm_eval_so.core.records.costs import AnswerTimes, TimeSpan
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import Wording, in_each, say, texts
from lm_eval_so.core.words.formats import count, reason_figures, score
from lm_eval_so.errors import Problem

_MOST_NAMES = 5
_COMMIT_DIGITS = 7
_MOST_IDS = 10
_LONGEST_NAME = 60
_NO_ANCHOR = "anchor_missing"
_WHYS = frozenset({"fingerprint", "overlap", "metric_missing_baseline", "other_suite"})
"""Reasons of the anchor that have a text of their own."""
_CONTENT_ID = re.compile(r"s[0-9a-f]{16}")
"""Id made by `generate`, meaningless to people."""
_OF_MESSAGES = ("problems.", "events.")
"""Topics of messages: those of errors, and lines on progress."""
_FOREIGN = "problems.foreign"
_SLOT = re.compile(r"\{(\w+)\}")
_NOUN = re.compile(r"\{(\w+):([^/}]+)/([^}]+)\}")
"""Slot of a number with its noun, for one and for many."""
_JOINT = "; "
"""Joint of two messages, as of two pieces of advice."""
_OF_SEVERAL = frozenset({"message"})
"""Slots that may hold several messages."""
_LONGEST_MESSAGE = 600
_MOST_PARTS = 5
_KEPT = 1024
"""Most messages whose wording is kept."""


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


def rounds_sentence(rounds: Rounds, language: Language) -> str:
    """Return how many rounds were asked of how many, and why no more."""
    figures = {"k": count(rounds.asked), "most": count(rounds.of)}
    return say(f"comparison.rounds_{rounds.ended}", language, figures)


def unmeasured_sentence(problem: Problem, language: Language) -> str:
    """Return a sentence that nothing could be measured: reason, place and advice."""
    what = problem.what.removeprefix("could not measure: ")
    told = problem_sentence(replace(problem, what=what), language)
    return say("comment.unmeasured", language, {"problem": told})


def problem_sentence(problem: Problem, language: Language) -> str:
    """Return a sentence on a problem: what, where and advice, as far as it says so."""
    said = problem_in(problem.what.rstrip("."), language)
    what = " · ".join(filter(None, (said, str(problem.where or ""))))
    hint = problem_in(problem.hint or "", language)
    fix = say("comment.fix", language, {"hint": hint}) if hint else ""
    told = " ".join(filter(None, (f"{what}." if what else "", fix)))
    return " ".join(told.replace("`", "").split())  # as a terminal marks words


def problem_in(message: str, language: Language) -> str:
    """Return a message of an error in a language.

    Args:
        message: Message or advice as the error has it, in English.
        language: Language of the text in which it will stand.
    """
    if language is Language.EN or not message:
        return message
    return _reworded(message, language) or _quoted(message, language)


def problem_in_each(message: str) -> Wording:
    """Return a message of an error in every language."""
    return in_each(lambda language: problem_in(message, language))


def event_in(text: str, language: Language) -> str:
    """Return a line on the progress of a stage in a language, as far as its wording is known."""
    if language is Language.EN or not text:
        return text
    return _reworded(text, language, quotes=False) or text


@lru_cache(maxsize=_KEPT)  # rows fail alike
def _reworded(message: str, language: Language, *, quotes: bool = True) -> str | None:
    """Return a message in another language; None if no wording of it is known.

    Args:
        message: The message; it may be long, and anybody's.
        language: The other language.
        quotes: Whether a part without a wording is marked as a quotation.
    """
    if len(message) > _LONGEST_MESSAGE:
        return None
    if (whole := _as_one(message, language)) is not None:
        return whole
    parts = message.split(_JOINT)
    if not 1 < len(parts) <= _MOST_PARTS:
        return None
    known = [_as_one(part, language) for part in parts]
    if not any(known):
        return None
    told = zip(parts, known, strict=True)
    return ". ".join(here or (_quoted(part, language) if quotes else part) for part, here in told)


def _as_one(message: str, language: Language) -> str | None:
    """Return a message that is one wording in another language."""
    for code, pieces in _wordings():
        named = _slots(message, pieces)
        if named is not None:
            told = {key: _reworded(each, language) or each for key, each in named.items()}
            return say(code, language, told)
    return None


def _quoted(message: str, language: Language) -> str:
    return say(_FOREIGN, language, {"text": message})


def _slots(message: str, pieces: Sequence[str]) -> dict[str, str] | None:
    """Return what stands in the slots of a wording; None if the message has another one.

    Args:
        message: The message.
        pieces: Words of the wording and names of its slots in turn, words first and last.
    """
    first, last = pieces[0], pieces[-1]
    if not message.startswith(first) or not message.endswith(last):
        return None
    found: dict[str, str] = {}
    at, end, final = len(first), len(message) - len(last), len(pieces) - 1
    for place in range(1, len(pieces), 2):
        name, word = pieces[place], pieces[place + 1]
        stop = end if place + 1 == final else message.find(word, at + 1, end)
        text = message[at:stop]
        if stop <= at or (_JOINT in text and name not in _OF_SEVERAL):
            return None
        found[name] = text
        at = stop + len(word)
    return found if final or message == first else None


@cache
def _wordings() -> Sequence[tuple[str, Sequence[str]]]:
    """Return the English wordings with their code, cut at their slots.

    Those that begin with words of their own come first, then those with most of them.
    """
    found = [
        (code, _SLOT.split(each))
        for code, text in texts(Language.EN).items()
        if code.startswith(_OF_MESSAGES) and code != _FOREIGN
        for each in _of_numbers(text)
    ]
    return sorted(found, key=lambda item: (not item[1][0], -sum(map(len, item[1][::2]))))


def _of_numbers(text: str) -> Iterator[str]:
    """Yield a wording with each noun for one and for many."""
    if (noun := _NOUN.search(text)) is None:
        yield text
        return
    for word in noun[2], noun[3]:
        yield from _of_numbers(text.replace(noun[0], f"{{{noun[1]}}} {word}", 1))


def anchor_sentence(
    ref: BaselineRef, sentence: str, worse: Sequence[str], *, rest: str, language: Language
) -> str:
    """Return the sentences of a metric that is worse than the anchor alone.

    Args:
        ref: Origin of the anchor.
        sentence: Sentence of the change since the anchor.
        worse: Names of the cases that were better then.
        rest: Sentences of the change since the baseline.
        language: Language of the sentences.
    """
    name, day = ref.path or ref.source, _day(ref.evaluated_at)
    if day is not None:
        name = say("anchor.name", language, {"path": name, "day": day})
    names = ", ".join(map(_short, worse[:_MOST_IDS])) + (", …" if len(worse) > _MOST_IDS else "")
    told = {
        "name": name,
        "sentence": sentence,
        "ids": say("anchor.ids", language, {"ids": names}) if worse else "",
        "rest": rest,
    }
    return say("anchor.told", language, told)


def _short(name: str) -> str:
    plain = " ".join(name.split())
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[:_LONGEST_NAME]}…"


def anchor_warnings(anchor: AnchorComparison | None, language: Language) -> list[str]:
    """Return what could not be compared with the anchor, and why."""
    told = []
    for reason in anchor.warnings if anchor else ():
        why = reason.figures.get("why")
        key = why if why in _WHYS else "missing" if reason.code == _NO_ANCHOR else "unlike"
        told.append(say(f"anchor.{key}", language, reason_figures(reason.figures, language)))
    return told


def stored_baseline(place: BaselineRef, language: Language) -> Iterator[str]:
    """Yield the sentence on the commit that stored the baseline; none if it is no artifact."""
    if place.source == "artifact" and place.ref is not None:
        distance = place.distance or 0
        figures = {"commit": place.ref[:_COMMIT_DIGITS], "n": count(distance)}
        yield say(f"stored_baseline.{'before' if distance else 'at'}_base", language, figures)


def forecast_sentence(note: ForecastNote, language: Language) -> str:
    """Return how many runs this gate fails if nothing changed."""
    figures = {"p": f"{100 * note.fails:.0f}%", "day": note.day}
    return say("forecast.line", language, figures)


def control_sentences(
    control: Control | None,
    reasons: Sequence[Reason],
    language: Language,
    *,
    day: str | None,
) -> tuple[str, str]:
    """Return the sentence before those of the verdict, on the models that answered, and the one after.

    Args:
        control: Main's configuration today.
        reasons: Reasons of the verdict.
        language: Language of the sentences.
        day: Day of the baseline; None if it is not known.

    Returns:
        Two sentences, each empty if there is nothing to say.
    """
    if control is None:
        return "", ""
    served, told, codes = "", "", {reason.code for reason in reasons}
    if control.served is not None:
        before, now = control.served
        served = say("control.served", language, {"before": before, "now": now})
    if control.state == "nothing_differs":
        told = say(f"control.nothing_differs{'_stale' if control.stale else ''}", language)
    elif control.state == "unchanged" and "provider_moved" in codes:
        told = say("control.moved", language, {"day": day or "–"})
    return served, told


def control_warning(control: Control | None, language: Language) -> str | None:
    """Return the sentence that main's configuration could not be asked; None if it could."""
    if control is None or control.state != "not_possible" or control.why is None:
        return None
    code, figures = control.why.code, control.why.figures
    key = f"{code}_depth" if code == "base_unknown" and "depth" in figures else code
    why = say(f"control.why_{key}", language, reason_figures(figures, language))
    return say("control.not_possible", language, {"why": why.rstrip(".")})
