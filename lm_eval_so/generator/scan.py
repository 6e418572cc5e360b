"""A look at files before there is a config: what each holds, and what is to be known of it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.config.load import make_config
from lm_eval_so.core.events import ignore
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.text import in_columns
from lm_eval_so.core.words import say, texts
from lm_eval_so.generator.collect import collect
from lm_eval_so.generator.dedup import drop_duplicates
from lm_eval_so.generator.documents.block import HEADER, Document
from lm_eval_so.generator.outcomes import Kept, Opened, Outcome, Personal, Read, Remark
from lm_eval_so.generator.sources.base import FileError, Holds, Noted, Reason, Reject, SourceFile
from lm_eval_so.generator.sources.source_files import REMEDIES
from lm_eval_so.generator.writing.conflicts import conflict_lines

_SCRIPTS: Final = {Language.KO: re.compile("[가-힣]"), Language.EN: re.compile("[A-Za-z]")}
_ORDER: Final[tuple[Holds, ...]] = ("document", "tests", "conversations")
SHORT: Final = "short"
"""A test whose expected answers are names, amounts or single words, and nothing else is known of its answer."""
LONG: Final = "long"
"""A test of which nothing but expected answers in sentences is known."""
BEHAVES: Final = "behaves"
"""A test of which no answer is known, so that only `behavior` looks at it."""
_SHORT: Final = re.compile(r".{1,24}(?<![.!?。])", re.DOTALL)
"""An expected answer that can stand in a right answer as it is: a few words, and no sentence."""
_MOST_FILES: Final = 40
"""Files of a kind that are shown."""
_MOST_NAMED: Final = 5
"""Lines, sheets and numbers that are shown of one file."""


@dataclass(slots=True, kw_only=True)
class Scanned:
    """Findings in one file."""

    file: SourceFile
    holds: Holds
    document: Document | None = None
    samples: int = 0
    duplicates: int = 0
    rejected: list[Reject] = field(default_factory=list)
    error: FileError | None = None
    """Reason for which the file cannot be read, with its remedy."""
    personal: int = 0
    checks: Counter[str] = field(default_factory=Counter)
    """Tests by what judges their answers: a metric of which they hold parameters, `SHORT`, `LONG` or `BEHAVES`."""
    remarks: list[Noted] = field(default_factory=list)
    """Findings about the whole file, such as checks of another tool that are not run here."""
    letters: Counter[Language | None] = field(default_factory=Counter)
    """Letters of a document, or of tests: all (None), and those of each language's script."""

    @property
    def tables(self) -> int:
        """Tables of a document."""
        blocks = self.document.blocks if self.document else ()
        return sum(block.kind == "row" and block.level == HEADER for block in blocks)

    @property
    def rows(self) -> int:
        """Rows of a document that is a table and nothing else."""
        units = self.document.units if self.document else ()
        rows = sum(unit.kind == "row" for unit in units)
        return rows if self.sheets or rows == len(units) else 0

    @property
    def sheets(self) -> tuple[str, ...]:
        """Sheets of a workbook that were read."""
        sections = self.document.sections if self.document else ()
        return tuple(each.title for each in sections if "sheet" in each.at)

    def facts(self) -> dict[str, JsonValue]:
        """Return this as JSON."""
        return {
            "file": self.file.name,
            "holds": self.holds,
            "reason": self.error.reason.value if self.error else None,
            "sections": len(self.document.sections) if self.document else 0,
            "rows": self.rows,
            "tests": self.samples,
            "rejected": len(self.rejected),
            "duplicates": self.duplicates,
            "personal": self.personal,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """Findings in all files, in the order of their paths."""

    files: tuple[Scanned, ...]
    """Files that hold something."""
    unreadable: tuple[Scanned, ...]
    language: Language
    """Language of more than half of the letters of the documents, or of the tests if there is none."""
    question: str | None

    @property
    def samples(self) -> int:
        """Tests that the files give as they are."""
        return sum(each.samples for each in self.files)

    @property
    def checks(self) -> Counter[str]:
        """Tests by what judges their answers, as in `Scanned`."""
        return sum((each.checks for each in self.files), Counter())

    @property
    def has_documents(self) -> bool:
        """Whether tests can be written from what was found."""
        return any(each.document is not None for each in self.files)


def scan(paths: Sequence[str], folder: Path, *, allow: Sequence[str] = ()) -> ScanResult:
    """Read files as `generate` would read them, and tell what each holds; nothing is asked or written.

    Args:
        paths: Files, folders and globs, relative to the folder.
        folder: Folder of the config that is to come.
        allow: Personal data that may stay, as the team's own phone number.

    Raises:
        ConfigError: If there is no path.
    """
    values: dict[str, JsonValue] = {
        "version": 1,
        "suite": "scan",
        "dataset": {"path": "dataset"},
        "baseline": {"path": "baselines"},
        "generator": {
            "sources": [{"id": "scan", "path": [*paths]}],
            "synthesise": {},
            "clean": {"pii": {"allow": [*allow]}},
        },
    }
    return _gather(drop_duplicates(collect(make_config(values, folder=folder), ignore)))


def _gather(outcomes: Iterator[Outcome]) -> ScanResult:
    found: dict[str, Scanned] = {}
    question: str | None = None
    for outcome in outcomes:
        match outcome:
            case Opened():
                found[outcome.file.name] = Scanned(file=outcome.file, holds=outcome.holds)
            case Read():
                found[outcome.file.name].document = outcome.document
                found[outcome.file.name].letters += _letters(outcome.document.text)
            case Kept():
                found[outcome.file.name].samples += 1
                found[outcome.file.name].letters += _letters(outcome.sample.question)
                found[outcome.file.name].checks.update(_checks(outcome))
                question = question or outcome.sample.question
            case Remark():
                found[outcome.file.name].remarks.append(outcome.note)
            case Reject() if outcome.reason is Reason.DUP_EXACT:
                found[outcome.file.name].duplicates += 1
            case Reject():
                found[outcome.file.name].rejected.append(outcome)
            case FileError():
                found[outcome.file.name].error = outcome
            case Personal():
                found[outcome.file.name].personal = sum(outcome.found.values())
            case _:  # blank records, and folders without a file
                pass
    read = [each for each in found.values() if each.error is None]
    documents = [each.document for each in read if each.document is not None]
    counted = [each.letters for each in read if each.document or not documents]
    return ScanResult(
        files=tuple(read),
        unreadable=tuple(each for each in found.values() if each.error is not None),
        language=_language(sum(counted, Counter())) or Language.EN,
        question=question,
    )


def _checks(kept: Kept) -> Iterator[str]:
    """Yield what can judge an answer to a test."""
    sample = kept.sample
    if sample.metrics:
        yield from sample.metrics
    elif sample.answers:
        yield SHORT if all(map(_SHORT.fullmatch, sample.answers)) else LONG
    elif sample.scenario is None:
        yield BEHAVES


def _letters(text: str) -> Counter[Language | None]:
    found: Counter[Language | None] = Counter({None: sum(map(str.isalpha, text))})
    for language, letter in _SCRIPTS.items():
        found[language] = len(letter.findall(text))
    return found


def _language(letters: Counter[Language | None]) -> Language | None:
    """Return the language of more than half of the letters."""
    return next((each for each in _SCRIPTS if 2 * letters[each] > letters[None]), None)


def show(result: ScanResult, language: Language) -> list[str]:
    """Return what was found in lines for people; names of files stand in them as they are."""
    read = sorted(result.files, key=lambda each: _ORDER.index(each.holds))
    parts = {
        "read": [(each.file.name, _found(each, result, language)) for each in read],
        "unreadable": [(each.file.name, _fault(each, language)) for each in result.unreadable],
    }
    lines: list[str] = []
    for title, rows in parts.items():
        if rows:
            lines.append(say(f"scan.{title}", language))
        lines += in_columns(rows[:_MOST_FILES], indent=2)
        if (more := len(rows) - _MOST_FILES) > 0:
            lines.append(f"  {say('scan.more', language, {'n': f'{more:,}'})}")
    documents = [each.document for each in result.files if each.document is not None]
    told = [text for text, is_settled in conflict_lines(documents, language) if not is_settled]
    if told:
        lines += [say("scan.conflicts", language), *(f"  {text}" for text in told)]
    return lines


def _found(each: Scanned, result: ScanResult, language: Language) -> str:
    """Return `document · 9 sections, 2 pages (4 lines of headers and footers left out) · English`."""
    document = each.document
    if document is None:
        figures = [("samples" if each.holds == "tests" else "dialogues", each.samples)]
    elif each.rows:
        figures = [("rows", each.rows)]
    else:
        figures = [
            ("sections", len(document.sections)),
            ("tables", each.tables),
            ("pages", document.pages or 0),
        ]
    counted = [
        say(f"scan.{code}", language, {"n": f"{n:,}"}) for code, n in figures if n or not document
    ]
    details = [*_details(each, language)]
    text = f"{say(f'scan.{each.holds}', language)} · {', '.join(counted)}"
    text += f" ({(' / ' if document else ', ').join(details)})" if details else ""
    spoken = _language(each.letters) if document else None
    if spoken not in {None, result.language}:
        text += f" · {say(f'scan.{spoken}', language)}"
    return text


def _details(each: Scanned, language: Language) -> Iterator[str]:

    def told(code: str, **figures: object) -> str:
        return say(f"scan.{code}", language, figures)

    if each.file.encoding == "cp949":
        yield "CP949"
    if each.sheets:
        yield told("sheets", names=_some(each.sheets))
    for note in each.document.notes if each.document else ():
        yield told(note.code, n=note.count, names=_some(note.names))
    rejected = [*each.rejected, *(each.document.rejected if each.document else ())]
    lines = [str(one.at["line"]) for one in rejected if "line" in one.at]
    if lines and len(lines) == len(rejected):
        yield told("lines", names=_some(lines))
    elif rejected:
        yield told("records", n=f"{len(rejected):,}")
    if each.duplicates:
        yield told("duplicates", n=f"{each.duplicates:,}")
    if each.personal:
        yield told("personal", n=f"{each.personal:,}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")


def _fault(each: Scanned, language: Language) -> str:
    """Return why a file cannot be read, and what to do."""
    remedy = " / ".join(REMEDIES.get(each.file.path.suffix.lower(), ("DOCX", "PDF")))
    reason = each.error.reason if each.error else Reason.UNREADABLE
    if (fault := f"scan.fault_{reason}") in texts(language):
        return say(fault, language, {"remedy": remedy})
    return f"{say(f'reasons.{reason}', language)} ({reason})"
