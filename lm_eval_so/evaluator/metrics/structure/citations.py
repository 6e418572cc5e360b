"""`citations`: the marks in an answer against the passages that the chatbot reports."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field, JsonValue

from lm_eval_so.core.asking.answer.json_answer import writable
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.dates import GAP, Moments, find_moments
from lm_eval_so.core.text.korean import is_syllable, strip_josa
from lm_eval_so.core.text.no_numbers import find_codes, joined_figures
from lm_eval_so.core.text.numbers import Number, find_numbers
from lm_eval_so.core.text.profiles import korquad
from lm_eval_so.core.words import Wording, say_in_each
from lm_eval_so.evaluator.metrics.base import Category, Metric
from lm_eval_so.evaluator.metrics.structure.citation_marks import Cited, Mark, cited_sentences

__all__ = ["Citations"]

Measure = Literal["supported", "exists", "coverage"]
_MOST_SHOWN = 5
_LONGEST_SHOWN = 80
_AT_A_MOMENT = re.compile(f"{GAP}[가-힣]*")
"""Place of a date or a time, with the particle behind it."""
_PARTS = ("년", "월", "일")
"""Units of the parts of a date."""
_FEW = 10
"""Largest number that, in words, only counts what the sentence itself lists: 두 가지, two ways."""


class Facts(NamedTuple):
    """Words and figures of a text."""

    units: frozenset[str]
    """Words, without dates and times."""
    moments: Moments
    numbers: tuple[Number, ...]
    codes: tuple[str, ...]
    """Figures of phone numbers and the like."""
    figures: str
    """The text with its figures joined, in which codes of another are looked up."""

    @classmethod
    def of(cls, text: str) -> "Facts":
        """Return the words and figures of a text."""
        moments = find_moments(text)
        rest = _AT_A_MOMENT.sub(" ", moments.rest)
        numbers, codes = tuple(find_numbers(rest)), tuple(find_codes(rest))
        return cls(frozenset(_units(rest)), moments, numbers, codes, joined_figures(rest))

    def has(self, number: Number) -> bool:
        """Return whether a number is there, alone or as a part of a date: 2026년 by 2026-03-02."""
        dates = (date for readings in self.moments.dates for date in readings)
        parts = (each for date in dates for each in zip(date, _PARTS, strict=True))
        known = (Number(Decimal(part), unit) for part, unit in parts if part is not None)
        return any(own.fits(number) for own in (*self.numbers, *known))


class Citations(Metric):
    """Citations of the answer, held against the passages that the chatbot reports.

    Definition: marks are [1], [1, 2], 【문서 1】 (a passage by its place), (출처: 환불 규정), (source: refunds.md) and
        lines that begin so (by its id or the beginning of its text), links and web addresses (an id, or in its
        text). `supported`: share of the sentences with a mark whose marks all name a passage, and
        whose passages together have at least `min_support` of the sentence's words and all of its numbers, dates,
        times and phone numbers, in any notation;
        `exists`: share of the different marks that name a passage; `coverage`: share of the sentences that
        have a mark. A mark behind the full stop belongs to the sentence before it, a line of marks to all
        sentences before it that have none. `first` is the number of the first passage. Nothing to
        check (no mark; for `coverage` no sentence): 1, vacuous.
    Range: 0 … 1.
    Direction: higher is better.
    Unscored when: the chatbot reports no passages (`not_reported`).
    Language notes: Korean words count by pairs of syllables, without particles; others whole. Words alone
        are compared: a negation or a paraphrase is not understood, so gate meaning by `faithfulness`.
    Source: citation recall and precision of Gao et al. (2023), ALCE, EMNLP, §3, with words in place of a model.
    """

    version = 2
    category: ClassVar[Category] = "heuristic"
    normalises = True
    requires = frozenset({"run.context"})

    class Params(Metric.Params):
        """Measure, and when a passage supports a sentence."""

        measure: Measure = "supported"
        min_support: float = Field(default=0.5, gt=0, le=1)
        first: Literal[0, 1] = 1

    def score(self, sample: TestSample, run: RunResult) -> Score:
        """Return the measure of the citations."""
        params = self.params_for(sample)
        response = run.response
        if response is None or not response.context:
            return self.unscored(sample, "not_reported")
        found, marks = cited_sentences(run.text)
        places = {
            mark: mark.passages(response.context, response.context_ids, first=params.first)
            for mark in marks
        }
        named = {
            place for each in places.values() for place in each if place < len(response.context)
        }
        known = {place: Facts.of(response.context[place]) for place in named}
        missing = [mark.text for mark in marks if not places[mark]]
        cited = [each for each in found if each.marks]
        unsupported = [
            each.text
            for each in cited
            if not all(places[mark] for mark in each.marks)
            or not _is_supported(each, _of(each.marks, places, known), params.min_support)
        ]
        shares = {
            "supported": (len(cited) - len(unsupported), len(cited)),
            "exists": (len(marks) - len(missing), len(marks)),
            "coverage": (len(cited), len(found)),
        }
        good, of = shares[params.measure]
        details: dict[str, JsonValue] = {
            "sentences": len(found),
            "cited": len(cited),
            "marks": len(marks),
            "missing": [writable(text) for text in missing[:_MOST_SHOWN]],
            "unsupported": [writable(_cut(text)) for text in unsupported[:_MOST_SHOWN]],
        }
        if not of:
            return self.make_score(sample, value=1, vacuous=True, details=details)
        why = None if good == of else _why(params.measure, missing, unsupported, of - good)
        return self.make_score(sample, value=good / of, reason=why, details=details)


def _of(
    marks: Sequence[Mark], places: Mapping[Mark, frozenset[int]], known: Mapping[int, Facts]
) -> list[Facts]:
    named = sorted({place for mark in marks for place in places[mark]})
    return [known[place] for place in named if place in known]


def _is_supported(sentence: Cited, passages: Sequence[Facts], least: float) -> bool:
    """Return whether passages have enough of a sentence's words, and all of its figures."""
    told = Facts.of(sentence.text)
    there = {unit for passage in passages for unit in passage.units & told.units}
    dates, times = told.moments.dates, told.moments.times
    n = len(dates) + len(times)  # each a word
    return len(there) + n >= least * (len(told.units) + n) and (
        all(any(each.moments.has_date(date) for each in passages) for date in dates)
        and all(any(each.moments.has_time(time) for each in passages) for time in times)
        and all(any(code in each.figures for each in passages) for code in told.codes)
        and all(
            any(each.has(number) for each in passages)
            for number in told.numbers
            if number.value > _FEW or str(number.value) in told.figures
        )
    )


def _units(text: str) -> Iterator[str]:
    """Yield the units of a text: pairs of syllables of Korean words, others whole."""
    for word in map(strip_josa, korquad(text).split()):
        if len(word) > 1 and any(map(is_syllable, word)):
            yield from (left + right for left, right in pairwise(word))
        else:
            yield word


def _why(
    measure: Measure, missing: Sequence[str], unsupported: Sequence[str], lacking: int
) -> Wording:
    if measure == "coverage":
        return say_in_each("metrics.citations_lacking", {"n": str(lacking)})
    if missing:
        return say_in_each("metrics.citations_missing", {"marks": _shown(missing)})
    return say_in_each("metrics.citations_unsupported", {"sentences": _shown(unsupported)})


def _shown(texts: Sequence[str]) -> str:
    more = " …" if len(texts) > _MOST_SHOWN else ""
    return ", ".join(f'"{writable(_cut(text))}"' for text in texts[:_MOST_SHOWN]) + more


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]} …"
