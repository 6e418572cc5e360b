"""Verdict of a run with its broken cases as one more row, and the record of the cases."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lm_eval_so.comparator.broken.rounds import (
    MOST_OF_MAIN,
    NOTHING_ASKED,
    Asked,
    Further,
    Standing,
    is_down,
    next_round,
    standings,
)
from lm_eval_so.comparator.broken.watch import Outcome, Pair, Watch, find_watch, watch_cases
from lm_eval_so.comparator.cases import Texts, reason_of, texts_of
from lm_eval_so.comparator.gate.decide import Decision
from lm_eval_so.comparator.pairing import Reports
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.comparator.terms import Terms
from lm_eval_so.core.records.comparison import BrokenCase, BrokenCases, Control, Reason
from lm_eval_so.core.records.enums import Direction, Language, Policy, Verdict
from lm_eval_so.core.words.broken_cases import is_wrong_on_main, lead_sentence
from lm_eval_so.core.words.phrases import control_sentences
from lm_eval_so.errors import ExitCode

__all__ = ["NOTHING_ASKED", "Asked", "Whole", "judge_whole", "watch_cases"]

State = Literal["must", "proven", "unproven", "slip"]

_ORDER: tuple[State, ...] = ("must", "proven", "unproven", "slip")
_FAILING = frozenset({"fail", "strict"})
"""Policies by which a broken case fails the run."""
_GOOD = frozenset({Verdict.PASS, Verdict.IMPROVED, Verdict.REPORTED})
_BLAMED = frozenset({Verdict.REGRESSION.value, Code.BROKEN_CASES.value})
"""Reasons that blame the pull request for a change."""
_LEAST_NAMED, _LEAST_ASKED, _LEAST_STRICT = 2, 3, 4
"""Wrong answers from which on a case without proof is named, from which on main would have been asked,
and from which on `strict` fails it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Verdict of the run, with its broken cases as one more row."""

    verdict: Verdict
    exit_code: int
    reasons: tuple[Reason, ...]
    sentence: Mapping[str, str]
    """Sentences of the run, in every language."""
    broken: BrokenCases | None = None
    """None if no case was looked at."""
    control: Control | None = None
    """Main's configuration today; None if it played no part."""


def judge_whole(
    decision: Decision, reports: Reports, terms: Terms, further: Further, *, mean: Mapping[str, str]
) -> Whole:
    """Return the verdict of the run: that of the mean, unless a case broke or a required one failed.

    Means, intervals and p-values stay as they are; an error goes before broken cases.

    Args:
        decision: Decided metrics.
        reports: Candidate and baseline, with all samples.
        terms: Gate, language, and the metrics that say right or wrong.
        further: Further answers to suspects and required cases.
        mean: Sentences of the mean, in every language.
    """
    watch = find_watch(decision, terms)
    whole = Whole(
        verdict=decision.verdict,
        exit_code=decision.exit_code,
        reasons=decision.reasons,
        sentence=mean,
    )
    if watch is not None:
        found = _judge(watch, further, reports, terms)
        whole = _with_cases(whole, found, terms)
    return _with_main(whole, reports, terms, further)


def _with_cases(whole: Whole, found: BrokenCases, terms: Terms) -> Whole:
    """Return the verdict of the mean with that of the cases."""
    verdict, code, reasons = whole.verdict, whole.exit_code, whole.reasons
    own, excused = tuple(_reasons(found, terms)), tuple(_excuses(found, terms))
    if own and verdict is Verdict.ERROR:
        reasons = (*reasons, *own, *excused)
    elif own:
        verdict, code = Verdict.REGRESSION, ExitCode.FAILED_CHECK.value
        reasons = (*own, *excused, *reasons)
    else:
        found, reasons = _warned(found), (*excused, *reasons)
        if excused and terms.not_ours is not None:  # it would have failed
            verdict = Verdict.INCONCLUSIVE if verdict in _GOOD else verdict
            is_barred = terms.policies.on_inconclusive is Policy.FAIL
            code = code or (ExitCode.CANNOT_MEASURE.value if is_barred else 0)
    told = {
        language.value: lead_sentence(
            found,
            own,
            verdict=whole.verdict,
            mean=whole.sentence[language],
            language=language,
        )
        for language in Language
    }
    alone = {key: mean for key, (_, mean) in told.items()}
    return Whole(
        verdict=verdict,
        exit_code=code,
        reasons=reasons,
        sentence={key: sentence for key, (sentence, _) in told.items()},
        broken=_with_mean(found, alone, terms.language),
    )


def _with_mean(found: BrokenCases, mean: Mapping[str, str], language: Language) -> BrokenCases:
    return replace(found, mean=mean[language], mean_in=mean)


