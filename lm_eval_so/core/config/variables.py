"""`${NAME}` in a config: filled in, but reported as written, with secrets hidden."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lm_eval_so.core.config.yaml_lines import Located, Path_, Written
from lm_eval_so.core.secrets import is_credential_name, is_reserved_name
from lm_eval_so.errors import Problem, Where

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_IN_URL = re.compile(r"""(?<=://)[^\s/@"']+(?=@)|(?<==)[^\s&#"'}]+""")
"""User and password of an address, and the values of its query."""
_SHORTEST_QUOTED = 4
"""Fewest characters of a value that is replaced in messages; shorter values occur in many words."""


def fill_in(located: Located, environ: Mapping[str, str], problems: list[Problem]) -> Located:
    """Fill in the variables in texts of the file, and keep the texts as written.

    Values from the command line stay as they are: the shell fills in variables there, and an input
    of the Action may come from a pull request.

    Args:
        located: The values as written.
        environ: Environment variables.
        problems: List that gets a problem for each unset or reserved variable.
    """
    written: dict[Path_, Written] = {}

    def filled(value: Any, path: Path_) -> Any:
        if isinstance(value, dict):
            return {key: filled(each, (*path, key)) for key, each in value.items()}
        if isinstance(value, list):
            return [filled(each, (*path, place)) for place, each in enumerate(value)]
        found = list(_REFERENCE.finditer(value)) if isinstance(value, str) else []
        if not found:
            return value
        variables = {each[1]: _held(each, environ) for each in found}
        is_given = located.is_overridden(path)
        told = _problems(variables, located.where(path), is_filled_in=not is_given)
        problems.extend(told)
        if is_given:
            return value
        text = _REFERENCE.sub(
            lambda each: each[0] if (v := _held(each, environ)) is None else v, value
        )
        inside = {name: each for name, each in variables.items() if each}
        written[path] = Written(text=value, value=text, variables=inside)
        return text

    return replace(located, values=filled(located.values, ()), written=written)


def has_variable(text: str) -> bool:
    """Return whether a config would fill in a part of a text."""
    return _REFERENCE.search(text) is not None


def known_text(value: object, environ: Mapping[str, str]) -> str:
    """Return a text with known variables filled in and others removed; "" for other values."""
    if not isinstance(value, str):
        return ""
    return _REFERENCE.sub(lambda found: _held(found, environ) or "", value)


def _held(found: re.Match[str], environ: Mapping[str, str]) -> str | None:
    """Return the value of a reference; None if it is unknown or reserved."""
    return None if is_reserved_name(found[1]) else environ.get(found[1]) or found[2]


def reserved_problem(name: str, where: Where) -> Problem | None:
    """Return the problem of a reserved variable; None if a config may name it.

    Otherwise a config could send the token of the workflow anywhere.
    """
    if not is_reserved_name(name):
        return None
    return Problem(
        what=f"a config cannot name the variable {name}: it is the workflow's own",
        where=where,
        hint="give the step a variable of another name, as env: {BOT_KEY: ...}, and name that",
    )


def as_written(value: Any, written: Mapping[str, str]) -> Any:
    """Return a JSON value with each text made of variables as it was written.

    Args:
        value: The value.
        written: Texts as written, by their filled-in value.
    """
    if not written:
        return value
    if isinstance(value, str):
        return written.get(value, value)
    if isinstance(value, Mapping):
        return {written.get(key, key): as_written(each, written) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_written(each, written) for each in value]
    return value


def problem_as_written(problem: Problem, written: Mapping[str, str]) -> Problem:
    """Return a problem that quotes the file instead of the values of variables."""
    hint = None if problem.hint is None else text_as_written(problem.hint, written)
    return replace(problem, what=text_as_written(problem.what, written), hint=hint)


def text_as_written(text: str, written: Mapping[str, str]) -> str:
    """Return a text that quotes the file instead of the values of variables."""
    for value, source in sorted(written.items(), key=lambda pair: -len(pair[0])):
        if len(value) >= _SHORTEST_QUOTED:
            text = text.replace(value, source)
    return text


def shown_lines(located: Located) -> Iterator[str]:
    """Yield the lines as messages may show them, with secrets as stars of the same length."""
    secrets = sorted(set(_literal_secrets(located.values, ())), key=len, reverse=True)
    for line in located.lines:
        shown = line
        for secret in secrets:
            shown = shown.replace(secret, "*" * len(secret))
        yield _IN_URL.sub(lambda found: "*" * len(found[0]), shown) if "://" in shown else shown


def _literal_secrets(value: Any, path: Path_) -> Iterator[str]:
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inner:
            yield from _literal_secrets(each, (*path, key))
    elif isinstance(value, str) and len(value) >= _SHORTEST_QUOTED and is_secret_place(path):
        yield from [] if _REFERENCE.search(value) else [value]


def is_secret_place(path: Path_) -> bool:
    """Return whether an option's name suggests a credential."""
    name = str(path[-1]) if "options" in path else ""
    return is_credential_name(name) and not name.endswith(("_env", "_file"))


def _problems(
    variables: Mapping[str, str | None], where: Where, *, is_filled_in: bool
) -> Iterator[Problem]:
    for name, value in variables.items():
        reserved = reserved_problem(name, where)
        if reserved is not None:
            yield reserved
        elif value is None and is_filled_in:
            hint = f"export {name}, or write ${{{name}:-default}}"
            yield Problem(what=f"the variable {name} is not set", where=where, hint=hint)
