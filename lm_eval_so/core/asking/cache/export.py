"""The cache as lines of JSON, to take it to another machine."""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lm_eval_so.core.asking.cache.file import (
    Row,
    connect,
    decode,
    encode,
    is_there,
    kept_adapter,
    reading,
    time_text,
    using,
    write_rows,
)
from lm_eval_so.core.records.codec import dump_line, parse_json, validation_problems
from lm_eval_so.errors import LMEvalError, Problem, RecordError, Where

_SCHEMA = "lm-eval-so/cache/1"
_KEY_BYTES = 32


def export_lines(path: Path) -> Iterator[str]:
    """Yield each entry as a line of JSON, in the order of the keys.

    Raises:
        InputError: If it cannot be read.
    """
    if not is_there(path):
        return
    with reading(path) as connection:
        for key, made_at, value in connection.execute(
            "SELECT key, made_at, value FROM answers ORDER BY key"
        ):
            if decode(value) is not None:
                line = {"schema": _SCHEMA, "key": key.hex(), "made_at": time_text(made_at)}
                yield dump_line({**line, "answer": json.loads(value)})


def import_lines(path: Path, lines: Iterable[tuple[int, bytes]], *, file: str) -> int:
    """Put exported entries into a cache, all or none; newer entries there stay.

    Args:
        path: The cache.
        lines: (line number, line) of each entry.
        file: Name of their source, for error texts.

    Returns:
        How many were put in.

    Raises:
        RecordError: With every line that is no entry.
        InputError: If the cache cannot be written to.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, line in lines:
        try:
            rows.append(_entry(line, Where(file=file, line=number)))
        except LMEvalError as error:
            problems += error.problems
    if problems:
        raise RecordError.of(problems)
    with using(path), closing(connect(path)) as connection:
        return write_rows(connection, rows, keep_newer=True)


def _entry(line: bytes, where: Where) -> Row:
    values: Any = parse_json(line, where=where)
    if not isinstance(values, dict) or values.get("schema") != _SCHEMA:
        raise RecordError(f"no entry of a cache ({_SCHEMA})", where=where)
    try:
        key = bytes.fromhex(str(values.get("key")))
        made_at = int(datetime.fromisoformat(str(values.get("made_at"))).timestamp())
        answer = kept_adapter().validate_python(values.get("answer"))
        if len(key) == _KEY_BYTES:
            return key, made_at, encode(answer)
    except ValidationError as error:
        raise RecordError.of(
            list(validation_problems(error, lambda key: _at(where, key)))
        ) from None
    except ValueError:
        pass
    hint = "key has 64 hexadecimal digits, made_at is a time like 2026-11-24T06:30:00Z"
    raise RecordError("an entry without key or time", where=where, hint=hint)


def _at(where: Where, key: str) -> Where:
    return Where(file=where.file, line=where.line, key=f"answer.{key}" if key else "answer")