def _with_main(whole: Whole, reports: Reports, terms: Terms, further: Further) -> Whole:
    """Return the verdict with what main's configuration says today, if it played a part."""
    control = terms.control
    if control is None or reports.baseline is None or not _plays_a_part(control, whole, further):
        return whole
    control = replace(control, requests=further.asked_of_main)
    why = _why_not_told(whole.broken, further)
    if why is not None:
        control = replace(control, state="not_possible", why=why)
    day = _day_of_baseline(reports)

    def around(text: str, language: Language) -> str:
        served, told = control_sentences(control, whole.reasons, language, day=day)
        return " ".join(filter(None, (served, text, told)))

    sentence = {each.value: around(whole.sentence[each], each) for each in Language}
    broken = whole.broken
    if broken is not None:
        alone = {each.value: around(broken.mean_in[each], each) for each in Language}
        broken = _with_mean(broken, alone, terms.language)
    return replace(whole, sentence=sentence, broken=broken, control=control)


def _why_not_told(broken: BrokenCases | None, further: Further) -> Reason | None:
    """Return why main's configuration says nothing although it was asked; None if it does."""
    if further.main_ended is not None:
        return Reason(code="failed", figures={"problem": further.main_ended})
    cases = broken.cases if broken else ()
    is_spent = any(len(further.of_main(case.sample_id)) >= MOST_OF_MAIN for case in cases)
    if not is_spent or any(case.main is not None for case in cases):
        return None
    return Reason(code="few_answers", figures={"asked": further.asked_of_main})


def _plays_a_part(control: Control, whole: Whole, further: Further) -> bool:
    codes = {reason.code for reason in whole.reasons}
    match control.state:
        case "asked":
            return further.asked_of_main > 0 or further.main_ended is not None
        case "nothing_differs":
            return Code.NOTHING_DIFFERS.value in codes
        case "not_possible":
            cases = whole.broken.cases if whole.broken else ()
            stayed = (case for case in cases if case.state in {"proven", "unproven"})
            return bool(codes & _BLAMED) or any(case.now[0] >= _LEAST_ASKED for case in stayed)
        case _:
            return True


def _day_of_baseline(reports: Reports) -> str | None:
    """Return the day of the baseline, YYYY-MM-DD."""
    at = reports.baseline.experiment.evaluated_at if reports.baseline else None
    return at[: len("2026-01-31")] if at else None


def _judge(watch: Watch, further: Further, reports: Reports, terms: Terms) -> BrokenCases:
    """Return what became of all suspects and required cases."""
    down = is_down(watch, further)
    before = texts_of(reports.baseline) if reports.baseline else None
    writer = _Writer(reports, further, texts_of(reports.candidate), before)
    cases = [
        writer.case(pair, standing, state)
        for pair, standing in standings(watch, further)
        if (state := _named(standing, is_down=down)) is not None
    ]
    warnings = [*watch.warnings]
    if down:
        warnings.append(Reason(code=Code.ENDPOINT_DOWN))
    elif unasked := next_round(watch, replace(further, ended=None)):  # nobody could be asked
        warnings.append(Reason(code=Code.NOT_ASKED_AGAIN, figures={"n": len(unasked)}))
    return BrokenCases(
        alpha=watch.alpha,
        family=watch.family,
        samples=watch.samples,
        asked=further.asked,
        cases=tuple(sorted(cases, key=lambda case: _ORDER.index(case.state))),
        mean="",
        since=_since(reports, terms),
        main_changed=_has_main_changed(reports, further),
        warnings=tuple(warnings),
    )


def _since(reports: Reports, terms: Terms) -> str | None:
    """Return the day of the baseline, if nobody here changed the chatbot since."""
    return _day_of_baseline(reports) if terms.not_ours is Code.PROVIDER_MOVED else None


def _has_main_changed(reports: Reports, further: Further) -> bool:
    """Return whether the baseline is of another configuration than main's, which was asked."""
    if reports.baseline is None or further.main_run is None:
        return False
    before = reports.baseline.experiment.fingerprints.get("run")
    return before is not None and before != further.main_run


def _named(standing: Standing, *, is_down: bool) -> State | None:
    """Return the state under which a case is named; None if it is not."""
    match standing.state:
        case "slip":
            return "slip"
        case "must" | "proven" if not is_down:
            return standing.state
        case "passed":
            return None
        case _:
            return "unproven" if standing.wrong >= _LEAST_NAMED else None


