"""The scores of all rows in columns: in dataset order, whatever order scores come in."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Literal

from pydantic import JsonValue

from lm_eval_so.core.clock import parse_time, time_text
from lm_eval_so.core.columns.column import Coded, Numbers
from lm_eval_so.core.hashing import digest_text, revision
from lm_eval_so.core.records.chat import Usage
from lm_eval_so.core.records.costs import AnswerTimes, TimeSpan, add_usage
from lm_eval_so.core.records.enums import RunStatus, ScoreStatus
from lm_eval_so.core.records.run import RunResult
from lm_eval_so.core.records.sample import SourcePlace, TestSample, place_of, place_values
from lm_eval_so.core.records.score import Score
from lm_eval_so.core.text.lengths import count_graphemes
from lm_eval_so.evaluator.rows.compact import Flags, RowSet, Texts, as_it_is
from lm_eval_so.evaluator.sample_text import shown_input, source_place

MISSING = "missing"
"""Status of a row that the run does not have."""
_PASSED, _FAILED = 1, 2
_NO_FAULT = frozenset({"cached", "not_reported"})
"""Codes of scores that are missing although nothing went wrong."""
_SAMPLE = (
    ("id", as_it_is, as_it_is),
    ("hash", as_it_is, as_it_is),
    ("rev", as_it_is, as_it_is),
    ("input", as_it_is, as_it_is),
    ("expected", as_it_is, as_it_is),
    ("references", as_it_is, tuple),
    ("source", place_values, place_of),
    ("ref", as_it_is, as_it_is),
)
"""Texts of a sample."""

Keeps = Literal["full", "hash", "none"]


def is_fault(score: Score) -> bool:
    """Return whether a score is missing because something went wrong."""
    return score.status is ScoreStatus.UNSCORED and score.code not in _NO_FAULT


def failure_of(run: RunResult) -> str:
    """Return why a row has no answer: the HTTP status, else the kind of error or the row's status."""
    if run.error is None:
        return run.status.value
    if run.error.http_status is not None:
        return f"HTTP {run.error.http_status}"
    return run.error.kind.value


@dataclass(slots=True)
class _Span:
    n: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    def add(self, at: datetime | None) -> None:
        self.n += 1
        if at is None:
            return
        if self.oldest is None or at < self.oldest:
            self.oldest = at
        if self.newest is None or at > self.newest:
            self.newest = at

    def record(self) -> TimeSpan:
        if self.oldest is None or self.newest is None:
            return TimeSpan(n=self.n)
        return TimeSpan(n=self.n, oldest=time_text(self.oldest), newest=time_text(self.newest))


class AnswerTally:
    """Tally of answers by time: asked now, asked earlier, taken from the cache.

    Args:
        begun_at: Time when the last invocation of the run began; None if not known.
    """

    def __init__(self, begun_at: datetime | None = None) -> None:
        self._begun_at = begun_at
        self._asked, self._earlier, self._cached = _Span(), _Span(), _Span()

    def add(self, run: RunResult) -> None:
        """Count a row that is an answer."""
        if run.answered_at is not None or (run.cached and not run.attempts):
            self._cached.add(parse_time(run.answered_at))
            return
        at = parse_time(run.started_at)
        is_earlier = at is not None and self._begun_at is not None and at < self._begun_at
        (self._earlier if is_earlier else self._asked).add(at)

    def record(self) -> AnswerTimes:
        """Return the counts."""
        return AnswerTimes(
            asked=self._asked.record(),
            earlier=self._earlier.record(),
            cached=self._cached.record(),
        )


