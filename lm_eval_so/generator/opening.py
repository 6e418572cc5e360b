"""Opening a file of a source: its digest, its encoding and its reader."""

import codecs
import hashlib
from collections.abc import Iterator
from pathlib import Path

from lm_eval_so.core.config.model import SourceSection
from lm_eval_so.generator.sources import READERS, format_of
from lm_eval_so.generator.sources.base import (
    Columns,
    FileError,
    RawItem,
    Reason,
    Reject,
    SourceFile,
)
from lm_eval_so.generator.sources.encoding import HEAD_BYTES, detect_encoding

Item = Columns | RawItem | Reject | FileError
Items = Iterator[Item]


def open_file(name: str, path: Path, source: SourceSection) -> tuple[SourceFile, Items]:
    """Return a file and its records; a file that cannot be read gives its one error.

    Args:
        name: How the file is shown.
        path: Where it is.
        source: The source that it belongs to.
    """
    try:
        with path.open("rb") as data:
            head = data.read(HEAD_BYTES)
            data.seek(0)
            sha256 = hashlib.file_digest(data, "sha256").hexdigest()
            size = data.tell()
    except OSError as error:
        file = SourceFile(source=source.id, name=name, path=path, sha256="", size=0)
        what = error.strerror or "it cannot be read"
        return file, iter([FileError(file=file, reason=Reason.UNREADABLE, what=what.lower())])
    declared = codecs.lookup(source.encoding).name if source.encoding else None
    file = SourceFile(
        source=source.id,
        name=name,
        path=path,
        sha256=sha256,
        size=size,
        encoding=declared or detect_encoding(head),
        license=source.license,
    )
    return file, _items(file, source, head)


def _items(file: SourceFile, source: SourceSection, head: bytes) -> Items:
    reader = READERS.get(format_of(file.name, source) or "")
    if reader is None:
        what = f'the ending "{file.path.suffix}" tells no format'
        hint = f"name it by format: one of {', '.join(READERS)}"
        yield FileError(file=file, reason=Reason.UNKNOWN_FORMAT, what=what, hint=hint)
    elif file.encoding is None:
        what = f"the encoding cannot be told; no UTF-8 at byte {_first_foreign(head)}"
        hint = "name it by encoding: or save the file as UTF-8"
        yield FileError(file=file, reason=Reason.UNREADABLE, what=what, hint=hint)
    else:
        try:
            yield from reader(file, source)
        except UnicodeError as error:  # UTF-16 torn in the middle of a unit, or not that at all
            what = f"no {file.encoding}: {getattr(error, 'reason', error)}"
            yield FileError(file=file, reason=Reason.UNREADABLE, what=what)
        except OSError as error:  # it was there a moment ago
            what = (error.strerror or "it cannot be read").lower()
            yield FileError(file=file, reason=Reason.UNREADABLE, what=what)


def _first_foreign(head: bytes) -> int:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(head)
