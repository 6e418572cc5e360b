"""Confirmation of a regression: samples that changed are asked again before it counts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lm_eval_so.comparator.gate.confirm import Answers
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Event, Listener, Noticed, Warned
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import counted
from lm_eval_so.errors import Interrupted, LMEvalError
from lm_eval_so.evaluator import evaluate as evaluating
from lm_eval_so.evaluator.binding.bind import bind_metrics, in_order
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.pipeline.measure.plan import Plan, again_folder
from lm_eval_so.runner import run as running
from lm_eval_so.runner.store.for_verdict import ForVerdict
from lm_eval_so.runner.store.run_dir import read_info

_STAGE = "compare"
_OTHERS = frozenset({"baseline", "relation", "repeats"})
"""Needs of metrics that compare an answer with others, which further answers do not have."""


async def ask_again(
    config: Config,
    resources: Resources,
    changed: Mapping[str, Sequence[str]],
    plan: Plan,
    verdict: ForVerdict,
) -> dict[str, Answers]:
    """Ask samples that changed `gate.confirm` times more, and score what comes back.

    Further answers are repeats of the run: the same backend, new seeds, the same budget. Answers that
    are there already count, unless they belong to an earlier run or verdict.

    Args:
        config: The config.
        resources: Resources of the run.
        changed: Samples that changed, by metric.
        plan: Plan of the run.
        verdict: Purpose of the answers.

    Returns:
        Scores of the further answers by metric and sample; without the metrics that cannot score an
        answer alone. Empty if asking failed: then the regression stands.

    Raises:
        Interrupted: If the user stopped it; answers that came back are kept.
    """
    if not changed:
        return {}
    tell = resources.listener
    able = _able(config, changed, tell)
    ids = dict.fromkeys(name for key in able for name in changed[key])
    if not ids:
        return {}
    folder, times = again_folder(plan.run), config.gate.confirm
    tell(
        Noticed(
            stage=_STAGE, text=f"asking {counted(len(ids), 'sample')} that changed {times}× more"
        )
    )
    further = _further(config, able.values())
    only = running.FurtherAnswers(ids=frozenset(ids), first=config.run.repeats)
    try:
        info = await running.run(
            further,
            resources,
            running.RunOptions(out=folder, fresh=plan.fresh or _is_older(folder, plan.run)),
            only=only,
            verdict=verdict,
        )
        if info.state != "complete":
            tell(Warned(stage=_STAGE, text="not all were asked again, so the regression stands"))
            return {}
        quiet = replace(resources, listener=lambda event: _pass_on(event, resources))
        report = await evaluating.evaluate(
            further, quiet, evaluating.EvaluationInputs(runs=[folder])
        )
    except Interrupted:
        raise
    except LMEvalError as error:  # what was measured is worth more than what was not
        text = f"could not ask again, so the regression stands: {error}"
        tell(Warned(stage=_STAGE, text=text, hint=error.problems[0].hint))
        return {}
    return {key: _scores(report, key, changed[key]) for key in able}


def _able(config: Config, changed: Iterable[str], tell: Listener) -> dict[str, BoundMetric]:
    """Return the metrics that score an answer by itself, and warn of the others."""
    bound = {each.id: each for each in bind_metrics(config, {})}
    able = {key: bound[key] for key in changed if key in bound and _is_alone(bound[key])}
    for key in changed:
        if key not in able:
            text = f"{key} holds answers against others, so its samples are not asked again"
            tell(Warned(stage=_STAGE, text=text))
    return able


def _is_alone(bound: BoundMetric) -> bool:
    """Return whether a metric scores an answer by itself."""
    if bound.is_over_repeats or bound.is_late or _OTHERS & bound.metric.requires:
        return False
    return all(map(_is_alone, bound.parts))


def _further(config: Config, bound: Iterable[BoundMetric]) -> Config:
    """Return the config with more repeats, and only these metrics and their parts."""
    wanted = {each.id for each in in_order(list(bound))}
    repeats = config.run.repeats + config.gate.confirm
    return config.model_copy(
        update={
            "metrics": [section for section in config.metrics if section.id in wanted],
            "run": config.run.model_copy(update={"repeats": repeats}),
            "gate": config.gate.model_copy(update={"metrics": None}),
        }
    )


def _is_older(folder: Path, run: Path) -> bool:
    """Return whether the further answers there belong to a run before this one."""
    info, again = read_info(run), read_info(folder)
    return info is not None and again is not None and again.started_at < info.started_at


def _pass_on(event: Event, resources: Resources) -> None:
    # how far it is would be told of all samples, though only a few have an answer
    if isinstance(event, Warned):
        resources.listener(event)


def _scores(report: EvaluationReport, key: str, ids: Sequence[str]) -> Answers:
    wanted = dict.fromkeys(ids)
    found: dict[str, list[float | None]] = {name: [] for name in wanted}
    column = report.samples.scores[key]
    for name, value in zip(report.samples.ids, column, strict=True):
        if name in found:
            found[name].append(value)
    return found
