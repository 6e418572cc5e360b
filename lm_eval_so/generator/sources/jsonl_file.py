"""JSON lines: one object a line, streamed; a bad line never stops the file."""

from collections.abc import Iterator

from pydantic import JsonValue

from lm_eval_so.core.config.model import SourceSection
from lm_eval_so.generator.sources.base import (
    FileError,
    RawItem,
    Reason,
    Reject,
    SourceFile,
    excerpt,
)
from lm_eval_so.generator.sources.json_file import kind_of
from lm_eval_so.generator.sources.lines import MOST_BYTES, Line, read_lines
from lm_eval_so.generator.sources.strict_json import BadJsonError, parse_strict, refuse_unwritable


def read_jsonl(file: SourceFile, _: SourceSection, /) -> Iterator[RawItem | Reject | FileError]:
    """Read JSON lines; blank lines are no records."""
    record = 0
    for line in read_lines(file.path, file.encoding or "utf-8"):
        if line.text.strip():
            record += 1
            yield _item(file, line, record)
    if not record:
        yield FileError(file=file, reason=Reason.EMPTY_FILE, what="the file is empty")


def _item(file: SourceFile, line: Line, record: int) -> RawItem | Reject:
    at: dict[str, JsonValue] = {"line": line.number, "record": record}

    def reject(reason: Reason, what: str, **more: JsonValue) -> Reject:
        where = {"line": line.number, **more, "record": record}
        return Reject(file=file, at=where, reason=reason, what=what, excerpt=excerpt(line.text))

    if line.size > MOST_BYTES:
        return reject(Reason.TOO_LARGE, f"the record is longer than {MOST_BYTES:,} bytes")
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