class Samples:
    """Columns of all samples, in dataset order: an object for each sample would take twice that.

    Args:
        by: Metadata keys that the report breaks down by.
        keeps_texts: Whether the report keeps inputs and expected answers.
        in_file: Whether ids, digests and texts are kept in a file.
    """

    def __init__(
        self, by: Sequence[str] = (), *, keeps_texts: bool = True, in_file: bool = False
    ) -> None:
        self._keeps_texts = keeps_texts
        self._texts = Texts(_SAMPLE, in_file=in_file)
        column = self._texts.column
        self.ids: Sequence[str] = column("id")
        self.sample_hashes: Sequence[str] = column("hash")
        self.revs: Sequence[str] = column("rev")
        self.inputs: Sequence[str] = column("input")
        self.expected: Sequence[str | None] = column("expected")
        self.references: Sequence[tuple[str, ...]] = column("references")
        self.sources: Sequence[SourcePlace | None] = column("source")
        self.refs: Sequence[str | None] = column("ref")
        """The users' own ids."""
        self.has_groups = self.has_references = self.has_sources = self.has_refs = False
        """Whether any sample has one."""
        self.groups: Coded[str | None] = Coded()
        self.tags: Coded[tuple[str, ...]] = Coded()
        self.languages: Coded[str | None] = Coded()
        self.lengths: Coded[int] = Coded()
        """Graphemes of the input."""
        self.metadata: dict[str, list[JsonValue]] = {key: [] for key in by}
        """Values of the keys in `report.by`."""

    def __len__(self) -> int:
        return len(self.lengths)

    def add(self, sample: TestSample, sample_hash: str) -> None:
        """Add a sample."""
        asked, keeps = shown_input(sample), self._keeps_texts
        place = source_place(sample, has_quote=keeps)
        references = sample.references if keeps else ()
        self._texts.add(
            sample.id,
            sample_hash,
            sample.rev or revision(sample),
            asked if keeps else "",
            sample.expected if keeps else None,
            references,
            place,
            sample.ref,
        )
        self.has_groups = self.has_groups or bool(sample.group_id)
        self.has_references = self.has_references or bool(references)
        self.has_sources = self.has_sources or place is not None
        self.has_refs = self.has_refs or bool(sample.ref)
        self.groups.append(sample.group_id)
        self.tags.append(sample.tags)
        self.languages.append(sample.language)
        self.lengths.append(count_graphemes(asked))
        for key, values in self.metadata.items():
            values.append(sample.metadata.get(key))


