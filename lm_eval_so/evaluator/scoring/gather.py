"""All that the report is made of, gathered while rows are scored."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from lm_eval_so.core.config.model import Config
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.lengths import count_graphemes
from lm_eval_so.evaluator.binding.bind import gating_ids
from lm_eval_so.evaluator.binding.bound import BoundMetric
from lm_eval_so.evaluator.judging.health import JudgeTally
from lm_eval_so.evaluator.rows.join import JoinedRow, JoinedRows
from lm_eval_so.evaluator.rows.sheet import Sheet
from lm_eval_so.evaluator.scoring.draws import LabelRows, Retest, Retests
from lm_eval_so.evaluator.scoring.flow import Row
from lm_eval_so.evaluator.scoring.shown_cases import Cases

STAGE = "evaluate"


class Gathered:
    """Scores, cases and tallies of judges, entered in whatever order rows are scored.

    Args:
        config: The config.
        rows: The rows to score.
        bound: The metrics.
        redact: Function that takes secrets out of a text.
        labels: Choice of the rows for people to label.
    """

    def __init__(
        self,
        config: Config,
        rows: JoinedRows,
        bound: Sequence[BoundMetric],
        redact: Callable[[str], str],
        labels: LabelRows | None = None,
    ) -> None:
        self.bound = bound
        self.gating = gating_ids(config, bound)
        """Ids of the metrics that gate."""
        self.rows = rows
        self.sheet = Sheet(
            [each.id for each in bound],
            config.report.answers,
            by=config.report.by,
            in_file=config.report.has_rows_apart(rows.most),
        )
        self.sheet.expect(rows.most, begun_at=rows.answers.begun_at)
        self.cases = Cases(bound, gating=self.gating, most=config.report.examples)
        self.judges = {
            each.id: JudgeTally(
                [judge.model for judge in each.section.judges], each.metric.vote_level
            )
            for each in bound
            if each.section.judges and "embedder" not in each.metric.requires
        }
        self.changed = 0
        """Rows whose sample has changed since it was asked."""
        self.retests = Retests(bound)
        self._redact = redact
        self._labels = labels
        if labels is not None:
            labels.open(bound)

    def enter(self, row: JoinedRow, *, is_first: bool) -> int:
        """Enter a row without scores, in dataset order, and return its number.

        Args:
            row: The row.
            is_first: Whether the row is the first of its sample.
        """
        if is_first:
            self.sheet.samples.add(row.sample, row.sample_hash)
        self.changed += row.is_changed
        return self.sheet.add_row(row.repeat, row.run)

    def take(self, row: Row, *, is_whole: bool) -> None:
        """Take the scores that a row has.

        Args:
            row: The row.
            is_whole: Whether these are all its scores, none left for the last stage.
        """
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
        if is_whole and row.run is not None:
            self.cases.add(row.number, row.sample, row.run, scores)

    def take_late(self, row: Row, late: Collection[str]) -> None:
        """Take the scores of the late metrics of a row that has all others."""
        scores = self._cleaned(row)
        self.sheet.put(row.number, [score for score in scores if score.metric in late])
        if row.run is not None:
            self.cases.add(row.number, row.sample, row.run, scores)

    async def retest(self, row: Retest) -> None:
        """Judge a row once more; this counts for the judge's health alone."""
        self.judges[row.bound.id].add_retest(row.first, await row.ask())

    def _cleaned(self, row: Row) -> list[Score]:
        found = row.scored.scores
        return [self._clean(found[name]) for name in self.sheet.columns if name in found]

    def _clean(self, score: Score) -> Score:
        """Take secrets out of the reason of a failing metric; answers had theirs taken out before."""
        if score.code != "metric_error" or score.reason is None:
            return score
        told = {key: self._redact(text) for key, text in score.reason_in.items()}
        return replace(score, reason=self._redact(score.reason), reason_in=told)
