"""Broken cases: suspects and required cases are asked again, a round at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.comparator.broken.judge import Asked
from lm_eval_so.comparator.broken.rounds import Answer, Further, next_of_main, next_round
from lm_eval_so.comparator.broken.watch import Outcome, Watch
from lm_eval_so.comparator.reason_codes import Code
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.base import backends
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, Warned, ignore
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import counted
from lm_eval_so.errors import (
    BackendError,
    BudgetSpent,
    CannotMeasure,
    Interrupted,
    LMEvalError,
    NothingToDo,
)
from lm_eval_so.pipeline.measure.ask_again import ask_again
from lm_eval_so.pipeline.measure.further import AskedRun, Pass, ask_further, score_further
from lm_eval_so.pipeline.measure.plan import Baseline, Decided
from lm_eval_so.pipeline.measure.right_or_wrong import Passes, right_or_wrong
from lm_eval_so.pipeline.measure.verdict import changed_samples, watched_cases

_STAGE = "compare"
_NO_SCORE = Answer(outcomes={})


async def ask_more(
    config: Config,
    resources: Resources,
    report: EvaluationReport,
    baseline: Baseline,
    run: AskedRun,
) -> Asked:
    """Ask samples again before a verdict: changed ones for `gate.confirm`, then broken cases.

    Args:
        config: The config.
        resources: Resources of the run.
        report: Report of the run.
        baseline: The baseline, and main's configuration today.
        run: The run.

    Raises:
        Interrupted: If the user stopped it; answers that came back are kept.
    """
    changed: Mapping[str, Sequence[str]] = {}
    again = None
    if config.gate.confirm and baseline.report is not None:
        changed = changed_samples(config, resources, report, baseline)
        again = await ask_again(config, resources, changed, run)
    confirmed = {name for key in again or {} for name in changed[key]}
    given = dict.fromkeys(sorted(confirmed), config.gate.confirm)
    watch = watched_cases(config, resources, report, baseline)
    if watch is None:
        return Asked(changed=again)
    passes = right_or_wrong(config, report)
    asking = _Asking(config, resources, watch, run, passes, baseline.main)
    return Asked(changed=again, cases=await asking.ask_all(given))


@dataclass(frozen=True, slots=True)
class _Asking:
    """Rounds of further answers to the cases of one run."""

    config: Config
    resources: Resources
    watch: Watch
    run: AskedRun
    passes: Mapping[str, Passes]
    decided: Decided | None
    """Decision on main's configuration."""

    async def ask_all(self, given: Mapping[str, int]) -> Further:
        """Ask round after round until all is settled, or nobody can be asked."""
        names = {pair.sample_id for pair in self.watch.pairs}
        further = Further(given={name: n for name, n in given.items() if name in names})
        if not next_round(self.watch, further) and not further.given:
            return further
        name = self.config.backend.name if self.config.backend else ""
        if backends.resolve(name).capabilities.recorded:
            return replace(further, ended=Code.NOT_ASKED_AGAIN)
        is_first = not given
        if further.given:
            further = await self._ask((), further, fresh=False)
        number = 0
        while True:
            ids, of_main = next_round(self.watch, further), next_of_main(self.watch, further)
            if not (ids or of_main):
                return further
            number += 1
            self._tell_round(number, ids, of_main)
            # in turn before and after: so both meet the same moods of an endpoint
            first = [name for name in of_main if len(further.of_main(name)) % 2 == 0]
            further = await self._ask_main(first, further)
            if ids:
                fresh = is_first and (self.run.plan.fresh or self.run.has_older_answers)
                further, is_first = await self._ask(ids, further, fresh=fresh), False
            further = await self._ask_main([each for each in of_main if each not in first], further)

    async def _ask_main(self, ids: Sequence[str], further: Further) -> Further:
        """Ask main's configuration about some cases once more; if that fails, it is not asked again."""
        decided, is_over = self.decided, further.main_ended is not None or further.ended is not None
        if not ids or is_over or decided is None or decided.config is None:
            return further
        run = replace(self.run, of_main=True)
        counts = {name: len(each) for name, each in further.main.items()}
        counts |= {name: counts.get(name, 0) + 1 for name in ids}
        wanted = Pass(
            until=counts,
            fresh=not further.main and (run.plan.fresh or run.has_older_answers),
            first=0,
            is_live=True,
            keep_errors=True,
        )
        redactor = decided.redactor
        quiet = replace(self.resources.with_new_endpoints(), listener=ignore, redactor=redactor)
        try:
            info = await ask_further(decided.config, quiet, run, wanted)
            if info is None:
                raise BudgetSpent("the budget of the run is spent")
            scored = await self._score(run, info.fingerprint, counts)
        except Interrupted:
            raise
        except LMEvalError as error:
            problem = error.problems[0].what if error.problems else str(error)
            return replace(further, main_ended=" ".join(redactor.redact(problem).split()))
        answers = {
            name: tuple(scored.get((name, at), _NO_SCORE) for at in range(n))
            for name, n in counts.items()
        }
        return replace(further, main=answers, main_run=info.fingerprint)

    async def _ask(self, ids: Sequence[str], further: Further, *, fresh: bool) -> Further:
        """Ask some cases once more, and read what is there of the others."""
        counts = {name: len(each) for name, each in further.answers.items()} | (
            {} if further.answers else dict(further.given)
        )
        counts |= {name: counts.get(name, 0) + 1 for name in ids}
        first = self.config.run.repeats
        wanted = Pass(
            until={name: first + n for name, n in counts.items()},
            fresh=fresh,
            is_live=True,
            keep_errors=True,
        )
        # a case that never answers is no sign that its endpoint is down
        quiet = replace(self.resources.with_new_endpoints(), listener=ignore)
        try:
            info = await ask_further(self.config, quiet, self.run, wanted)
        except Interrupted:
            raise
        except LMEvalError as error:
            return self._end(further, error)
        if info is None:
            return self._end(further, BudgetSpent("the budget of the run is spent"))
        try:
            scored = await self._score(self.run, info.fingerprint, counts)
        except Interrupted:
            raise
        except LMEvalError as error:
            self._warn(f"could not score further answers: {error}", error)
            return replace(further, ended=Code.NOT_ASKED_AGAIN)
        answers = {}
        for name, n in counts.items():
            known = further.to(name)
            new = [scored.get((name, first + at)) for at in range(len(known), n)]
            answers[name] = (*known, *(each for each in new if each is not None))
        grown = replace(further, answers=answers)
        has_all = all(len(answers[name]) == n for name, n in counts.items())
        return grown if has_all else replace(grown, ended=Code.NOT_ASKED_AGAIN)

    def _end(self, further: Further, error: LMEvalError) -> Further:
        # where other jobs asked, this one may have no way to the chatbot at all
        is_elsewhere = self.run.plan.part.folders is not None
        is_ours = is_elsewhere or isinstance(error, BudgetSpent | NothingToDo)
        is_down = isinstance(error, BackendError | CannotMeasure) and not is_ours
        self._warn(f"could not ask cases again: {error}", error)
        return replace(further, ended=Code.ENDPOINT_DOWN if is_down else Code.NOT_ASKED_AGAIN)

    async def _score(
        self, run: AskedRun, fingerprint: str, counts: Mapping[str, int]
    ) -> dict[tuple[str, int], Answer]:
        """Return the further answers, scored, by sample and repeat."""
        metrics = {pair.metric: self.passes[pair.metric] for pair in self.watch.pairs}
        found = {
            (row.sample_id, row.repeat): row
            for row in run.answers(fingerprint)
            if row.sample_id in counts
        }
        try:
            quiet = replace(self.resources, listener=ignore)
            report = await score_further(self.config, quiet, run, metrics)
        except CannotMeasure:  # no answer has a score
            report = None
        scored = _scored(report, metrics) if report else {}
        return {
            place: scored.get(place, _NO_SCORE) if row.status.is_answer else _lost(metrics)
            for place, row in found.items()
        }

    def _tell_round(self, number: int, ids: Sequence[str], of_main: Sequence[str]) -> None:
        parts = [f"asking {counted(len(ids), 'case')} again"] if ids else []
        if of_main:
            verb = "and" if ids else "asking"
            parts.append(f"{verb} main's configuration about {counted(len(of_main), 'case')}")
        self._tell(f"{' '.join(parts)} (round {number})")

    def _tell(self, text: str) -> None:
        self.resources.listener(Noticed(stage=_STAGE, text=text))

    def _warn(self, text: str, error: LMEvalError) -> None:
        hint = error.problems[0].hint if error.problems else None
        self.resources.listener(Warned(stage=_STAGE, text=text, hint=hint))


def _lost(metrics: Iterable[str]) -> Answer:
    return Answer(outcomes=dict.fromkeys(metrics, Outcome.LOST))


def _scored(
    report: EvaluationReport, metrics: Mapping[str, Passes]
) -> dict[tuple[str, int], Answer]:
    """Return the answers of a report by sample and repeat, with what each metric says of them."""
    columns, told = report.samples, {}
    for case in report.errors:
        own = {score.metric: score for score in case.scores if score.reason}
        told[case.sample_id, case.repeat] = own
    answers = {}
    for row, place in enumerate(zip(columns.ids, columns.repeats, strict=True)):
        scores = {key: columns.scores[key][row] for key in metrics}
        answers[place] = Answer(
            outcomes={key: _said(score, metrics[key]) for key, score in scores.items()},
            text=columns.answers[row] if columns.answers else None,
            scores=told.get(place, {}),
        )
    return answers


def _said(score: float | None, passes: Passes) -> Outcome:
    if score is None:
        return Outcome.UNSCORED
    return Outcome.RIGHT if passes(score) else Outcome.WRONG
