"""The work of an evaluation: rows in dataset order go in, scores come back in any order."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Began, Ended, Moved, Warned
from lm_eval_so.core.words import counted
from lm_eval_so.core.workers import drain, finish
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.binding.open_metrics import prepare
from lm_eval_so.evaluator.metrics.base import need_text
from lm_eval_so.evaluator.rows.join import JoinedRow, JoinedRows
from lm_eval_so.evaluator.scoring.draws import LabelRows
from lm_eval_so.evaluator.scoring.flow import Flow, Late, Row, make_stages, with_ends
from lm_eval_so.evaluator.scoring.gather import STAGE, Gathered

_YIELD_EVERY = 50
_LIMIT = 0.05
"""Share of rows without a score above which a gate calls a metric not measured."""


async def score_rows(
    config: Config,
    resources: Resources,
    bound: Sequence[BoundMetric],
    rows: JoinedRows,
    labels: LabelRows | None = None,
) -> Gathered:
    """Score all rows, and some of them once more.

    Args:
        config: The config.
        resources: Listener, stop event, redactor.
        bound: The metrics.
        rows: The rows.
        labels: Choice of the rows for people to label.

    Raises:
        DatasetError: With every sample whose parameters do not fit.
        BackendError: If a judge cannot be reached or refuses the credentials.
        Interrupted: If the user stopped it.
    """
    gathered = Gathered(config, rows, bound, resources.redactor.redact, labels)
    prepare(bound, rows.dataset, resources.listener)
    resources.listener(Began(stage=STAGE, total=rows.most))
    work = _Work(gathered, resources, workers=config.run.concurrency)
    what = "interrupted while scoring; no report is written from half the rows"
    await finish(work.score_all(), resources.stop, what=what)
    for warning in _warnings(gathered, keeps_texts=config.report.keeps_texts):
        resources.listener(warning)
    by = ", ".join(each.id for each in bound)
    text = f"{counted(len(gathered.sheet.statuses), 'row')} scored by {by}"
    resources.listener(Ended(stage=STAGE, text=text))
    return gathered


class _Work:
    """Rows under way.

    Args:
        gathered: Receiver of rows and scores.
        resources: Listener and stop event.
        workers: Rows that are scored at once.
    """

    def __init__(self, gathered: Gathered, resources: Resources, *, workers: int) -> None:
        stages = make_stages(gathered.bound)
        self._flow = Flow(stages, self._done_early)
        self._late = Late(stages.late)
        self._late_ids = {each.id for each in stages.late}
        self._gathered = gathered
        self._resources = resources
        self._workers = workers
        self._done = self._scored = 0

    async def score_all(self) -> None:
        """Score all rows, then those that waited for others, then some once more."""
        rows, gathered = self._gathered.rows, self._gathered
        await drain(self._entered(rows), self._score, workers=self._workers)
        await self._flow.flush()
        # it knows this object: such a cycle would keep all scores until the garbage is collected
        del self._flow
        try:
            if self._late_ids:
                await self._late.score(rows.related(), gathered.sheet, self._done_late)
        finally:
            self._late.close()
        again = takewhile(lambda _: not self._resources.stop.is_set(), gathered.retests.rows())
        await drain(again, gathered.retest, workers=self._workers)

    def _entered(self, joined: Iterable[JoinedRow]) -> Iterator[Row]:
        """Yield each row once it has entered, until the user stops it."""
        for each, is_first, is_last in with_ends(joined):
            if self._resources.stop.is_set():
                return
            number = self._gathered.enter(each, is_first=is_first)
            yield self._flow.enter(number, each, is_last=is_last)

    async def _score(self, row: Row) -> None:
        await self._flow.score(row)
        self._scored += 1
        if self._scored % _YIELD_EVERY == 0:
            await asyncio.sleep(0)  # rules never wait, and Ctrl-C must get its turn

    def _done_early(self, row: Row) -> None:
        waits = self._late.takes(row.sample)
        self._gathered.take(row, is_whole=not waits)
        if waits:
            self._late.keep(row)
        else:
            self._tell()

    def _done_late(self, row: Row) -> None:
        self._gathered.take_late(row, self._late_ids)
        self._tell()

    def _tell(self) -> None:
        self._done += 1
        self._resources.listener(Moved(stage=STAGE, done=self._done))


def _warnings(gathered: Gathered, *, keeps_texts: bool) -> Iterator[Warned]:
    """Yield what a reader of the figures should know first."""
    sheet = gathered.sheet
    rows = len(sheet.sample_of)
    needs = {each.id: each.sample_needs for each in gathered.bound}
    if gathered.changed:
        what = f"{gathered.changed:,} of {counted(rows, 'row')} changed since they were asked; no score"
        yield Warned(stage=STAGE, text=what, hint="run again to ask them as they are now")
    without: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for metric_id, column in sheet.columns.items():
        if rows and len(column.not_applicable) == rows:
            text = f"{metric_id} applies to none of the {counted(len(sheet.samples), 'sample')}"
            yield Warned(stage=STAGE, text=text, hint=_wanted(needs[metric_id]))
        if column.first_unscored is None:
            continue
        first, why = column.first_unscored
        codes = Counter(column.codes)
        untimed = codes.pop("cached", 0)  # a time of another day is not missing in this run
        lost, of = codes.total(), rows - len(column.not_applicable) - untimed
        by_code = ", ".join(f"{n} {code}" for code, n in codes.most_common())
        limit = f"; a gate accepts at most {_LIMIT:.0%}" if lost > _LIMIT * of else ""
        have = counted(of, "row has", "rows have")
        text = f"{lost:,} of {have} no score ({lost / of:.1%}): {by_code}{limit}"
        sample = sheet.samples.ids[sheet.sample_of[first]]
        hint = f"first: {sample}: {why}" if keeps_texts else f"first: {sample}"
        without[text, hint].append(metric_id)
    for (text, hint), ids in without.items():  # a row without an answer is lost to all metrics
        yield Warned(stage=STAGE, text=f"{', '.join(ids)}: {text}", hint=hint)


def _wanted(needs: Sequence[str]) -> str:
    """Return what to look for if a metric applies to no sample."""
    named = ", ".join(need_text(need.removeprefix("params.")) for need in needs)
    return f"what it needs of a sample: {named}" if named else "check only, and the metric's page"
