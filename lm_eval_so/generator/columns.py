"""Map and columns brought together: what a file has, what the config or the names choose."""

from collections.abc import Iterator, Sequence

from lm_eval_so.core.config.model import Config
from lm_eval_so.errors import Problem, nearest
from lm_eval_so.generator.mapping import Binding, bind, guess
from lm_eval_so.generator.sources.base import Reason, listed, place


def bind_columns(
    config: Config, number: int, name: str, columns: Sequence[str], *, line: int | None = None
) -> tuple[Binding, tuple[Problem, ...]]:
    """Choose the columns of a file: by the map of the config, else by their names.

    Args:
        config: The config.
        number: Position of the source in it.
        name: The file.
        columns: What the header has, or the keys of the first records.
        line: Line of the header. Without one the map is not checked: keys may still come.

    Returns:
        The binding, and why it cannot be used.
    """
    given = config.sources[number].map
    at = place(name, {} if line is None else {"line": line})
    if given:
        binding = bind(given)
        missing = _missing(config, number, at, columns, binding) if line is not None else ()
        return binding, tuple(missing)
    binding = guess(columns)
    if {"input", "messages"} & set(binding.refs):
        return binding, ()
    return binding, (
        Problem(
            what=f"{at} {Reason.MISSING_FIELD}: no column looks like a question",
            where=config.where("generator", "sources", number),
            hint=f"name it by map: {{input: COLUMN}}; columns: {listed(columns)}",
        ),
    )


def never_seen(config: Config, number: int, column: str, keys: Sequence[str]) -> Problem:
    """Say that no record of a source has what the map names."""
    source = config.sources[number]
    field = next(f for f, c in bind(source.map).columns() if c == column)
    what = f"{Reason.MISSING_FIELD}: no record of {source.id} has '{column}'"
    where = config.where("generator", "sources", number, "map", field)
    return Problem(what=what, where=where, hint=_hint(column, keys))


def _missing(
    config: Config, number: int, at: str, columns: Sequence[str], binding: Binding
) -> Iterator[Problem]:
    for field, column in binding.columns():
        if column not in columns:
            what = f"{at} {Reason.MISSING_FIELD}: '{column}' not in header"
            where = config.where("generator", "sources", number, "map", field)
            yield Problem(what=what, where=where, hint=_hint(column, columns))


def _hint(column: str, columns: Sequence[str]) -> str:
    close = _nearest(column, columns)
    meant = f"did you mean '{close}'? " if close else ""
    return f"{meant}columns: {listed(columns)}"


def _nearest(column: str, columns: Sequence[str]) -> str | None:
    # Korean column names are short: a name that begins with another is near, whatever its length
    inside = [c for c in columns if c and (column.startswith(c) or c.startswith(column))]
    return nearest(column, columns) or (max(inside, key=len) if inside else None)
