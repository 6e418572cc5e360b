"""Confirmation of a regression: samples that changed are asked again before it counts."""

from collections.abc import Mapping, Sequence

from lm_eval_so.comparator.gate.confirm import Answers
from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Listener, Noticed, Warned
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import counted
from lm_eval_so.errors import Interrupted, LMEvalError
from lm_eval_so.evaluator.binding.bind import bind_metrics
from lm_eval_so.pipeline.measure.further import (
    AskedRun,
    Pass,
    ask_further,
    is_alone,
    score_further,
)

_STAGE = "compare"


async def ask_again(
    config: Config, resources: Resources, changed: Mapping[str, Sequence[str]], run: AskedRun
) -> dict[str, Answers]:
    """Ask samples that changed `gate.confirm` times more, and score what comes back.

    Args:
        config: The config.
        resources: Resources of the run.
        changed: Samples that changed, by metric.
        run: The run that they are of.

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
    times = config.gate.confirm
    asking = f"asking {counted(len(ids), 'sample')} that changed {times}× more"
    tell(Noticed(stage=_STAGE, text=asking))
    wanted = Pass(
        until=dict.fromkeys(ids, config.run.repeats + times),
        fresh=run.plan.fresh or run.has_older_answers,
    )
    try:
        if await ask_further(config, resources, run, wanted) is None:
            tell(Warned(stage=_STAGE, text="not all were asked again, so the regression stands"))
            return {}
        report = await score_further(config, resources, run, able)
    except Interrupted:
        raise
    except LMEvalError as error:  # what was measured is worth more than what was not
        text = f"could not ask again, so the regression stands: {error}"
        tell(Warned(stage=_STAGE, text=text, hint=error.problems[0].hint))
        return {}
    last = config.run.repeats + times
    return {key: _scores(report, key, changed[key], until=last) for key in able}


def _able(config: Config, changed: Mapping[str, Sequence[str]], tell: Listener) -> tuple[str, ...]:
    """Return the metrics that score an answer by itself, and warn of the others."""
    able = {each.id for each in bind_metrics(config, {}) if is_alone(each)}
    for key in changed:
        if key not in able:
            text = f"{key} holds answers against others, so its samples are not asked again"
            tell(Warned(stage=_STAGE, text=text))
    return tuple(key for key in changed if key in able)


def _scores(report: EvaluationReport, key: str, ids: Sequence[str], *, until: int) -> Answers:
    """Return the scores of the further answers that are asked for here, and of none after them."""
    wanted = dict.fromkeys(ids)
    found: dict[str, list[float | None]] = {name: [] for name in wanted}
    samples = report.samples
    for name, repeat, value in zip(samples.ids, samples.repeats, samples.scores[key], strict=True):
        if name in found and repeat < until:
            found[name].append(value)
    return found
