"""Answers for people to label: chosen by chance, half of them judged good, half bad."""

import csv
import heapq
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lm_eval_so.core.asking.answer.json_answer import writable
from lm_eval_so.core.hashing import u64
from lm_eval_so.core.records.enums import ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.profiles import basic
from lm_eval_so.evaluator.metrics.base import Metric
from lm_eval_so.evaluator.score import BoundMetric
from lm_eval_so.evaluator.transcript import shown_input
from lm_eval_so.evaluator.votes import was_asked

COLUMNS = (
    "id",
    "repeat",
    "metric",
    "input",
    "answer",
    "expected",
    "rubric",
    "label",
    "annotator",
    "note",
)
GOOD = 0.5
"""Value from which a label is a good one."""

_LONGEST_CELL = 30_000
"""Excel takes 32,767 characters in a cell, and spills the rest over the next ones."""
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_Stratum = Literal["unscored", "good", "bad"]


def guarded(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula.

    Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """Return the text of a cell that `guarded` made."""
    return cell[1:] if _GUARDED.match(cell) else cell


def answer_cell(text: str) -> str:
    """Return a text as it stands in a cell: whole, unless it is longer than a cell can be."""
    text = writable(text)
    if len(text) <= _LONGEST_CELL:
        return text
    return f"{text[:_LONGEST_CELL]} … ({len(text) - _LONGEST_CELL:,} more characters)"


def is_same_answer(cell: str, answer: str, *, is_lossy: bool = False) -> bool:
    """Whether a cell that people saw holds this answer, whatever a spreadsheet made of its spaces.

    Args:
        cell: The cell, as it came back.
        answer: The answer of the run.
        is_lossy: The file's encoding lacks characters: only those count that it has.
    """
    texts = [basic(cell), basic(answer_cell(answer))]
    if is_lossy:
        texts = [text.encode("cp949", "ignore").decode("cp949").replace("?", "") for text in texts]
        texts = ["".join(text.split()) for text in texts]
    return texts[0] == texts[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    key: int
    """Chance, the same on every machine."""
    sample: TestSample
    run: RunResult

    def __lt__(self, other: "_Row") -> bool:
        return self.key > other.key  # the heap gives up the largest key first


class LabelRows:
    """Chooses the answers, keeping no more than may be needed.

    Args:
        seed: What the choice is drawn from.
        most: Answers per metric.
    """

    def __init__(self, *, seed: int, most: int) -> None:
        self._seed = seed
        self._most = most
        self._metrics: dict[str, Metric] = {}
        self._kept: dict[tuple[str, _Stratum], list[_Row]] = {}

    def open(self, bound: Sequence[BoundMetric]) -> None:
        """Say which metrics there are; those that judge by labels get rows."""
        self._metrics = {each.id: each.metric for each in bound if each.metric.labels}

    def add(self, sample: TestSample, run: RunResult, scores: Sequence[Score]) -> None:
        """Take a row into the choice, for each metric whose judge was asked about it."""
        for score in scores:
            stratum = _stratum(score) if score.metric in self._metrics else None
            if stratum is None:
                continue
            key = u64("labels", self._seed, score.metric, sample.id, run.repeat)
            rows = self._kept.setdefault((score.metric, stratum), [])
            row = _Row(key=key, sample=sample, run=run)
            if len(rows) < self._most:
                heapq.heappush(rows, row)
            else:
                heapq.heappushpop(rows, row)

    def counts(self) -> dict[str, int]:
        """Return how many rows each metric has in the file."""
        return {metric_id: len(self._chosen(metric_id)) for metric_id in self._metrics}

    def text(self) -> str:
        """Return the file: CSV with a byte order mark, by which Excel knows that it is UTF-8."""
        file = io.StringIO(newline="")
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for metric_id, metric in self._metrics.items():
            writer.writerows(_cells(metric, row) for row in self._chosen(metric_id))
        return "\ufeff" + file.getvalue()

    def _chosen(self, metric_id: str) -> list[_Row]:
        """Return the rows of a metric: those without a verdict first, then the others, mixed.

        Half of the file at most is without a verdict, since such rows say nothing of right or wrong.
        """
        lost, good, bad = (list(self._sorted(metric_id, s)) for s in ("unscored", "good", "bad"))
        judged = len(good) + len(bad)
        lost = lost[: max(self._most // 2, self._most - judged)]
        free = self._most - len(lost)
        half = free - free // 2
        n_good = min(len(good), max(half, free - len(bad)))
        rest = [*good[:n_good], *bad[: free - n_good]]
        # an order by label would tell it
        return [*lost, *sorted(rest, key=lambda row: row.key)]

    def _sorted(self, metric_id: str, stratum: _Stratum) -> Iterator[_Row]:
        yield from sorted(self._kept.get((metric_id, stratum), ()), key=lambda row: row.key)


def _stratum(score: Score) -> _Stratum | None:
    if not was_asked(score):
        return None
    if score.status is ScoreStatus.UNSCORED:
        return None if score.code == "judge_budget" else "unscored"
    if score.status is not ScoreStatus.SCORED or score.value is None:
        return None
    return "good" if score.value >= GOOD else "bad"


def _cells(metric: Metric, row: _Row) -> list[str]:
    sample, run = row.sample, row.run
    told = {
        "id": sample.id,
        "repeat": str(run.repeat),
        "metric": metric.id,
        "input": answer_cell(shown_input(sample, run)),
        "answer": answer_cell(run.text),
        "expected": answer_cell("\n".join(sample.answers)),
        "rubric": answer_cell(metric.guide(sample)),
    }
    return [guarded(told.get(column, "")) for column in COLUMNS]
