"""The end of a run: written to `run.json`, told, and raised if it is an error."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from lm_eval_so.core.asking.cost.budget import Budget
from lm_eval_so.core.backends.faults import is_forbidden
from lm_eval_so.core.events import Ended
from lm_eval_so.core.records.run import RunInfo
from lm_eval_so.core.words import counted
from lm_eval_so.errors import (
    BackendError,
    BudgetSpent,
    CannotMeasure,
    InputError,
    Interrupted,
    LMEvalError,
    Problem,
    TooManyErrors,
)
from lm_eval_so.runner.plan.selection import share_text
from lm_eval_so.runner.store.recorder import STAGE, Recorder
from lm_eval_so.runner.store.row_log import ResultsChanged
from lm_eval_so.runner.store.run_dir import RESULTS_FILE

MOST_FAILURES = 0.20
"""Share of rows without an answer above which a run says nothing."""
_MOST_SHOWN = 200
_KEEP_ERRORS = "--keep-errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Facts that the end of a run is told with."""

    planned: int
    """Rows that the run should have."""
    folder: Path
    again: str
    """Command that resumes the run."""
    budget: Budget
    is_judged: bool = False
    """Whether a verdict follows, after which the run is never resumed."""

    @property
    def rest(self) -> str:
        """Hint for rows without an answer."""
        if self.is_judged:
            return f"{self.again} asks all again"
        words = [word for word in shlex.split(self.again) if word != _KEEP_ERRORS]
        return f"{shlex.join(words)} asks only those again"


def end_run(recorder: Recorder, failure: LMEvalError | None, *, is_judged: bool) -> RunInfo:
    """Write the end of a run, tell it, and raise the error that it ends with, if any.

    Args:
        recorder: Recorder of the run.
        failure: The error that ended it early; None if the user did, or nothing.
        is_judged: Whether a verdict follows, after which the run is never resumed.
    """
    ending = Ending(
        planned=recorder.head.planned,
        folder=recorder.run_dir.path,
        again=recorder.resources.again or "",
        budget=recorder.resources.budget,
        is_judged=is_judged,
    )
    if recorder.tally.rows == ending.planned and not isinstance(failure, ResultsChanged):
        return _complete(recorder, failure, ending)
    if failure is None or isinstance(failure, Interrupted):
        recorder.end(recorder.info("interrupted"))
        what = f"interrupted: {_kept(recorder, ending)}"
        raise Interrupted(what, hint=f"go on with {ending.again}")
    if isinstance(failure, BudgetSpent):
        return _spent(recorder, failure, ending)
    recorder.end(recorder.info("stopped", stopped={"by": _cause(failure)}))
    recorder.tell(Ended(stage=STAGE, text=f"stopped: {_kept(recorder, ending)}"))
    raise _with_way_on(failure, recorder, ending)


def _complete(recorder: Recorder, failure: LMEvalError | None, ending: Ending) -> RunInfo:
    tally = recorder.tally
    info = recorder.end(recorder.info("complete"))
    recorder.tell(Ended(stage=STAGE, text=f"{counted(tally.rows, 'row')}: {tally.text()}"))
    what, why, hint = (
        tally.failures_text(),
        f"see error in {ending.folder / RESULTS_FILE}",
        ending.rest,
    )
    if (last := tally.last_error) is not None:
        what, why = f"{what}; last: {_brief(last.message)}", last.hint or why
        hint = f"{last.hint}; {hint}" if last.hint else hint
    if tally.failures > MOST_FAILURES * tally.rows:
        if failure is not None:  # the last rows showed why
            raise _with_way_on(failure, recorder, ending)
        raise TooManyErrors(f"could not measure: {what}", hint=f"{why}; {ending.rest}")
    if tally.failures:
        recorder.warn(what, hint)
    return info


def _spent(recorder: Recorder, failure: BudgetSpent, ending: Ending) -> RunInfo:
    """End a run whose budget is spent; with most of the rows answered it still says something."""
    spent, tally = ending.budget.spent, recorder.tally
    why = {"by": spent.by, "at": spent.at} if spent else {"by": "budget"}
    info = recorder.end(recorder.info("stopped", stopped=why))
    what = f"stopped at {spent or 'the budget'} after {tally.rows:,} of {counted(ending.planned, 'row')}"
    key = spent.by if spent else "max_cost_usd"
    hint = f"raise run.{key}, then go on with {ending.again}"
    if ending.is_judged:
        hint = f"raise run.{key}; {ending.rest}"
    if share := share_text(recorder.head, key):
        hint = f"{share}; {hint}"
    if tally.rows - tally.failures < (1 - MOST_FAILURES) * ending.planned:
        raise BudgetSpent(what, hint=hint) from failure
    recorder.warn(what, hint)
    return info


def _kept(recorder: Recorder, ending: Ending) -> str:
    of = counted(ending.planned, "row is", "rows are")
    return f"{recorder.tally.rows:,} of {of} in {ending.folder}"


def _cause(failure: LMEvalError) -> str:
    """Name what stopped a run: the kind of the last error of the endpoint, if it was one."""
    for error in (failure, failure.__cause__):
        if isinstance(error, BackendError):
            return error.kind.value
    return type(failure).__name__


def _with_way_on(failure: LMEvalError, recorder: Recorder, ending: Ending) -> LMEvalError:
    """Return an error with the command that resumes the run, unless its hint says something better."""
    first, *rest = failure.problems
    if isinstance(failure, InputError):
        hint = first.hint or f"mend that, then go on with {ending.again}"
    else:
        hint = first.hint or "run again to go on"
    if hint.endswith("to go on"):
        hint = f"{hint}: {ending.again}"
    elif _is_of_rows(failure) and recorder.tally.failures and not ending.is_judged:
        mark = "" if hint[-1] in ".?" else ";"
        kept = f"{_keeping_errors(ending.again)} leaves the rows that failed as they are"
        hint = f"{hint}{mark} {kept}"
    failure.problems = (Problem(what=first.what, where=first.where, hint=hint), *rest)
    return failure


def _is_of_rows(failure: LMEvalError) -> bool:
    """Return whether what ended a run may be about the rows that were asked."""
    if isinstance(failure, BackendError):
        return is_forbidden(failure)
    return isinstance(failure, CannotMeasure)


def _keeping_errors(command: str) -> str:
    return command if _KEEP_ERRORS in command else f"{command} {_KEEP_ERRORS}"


def _brief(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}…"
