"""The answers of a measurement and their report: asked at once, or in rounds until it is decided."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lm_eval_so.comparator.broken.watch import most_further
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Noticed
from lm_eval_so.core.records.asked_rounds import Rounds
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.stats.multiple import early_share, last_share
from lm_eval_so.core.stats.power import LEAST_REPEATS
from lm_eval_so.errors import Problem
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.pipeline.measure.answers import ask
from lm_eval_so.pipeline.measure.plan import AskedPart, Baseline, Plan, makes_baseline, with_main
from lm_eval_so.pipeline.measure.verdict import proven_early
from lm_eval_so.runner.dry_run import plan_run
from lm_eval_so.runner.store.for_verdict import ForVerdict
from lm_eval_so.runner.store.run_dir import read_info

_STAGE = "ci"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answers that a verdict is made of."""

    config: Config
    """Config by which they were asked, with the rounds that count as its repeats."""
    report: EvaluationReport
    failure: Problem | None = None
    """Reason why too few rows have an answer for a verdict."""
    rounds: Rounds | None = None
    """Rounds that were asked; None if all answers were asked for at once."""


async def answer(
    config: Config, resources: Resources, plan: Plan, baseline: Baseline, verdict: ForVerdict
) -> Answered:
    """Ask the chatbot and score what it says, in rounds if the gate stops early.

    Args:
        config: The config as it is asked.
        resources: Resources of the run.
        plan: The plan.
        baseline: The baseline.
        verdict: Purpose of the answers.

    Raises:
        LMEvalError: As the stages `run` and `evaluate`; what was paid for is on disk by then.
    """
    measuring = _Measuring(resources, plan, baseline, verdict)
    if may_stop_early(config, plan, baseline):
        return await measuring.in_rounds(config)
    return await measuring.at_once(config)


def may_stop_early(config: Config, plan: Plan, baseline: Baseline) -> bool:
    """Return whether a run may stop before its last round; never one that makes a baseline."""
    has_past = baseline.report is not None and not makes_baseline(plan, baseline)
    return has_past and config.gate.stop != "never" and config.run.repeats > LEAST_REPEATS


def tell_further(config: Config, rows: int) -> Iterator[Event]:
    """Tell how many requests a verdict may take less, or beyond those of the run.

    Args:
        config: The config.
        rows: Rows of the run.
    """
    if config.gate.stop != "never" and config.run.repeats > LEAST_REPEATS:
        rounds = f"{LEAST_REPEATS} of {config.run.repeats} rounds"
        text = f"that is the most: gate.stop may end it after {rounds}, unless it makes a baseline"
        yield Noticed(stage=_STAGE, text=text)
    if config.gate.broken != "off":
        yield Noticed(stage=_STAGE, text=f"up to {most_further(rows):,} more if a case breaks")


@dataclass(frozen=True, slots=True)
class _Measuring:
    """The stages `run` and `evaluate` of one measurement."""

    resources: Resources
    plan: Plan
    baseline: Baseline
    verdict: ForVerdict

    async def at_once(self, config: Config) -> Answered:
        failure = await ask(config, self.resources, self.plan, self.verdict)
        return Answered(config=config, report=await self._report(config), failure=failure)

    async def in_rounds(self, config: Config) -> Answered:
        """Ask round after round, and look after each from the second on."""
        most, alpha = config.run.repeats, config.gate.alpha
        early = most - LEAST_REPEATS
        plan, last = replace(self.plan, part=AskedPart(whole=config)), None
        number = await self._begun(config, plan)
        while True:
            asked = config.with_repeats(number)
            text = f"round {number} of at most {most}: the dataset is asked {number}× in all"
            self.resources.listener(Noticed(stage=_STAGE, text=text))
            failure = await ask(asked, self.resources, plan, self.verdict)
            is_spent = self.resources.budget.spent is not None
            if last is not None and is_spent:
                share = last_share(number - 1 - LEAST_REPEATS)  # so many looks came before
                return replace(last, rounds=_rounds(number - 1, most, "budget", share * alpha))
            report = await self._report(asked)
            found = Answered(config=asked, report=report, failure=failure)
            if failure is not None or is_spent:
                return found
            if number == most:
                return replace(found, rounds=_rounds(most, most, "all", last_share(early) * alpha))
            look = _rounds(number, most, "passed", early_share(early) * alpha)
            baseline = with_main(self.baseline, asked, self.plan, report)
            why = proven_early(asked, self.resources, report, baseline, look)
            if why is not None:
                return replace(found, rounds=replace(look, ended=why))
            last, number = found, number + 1
            plan = replace(plan, part=AskedPart(whole=config, goes_on=True))

    async def _begun(self, config: Config, plan: Plan) -> int:
        """Return the round to begin with: of a run that is resumed the one that it was in."""
        first = config.with_repeats(LEAST_REPEATS)
        planned = await plan_run(first, self.resources, plan.run_options, verdict=self.verdict)
        info = read_info(plan.run) if planned.done else None
        return min(config.run.repeats, max(LEAST_REPEATS, info.repeats if info else 0))

    async def _report(self, config: Config) -> EvaluationReport:
        inputs = evaluating.EvaluationInputs(
            runs=[self.plan.run], baseline=self.baseline.report, origin=self.plan.origin
        )
        return await evaluating.evaluate(config, self.resources, inputs)


def _rounds(
    asked: int, most: int, ended: Literal["passed", "failed", "all", "budget"], pass_alpha: float
) -> Rounds:
    return Rounds(asked=asked, of=most, ended=ended, pass_alpha=pass_alpha)
