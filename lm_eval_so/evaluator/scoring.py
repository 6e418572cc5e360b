"""The work of an evaluation: rows in dataset order go in, scores come back in any order."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.model import Config
from lm_eval_so.core.dataset import revision
from lm_eval_so.core.events import Moved, Warned
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.secrets import Redactor
from lm_eval_so.evaluator.bind import gating_ids
from lm_eval_so.evaluator.cases import Cases
from lm_eval_so.evaluator.health import JudgeTally
from lm_eval_so.evaluator.join import JoinedRow
from lm_eval_so.evaluator.score import BoundMetric, score_row
from lm_eval_so.evaluator.sheet import SampleFacts, Sheet
from lm_eval_so.evaluator.slices import count_graphemes
from lm_eval_so.evaluator.transcript import shown_input

STAGE = "evaluate"

_YIELD_EVERY = 50
_LIMIT = 0.05
"""Share of rows without a score above which a gate calls a metric not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row to be scored, and its place in the report."""

    number: int
    sample: TestSample
    repeat: int
    run: RunResult | None


class Scoring:
    """Scores rows and gathers all that the report is made of.

    Args:
        config: The config.
        resources: Listener, stop event, redactor.
        bound: The metrics.
    """

    def __init__(self, config: Config, resources: Resources, bound: Sequence[BoundMetric]) -> None:
        self.bound = bound
        self.gating = gating_ids(config, bound)
        """Ids of the metrics that gate."""
        self.sheet = Sheet([each.id for each in bound])
        self.cases = Cases(bound, gating=self.gating, most=config.report.examples)
        self.judges = {
            each.id: JudgeTally(each.section.backend.model)
            for each in bound
            if each.section.backend is not None
        }
        self._keys = config.report.by
        self._keeps_texts = config.report.answers != "none"
        self._resources = resources
        self._done = 0
        self._changed = 0

    def rows(self, joined: Iterable[JoinedRow]) -> Iterator[Row]:
        """Enter each row into the sheet and give it for scoring, until the user stops it."""
        last = None
        for each in joined:
            if self._resources.stop.is_set():
                return
            if each.sample.id != last:
                last = each.sample.id
                self.sheet.add_sample(self._facts(each))
            self._changed += each.is_changed
            number = self.sheet.add_row(each.repeat, each.run)
            yield Row(number=number, sample=each.sample, repeat=each.repeat, run=each.run)

    async def score(self, row: Row) -> None:
        """Score a row by every metric."""
        found = await score_row(self.bound, row.sample, row.run, repeat=row.repeat)
        scores = [_clean(score, self._resources.redactor) for score in found]
        self.sheet.put(row.number, scores)
        if row.run is not None:
            self.cases.add(row.sample, row.run, scores)
        for score in scores:
            if score.metric in self.judges:
                self.judges[score.metric].add(score)
        self._done += 1
        self._resources.listener(Moved(stage=STAGE, done=self._done))
        if self._done % _YIELD_EVERY == 0:
            await asyncio.sleep(0)  # rules never wait, and Ctrl-C must get its turn

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
            sample = self.sheet.samples[self.sheet.sample_of[first]].id
            yield Warned(stage=STAGE, text=f"{text}{limit}", hint=f"first: {sample}: {why}")

    def _facts(self, row: JoinedRow) -> SampleFacts:
        sample, asked = row.sample, shown_input(row.sample)
        return SampleFacts(
            id=sample.id,
            sample_hash=row.sample_hash,
            rev=sample.rev or revision(sample),
            group_id=sample.group_id,
            tags=sample.tags,
            language=sample.language,
            length=count_graphemes(asked),
            metadata={key: sample.metadata.get(key) for key in self._keys},
            input=asked if self._keeps_texts else None,
            expected=sample.expected if self._keeps_texts else None,
        )


def _clean(score: Score, redactor: Redactor) -> Score:
    """Take secrets out of what a failing metric says; answers had theirs taken out before."""
    if score.code != "metric_error" or score.reason is None:
        return score
    return replace(score, reason=redactor.redact(score.reason))