@dataclass(slots=True)
class Column:
    """One metric over all rows."""

    values: Numbers = field(default_factory=Numbers)
    """One per row; None: no value."""
    not_applicable: RowSet = field(default_factory=RowSet)
    codes: Counter[str] = field(default_factory=Counter)
    """Unscored rows by reason code."""
    scored_codes: Counter[str] = field(default_factory=Counter)
    """Scored rows by reason code, if they have one."""
    units: Counter[str] = field(default_factory=Counter)
    """Scored rows by the unit of their texts, such as word or character."""
    corpus_counts: list[int] = field(default_factory=list)
    """Sums of the metric's counts, for one score of all rows."""
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Rows in which a named part was decided, and in which it was met."""
    vacuous: int = 0
    passed: int = 0
    judged: int = 0
    """Rows that either passed or failed."""
    first_unscored: tuple[int, str] | None = None
    """First row whose value is missing because of a fault, and the reason."""
    verdicts: Flags = field(default_factory=Flags)
    """Per row 1 if it passed, 2 if it failed."""

    def put(self, row: int, score: Score) -> None:
        """Enter the score of a row."""
        self.values[row] = score.value
        self.vacuous += score.vacuous
        if score.passed is not None:
            self.verdicts[row] = _PASSED if score.passed else _FAILED
            self.passed += score.passed
            self.judged += 1
        if score.details:
            self._count_parts(score.details.get("parts"))
        if score.status is ScoreStatus.SCORED:
            if score.code:
                self.scored_codes[score.code] += 1
            if score.details:
                self._look_into(score.details)
        elif score.status is ScoreStatus.NOT_APPLICABLE:
            self.not_applicable.add(row)
        else:
            self.codes[score.code or "unscored"] += 1
            if is_fault(score) and (self.first_unscored is None or row < self.first_unscored[0]):
                self.first_unscored = (row, score.reason or score.code or "")

    def _count_parts(self, parts: JsonValue) -> None:
        if isinstance(parts, Mapping):
            for name, met in parts.items():
                decided, so_far = self.parts.get(name, (0, 0))
                self.parts[name] = decided + (met is not None), so_far + (met == 1)

    def _look_into(self, details: Mapping[str, JsonValue]) -> None:
        unit, counts = details.get("unit"), details.get("corpus_counts")
        if isinstance(unit, str):
            self.units[unit] += 1
        if isinstance(counts, list):
            whole = [n for n in counts if isinstance(n, int)]
            sums = zip_longest(self.corpus_counts, whole, fillvalue=0)
            self.corpus_counts = [before + more for before, more in sums]

    def count_unscored(self, rows: Iterable[int]) -> int:
        """Count the rows to which the metric applies, but which have no value."""
        return sum(row not in self.not_applicable for row in self.values.absent(rows))

    def has_passed(self, row: int) -> bool | None:
        """Return whether a row passed; None if it did neither."""
        verdict = self.verdicts[row]
        return verdict == _PASSED if verdict else None


class Sheet:
    """All rows of an evaluation.

    Args:
        metric_ids: The metrics, in their order.
        keeps: Amount of the answers that is kept.
        by: Metadata keys that the report breaks down by.
        in_file: Whether ids, digests and texts are kept in a file.
    """

    def __init__(
        self,
        metric_ids: Sequence[str],
        keeps: Keeps = "full",
        *,
        by: Sequence[str] = (),
        in_file: bool = False,
    ) -> None:
        self.in_file = in_file
        self.samples = Samples(by, keeps_texts=keeps != "none", in_file=in_file)
        self.sample_of = array("I")
        """Index of the sample by row; the rows of a sample stand together."""
        self.repeats: Coded[int] = Coded()
        self.has_repeats = False
        """Whether a sample has more than one row."""
        self.statuses: Coded[str] = Coded()
        self._answers = Texts((("answer", as_it_is, as_it_is),), in_file=in_file)
        self.answers: Sequence[str | None] = self._answers.column("answer")
        """Texts or their digests; empty if nothing is kept."""
        self._keeps = keeps
        self.columns = {metric_id: Column() for metric_id in metric_ids}
        self.cached = RowSet()
        self.costs = array("d")
        """Known costs of the rows that were asked."""
        self.asked = 0
        """Number of rows that were asked."""
        self.saved = Numbers()
        """Cost of each answer from the cache, had it been asked."""
        self.simulator_costs = Numbers()
        """Cost of each simulated user."""
        self.simulator_usage = Usage()
        self.latencies_ms = array("d")
        """Latency of answered rows, measured in this run."""
        self.usage = Usage()
        self.models: set[str] = set()
        self.answered = AnswerTally()
        self.failures: dict[str, array[int]] = {}
        """Rows without an answer, by the reason."""

    def expect(self, rows: int, *, begun_at: datetime | None) -> None:
        """Set the largest number of rows, and the time when the last invocation of their run began."""
        self.answered = AnswerTally(begun_at)
        for column in self.columns.values():
            column.values.expect(rows)

    def add_row(self, repeat: int, run: RunResult | None) -> int:
        """Add a row of the last sample and return its number."""
        row = len(self.sample_of)
        self.sample_of.append(len(self.samples) - 1)
        self.repeats.append(repeat)
        self.has_repeats = self.has_repeats or repeat > 0
        self.statuses.append(run.status.value if run else MISSING)
        if self._keeps != "none":
            text = run.text if run and run.response else None
            is_whole = text is None or self._keeps == "full"
            self._answers.add(text if is_whole else digest_text(text or ""))
        for column in self.columns.values():
            column.values.append(None)
        is_answer = run is not None and run.status.is_answer
        if not is_answer:
            why = failure_of(run) if run else MISSING
            self.failures.setdefault(why, array("I")).append(row)
        if run is None:
            return row
        if is_answer:
            self.answered.add(run)
        self.asked += 1
        if run.cost_usd is not None:
            self.costs.append(run.cost_usd)
        self.usage = add_usage([self.usage, run.usage])
        self.models |= {run.model} if run.model else set()
        if run.simulator is not None:
            self.simulator_costs.append(run.simulator.cost_usd)
            self.simulator_usage = add_usage([self.simulator_usage, run.simulator.usage])
        if run.cost_saved_usd is not None:
            self.saved.append(run.cost_saved_usd)
        if run.cached:
            self.cached.add(row)
        elif run.latency_ms is not None and is_answer:
            self.latencies_ms.append(run.latency_ms)
        return row

    def count_statuses(self) -> dict[str, int]:
        """Count rows by status, 0 included; "missing" only if there are such rows."""
        counts = Counter(self.statuses)
        every = {status.value: counts[status.value] for status in RunStatus}
        return every | ({MISSING: counts[MISSING]} if counts[MISSING] else {})

    def put(self, row: int, scores: Sequence[Score]) -> None:
        """Enter the scores of a row."""
        for score in scores:
            self.columns[score.metric].put(row, score)
