"""Tables that people fill in with a spreadsheet: written for it, read however it saves them."""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from lm_eval_so.core.text.profiles import basic
from lm_eval_so.errors import InputError, Problem, Where

_DELIMITERS = (",", ";", "\t")
_ENCODINGS = ("utf-8", "cp949")
_LONGEST_CELL = 30_000
"""Excel takes 32,767 characters in a cell and spills the rest over the next ones."""
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


def csv_table(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Return a table as CSV with a byte order mark, by which Excel knows that it is UTF-8.

    Args:
        columns: Names of the columns.
        rows: Text of each cell, by column; a column that is absent stays empty.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([guarded(row.get(column, "")) for column in columns] for row in rows)
    return "\ufeff" + file.getvalue()


def decode_table(data: bytes, file: str) -> tuple[str, str]:
    """Return the text of a table without a BOM, and its encoding: UTF-8, UTF-16 with a BOM, or CP949.

    Raises:
        InputError: If it is in none of them.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), "utf-16"  # as Excel saves "Unicode text"
    data = data.removeprefix(codecs.BOM_UTF8)
    bad_byte = 0
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError as error:
            bad_byte = max(bad_byte, error.start)
    what = f"neither UTF-8 nor CP949 at byte {bad_byte}"
    raise InputError(what, where=Where(file=file), hint="save the file as UTF-8")


def csv_rows(
    text: str, file: str, needed: Collection[str]
) -> Iterator[tuple[int, Mapping[str, str]] | Problem]:
    """Yield each row that is not blank, by column, with the number of its first line; or a problem.

    Args:
        text: The table; commas, semicolons or tabs separate its cells.
        file: Name of the file, for problems.
        needed: Columns that it must have; case does not count.
    """

    def problem(line: int, what: str, hint: str | None = None) -> Problem:
        return Problem(what=what, where=Where(file=file, line=line), hint=hint)

    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    line = 1
    try:
        for cells in reader:
            if not names:
                names = [cell.strip().casefold() for cell in cells]
                missing = [name for name in needed if name not in names]
                if missing:
                    hint = f"columns here: {', '.join(filter(None, names)) or 'none'}"
                    yield problem(1, f"no column {' and no column '.join(missing)}", hint)
                    return
            elif any(map(str.strip, cells)):
                yield line, dict(zip(names, map(unguarded, cells), strict=False))
            line = reader.line_num + 1
    except csv.Error as error:
        yield problem(line, f"no CSV: {error}", 'write a quote inside a cell twice: ""')
    if not names:
        yield problem(1, "the file is empty")


def cell_text(text: str) -> str:
    """Return a text as a cell holds it: cut if it is longer than a cell can be."""
    if len(text) <= _LONGEST_CELL:
        return text
    return f"{text[:_LONGEST_CELL]} … ({len(text) - _LONGEST_CELL:,} more characters)"


def is_same_text(cell: str, text: str, *, is_lossy: bool = False) -> bool:
    """Return whether a cell holds a text, whatever a spreadsheet made of its spaces.

    Args:
        cell: The cell, as it came back.
        text: The text, as it was written.
        is_lossy: Whether the file's encoding lacks characters, so that only the others count.
    """
    texts = [cell, cell_text(text)]
    if is_lossy:  # before – becomes -, which the encoding has
        texts = [each.encode("cp949", "ignore").decode("cp949").replace("?", "") for each in texts]
        texts = ["".join(each.split()) for each in texts]
    return basic(texts[0]) == basic(texts[1])


def guarded(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula.

    Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """Return the text of a cell that `guarded` made."""
    return cell[1:] if _GUARDED.match(cell) else cell
