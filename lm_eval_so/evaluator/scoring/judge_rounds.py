"""The rounds of judges that are asked by batch, before the rows are scored.

A round scores all rows for the requests alone: judges give the answers that they have, and the others
are collected. After the batch of one round the next one makes the requests that follow from it, as the
verdicts on claims that were listed before. Scores of a round are thrown away, and each has metrics of
its own, so that the evaluation after the rounds is the same as without them.
"""

from dataclasses import replace

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Noticed, ignore
from lm_eval_so.core.records.report import EvaluationReport
from lm_eval_so.core.words import counted
from lm_eval_so.core.workers import drain, finish
from lm_eval_so.errors import BudgetSpent, CannotMeasure, LMEvalError
from lm_eval_so.evaluator.binding.batch_judges import BatchJudges
from lm_eval_so.evaluator.binding.open_metrics import open_metrics, prepare
from lm_eval_so.evaluator.rows.join import JoinedRows
from lm_eval_so.evaluator.scoring.flow import Flow, make_stages, with_ends

_STAGE = "evaluate"
_MOST_ROUNDS = 4
"""Batches one after another, each of which may take a day. Our metrics need two; one of a user's own
that words its requests anew each time would never come to an end."""


async def ask_in_rounds(
    config: Config,
    resources: Resources,
    judges: BatchJudges,
    rows: JoinedRows,
    baseline: EvaluationReport | None,
) -> None:
    """Ask judges all that can be asked by batch.

    What has no answer then is asked one by one while the rows are scored: what did not come back,
    repairs of outputs, rows that are judged twice, and what the budget had nothing left for.

    Args:
        config: A config with only the metrics that are judged by batch, and what these are built from.
        resources: Listener, stop event, budget.
        judges: The judges.
        rows: The rows to score.
        baseline: The baseline report, for metrics that compare answers with it.

    Raises:
        InputError: If a sample's parameters do not fit, or the service refuses a batch.
        CannotMeasure: If requests are left that the config does not want to be asked one by one.
        BackendError: If a judge cannot be reached or refuses the credentials.
        Interrupted: If the user stopped it; batches go on, and the same command returns to them.
    """
    text = "collecting what judges are asked by batch"
    resources.listener(Noticed(stage=_STAGE, text=text))
    what = "interrupted while judges are asked by batch"
    try:
        work = _rounds(config, resources, judges, rows, baseline)
        await finish(work, resources.stop, what=what)
    except BudgetSpent:  # the time is up; without it votes are missing, as without batches
        judges.tell_unread()
        return
    except LMEvalError:
        judges.tell_unread()
        raise
    if judges.left and config.run.batch_leftovers == "leave":
        what = f"{counted(judges.left, 'request')} to judges did not come back with their batch"
        hint = "set run.batch_leftovers: ask, so that the next evaluation asks them one by one"
        raise CannotMeasure(what, hint=hint)


async def _rounds(
    config: Config,
    resources: Resources,
    judges: BatchJudges,
    rows: JoinedRows,
    baseline: EvaluationReport | None,
) -> None:
    quiet = replace(resources, listener=ignore)
    number = 0
    while True:
        await judges.begin_round(collects=number < _MOST_ROUNDS)
        async with open_metrics(config, quiet, judges.collecting, baseline=baseline) as bound:
            prepare(bound, rows.dataset)
            flow = Flow(make_stages(bound), lambda _: None)
            entered = (
                flow.enter(place, row, is_last=is_last)
                for place, (row, _, is_last) in enumerate(with_ends(rows))
            )
            await drain(entered, flow.score, workers=1)
            await flow.flush()
        if not await judges.end_round():
            return
        number += not judges.is_short  # what the budget put off is no further step
