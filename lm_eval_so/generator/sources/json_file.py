"""JSON documents, which hold a list of records somewhere, and JSON lines, streamed."""

import json
from collections.abc import Iterator

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.sources.base import (
    BadFileError,
    FileError,
    RawItem,
    Reason,
    Reject,
    SourceFile,
    excerpt,
)
from lm_eval_so.generator.sources.encoding import MOST_BYTES, Line, read_lines
from lm_eval_so.generator.sources.json_values import (
    EVERY,
    BadJsonError,
    JsonPath,
    Tree,
    kind_of,
    parse_path,
    parse_strict,
    refuse_unwritable,
    walk,
)

_LARGEST = 200_000_000
"""Largest file in bytes, since it is held in memory whole."""


def parse_json_file(file: SourceFile) -> Tree:
    """Return the value of a JSON file.

    Raises:
        BadFileError: If it is too large, empty, or no JSON.
    """
    if file.size > _LARGEST:
        what = f"the file is larger than {_LARGEST:,} bytes"
        hint = "save it as JSON lines (.jsonl), which may have any size"
        raise BadFileError(Reason.TOO_LARGE, what, hint)
    encoding = file.encoding or "utf-8"
    try:
        text = file.path.read_bytes().decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        what = f"no {encoding} at byte {error.start}"
        raise BadFileError(Reason.BAD_ENCODING, what, "save the file in one encoding") from None
    if not text.strip():
        raise BadFileError(Reason.EMPTY_FILE, "the file is empty")
    try:
        return Tree(value=parse_strict(text))
    except BadJsonError as error:
        at = {"line": error.line, "column": error.column} if error.line else {}
        raise BadFileError(Reason.BAD_JSON, error.what, at=at) from None


def records_of(
    file: SourceFile, tree: Tree, records: str | None
) -> Iterator[RawItem | Reject | FileError]:
    """Yield the records of a file's value: a list at its top, or at a path.

    Args:
        file: The file.
        tree: Value of the file.
        records: Path of the records, as `$.data`; None: the top, or the only list of
            objects there.
    """
    steps = parse_path(records or _only_list(tree.value)) or ()
    if problem := _no_records(file, tree.value, steps, records):
        yield problem
        return
    for number, (path, value) in enumerate(_records(tree.value, steps), start=1):
        yield _record(file, value, {"record": number, **tree.at(path)})


def read_jsonl(
    file: SourceFile, _: SourceSection, /, *, most: int = MOST_BYTES
) -> Iterator[RawItem | Reject | FileError]:
    """Read JSON lines of at most `most` bytes, without blank lines."""
    record = 0
    for line in read_lines(file.path, file.encoding or "utf-8", most):
        if line.text.strip():
            record += 1
            yield _line_record(file, line, record, most)
    if not record:
        yield FileError(file=file, reason=Reason.EMPTY_FILE, what="the file is empty")


def _only_list(document: JsonValue) -> str:
    """Return the path of the only list of objects at the top of a document, else of the document."""
    top = document if isinstance(document, dict) else {}
    lists = [key for key, value in top.items() if isinstance(value, list) and _has_object(value)]
    path = f"$.{lists[0]}" if len(lists) == 1 else "$"
    return path if parse_path(path) else "$"


def _has_object(values: list[JsonValue]) -> bool:
    return any(isinstance(value, dict) for value in values)


def _no_records(
    file: SourceFile, document: JsonValue, steps: JsonPath, records: str | None
) -> FileError | None:
    top = document if isinstance(document, dict) else {}
    lists = [key for key, value in top.items() if isinstance(value, list)]
    hint = f"say where the list is: records: $.{lists[0]}" if lists else None
    if not steps and not isinstance(document, list):
        what = f"found {kind_of(document)}, not a list of records"
    elif next(walk(document, steps), None) is None:
        what = f"there is nothing at {records}"
    else:
        return None
    return FileError(file=file, reason=Reason.UNREADABLE, what=what, hint=hint)


def _records(document: JsonValue, steps: JsonPath) -> Iterator[tuple[str, JsonValue]]:
    for path, value in walk(document, steps):
        if isinstance(value, list):
            yield from walk(value, (EVERY,), path)
        else:
            yield path, value


def _record(file: SourceFile, value: JsonValue, at: dict[str, JsonValue]) -> RawItem | Reject:
    reason, what = Reason.NOT_OBJECT, f"found {kind_of(value)}, not an object"
    if isinstance(value, dict):
        try:
            refuse_unwritable(value)
        except BadJsonError as error:
            reason, what = Reason.BAD_JSON, error.what
        else:
            return RawItem(file=file, at=at, payload=value)
    return Reject(file=file, at=at, reason=reason, what=what, excerpt=excerpt(_shown(value)))


def _shown(value: JsonValue) -> str:
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    except RecursionError:
        return ""


def _line_record(file: SourceFile, line: Line, record: int, most: int) -> RawItem | Reject:
    at: dict[str, JsonValue] = {"line": line.number, "record": record}

    def reject(reason: Reason, what: str, **more: JsonValue) -> Reject:
        where = {"line": line.number, **more, "record": record}
        return Reject(file=file, at=where, reason=reason, what=what, excerpt=excerpt(line.text))

    if line.size > most:
        return reject(Reason.TOO_LARGE, f"the record is longer than {most:,} bytes")
    if line.bad_byte is not None:
        what = f"no {file.encoding} at byte {line.bad_byte}"
        return reject(Reason.BAD_ENCODING, what, byte=line.bad_byte)
    try:
        value = parse_strict(line.text.rstrip("\r\n"))
        refuse_unwritable(value)
    except BadJsonError as error:
        more = {"column": error.column} if error.column else {}
        return reject(Reason.BAD_JSON, error.what, **more)
    if not isinstance(value, dict):
        return reject(Reason.NOT_OBJECT, f"found {kind_of(value)}, not an object")
    return RawItem(file=file, at=at, payload=value)
