"""How a run ends: what is written, told and raised."""

from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.core.asking.budget import Budget
from lm_eval_so.core.events import Ended, Warned
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.errors import (
    BackendError,
    BudgetSpent,
    Interrupted,
    LMEvalError,
    Problem,
    TooManyErrors,
)
from lm_eval_so.runner.recorder import STAGE, Recorder
from lm_eval_so.runner.store import RESULTS_FILE

_MOST_FAILURES = 0.20
"""Share of rows without an answer above which a run says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the end of a run is told by."""

    planned: int
    """Rows that the run should have."""
    folder: Path
    again: str
    """The command that goes on."""
    budget: Budget
    is_judged: bool = False
    """Whether a verdict follows, after which nothing of the run is gone on with."""

    @property
    def rest(self) -> str:
        """What to do about rows without an answer, as a hint."""
        if self.is_judged:
            return f"{self.again} asks all again"
        return f"{self.again} asks only those again"


def end_run(recorder: Recorder, failure: LMEvalError | None, ending: Ending) -> RunInfo:
    """Write how a run ended, tell it, and raise what must be raised.

    Args:
        recorder: Has the rows.
        failure: What ended it early, if anything but the user did.
        ending: What to tell it by.
    """
    if recorder.tally.rows == ending.planned:
        return _complete(recorder, ending)
    if failure is None or isinstance(failure, Interrupted):
        recorder.end(recorder.info("interrupted"))
        what = f"interrupted: {_rows(recorder, ending)} are in {ending.folder}"
        raise Interrupted(what, hint=f"go on with {ending.again}")
    if isinstance(failure, BudgetSpent):
        return _spent(recorder, failure, ending)
    recorder.end(recorder.info("stopped", stopped={"by": _cause(failure)}))
    done = f"{_rows(recorder, ending)} are in {ending.folder}"
    recorder.tell(Ended(stage=STAGE, text=f"stopped: {done}"))
    raise _with_way_on(failure, ending)


def _complete(recorder: Recorder, ending: Ending) -> RunInfo:
    tally = recorder.tally
    info = recorder.end(recorder.info("complete"))
    recorder.tell(Ended(stage=STAGE, text=f"{tally.rows:,} rows: {tally.text()}"))
    what = f"{tally.failures:,} of {tally.rows:,} rows have no answer ({tally.failures_text()})"
    hint = ending.rest
    if tally.failures > _MOST_FAILURES * tally.rows:
        hint = f"see error in {ending.folder / RESULTS_FILE}; {hint}"
        raise TooManyErrors(f"could not measure: {what}", hint=hint)
    if tally.failures:
        recorder.tell(Warned(stage=STAGE, text=what, hint=hint))
    return info


def _spent(recorder: Recorder, failure: BudgetSpent, ending: Ending) -> RunInfo:
    """End a run whose budget is spent; with most of the rows answered it still says something."""
    spent, tally = ending.budget.spent, recorder.tally
    why = {"by": spent.by, "at": spent.at} if spent else {"by": "budget"}
    info = recorder.end(recorder.info("stopped", stopped=why))
    what = f"stopped at {spent or 'the budget'} after {_rows(recorder, ending)}"
    hint = f"raise run.{spent.by if spent else 'max_cost_usd'}, then go on with {ending.again}"
    if ending.is_judged:
        hint = f"raise run.{spent.by if spent else 'max_cost_usd'}; {ending.rest}"
    if tally.rows - tally.failures < (1 - _MOST_FAILURES) * ending.planned:
        raise BudgetSpent(what, hint=hint) from failure
    recorder.tell(Warned(stage=STAGE, text=what, hint=hint))
    return info


def _rows(recorder: Recorder, ending: Ending) -> str:
    return f"{recorder.tally.rows:,} of {ending.planned:,} rows"


def _cause(failure: LMEvalError) -> str:
    """Name what stopped a run: the kind of the last error of the endpoint, if it was one."""
    for error in (failure, failure.__cause__):
        if isinstance(error, BackendError):
            return error.kind.value
    return type(failure).__name__


def _with_way_on(failure: LMEvalError, ending: Ending) -> LMEvalError:
    """Give an error with the command that goes on, unless its hint says something better."""
    first, *rest = failure.problems
    hint = first.hint or "run again to go on"
    if hint.endswith("to go on"):
        hint = f"{hint}: {ending.again}"
    failure.problems = (Problem(what=first.what, where=first.where, hint=hint), *rest)
    return failure
