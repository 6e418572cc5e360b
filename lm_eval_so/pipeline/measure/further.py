"""Further answers to samples of a run: asked beside it, and scored."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Warned
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.records.run import RunInfo, RunResult
from lm_eval_so.errors import TooManyErrors
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.evaluator.binding.bind import bind_metrics, in_order
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.pipeline.measure.plan import Plan, again_folder, main_folder
from lm_eval_so.runner import run as running
from lm_eval_so.runner.store.for_verdict import ForVerdict
from lm_eval_so.runner.store.run_dir import read_info, read_rows

_OTHERS = frozenset({"baseline", "relation", "repeats"})
"""Needs of metrics that compare an answer with others, which further answers do not have."""
_MOST_REASONS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRun:
    """A run that further answers belong to."""

    plan: Plan
    verdict: ForVerdict
    """Purpose of its answers."""
    of_main: bool = False
    """Whether the further answers are those of main's configuration."""

    @property
    def folder(self) -> Path:
        """Folder of the further answers."""
        return (main_folder if self.of_main else again_folder)(self.plan.run)

    def answers(self, fingerprint: str) -> Iterator[RunResult]:
        """Yield the further answers to the run with this fingerprint, as they were asked for."""
        return (row for _, _, row in read_rows(self.folder, fingerprint))

    @property
    def has_older_answers(self) -> bool:
        """Whether the further answers there belong to a run before this one."""
        info, again = read_info(self.plan.run), read_info(self.folder)
        return info is not None and again is not None and again.started_at < info.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass of asking samples again."""

    until: Mapping[str, int]
    """Answers that a sample should have in all, the run's own included, by id."""
    fresh: bool
    """Whether answers that are there do not count."""
    is_live: bool = False
    """Whether samples are asked one by one, even where a batch service is configured."""
    first: int | None = None
    """Number of the first further answer; default: the run's own come before it."""
    keep_errors: bool = False
    """Whether an answer that failed is not asked for again under the same number."""


async def ask_further(
    config: Config, resources: Resources, run: AskedRun, wanted: Pass
) -> RunInfo | None:
    """Ask samples again, as repeats of their run: the same backend, new seeds, the same budget.

    Answers that are there already count, unless they belong to an earlier run or verdict.

    Args:
        config: The config.
        resources: Resources of the run.
        run: The run that the samples are of.
        wanted: Samples, and how many answers each should have.

    Returns:
        `run.json` of the further answers; None if not all came.

    Raises:
        LMEvalError: As the stage `run`; with `keep_errors` failed answers alone are no error.
    """
    repeats = max(wanted.until.values(), default=config.run.repeats)
    section = config.run.model_copy(update={"repeats": repeats})
    if wanted.is_live:
        section = section.model_copy(update={"executor": "live"})
    further = config.model_copy(update={"run": section})
    options = running.RunOptions(out=run.folder, fresh=wanted.fresh, keep_errors=wanted.keep_errors)
    first = config.run.repeats if wanted.first is None else wanted.first
    only = running.FurtherAnswers(until=wanted.until, first=first, of=config)
    # the last answer of the run itself tells how old these may be, too
    verdict = replace(run.verdict, beside=run.plan.run)
    try:
        info = await running.run(further, resources, options, only=only, verdict=verdict)
    except TooManyErrors:  # all were asked, and each failure is an answer
        if not wanted.keep_errors:
            raise
        return read_info(run.folder)
    return info if info.state == "complete" else None


async def score_further(
    config: Config, resources: Resources, run: AskedRun, metrics: Collection[str]
) -> EvaluationReport:
    """Score all further answers to a run by some metrics, and what these are built from.

    Raises:
        LMEvalError: As the stage `evaluate`.
    """
    quiet = replace(resources, listener=lambda event: _pass_on(event, resources))
    return await score_run(config, quiet, run.folder, metrics)


async def score_run(
    config: Config, resources: Resources, folder: Path, metrics: Collection[str]
) -> EvaluationReport:
    """Score a run by some metrics, and what these are built from, whatever the gate names.

    Raises:
        LMEvalError: As the stage `evaluate`.
    """
    bound = [each for each in bind_metrics(config, {}) if each.id in metrics]
    wanted = {each.id for each in in_order(bound)}
    narrowed = config.model_copy(
        update={
            # these few rows are waited for, so their judges are not asked by batch
            "metrics": [each.asked_live() for each in config.metrics if each.id in wanted],
            "gate": config.gate.model_copy(update={"metrics": None}),
            "report": config.report.model_copy(update={"examples": _MOST_REASONS}),
        }
    )
    inputs = evaluating.EvaluationInputs(runs=[folder])
    return await evaluating.evaluate(narrowed, resources, inputs)


def is_alone(bound: BoundMetric) -> bool:
    """Return whether a metric scores an answer by itself, so that further answers have a score."""
    if bound.is_over_repeats or bound.is_late or _OTHERS & bound.metric.requires:
        return False
    return all(map(is_alone, bound.parts))


def _pass_on(event: Event, resources: Resources) -> None:
    # how far it is would be told of all samples, though only a few have an answer
    if isinstance(event, Warned):
        resources.listener(event)
