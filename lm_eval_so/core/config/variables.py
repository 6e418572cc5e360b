"""`${NAME}` in a config: filled in, told as it was written; and which of its texts are not shown."""

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
"""Characters of a value that is looked for in messages and lines: a shorter one is in many words."""


def fill_in(located: Located, environ: Mapping[str, str], problems: list[Problem]) -> Located:
    """Fill in the variables that texts of the file name; what was written is kept beside.

    What was given on the command line stays as it is: the shell fills in variables there, and an
    input of the Action may come from a pull request.

    Args:
        located: The values as they were written.
        environ: Environment variables.
        problems: Gets a problem for each variable that is not set, or not a config's to name.
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


def known_text(value: object, environ: Mapping[str, str]) -> str:
    """Return a text with the variables that are known, without the others; "" of anything else."""
    if not isinstance(value, str):
        return ""
    return _REFERENCE.sub(lambda found: _held(found, environ) or "", value)


def _held(found: re.Match[str], environ: Mapping[str, str]) -> str | None:
    """Return what a reference stands for.

    None if nothing is known, or it is not a config's to name.
    """
    return None if is_reserved_name(found[1]) else environ.get(found[1]) or found[2]


def reserved_problem(name: str, where: Where) -> Problem | None:
    """Say that a variable is not a config's to name; None if it is.

    A config would otherwise send the token of the workflow wherever it likes.
    """
    if not is_reserved_name(name):
        return None
    return Problem(
        what=f"a config cannot name the variable {name}: it is the workflow's own",
        where=where,
        hint="give the step a variable of another name, as env: {BOT_KEY: ...}, and name that",
    )


def as_written(value: Any, written: Mapping[str, str]) -> Any:
    """Return a JSON value in which each text that a variable made stands as it was written.

    Args:
        value: The value.
        written: Texts as they were written, by what they come to.
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
    """Return a problem that quotes what the file says instead of what a variable holds."""
    hint = None if problem.hint is None else text_as_written(problem.hint, written)
    return replace(problem, what=text_as_written(problem.what, written), hint=hint)


def text_as_written(text: str, written: Mapping[str, str]) -> str:
    """Return a text that quotes what the file says instead of what a variable holds."""
    for value, source in sorted(written.items(), key=lambda pair: -len(pair[0])):
        if len(value) >= _SHORTEST_QUOTED:
            text = text.replace(value, source)
    return text


def shown_lines(located: Located) -> Iterator[str]:
    """Yield the lines as messages may show them, each as long as it is: what is secret is stars."""
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
    """Return whether an option is named like one that holds a credential."""
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
