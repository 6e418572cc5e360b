"""Files of decisions: JSON lines of the review page, or a table that people fill in with a spreadsheet."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, get_args

from lm_eval_so.core.files import cannot_read
from lm_eval_so.core.records.codec import dump_line, from_json, parse_json
from lm_eval_so.core.records.review import Decision, Reason, ReviewHead, Ruling
from lm_eval_so.core.records.review_page import ReviewItem
from lm_eval_so.core.records.sample import TestSample
from lm_eval_so.core.text.personal_data import mask_personal_data
from lm_eval_so.core.text.spreadsheet import (
    cell_text,
    csv_rows,
    csv_table,
    decode_table,
    is_same_text,
)
from lm_eval_so.errors import InputError, Problem, Where
from lm_eval_so.generator.clean import clean_text
from lm_eval_so.generator.mapping.list_cells import read_cell
from lm_eval_so.generator.review.decisions import phrases_of

TEXTS: Final = ("question", "expected", "must_say")
"""Fields of a decision, and columns of a table, with the texts that people may edit."""
_REV_MARK: Final = "#"
"""Mark before a `rev` in a table: a spreadsheet would take some of them for numbers."""
_COLUMNS: Final = (
    *("id", "rev", "type", "status", "flags", "history", *TEXTS),
    *("behavior", "evidence", "place", "decision", "reason", "note"),
)
_NEEDED: Final = ("id", "rev", "decision")
_RULINGS: Final[Mapping[str, Ruling]] = {
    "accept": "accept",
    "승인": "accept",
    "edit": "edit",
    "수정": "edit",
    "reject": "reject",
    "반려": "reject",
    "거절": "reject",
}
_HEAD: Final = "lm-eval-so/review/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One decision as it came back."""

    where: Where
    decision: Decision
    is_decided: bool = True
    """False for a row of a table in which nobody wrote a decision."""
    is_table: bool = False
    is_lossy: bool = False
    """Whether the encoding of the table lacks characters, which then stand as question marks."""

    def edits(self, sample: TestSample) -> dict[str, str | tuple[str, ...]]:
        """Return the texts in which it differs from a test, by their fields."""
        given = {name: getattr(self.decision, name) for name in TEXTS}
        return {
            name: text
            for name, text in given.items()
            if text is not None and not self.is_same(text, _known(sample, name))
        }

    def lost(self, sample: TestSample, names: Iterable[str]) -> str:
        """Return the characters of texts that the encoding of the table lacks; they are lost in an edit."""
        known = "".join(_cell(_known(sample, name)) for name in names) if self.is_lossy else ""
        return "".join(char for char in known if not char.encode("cp949", "ignore"))

    def is_same(self, text: str | tuple[str, ...], known: str | tuple[str, ...]) -> bool:
        """Return whether a text is the known one, in a table whatever a spreadsheet made of its spaces."""
        if not self.is_table:
            return text == known
        return is_same_text(_cell(text), _cell(known), is_lossy=self.is_lossy)


