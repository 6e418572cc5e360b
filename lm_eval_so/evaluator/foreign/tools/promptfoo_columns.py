"""The columns of promptfoo's results: each is a provider with a prompt, one of which a report is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lm_eval_so.errors import InputError, UsageError, Where, nearest
from lm_eval_so.evaluator.foreign.foreign_file import Node, plain

_LONGEST_NAME: Final = 80
_PARAMS: Final = ("temperature", "top_p", "top_k", "max_tokens", "seed", "reasoning_effort")
"""Settings of a provider that stand in a report; others may hold keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One provider with one prompt."""

    number: int
    provider: str
    label: str
    """Label of the prompt."""
    prompt: str
    """Template of the prompt."""
    name: str


def read_columns(results: Node) -> list[Column]:
    """Return the columns; the name has the prompt's label in it if there are several prompts."""
    found = results.nodes("prompts")
    told = [(n.text("provider") or "?", n.text("label") or "?", n.text("raw") or "") for n in found]
    several = len({label for _, label, _ in told}) > 1
    return [
        Column(
            number=number,
            provider=provider,
            label=label,
            prompt=prompt,
            name=_short(f"{provider} / {label}" if several else provider),
        )
        for number, (provider, label, prompt) in enumerate(told)
    ]


def choose_column(columns: Sequence[Column], wanted: str | None, file: str) -> Column:
    """Return the column that a report is about.

    Args:
        columns: All columns.
        wanted: Name of provider and prompt, of either if that is enough, or number from 1.
        file: The file, for errors.

    Raises:
        InputError: If there are no columns.
        UsageError: If there are several and none, or no single one, is named.
    """
    listed = "; ".join(f"{each.number + 1} {each.name}" for each in columns)
    where = Where(file=file, key="results.prompts")
    if not columns:
        raise InputError("the file has no results", where=where)
    if wanted is None:
        if len(columns) == 1:
            return columns[0]
        what = f"{len(columns)} candidates in one file, and a report is about one: {listed}"
        raise UsageError(what, where=where, hint="name one by --candidate, or its number")
    for fit in (
        lambda each: each.name == wanted,
        lambda each: wanted in {each.provider, each.label},
        lambda each: wanted == str(each.number + 1),
    ):
        if len(fitting := [each for each in columns if fit(each)]) == 1:
            return fitting[0]
    close = nearest(wanted, [each.name for each in columns])
    what = f'--candidate "{wanted}" names no single one' + (
        f' (did you mean "{close}"?)' if close else ""
    )
    raise UsageError(what, where=where, hint=f"there are: {listed}")


def _short(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"


def known_params(config: Node, provider: str) -> dict[str, Any]:
    """Return the settings of a provider that may stand in a report."""
    given = config.values.get("providers")
    for each in given if isinstance(given, list) else []:
        if isinstance(each, Mapping) and provider in {each.get("label"), each.get("id")}:
            told = each.get("config")
            known = told if isinstance(told, Mapping) else {}
            return {key: plain(known[key]) for key in _PARAMS if key in known}
    return {}
