"""Under the headline: what was compared with what, and in a first run what is wrong now and what to do next."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lm_eval_so.core.records.comparison import BaselineRef, Comparison
from lm_eval_so.core.records.enums import Language, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words.broken_cases import advice
from lm_eval_so.core.words.first_cases import failed_among, look_first
from lm_eval_so.core.words.formats import count, usd
from lm_eval_so.reporter.content import Style
from lm_eval_so.reporter.html.deciding import DecidingCase, Deck
from lm_eval_so.reporter.views.cases import case_view
from lm_eval_so.reporter.views.origin import COMMIT_DIGITS, minute, short_hash
from lm_eval_so.reporter.views.report import total_usd
from lm_eval_so.reporter.views.view import ABSENT, ComparisonView, Words, words_of

_MOST_WRONG: Final = 5
_MOST_LANGUAGES: Final = 4
_NAMED: Final = frozenset(Language)
"""Languages that have a name in the texts."""
_DEFAULT_CONFIG: Final = "lm-eval-so.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact under the headline."""

    name: str
    value: str
    more: tuple[str, ...] = ()
    """Smaller facts below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongNow:
    """A case that is wrong, where no baseline tells whether it was right before."""

    name: str
    question: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """Next step after a first run."""

    n_wrong: int
    command: str | None
    """Command that takes the run as the baseline; None if it may be none, or if its place is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """All between the headline and the figures."""

    word: str
    """Name of the verdict."""
    outcome: str
    """Whether the check fails."""
    advice: str
    """Way to settle cases that are not proven; empty if none wait for it."""
    lines: tuple[str, ...]
    """Sentences on the cases, after them."""
    n_reworded: int
    """Answers with other words and the same score, told where nothing got worse."""
    cards: tuple[DecidingCase, ...]
    rest: tuple[DecidingCase, ...]
    """More cases that got worse, after those that decide, up to the number of examples."""
    facts: tuple[Fact, ...]
    next: NextStep | None
    wrong: tuple[WrongNow, ...]


def head_of(
    report: EvaluationReport,
    comparison: Comparison | None,
    compared: ComparisonView | None,
    style: Style,
) -> Head:
    """Return what stands under the headline.

    Args:
        report: Scores.
        comparison: Verdict, if there is one.
        compared: View of the verdict.
        style: Language and secrets.
    """
    language = style.language
    words = words_of("page", language)
    word = outcome = settles = ""
    n_reworded = 0
    cards: tuple[DecidingCase, ...] = ()
    rest: tuple[DecidingCase, ...] = ()
    lines: tuple[str, ...] = ()
    step = _next_step(report, comparison)
    wrong = tuple(_wrong_now(report, compared, words_of("report", language))) if step else ()
    if comparison is not None and compared is not None:
        code = comparison.exit_code
        outcome = words("fails", code=str(code)) if code else words("holds")
        deck, verdict = Deck(comparison, report, style), compared.verdict
        cards = deck.cards(verdict.open)
        if cards:
            rest = deck.cards(verdict.cases[len(cards) : max(len(cards), style.examples)])
        settles = advice(comparison.broken, language)
        told = [settles, *(look_first(comparison, report, language) if wrong else ())]
        lines = tuple(each for each in compared.verdict.lines if each not in told)
        if verdict.headline.tone == "pass":
            n_reworded = len(comparison.reworded)
        is_first = comparison.baseline.source == "none" and comparison.baseline.reason is None
        is_open = comparison.verdict is Verdict.INCOMPARABLE
        word = words("no_baseline") if is_first and is_open else compared.verdict.word
    return Head(
        word=word,
        outcome=outcome,
        advice=settles,
        n_reworded=n_reworded,
        lines=lines,
        cards=cards,
        rest=rest,
        facts=tuple(_facts(report, comparison, language)),
        next=step,
        wrong=wrong,
    )


def _facts(
    report: EvaluationReport, comparison: Comparison | None, language: Language
) -> Iterator[Fact]:
    """Yield what was measured, with what it was compared, how many cases, and what it cost."""
    words = words_of("page", language)
    experiment = report.experiment
    backend = experiment.backend
    model = ", ".join(backend.models_answered) or backend.model or backend.label
    when = [minute(experiment.evaluated_at)]
    if experiment.commit:
        when.insert(0, short_hash(experiment.commit, COMMIT_DIGITS))
    yield Fact(name=words("this"), value=model, more=(" · ".join(when),))
    if comparison is not None:
        yield _baseline(comparison, language)
    yield _cases(report, comparison, language)
    yield _cost(report, comparison, language)


def _next_step(report: EvaluationReport, comparison: Comparison | None) -> NextStep | None:
    """Return what to do after a run without a baseline; None if there is one, or if it cannot be read."""
    if comparison is not None:
        baseline = comparison.baseline
        if baseline.source != "none" or baseline.reason is not None:
            return None
    n_wrong = report.failed_count
    command = _take_as_baseline(report, comparison.baseline) if comparison else None
    return NextStep(n_wrong=n_wrong, command=command) if n_wrong or command else None