def read_decision_file(path: Path) -> list[Given | Problem]:
    """Return the decisions of a file in its order, or the problems of lines that cannot be read.

    Args:
        path: JSON lines; or CSV in UTF-8, UTF-16 or CP949, as a spreadsheet saves it.

    Raises:
        InputError: If the file cannot be read or decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None
    text, encoding = decode_table(data, str(path))
    if text.lstrip().startswith("{"):
        return [*_of_lines(text, str(path))]
    return [*_of_table(text, str(path), is_lossy=encoding == "cp949")]


def decision_table(items: Iterable[ReviewItem]) -> str:
    """Return tests as a table in which people write their decisions, for a spreadsheet."""
    return csv_table(_COLUMNS, map(_row_of, items))


def _row_of(item: ReviewItem) -> dict[str, str]:
    asked = max((n for n, turn in enumerate(item.turns) if turn.role == "user"), default=-1)
    is_plain = item.type != "scenario"
    history = item.turns[:asked] if is_plain else item.turns
    return {
        "id": item.id,
        "rev": f"{_REV_MARK}{item.rev}",
        "type": item.type,
        "status": item.status or "",
        "flags": "\n".join(flag.text for flag in item.flags),
        "history": cell_text("\n".join(f"{turn.role}: {turn.text}" for turn in history)),
        "question": cell_text(item.turns[asked].text) if is_plain and asked >= 0 else "",
        "expected": cell_text(item.expected or ""),
        "must_say": _must_say_cell(item.must_say),
        "behavior": item.behavior,
        "evidence": cell_text("\n".join(each.quote for each in item.evidence)),
        "place": "\n".join(
            " › ".join(filter(None, [each.file, each.heading, each.place]))
            for each in item.evidence
        ),
    }


def _must_say_cell(phrases: tuple[str, ...]) -> str:
    """Return a cell with phrases, from which `read_cell` makes the same ones."""
    joined = "; ".join(phrases)
    is_plain = (read_cell(joined, "keywords") if joined else []) == [*phrases]
    return joined if is_plain else dump_line([*phrases])


def _known(sample: TestSample, name: str) -> str | tuple[str, ...]:
    if name == "must_say":
        return phrases_of(sample)
    return sample.question if name == "question" else sample.expected or ""


def _cell(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else _must_say_cell(value)


def _of_lines(text: str, file: str) -> Iterator[Given | Problem]:
    reviewer: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        where = Where(file=file, line=number)
        if not line.strip():
            continue
        try:
            values = parse_json(line.strip(), where=where)
            dump_line(values).encode()
            if isinstance(values, dict) and str(values.get("schema")).startswith(_HEAD):
                reviewer = from_json(values, ReviewHead, where=where).reviewer
                continue
            decision = from_json(values, Decision, where=where)
        except InputError as error:
            yield from error.problems
            continue
        except UnicodeEncodeError:
            what = "it holds half a character, which no file can hold"
            yield Problem(what=what, where=where, hint="write the text anew, as without its emoji")
            continue
        yield Given(where=where, decision=_cleaned(decision, reviewer))


def _cleaned(decision: Decision, reviewer: str | None) -> Decision:
    """Return a decision with the texts of people cleaned, and without what only review.jsonl has."""
    given = {name: getattr(decision, name) for name in ("question", "expected", "note")}
    texts: dict[str, Any] = {name: text and clean_text(text) for name, text in given.items()}
    texts["note"] = mask_personal_data(texts["note"] or "") or None
    must_say = decision.must_say
    if must_say is not None:
        must_say = tuple(filter(None, map(clean_text, must_say)))
    return replace(decision, **texts, must_say=must_say, reviewer=reviewer, sample=None)


def _of_table(text: str, file: str, *, is_lossy: bool) -> Iterator[Given | Problem]:
    for found in csv_rows(text, file, _NEEDED):
        if isinstance(found, Problem):
            yield found
            continue
        line, row = found
        said = row.get("decision", "").strip().casefold()
        where = Where(file=file, line=line)
        if said and said not in _RULINGS:
            what = f'"{row["decision"].strip()}" is no decision'
            hint = "write accept, edit or reject, or 승인, 수정, 반려"
            yield Problem(what=what, where=where, hint=hint)
            continue
        yield Given(
            where=where,
            decision=_of_row(row, _RULINGS.get(said, "accept")),
            is_decided=bool(said),
            is_table=True,
            is_lossy=is_lossy,
        )


def _of_row(row: Mapping[str, str], ruling: Ruling) -> Decision:
    cells = {name: clean_text(cell) for name, cell in row.items()}
    reason: Reason | None = next(
        (each for each in get_args(Reason) if each == cells.get("reason", "").casefold()), None
    )
    said = None if reason else cells.get("reason")
    must_say = cells.get("must_say")
    phrases = None if must_say is None else read_cell(must_say, "keywords") if must_say else []
    return Decision(
        id=cells.get("id", ""),
        rev=cells.get("rev", "").removeprefix(_REV_MARK),
        decision=ruling,
        question=cells.get("question"),
        expected=cells.get("expected"),
        must_say=None if phrases is None else tuple(map(str, phrases)),
        reason=reason or ("other" if said else None),
        note=mask_personal_data(": ".join(filter(None, [said, cells.get("note")]))) or None,
    )
