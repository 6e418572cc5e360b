"""Cases to look at first, the same ones in the same order on every surface.

Broken ones come first, then those behind a slice that is proven worse, then the largest falls.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from lm_eval_so.core.records.changes import ChangedCase
from lm_eval_so.core.records.comparison import (
    BrokenCase,
    BrokenCases,
    Comparison,
    MetricComparison,
)
from lm_eval_so.core.records.enums import Direction, Language, MetricKind
from lm_eval_so.core.records.report import Case, EvaluationReport
from lm_eval_so.core.words import say
from lm_eval_so.core.words.broken_cases import (
    advice,
    case_notes,
    named_cases,
    slipped,
    slips_sentence,
)
from lm_eval_so.core.words.formats import count
from lm_eval_so.core.words.stale_tests import stale_notes, stale_sentences

MOST_FIRST: Final = 5
"""Most cases right under the headline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCase:
    """A case that got worse, or in a first run is wrong: what was asked, what was right, what is wrong, and why."""

    sample_id: str
    ref: str | None
    """The user's own id."""
    state: Literal["must", "proven", "unproven", "worse", "low"]
    question: str | None
    expected: str | None
    was: str
    """The baseline in figures, as "right 3 of 3"; empty if there is none."""
    now: str
    """The candidate in figures, as "wrong 11 of 11"."""
    baseline_answer: str | None
    answer: str | None
    reasons: tuple[tuple[str, str], ...]
    """Reasons for the wrong answer: the metrics that give it, after commas, and its text."""
    notes: tuple[str, ...] = ()
    """Sentences on how sure this is."""
    right_before: tuple[int, int] | None = None
    """Answers of the baseline: (right, all); None if they cannot be counted."""
    right_now: tuple[int, int] | None = None
    """Answers of the candidate: (right, all)."""

    @property
    def name(self) -> str:
        """The user's own id, or else the sample's."""
        return self.ref or self.sample_id

    @property
    def own_id(self) -> str:
        """The sample's id if it is not the name already; else empty."""
        return self.sample_id if self.ref and self.ref != self.sample_id else ""


def first_cases(comparison: Comparison, language: Language) -> tuple[FirstCase, ...]:
    """Return the cases that got worse, each sample once, the most telling first.

    Cases that slipped once and were right when asked again are left out.

    Args:
        comparison: Verdict and its evidence.
        language: Language of the texts.
    """
    broken, changed = comparison.broken, _by_sample(comparison.changed)
    named = named_cases(broken) if broken else []
    told = {case.sample_id for case in (*named, *slipped(broken))}
    first = [
        _broken(case, broken, changed.get(case.sample_id, ()), language)
        for case in named
        if broken is not None
    ]
    others = (same for sample_id, same in changed.items() if sample_id not in told)
    cases = (*first, *(_changed(same, comparison.metrics, language) for same in others))
    stale = stale_notes(comparison.staleness, language)
    return tuple(
        replace(case, notes=(*case.notes, stale[case.sample_id]))
        if case.sample_id in stale
        else case
        for case in cases
    )


def after_cases(comparison: Comparison, language: Language) -> Iterator[str]:
    """Yield the sentences that stand after the cases of the first screen, on every surface."""
    broken = comparison.broken
    if told := advice(broken, language):
        yield told
    if broken is not None and (slips := slips_sentence(broken, language)):
        yield slips
    yield from stale_sentences(comparison.staleness, language)


def _by_sample(cases: Sequence[ChangedCase]) -> dict[str, list[ChangedCase]]:
    """Return the cases that got worse by sample, in their order."""
    found: dict[str, list[ChangedCase]] = {}
    for case in cases:
        if case.change == "worse":
            found.setdefault(case.sample_id, []).append(case)
    return found


def _broken(
    case: BrokenCase, broken: BrokenCases, same: Sequence[ChangedCase], language: Language
) -> FirstCase:
    def text(key: str, **figures: str) -> str:
        return say(f"cases.{key}", language, figures)

    wrong, of = case.now
    was = ""
    if case.baseline is not None:
        right, all_ = case.baseline
        key = "right_since" if broken.since else "right_of"
        was = text(key, s=count(right), k=count(all_), since=broken.since or "")
    if case.no_answer:
        now = text("lost", why=case.reason or "", m=count(wrong))
    else:
        now = text("wrong_all" if wrong == of else "wrong_of", m=count(wrong), k=count(of))
    return FirstCase(
        sample_id=case.sample_id,
        ref=case.ref,
        state="unproven" if case.state == "slip" else case.state,
        question=case.input,
        expected=next((each.expected for each in same if each.expected), None),
        was=was,
        now=now,
        baseline_answer=case.baseline_answer,
        answer=case.answer,
        reasons=((case.metric, case.reason),) if case.reason and not case.no_answer else (),
        notes=tuple(case_notes(case, broken, language)),
        right_before=case.baseline,
        right_now=None if case.no_answer else (of - wrong, of),
    )


def _changed(
    same: Sequence[ChangedCase], metrics: Mapping[str, MetricComparison], language: Language
) -> FirstCase:
    first = same[0]
    before = [(case.metric, case.baseline) for case in same]
    now = [(case.metric, case.candidate) for case in same]
    return FirstCase(
        sample_id=first.sample_id,
        ref=first.ref,
        state="worse",
        question=first.input,
        expected=first.expected,
        was=", ".join(_values(before, metrics, language)),
        now=", ".join(_values(now, metrics, language)),
        baseline_answer=first.baseline_answer,
        answer=first.candidate_answer,
        reasons=tuple(_each_once((case.metric, case.reason) for case in same)),
        notes=tuple(_again(same, language)),
        right_before=_counted(before, metrics),
        right_now=_counted(now, metrics),
    )