def _wrong_now(
    report: EvaluationReport, compared: ComparisonView | None, words: Words
) -> Iterator[WrongNow]:
    """Yield the first cases that are wrong, each once, with the first reason.

    Args:
        report: Scores.
        compared: View of the verdict of a first run; None where there is not even that.
        words: Texts of the topic `report`.
    """
    if compared is not None:
        for low in compared.verdict.low:
            reasons = [f"{metrics}: {reason}" for metrics, reason in low.reasons]
            yield WrongNow(
                name=low.name, question=low.question or ABSENT, why=next(iter(reasons), low.now)
            )
        return
    wrong = {case.sample_id: case for case in reversed(report.errors)}
    known = [wrong[each] for each in failed_among(report, wrong)]
    for case in known[:_MOST_WRONG]:
        shown = case_view(case, report.metrics, words, report.samples.own_ids)
        found = [f"{each.metric}: {each.reason}" for each in shown.findings]
        yield WrongNow(
            name=report.samples.own_ids.get(case.sample_id, case.sample_id),
            question=case.input or ABSENT,
            why=next(iter(found), shown.error or ", ".join(shown.scores)),
        )


def _take_as_baseline(report: EvaluationReport, baseline: BaselineRef) -> str | None:
    """Return the command that takes a first run as the baseline, as it runs beside the config."""
    experiment = report.experiment
    section = experiment.evaluator_config.get("report")
    out = section.get("out") if isinstance(section, Mapping) else None
    is_fit = experiment.complete and experiment.eligible
    if not is_fit or baseline.path is None or not isinstance(out, str):
        return None
    config = experiment.config
    named = ["-c", config] if config not in {None, _DEFAULT_CONFIG} and config else []
    return shlex.join(
        ["lm-eval-so", "baseline", "update", out, *named, "--reason", "the first one"]
    )


def _baseline(comparison: Comparison, language: Language) -> Fact:
    words, baseline = words_of("page", language), comparison.baseline
    name = words_of("cases", language)("baseline")
    place = baseline.commit or baseline.ref or baseline.path
    if baseline.source == "none":
        looked = (words("looked_in", place=short_hash(place, COMMIT_DIGITS)),) if place else ()
        return Fact(name=name, value=words("none"), more=looked)
    named = [each for each in (baseline.model, baseline.label) if each]
    told = [short_hash(place, COMMIT_DIGITS)] if place else []
    value = named[0] if named else told.pop(0) if told else baseline.source
    asked = [
        m.stability["baseline"].repeats
        for m in comparison.metrics.values()
        if "baseline" in m.stability
    ]
    cases = comparison.broken.cases if comparison.broken else ()
    asked += [case.baseline[1] for case in cases if case.baseline is not None]
    if asked:
        told.append(words("answers_each", k=count(max(asked))))
    if baseline.evaluated_at:
        told.append(minute(baseline.evaluated_at).partition(" ")[0])
    return Fact(name=name, value=value, more=(" · ".join(told),) if told else ())


def _cases(report: EvaluationReport, comparison: Comparison | None, language: Language) -> Fact:
    words, columns = words_of("page", language), report.samples
    n = report.sample_count
    lost = max(
        (m.unscored for m in report.metrics.values() if not m.unscored_by.get("cached")), default=0
    )
    scored = words("some_unscored", n=count(lost)) if lost else words("all_scored")
    languages: Iterable[str | None] = columns.languages or ()
    repeats = 1
    if n < len(columns.ids):  # several answers: the language counts once for each sample
        languages = dict(zip(columns.ids, languages, strict=False)).values()
        repeats = min(Counter(columns.ids).values())
    spoken = Counter(filter(None, languages))
    parts = [
        words(f"language_{key if key in _NAMED else 'other'}", n=count(m), language=key)
        for key, m in spoken.most_common(_MOST_LANGUAGES)
    ]
    more = [scored, *([", ".join(parts)] if parts else [])]
    more += [words("answers_each", k=count(repeats))] if repeats > 1 else []
    if comparison is not None and comparison.baseline.source != "none":
        told = words_of("comment", language)("paired", n=count(comparison.pairing.paired))
        more = [told.rstrip("."), *more] if comparison.pairing.paired != n else more
    return Fact(name=words("cases"), value=words("n_cases", n=count(n)), more=tuple(more))


def _cost(report: EvaluationReport, comparison: Comparison | None, language: Language) -> Fact:
    words, total = words_of("page", language), total_usd(report)
    told = [words("n_answers", n=count(sum(report.statuses.values())))]
    broken = comparison.broken if comparison else None
    if broken is not None and broken.asked:
        told.append(words("asked_again", n=count(broken.asked)))
    value = ABSENT if total is None else usd(total)
    return Fact(name=words_of("report", language)("cost"), value=value, more=(", ".join(told),))
