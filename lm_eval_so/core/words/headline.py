"""The one line that decides what a person feels: the strongest thing that is true, cases before means.

Terminal, comment, job summary and page show the same line. It words a verdict and changes none: the record's
verdict and exit code stay.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from lm_eval_so.core.records.comparison import BrokenCase, Comparison, MetricComparison
from lm_eval_so.core.records.enums import ABOUT_THESE, Direction, Language, MetricKind, Verdict
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.stats.binary import rare_drop_bound
from lm_eval_so.core.words import say
from lm_eval_so.core.words.broken_cases import (
    cases_headline,
    is_wrong_on_main,
    named_cases,
    slipped,
)
from lm_eval_so.core.words.formats import MetricFigures, count
from lm_eval_so.core.words.phrases import lost_headline, problem_in, problem_sentence
from lm_eval_so.core.words.rules_text import own_rules_headline
from lm_eval_so.core.words.verdict_names import (
    ANCHOR,
    change_text,
    deciding_metrics,
    figures_of,
    verdict_heading,
)
from lm_eval_so.errors import Problem

Tone = Literal["pass", "bad", "open", "none"]
"""Class of the colour: green, red, amber, grey."""

PROVIDER_MOVED: Final = "provider_moved"
BUDGET: Final = "budget"
NOTHING_DIFFERS: Final = "nothing_differs"
UNMEASURED: Final = "unmeasured"
"""Reason code of a run that could not be measured; its figures are those of the problem."""

_ICONS: Final = {"pass": "🟢", "bad": "❌", "open": "🟡", "none": "⚪"}
_SETTLED, _UNMEASURED = "✅", "⚠️"
_MISSING: Final = frozenset({"missing", "missing_unbounded"})
_OTHERWISE: Final = {"overlap": "other_cases", "other_suite": "other_suite"}
"""Texts of what cannot be compared, by reason code."""
_LONGEST_WHY: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """First line of every surface, complete by itself."""

    icon: str
    text: str
    tone: Tone
    remark: str = ""
    """Next line: what so few cases can rule out at all, where the line is green without a proof; of a run
    that was not measured, where and what to do."""

    def line(self, suite: str) -> str:
        """Return the whole line: icon, text, and the suite after a dot."""
        return f"{self.icon} {self.text}{f' · {suite}' if suite else ''}"


def headline_of(
    comparison: Comparison, report: EvaluationReport | None, language: Language
) -> Headline:
    """Return the headline of a comparison.

    Args:
        comparison: Verdict and its evidence.
        report: Candidate's report, which knows which scores say right or wrong; None if not at hand.
        language: Language of the texts.
    """
    told = _Told(comparison, report, language)
    found = told.strongest()
    is_asked = comparison.verdict is Verdict.INCONCLUSIVE and not comparison.is_cut_short
    if is_asked and comparison.exit_code:
        found = replace(found, text=told.say("asked_to_fail", text=found.text))
    here = len(comparison.accepted_here)
    if here and comparison.verdict is not Verdict.ERROR:
        found = replace(found, text=told.say("accepted_here", text=found.text, n=count(here)))
    if (lost := told.lost()) and lost not in found.text:
        found = replace(found, text=f"{found.text} · {lost}")
    return replace(found, text=own_rules_headline(found.text, comparison, language))


def unmeasured_headline(problem: Problem, language: Language) -> Headline:
    """Return the headline of a run that has no comparison at all; its remark is what else is known."""
    found = _unmeasured(problem_in(_plain(problem.what), language), language)
    is_whole = len(problem.what) <= _LONGEST_WHY  # a longer cause is cut where the line is shown
    rest = replace(problem, what="") if is_whole else problem
    return replace(found, remark=problem_sentence(rest, language))


@dataclass(frozen=True, slots=True)
class _Told:
    """A comparison as its headline tells it."""

    comparison: Comparison
    report: EvaluationReport | None
    language: Language

    def say(self, key: str, **figures: str) -> str:
        return say(f"headline.{key}", self.language, figures)

    def head(self, tone: Tone, key: str, **figures: str) -> Headline:
        return Headline(icon=_ICONS[tone], text=self.say(key, **figures), tone=tone)

    @property
    def codes(self) -> set[str]:
        return {reason.code for reason in self.comparison.reasons}

    @property
    def shown(self) -> dict[str, MetricFigures]:
        return figures_of(self.comparison, self.report, self.language)

    @property
    def deciding(self) -> dict[str, MetricComparison]:
        return {key: self.comparison.metrics[key] for key in deciding_metrics(self.comparison)}

    @property
    def stayed(self) -> list[BrokenCase]:
        return named_cases(self.comparison.broken)

    def strongest(self) -> Headline:
        """Return the first line of the order of strength that holds."""
        if broke := cases_headline(self.comparison, self.language):
            return Headline(icon=_ICONS["bad"], text=broke, tone="bad")
        match self.comparison.verdict:
            case Verdict.ERROR:
                found = self._error()
            case Verdict.REGRESSION:
                found = self._worse()
            case Verdict.PASS | Verdict.IMPROVED:
                found = self._cases() or self._lost() or self._good()
            case Verdict.INCONCLUSIVE:
                found = (
                    self._cases()
                    or self._spent()
                    or self._unasked()
                    or self._lost()
                    or self._unclear()
                )
            case Verdict.INCOMPARABLE:
                found = self._incomparable()
            case _:
                found = self.head("none", "skipped")
        return found

    def lost(self) -> str:
        """Return how many cases lost their answer, unless each is named among the broken ones."""
        lost, named = self.comparison.lost, {case.sample_id for case in self.stayed}
        if self.comparison.is_cut_short and lost is not None and lost.by.keys() == {"missing"}:
            return ""  # that they were not asked is told
        if lost is None or {case.sample_id for case in lost.cases} <= named:
            return ""
        return lost_headline(lost, self.language)

    def _worse(self) -> Headline:
        reasons = [metric.reason for metric in self.deciding.values()]
        # a mean that fell, or a bound that is missed, fails beside what the provider changed
        if self.comparison.has_drifted and not {*reasons} - {PROVIDER_MOVED}:
            return self.head("bad", "provider_alone")
        for key, metric in self.deciding.items():
            if metric.reason == ANCHOR:
                return self.head("bad", "worse_anchor", change=self._and_more(self._since(key)))
            change = self._and_more(change_text(key, metric, self.shown[key]))
            if metric.reason == "threshold":
                return Headline(icon=_ICONS["bad"], text=change, tone="bad")
            is_mean = (metric.threshold or {}).get("statistic") in {None, "mean"}
            return self.head("bad", "worse" if is_mean else "worse_ratio", change=change)
        name = verdict_heading(self.comparison.verdict, self.language)
        return Headline(icon=_ICONS["bad"], text=name, tone="bad")

    def _since(self, key: str) -> str:
        """Return both means of a metric, that of the anchor first."""
        found = self.comparison.anchor.metrics.get(key) if self.comparison.anchor else None
        means = (found.anchor, found.candidate) if found else ()
        told = [self.shown[key].value(mean) for mean in means if mean is not None]
        return f"{key} {' → '.join(told)}"

    def _good(self) -> Headline:
        text = self.say("pass")
        if self.comparison.verdict is Verdict.IMPROVED:
            for key, metric in [*self.deciding.items()][:1]:
                change = self.shown[key].change(metric.delta or 0.0)
                text = self.say("better", change=self._and_more(f"{key} {change}"))
        applied = [each for each in self.comparison.accept if each.state == "applied"]
        if accepted := sum(each.on_base is not False for each in applied):
            text = self.say("accepted", text=text, n=count(accepted))
        return Headline(icon=_SETTLED, text=text, tone="pass")

    def _cases(self) -> Headline | None:
        """Return the line of cases that stayed wrong without failing the run; None if none did."""
        stayed, broken = self.stayed, self.comparison.broken
        if self.comparison.has_drifted:
            return self.head("open", "provider_alone")
        if NOTHING_DIFFERS in self.codes:
            control = self.comparison.control
            is_stale = control is not None and control.stale
            return self.head("open", "nothing_sent" if is_stale else "nothing_differs")
        if not stayed or broken is None:
            return self.head("open", "provider") if PROVIDER_MOVED in self.codes else None
        if all(map(is_wrong_on_main, stayed)):
            key = "main_too" if broken.main_changed else "provider"
            return self.head("open", key, n=count(len(stayed)))
        for state, key in (("must", "head_must"), ("proven", "head_proven")):
            if found := sum(case.state == state for case in stayed):
                told = {"x": count(found), "n": count(broken.samples)}
                text = say(f"broken.{key}", self.language, told)
                return Headline(icon=_ICONS["open"], text=text, tone="open")
        is_once = all(case.baseline == (1, 1) and case.main is None for case in stayed)
        key = "stayed_once" if is_once else "stayed"
        return self.head("open", key, n=count(len(stayed)))

    def _unasked(self) -> Headline | None:
        broken = self.comparison.broken
        for warning in broken.warnings if broken else ():
            if warning.code == "endpoint_down":
                return self.head("open", "endpoint")
            if warning.code == "not_asked_again" and isinstance(n := warning.figures.get("n"), int):
                return self.head("open", "unasked", n=count(n))
        return None

    def _spent(self) -> Headline | None:
        """Return that the budget ended before all was measured; None if it did not."""
        found = [metric for metric in self.deciding.values() if metric.reason == BUDGET]
        if not found:
            return None
        return self.head("open", "budget", n=count(max(max(each.missing) for each in found)))

    def _lost(self) -> Headline | None:
        lost = self.lost()
        return Headline(icon=_ICONS["open"], text=lost, tone="open") if lost else None

    def _unclear(self) -> Headline:
        """Return the line of a mean that cannot be told, where no case stayed wrong."""
        if not self.deciding:
            return self.head("none", "nothing_gates")
        for key, metric in self.deciding.items():
            if found := self._doubt(key, metric):
                return found
        figures: dict[str, str] = {}
        n, slips, better = self._unchanged(), slipped(self.comparison.broken), self._better()
        if n:
            kind, figures = "unchanged", {"n": count(n)}
        elif slips:
            kind, figures = "slipped", {"n": count(len(slips))}
        elif self.comparison.broken is None:
            key, metric = next(iter(self.deciding.items()))
            kind, figures = "no_drop", {"change": change_text(key, metric, self.shown[key])}
        elif better:
            kind, figures = "got_better", {"n": count(better)}
        else:
            kind = "held"
        return replace(self.head("pass", kind, **figures), remark=self._remark())

    def _doubt(self, key: str, metric: MetricComparison) -> Headline | None:
        """Return why a metric that cannot be told is no good news; None if it may be."""
        shown, delta = self.shown[key], _change(metric)
        if metric.reason in _MISSING:
            return self.head("open", "missing", n=count(max(metric.missing)))
        if metric.reason == "threshold_unproven" and metric.candidate is not None:
            return self.head("open", "bound", change=f"{key} {shown.value(metric.candidate)}")
        if delta is None:
            return None
        if shown.is_ratio:
            is_worse = (delta > 1) is (metric.direction is Direction.LOWER) and delta != 1
            return (
                self.head("open", "ratio", change=f"{key} {shown.change(delta)}")
                if is_worse
                else None
            )
        within = "within" if metric.reason == "within_margin" else ""
        if delta >= 0 or (not within and self._is_watched(key, metric)):
            return None
        way = "fell" if metric.direction is Direction.HIGHER else "rose"
        return self.head("open", "_".join(filter(None, (way, within))), size=shown.size(delta))

    def _is_watched(self, key: str, metric: MetricComparison) -> bool:
        """Return whether cases that went wrong by a metric were asked again."""
        if self.comparison.broken is None:
            return False
        if metric.kind is MetricKind.BINARY or metric.stability:
            return True
        scored = self.report.metrics.get(key) if self.report else None
        return scored is not None and scored.passed_share is not None

    def _unchanged(self) -> int:
        """Return the number of cases if each has its scores as before; else 0."""
        made = self.comparison
        closed = [m for m in made.metrics.values() if m.gating and m.kind is not MetricKind.RATIO]
        moved = any(m.worse or m.better or any(m.missing) for m in closed)
        if (
            moved
            or made.flaky
            or slipped(made.broken)
            or made.changed_samples not in {None, (0, 0)}
        ):
            return 0
        return max((m.n for m in closed), default=0)

    def _better(self) -> int:
        made = self.comparison
        ids = {case.sample_id for case in made.changed if case.change == "better"}
        return made.changed_samples[1] if made.changed_samples else len(ids)

    def _remark(self) -> str:
        """Return the smallest drop of a mean that is ruled out."""
        alpha = self.comparison.alpha
        for key, metric in self.deciding.items():
            bound = _ruled_out(metric, alpha)
            if bound is None:
                continue
            fall = say(f"comparison.fall_{metric.direction.value}", self.language)
            of = "_cases" if self.comparison.broken or self._unchanged() else ""
            of = "_answers" if metric.method in ABOUT_THESE else of
            return self.say(f"rules_out{of}", fall=fall, drop=self.shown[key].size(bound))
        return ""

    def _incomparable(self) -> Headline:
        baseline = self.comparison.baseline
        if baseline.source != "none":
            kinds = (_OTHERWISE[code] for code in _OTHERWISE if code in self.codes)
            return self.head("none", next(kinds, "other_way"))
        if baseline.reason is not None:
            return self.head("none", "no_baseline")
        may_be = self.report is None or self.report.experiment.complete
        return self.head("none", "first" if may_be else "first_unfit")

    def _error(self) -> Headline:
        for reason in self.comparison.reasons:
            if reason.code == UNMEASURED:
                why = _plain(str(reason.figures.get("what", "")))
                return _unmeasured(problem_in(why, self.language), self.language)
        for metric in self.deciding.values():
            if metric.reason == "error_rate":
                before, now = metric.missing
                key = "no_score" if now >= before else "no_score_baseline"
                return _unmeasured(self.say(key, n=count(max(metric.missing))), self.language)
        return _unmeasured("", self.language)

    def _and_more(self, change: str) -> str:
        more = len(self.deciding) - 1
        return self.say("and_more", change=change, n=count(more)) if more else change


def _unmeasured(why: str, language: Language) -> Headline:
    why = _plain(why)
    key = "unmeasured" if why else "unmeasured_alone"
    text = say(f"headline.{key}", language, {"why": why})
    return Headline(icon=_UNMEASURED, text=text, tone="none")


def _plain(why: str) -> str:
    """Return a cause on one line, without what the headline says itself."""
    return " ".join(why.removeprefix("could not measure: ").replace("`", "").split()).rstrip(".")


def _change(metric: MetricComparison) -> float | None:
    """Return the change, positive = better; of so few samples that there is none, that of the means."""
    before, now = metric.baseline, metric.candidate
    if metric.delta is not None or before is None or now is None:
        return metric.delta
    if metric.kind is MetricKind.RATIO:
        return now / before if before else None
    return now - before if metric.direction is Direction.HIGHER else before - now


def _ruled_out(metric: MetricComparison, alpha: float) -> float | None:
    """Return the smallest drop that is ruled out; None if a mean has no such bound."""
    if metric.ci90 is None or metric.kind is MetricKind.RATIO:
        return None
    bounds = [-metric.ci90[0], metric.provable_margin or 0.0]
    if metric.method == "tango_midp":
        # the bound of the gate's guard, which alone may bar a pass
        bounds.append(rare_drop_bound(metric.worse, metric.better, metric.n, alpha=alpha))
    return max(bounds)
