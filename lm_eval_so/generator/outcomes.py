"""Outcomes of files and records on the way to the dataset, counted and reported."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from lm_eval_so.core.events import Listener, Moved, Noticed, Warned
from lm_eval_so.core.records.dataset import SourceInfo
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.words import say
from lm_eval_so.errors import Problem
from lm_eval_so.generator.documents.block import Document
from lm_eval_so.generator.sources.base import (
    FileError,
    Holds,
    Noted,
    ProposedMetrics,
    Reason,
    Reject,
    SourceFile,
    listed,
    place,
)

STAGE = "generate"
_TOLD = 20
"""Findings of one kind in one file that are reported one by one."""
_EVERY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The start of a file."""

    file: SourceFile
    holds: Holds = "tests"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A finding about a whole file that costs no record."""

    file: SourceFile
    note: Noted


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """The personal data of a file."""

    file: SourceFile
    found: Mapping[str, int]
    """Replaced or left out items by kind."""


Outcome = (
    Opened
    | Personal
    | Remark
    | Read
    | Kept
    | Skipped
    | Dropped
    | Reject
    | FileError
    | ProposedMetrics
    | Unusable
)


def notice(language: Language, code: str, **figures: object) -> Noticed:
    """Return a notice about sources, with the text of a code."""
    return Noticed(stage=STAGE, text=say(f"sources.{code}", language, figures))


class Tally:
    """Counts outcomes, and reports findings to the listener.

    Args:
        listener: Listener of the stage.
        language: Language of what it tells.
    """

    def __init__(self, listener: Listener, language: Language) -> None:
        self._listener, self._language = listener, language
        self._counts: dict[SourceFile, Counter[str]] = {}
        self._personal: dict[SourceFile, Mapping[str, int]] = {}
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
            case Personal():
                self._personal[outcome.file] = outcome.found
                self._tell_personal(outcome)
            case Read():
                self._tell_document(outcome)
            case Kept():
                self._count(outcome.file, "kept")
                self.count_sample(outcome.sample)
            case Skipped():
                self._count(outcome.file, "skipped")
            case Dropped():
                self._count(outcome.file, "rejected")
                self.rejected[Reason.REVIEW_REJECT] += 1
            case Reject():
                is_twin = outcome.reason is Reason.DUP_EXACT
                self._count(outcome.file, "duplicates" if is_twin else "rejected")
                self._find(outcome)
            case FileError():
                self._find(outcome)
            case Remark() | ProposedMetrics():
                self._tell_file(outcome)
            case Unusable():
                self.problems.append(outcome.problem)

    def end(self) -> None:
        """Report the numbers of findings that were too many to be reported one by one."""
        for (name, reason), count in self._told.items():
            if count > _TOLD:
                figures = {"file": name, "n": f"{count - _TOLD:,}", "reason": reason}
                figures["meaning"] = say(f"reasons.{reason}", self._language)
                self._tell(reason, say("sources.more", self._language, figures), None)

    def totals(self) -> Mapping[str, int]:
        """Return records, kept, rejected, skipped and duplicates over all files."""
        return sum(self._counts.values(), Counter())

    def summary(self) -> str:
        """Return these numbers for people."""
        kinds = ("records", "kept", "rejected", "skipped", "duplicates")
        totals = self.totals()
        return say("sources.totals", self._language, {kind: f"{totals[kind]:,}" for kind in kinds})

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
                pii=dict(sorted(self._personal.get(file, {}).items())) or None,
            )
            for file, counts in self._counts.items()
        )

    def _count(self, file: SourceFile, end: str) -> None:
        self._counts[file].update(("records", end))
        self._records += 1
        if self._records % _EVERY == 0:
            self._listener(Moved(stage=STAGE, done=self._records))

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
        what, hint = finding.what, finding.hint
        if self._language is not Language.EN:  # details are in English, as in rejected.jsonl
            what = say(f"reasons.{finding.reason}", self._language)
            hint = f"{finding.what}; {hint}" if hint else finding.what
        text = f"{place(finding.file.name, finding.at)} {finding.reason}: {what}"
        if "record" in finding.at:
            record = {"n": finding.at["record"]}
            text += f" ({say('sources.record', self._language, record)})"
        self._tell(finding.reason, text, hint)

    def _tell_document(self, read: Read) -> None:
        """Tell what a document holds, and what its reader left out or changed, a line each."""
        document, file = read.document, read.file.name
        counts = {"sections": len(document.sections), "units": len(document.units)}
        self._notice("document", file=file, **counts)
        for note in document.notes:
            self._notice(note.code, file=file, n=note.count, names=listed(note.names))

    def _tell_file(self, told: Remark | ProposedMetrics) -> None:
        """Tell what was found about a whole file."""
        if isinstance(told, Remark):
            self._notice(told.note.code, **{"file": told.file.name, **told.note.figures})
            return
        self._notice("metrics", file=told.file.name)
        for line in ("metrics:", *told.yaml.splitlines()):
            self._listener(Noticed(stage=STAGE, text=line))

    def _tell_personal(self, personal: Personal) -> None:
        if personal.found:
            kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(personal.found.items()))
            total = sum(personal.found.values())
            self._notice("personal_data", file=personal.file.name, n=total, kinds=kinds)

    def _notice(self, code: str, **figures: object) -> None:
        self._listener(notice(self._language, code, **figures))

    def _tell(self, reason: Reason, text: str, hint: str | None) -> None:
        if reason is Reason.DUP_EXACT:  # nothing is wrong with it
            self._listener(Noticed(stage=STAGE, text=text))
        else:
            self._listener(Warned(stage=STAGE, text=text, hint=hint))