def _each_once(given: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, str]]:
    """Yield each reason once, with the metrics that give it."""
    metrics: dict[str, list[str]] = {}
    for metric, reason in given:
        if reason:
            metrics.setdefault(reason, []).append(metric)
    for reason, names in metrics.items():
        yield ", ".join(names), reason


def _values(
    scores: Sequence[tuple[str, float]],
    metrics: Mapping[str, MetricComparison],
    language: Language,
) -> Iterator[str]:
    """Yield each score as people read it: right or wrong where it can be nothing else."""
    for key, value in scores:
        is_right = _is_right(metrics.get(key), value)
        if is_right is not None:
            told = say(f"cases.{'right' if is_right else 'wrong'}", language)
            yield told if len(scores) == 1 else f"{key} {told}"
        else:
            yield f"{key} {value:.3g}"


def _is_right(metric: MetricComparison | None, value: float) -> bool | None:
    """Return whether a score says right or wrong; None if it may say something in between."""
    if metric is None or metric.kind is not MetricKind.BINARY or value not in {0.0, 1.0}:
        return None
    return (value == 1.0) is (metric.direction is Direction.HIGHER)


def _counted(
    scores: Sequence[tuple[str, float]], metrics: Mapping[str, MetricComparison]
) -> tuple[int, int] | None:
    """Return the right answers of one that was asked once, if only one metric judges it."""
    (key, value), *others = scores
    metric = metrics.get(key)
    is_right = None if others or (metric and metric.stability) else _is_right(metric, value)
    return None if is_right is None else (int(is_right), 1)


def _again(same: Sequence[ChangedCase], language: Language) -> Iterator[str]:
    """Yield the results of asking a sample again, once if its metrics agree."""
    metrics: dict[tuple[int, int], list[str]] = {}
    for case in same:
        if case.again is not None:
            metrics.setdefault(case.again, []).append(case.metric)
    for (worse, times), names in metrics.items():
        text = say("comment.again", language, {"w": count(worse), "n": count(times)})
        yield text if len(metrics) == 1 else f"{', '.join(names)} {text}"


def low_cases(
    comparison: Comparison, report: EvaluationReport | None, language: Language
) -> tuple[FirstCase, ...]:
    """Return the first cases that score low or have no answer, in a first run, as no baseline tells which got worse.

    A report without texts shows none. Cases with an id of the user's come before the others and their twins.

    Args:
        comparison: Verdict and its evidence.
        report: Candidate's report, if it is at hand.
        language: Language of the texts.
    """
    if report is None or not _is_first(comparison):
        return ()
    own = report.samples.own_ids
    shown = {each.sample_id: each for each in reversed(report.errors) if each.input}
    known = [shown[each] for each in failed_among(report, shown)]
    names = {*own.values()}

    def is_twin(case: Case) -> bool:
        name = own.get(case.sample_id)  # that of a twin is its base's, with the kind
        return name is None or name.rpartition(" (")[0] in names

    known.sort(key=is_twin)  # stable
    return tuple(_low(each, own.get(each.sample_id), language) for each in known[:MOST_FIRST])


def failed_among(report: EvaluationReport, some: Collection[str]) -> list[str]:
    """Return those of some samples that failed or have no answer, in the order of the report."""
    found: dict[str, None] = {}
    for sample_id in report.failed_ids:
        if len(found) == len(some):  # those that are shown mostly come first
            break
        if sample_id in some:
            found[sample_id] = None
    return [*found]


def _low(case: Case, ref: str | None, language: Language) -> FirstCase:
    failed = [score for score in case.scores if score.metric in case.failed]
    if case.kind == "infrastructure" or not failed:
        now = case.reason
    elif all(score.passed is False for score in failed):
        now = say("cases.wrong", language)
    else:
        now = ", ".join(
            f"{each.metric} {each.value:.3g}" for each in failed if each.value is not None
        )
    return FirstCase(
        sample_id=case.sample_id,
        ref=ref,
        state="low",
        question=case.input,
        expected=case.expected,
        was="",
        now=now,
        baseline_answer=None,
        answer=case.answer,
        reasons=tuple(
            _each_once(
                (each.metric, each.reason)
                for each in failed
                if each.reason and each.reason not in now  # of a lost answer that is the same
            )
        ),
    )


def _is_first(comparison: Comparison) -> bool:
    """Return whether there is no baseline yet; where one cannot be read, what is missing comes first."""
    return comparison.baseline.source == "none" and comparison.baseline.reason is None


def look_first(
    comparison: Comparison, report: EvaluationReport | None, language: Language
) -> Iterator[str]:
    """Yield how many cases score low or have no answer, in a first run; and which, if no text of them is there."""
    if report is None or not _is_first(comparison):
        return
    n, own = report.failed_count, report.samples.own_ids
    if n:
        names = [own.get(each, each) for each in dict.fromkeys(report.failed_ids[:MOST_FIRST])]
        ids = ", ".join([*names, *(["…"] if n > MOST_FIRST else [])])
        of = report.sample_count
        figures = {"n": count(n), "of": count(of), "ids": ids}
        is_shown = bool(low_cases(comparison, report, language))
        yield say("report.low" if is_shown else "report.look_first", language, figures)


def unreviewed(report: EvaluationReport | None, language: Language) -> Iterator[str]:
    """Yield how many tests of a report nobody reviewed, if there are some."""
    dataset = report.experiment.dataset if report else None
    if dataset is not None and dataset.unreviewed:
        figures = {"n": count(dataset.unreviewed), "of": count(dataset.n)}
        yield say("report.unreviewed", language, figures)