def _reasons(found: BrokenCases, terms: Terms) -> Iterator[Reason]:
    """Yield the reasons why the run fails."""
    if terms.gate.broken not in _FAILING:
        return
    failed = {case.sample_id for case in found.cases if case.state == "must"}
    if failed:
        yield Reason(code=Code.MUST_FAILED, figures={"must": len(failed)})
    proven, unproven = _stayed_wrong(found, terms.gate.broken, failed)
    if terms.fails_for_drift and (proven or unproven):
        yield Reason(code=Code.PROVIDER_MOVED, figures={"cases": len(proven | unproven)})
    elif terms.not_ours is None and (proven or unproven):
        numbers = {"proven": len(proven), "unproven": len(unproven)}
        yield Reason(code=Code.BROKEN_CASES, figures={k: n for k, n in numbers.items() if n})


def _excuses(found: BrokenCases, terms: Terms) -> Iterator[Reason]:
    """Yield the reasons why cases that stayed wrong do not fail the run."""
    if terms.not_ours is None:
        stayed = (case for case in found.cases if case.state == "unproven")
        moved = {case.sample_id for case in stayed if is_wrong_on_main(case)}
        if moved:
            yield Reason(code=Code.PROVIDER_MOVED, figures={"cases": len(moved)})
        return
    proven, unproven = _stayed_wrong(found, terms.gate.broken, frozenset())
    if terms.gate.broken in _FAILING and (proven or unproven):
        yield Reason(code=terms.not_ours, figures={"cases": len(proven | unproven)})


def _stayed_wrong(
    found: BrokenCases, policy: str, failed: Collection[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the cases that fail a run, beside those that failed already: proven, and for `strict` others."""
    proven = {each.sample_id for each in found.cases if each.state == "proven"}.difference(failed)
    unproven = {
        case.sample_id
        for case in found.cases
        if policy == "strict"
        and case.state == "unproven"
        and case.now[0] >= _LEAST_STRICT
        and not is_wrong_on_main(case)
    }
    return frozenset(proven), frozenset(unproven.difference(failed, proven))


def _warned(found: BrokenCases) -> BrokenCases:
    """Return the cases with a warning if any of them stayed wrong."""
    names = {case.sample_id for case in found.cases if case.state != "slip"}
    if not names:
        return found
    warning = Reason(code=Code.BROKEN_CASES, figures={"n": len(names)})
    return replace(found, warnings=(warning, *found.warnings))


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writer of cases, with the texts of both reports."""

    reports: Reports
    further: Further
    now: Texts
    before: Texts | None

    def case(self, pair: Pair, standing: Standing, state: State) -> BrokenCase:
        """Return the record of a case."""
        name, key, now = pair.sample_id, pair.metric, self.now
        rows = self.reports.side.rows_by_id[name]
        text, reason, others = self._last_wrong(pair, rows)
        old = self._right_row(pair)
        return BrokenCase(
            sample_id=name,
            metric=key,
            state=state,
            baseline=(pair.right, pair.of) if pair.of else None,
            now=(standing.wrong, standing.of),
            needed=standing.needed or None,
            main=standing.main,
            ref=now.columns.refs[rows[0]] if now.columns.refs else None,
            input=now.columns.inputs[rows[0]] if now.columns.inputs else None,
            baseline_answer=self.before.answer(old) if self.before and old is not None else None,
            answer=text,
            reason=reason,
            reason_in=others,
            no_answer=pair.is_lost and text is None,
        )

    def _last_wrong(
        self, pair: Pair, rows: tuple[int, ...]
    ) -> tuple[str | None, str | None, Mapping[str, str]]:
        """Return the last wrong answer and why it is wrong, also in other languages; without an answer, why so."""
        key = pair.metric
        for answer in reversed(self.further.to(pair.sample_id)):
            if answer.outcomes.get(key) is Outcome.WRONG:
                return answer.text, *reason_of(answer.scores.get(key))
        for row, outcome in reversed([*zip(rows, pair.own, strict=False)]):
            if outcome is Outcome.WRONG:
                return self.now.answer(row), *self.now.reason(row, key)
        failures = self.now.columns.failures.items()
        return None, next((why for why, lost in failures if rows[-1] in lost), None), {}

    def _right_row(self, pair: Pair) -> int | None:
        """Return a row of the baseline that shows a good answer, the best scored one."""
        pairs = self.reports.pairs
        if pairs is None or not pair.of:
            return None
        scores = pairs.baseline.columns.scores[pair.metric]
        rows = pairs.baseline.rows_by_id[pair.sample_id]
        scored = [(value, row) for row in rows if (value := scores[row]) is not None]
        direction = self.reports.candidate.metrics[pair.metric].direction
        return max(scored)[1] if direction is Direction.HIGHER else min(scored)[1]
