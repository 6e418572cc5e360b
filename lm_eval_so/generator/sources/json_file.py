"""JSON documents, which hold a list of records somewhere, and JSON lines, streamed."""

import json
from collections.abc import Iterator

from pydantic import JsonValue

from lm_eval_so.core.config.sources import SourceSection
from lm_eval_so.generator.sources.base import (
    BadFileError,
    RawItem,
    Reason,
    Reject,
    SourceFile,
)
from lm_eval_so.generator.sources.encoding import MOST_BYTES, read_lines, refuse_bad
from lm_eval_so.generator.sources.json_values import (
    EVERY,
    JsonPath,
    Tree,
    kind_of,
    parse_path,
    parse_strict,
    refuse_unwritable,
    walk,
)

_LARGEST = 200_000_000
"""Bytes of the largest file."""


def parse_json_file(file: SourceFile) -> Tree:
    """Return the value of a JSON file.

    Raises:
        BadFileError: If it is too large, empty, or no JSON.
    """
    return Tree(value=parse_strict(whole_text(file, _LARGEST)))


def whole_text(file: SourceFile, most: int) -> str:
    """Return the text of a file that is held in memory whole.

    Raises:
        BadFileError: If it has more bytes than `most`, cannot be decoded, or is empty.
    """
    if file.size > most:
        what = f"the file is larger than {most:,} bytes"
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
    return text


def records_of(
    file: SourceFile, tree: Tree, records: str | None = None
) -> Iterator[RawItem | Reject]:
    """Yield the records of a file's value: a list at its top, or at a path.

    Args:
        file: The file.
        tree: Value of the file.
        records: Path of the records, as `$.data`; None: the top, or the only list of
            objects there.

    Raises:
        BadFileError: If there is no list.
    """
    top = tree.value if isinstance(tree.value, dict) else {}
    lists = {key: value for key, value in top.items() if isinstance(value, list)}
    of_objects = [k for k, some in lists.items() if any(isinstance(one, dict) for one in some)]
    only = f"$.{of_objects[0]}" if len(of_objects) == 1 else "$"
    steps = parse_path(records or only) or ()
    found = None
    if not steps and not isinstance(tree.value, list):
        found = f"found {kind_of(tree.value)}, not a list of records"
    elif next(walk(tree.value, steps), None) is None:
        found = f"there is nothing at {records}"
    if found:
        hint = f"say where the list is: records: $.{next(iter(lists))}" if lists else None
        raise BadFileError(Reason.UNREADABLE, found, hint)
    for number, (path, value) in enumerate(_records(tree.value, steps), start=1):
        at = {"record": number, **tree.at(path)}
        try:
            record = _object(value)
        except BadFileError as error:
            yield error.reject(file, at, _shown(value))
        else:
            yield RawItem(file=file, at=at, payload=record)


def _records(document: JsonValue, steps: JsonPath) -> Iterator[tuple[str, JsonValue]]:
    for path, value in walk(document, steps):
        yield from walk(value, (EVERY,), path) if isinstance(value, list) else [(path, value)]


def read_jsonl(
    file: SourceFile, _: SourceSection, /, *, most: int = MOST_BYTES
) -> Iterator[RawItem | Reject]:
    """Read JSON lines of at most `most` bytes, without blank lines."""
    record = 0
    for line in read_lines(file.path, file.encoding or "utf-8", most):
        if not line.text.strip():
            continue
        record += 1
        try:
            refuse_bad(line, file.encoding, most)
            payload = _object(parse_strict(line.text.rstrip("\r\n")))
        except BadFileError as error:  # its line is that of the record
            at = {**error.at, "line": line.number, "record": record}
            yield error.reject(file, at, line.text)
        else:
            yield RawItem(file=file, at={"line": line.number, "record": record}, payload=payload)
    if not record:
        raise BadFileError(Reason.EMPTY_FILE, "the file is empty")


def _object(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise BadFileError(Reason.NOT_OBJECT, f"found {kind_of(value)}, not an object")
    refuse_unwritable(value)
    return value


def _shown(value: JsonValue) -> str:
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    except RecursionError:
        return ""
