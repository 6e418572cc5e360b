"""Outcomes of files and records on the way to the dataset, counted and reported."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from lm_eval_so.core.events import Listener, Moved, Noticed, Warned
from lm_eval_so.core.records.dataset import SourceInfo
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.errors import Problem
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.sources.base import FileError, Reason, Reject, SourceFile, place

_TOLD = 20
"""Findings of one kind in one file that are reported one by one."""
_EVERY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The start of a file."""

    file: SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A record that became a sample."""

    file: SourceFile
    at: Mapping[str, JsonValue]
    """Place in the file, as in `RawItem`."""
    sample: TestSample


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A record whose values are all blank."""

    file: SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A record whose test people rejected in a review."""

    file: SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A problem that makes a source unusable, so that no dataset is made."""

    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A document that tests may be written from."""

    file: SourceFile
    document: Document


Outcome = Opened | Read | Kept | Skipped | Dropped | Reject | FileError | Unusable


class Tally:
    """Counts outcomes, and reports findings to the listener."""

    def __init__(self, stage: str, listener: Listener) -> None:
        self._stage, self._listener = stage, listener
        self._counts: dict[SourceFile, Counter[str]] = {}
        self._told: Counter[tuple[str, Reason]] = Counter()
        self._records = 0
        self.problems: list[Problem] = []
        self.rejected: Counter[str] = Counter()
        self.review: Counter[str] = Counter()
        self.splits: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        match outcome:
            case Opened():
                self._counts[outcome.file] = Counter()
            case Read():
                self._listener(Noticed(stage=self._stage, text=_read_text(outcome)))
            case Kept():
                self._count(outcome.file, "kept")
                self.count_sample(outcome.sample)
            case Skipped():
                self._count(outcome.file, "skipped")
            case Dropped():
                self._count(outcome.file, "rejected")
                self.rejected["review_reject"] += 1
            case Reject():
                is_twin = outcome.reason is Reason.DUP_EXACT
                self._count(outcome.file, "duplicates" if is_twin else "rejected")
                self._find(outcome)
            case FileError():
                self._find(outcome)
            case Unusable():
                self.problems.append(outcome.problem)

    def end(self) -> None:
        """Report the numbers of findings that were too many to be reported one by one."""
        for (name, reason), count in self._told.items():
            if count > _TOLD:
                text = f"{name}: {count - _TOLD:,} more {reason}, all in rejected.jsonl"
                self._tell(reason, text, None)

    def totals(self) -> Mapping[str, int]:
        """Return records, kept, rejected, skipped and duplicates over all files."""
        return sum(self._counts.values(), Counter())

    def sources(self) -> tuple[SourceInfo, ...]:
        """Return the counts of each file."""
        return tuple(
            SourceInfo(
                id=file.source,
                file=file.name,
                sha256=file.sha256,
                bytes=file.size,
                encoding=file.encoding,
                records=counts["records"],
                kept=counts["kept"],
                rejected=counts["rejected"],
                skipped=counts["skipped"],
                duplicates=counts["duplicates"],
            )
            for file, counts in self._counts.items()
        )

    def _count(self, file: SourceFile, end: str) -> None:
        self._counts[file].update(("records", end))
        self._records += 1
        if self._records % _EVERY == 0:
            self._listener(Moved(stage=self._stage, done=self._records))

    def count_sample(self, sample: TestSample) -> None:
        """Count the review state and language of a sample."""
        self.review[sample.review.status if sample.review else "unreviewed"] += 1
        self.splits[sample.split or ""] += 1
        self.languages[sample.language or "und"] += 1

    def _find(self, finding: Reject | FileError) -> None:
        self.rejected[finding.reason] += 1
        self._told[finding.file.name, finding.reason] += 1
        if self._told[finding.file.name, finding.reason] > _TOLD:
            return
        record = f" (record {finding.at['record']})" if "record" in finding.at else ""
        text = f"{place(finding.file.name, finding.at)} {finding.reason}: {finding.what}{record}"
        self._tell(finding.reason, text, finding.hint)

    def _tell(self, reason: Reason, text: str, hint: str | None) -> None:
        if reason is Reason.DUP_EXACT:  # nothing is wrong with it
            self._listener(Noticed(stage=self._stage, text=text))
        else:
            self._listener(Warned(stage=self._stage, text=text, hint=hint))


def _read_text(read: Read) -> str:
    document = read.document
    counts = f"{len(document.sections)} sections, {len(document.units)} units"
    return f"{read.file.name}: a document of {counts}"
