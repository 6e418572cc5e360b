"""The work of an evaluation: rows in dataset order go in, scores come back in any order."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from types import MappingProxyType
from typing import Any

from pydantic import JsonValue

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.events import Moved, Warned
from lm_eval_so.core.hashing import revision
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.core.text.graphemes import count_graphemes
from lm_eval_so.evaluator.bind import gating_ids
from lm_eval_so.evaluator.calibration.labels import LabelRows
from lm_eval_so.evaluator.cases import Cases
from lm_eval_so.evaluator.flow import Flow, Row
from lm_eval_so.evaluator.health import JudgeTally
from lm_eval_so.evaluator.join import JoinedRow
from lm_eval_so.evaluator.late import Late
from lm_eval_so.evaluator.retest import Retest, Retests
from lm_eval_so.evaluator.samples import SampleFacts
from lm_eval_so.evaluator.score import BoundMetric, ScoredRow
from lm_eval_so.evaluator.sheet import Sheet
from lm_eval_so.evaluator.stages import make_stages
from lm_eval_so.evaluator.transcript import shown_input

STAGE = "evaluate"

_NOTHING: Mapping[str, JsonValue] = MappingProxyType({})
_YIELD_EVERY = 50
_LIMIT = 0.05
"""Share of rows without a score above which a gate calls a metric not measured."""


class Scoring:
    """Scores rows and gathers all that the report is made of.

    Args:
        config: The config.
        resources: Listener, stop event, redactor.
        bound: The metrics.
        labels: Gets the rows among which people are to label some.
    """

    def __init__(
        self,
        config: Config,
        resources: Resources,
        bound: Sequence[BoundMetric],
        labels: LabelRows | None = None,
    ) -> None:
        self.bound = bound
        self.gating = gating_ids(config, bound)
        """Ids of the metrics that gate."""
        self.sheet = Sheet([each.id for each in bound], config.report.answers)
        self.cases = Cases(bound, gating=self.gating, most=config.report.examples)
        self.judges = {
            each.id: JudgeTally(
                [judge.model for judge in each.section.judges], each.metric.vote_level
            )
            for each in bound
            if each.section.judges and "embedder" not in each.metric.requires
        }
        self.retests = Retests(bound)
        stages = make_stages(bound)
        self._flow = Flow(stages, self._done_early)
        self._late = Late(stages.late)
        self._keys = config.report.by
        self._once: dict[Any, Any] = {}
        """Tags and languages, so that equal ones are kept but once."""
        self._keeps_texts = config.report.answers != "none"
        self._resources = resources
        self._labels = labels
        if labels is not None:
            labels.open(bound)
        self._done = self._scored = 0
        self._changed = 0

    def rows(self, joined: Iterable[JoinedRow]) -> Iterator[Row]:
        """Enter each row into the sheet and give it for scoring, until the user stops it."""
        last = None
        for each, following in pairwise(chain(joined, [None])):
            if each is None or self._resources.stop.is_set():
                return
            if each.sample.id != last:
                last = each.sample.id
                self.sheet.add_sample(self._facts(each))
            self._changed += each.is_changed
            number = self.sheet.add_row(each.repeat, each.run)
            scored = ScoredRow(repeat=each.repeat, run=each.run)
            is_last = following is None or following.sample.id != last
            yield self._flow.enter(number, each.sample, scored, is_last=is_last)

    async def score(self, row: Row) -> None:
        """Score a row, and whatever was waiting for it."""
        await self._flow.score(row)
        self._scored += 1
        if self._scored % _YIELD_EVERY == 0:
            await asyncio.sleep(0)  # rules never wait, and Ctrl-C must get its turn

    async def score_rest(self, related: Iterable[JoinedRow]) -> None:
        """Score what waited for more rows, then what waited for all of them.

        Args:
            related: The rows whose samples have a relation, in dataset order, once more.
        """
        await self._flow.flush()
        try:
            if self._late.bound:
                await self._late.score(related, self.sheet, self._done_late)
        finally:
            self._late.close()

    async def retest(self, row: Retest) -> None:
        """Judge a row once more; it counts for the judge's health alone."""
        if not self._resources.stop.is_set():
            self.judges[row.bound.id].add_retest(row.first, await row.ask())

    def warnings(self) -> Iterator[Warned]:
        """Tell what a reader of the figures should know first."""
        rows = len(self.sheet.sample_of)
        if self._changed:
            what = f"{self._changed} of {rows} rows changed since they were asked; no score"
            yield Warned(stage=STAGE, text=what, hint="run again to ask them as they are now")
        for metric_id, column in self.sheet.columns.items():
            if rows and len(column.not_applicable) == rows:
                text = f"{metric_id} applies to none of the {len(self.sheet.samples)} samples"
                yield Warned(stage=STAGE, text=text, hint="check what it needs of a sample")
            if column.first_unscored is None:
                continue
            first, why = column.first_unscored
            codes = Counter(column.codes)
            untimed = codes.pop("cached", 0)  # a time of another day is not missing in this run
            lost, of = codes.total(), rows - len(column.not_applicable) - untimed
            by_code = ", ".join(f"{n} {code}" for code, n in codes.most_common())
            limit = f"; a gate accepts at most {_LIMIT:.0%}" if lost > _LIMIT * of else ""
            text = f"{metric_id}: {lost} of {of} rows have no score ({lost / of:.1%}): {by_code}"
            sample = self.sheet.samples.ids[self.sheet.sample_of[first]]
            yield Warned(stage=STAGE, text=f"{text}{limit}", hint=f"first: {sample}: {why}")

    def _done_early(self, row: Row) -> None:
        """Take a row's scores, all but those of the last stage if it waits for that."""
        scores = self._cleaned(row)
        self.sheet.put(row.number, scores)
        if row.run is not None:
            self.retests.add(row.sample, row.run, scores)
            if self._labels is not None:
                self._labels.add(row.sample, row.run, scores)
        length = count_graphemes(row.run.text) if row.run is not None and self.judges else None
        for score in scores:
            if score.metric in self.judges:
                self.judges[score.metric].add(score, length=length)
        if self._late.takes(row.sample):
            self._late.keep(row)
        else:
            self._done_wholly(row, scores)

    def _done_late(self, row: Row) -> None:
        """Take the scores of the last stage."""
        scores, late = self._cleaned(row), {each.id for each in self._late.bound}
        self.sheet.put(row.number, [score for score in scores if score.metric in late])
        self._done_wholly(row, scores)

    def _done_wholly(self, row: Row, scores: Sequence[Score]) -> None:
        if row.run is not None:
            self.cases.add(row.number, row.sample, row.run, scores)
        self._done += 1
        self._resources.listener(Moved(stage=STAGE, done=self._done))

    def _cleaned(self, row: Row) -> list[Score]:
        """Return the scores that a row has, in the order of the metrics."""
        found, redactor = row.scored.scores, self._resources.redactor
        return [_clean(found[name], redactor) for name in self.sheet.columns if name in found]

    def _facts(self, row: JoinedRow) -> SampleFacts:
        sample, asked = row.sample, shown_input(row.sample)
        return SampleFacts(
            id=sample.id,
            sample_hash=row.sample_hash,
            rev=sample.rev or revision(sample),
            group_id=sample.group_id,
            tags=self._once.setdefault(sample.tags, sample.tags),
            language=sample.language and self._once.setdefault(sample.language, sample.language),
            length=count_graphemes(asked),
            metadata=_told(sample.metadata, self._keys),
            input=asked if self._keeps_texts else None,
            expected=sample.expected if self._keeps_texts else None,
            ref=sample.ref,
        )


def _told(metadata: Mapping[str, JsonValue], keys: Sequence[str]) -> Mapping[str, JsonValue]:
    return {key: metadata.get(key) for key in keys} if keys else _NOTHING


def _clean(score: Score, redactor: Redactor) -> Score:
    """Take secrets out of what a failing metric says; answers had theirs taken out before."""
    if score.code != "metric_error" or score.reason is None:
        return score
    return replace(score, reason=redactor.redact(score.reason))
