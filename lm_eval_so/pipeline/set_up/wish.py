"""The options of a first set-up, checked before anything is asked or written."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.config.yaml_lines import read_yaml
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.secrets import is_credential_name
from lm_eval_so.errors import Problem, Where
from lm_eval_so.pipeline.set_up.try_address import Way

WORKFLOW: Final = Path(".github/workflows/lm-eval-so.yml")
_ASKS: Final = re.compile(r"\{\{-?\s*(?:last_user|messages)\b")
"""Beginning of a template that holds the question."""
_NAMED: Final = re.compile(r"\$\{(\w+)\}")
_EXAMPLE: Final = "--header 'Authorization: Bearer ${BOT_TOKEN}', in single quotes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The options of a first set-up."""

    file: Path
    """The config to write."""
    paths: tuple[str, ...] = ()
    """Files and folders, relative to the working directory; none: the usual places."""
    url: str | None = None
    headers: tuple[str, ...] = ()
    """Headers of the chatbot, as `Name: value`; a secret in them is a `${NAME}`."""
    body: str | None = None
    """JSON of a request's body, with templates; None: the usual ones are tried."""
    workflow: bool = False
    """Whether the workflow is written, too."""
    force: bool = False
    """Whether files that are there are written anew."""
    language: Language | None = None
    """Language of config and screen; default: that of the files."""


def in_the_way(wish: Wish) -> Iterator[Problem]:
    """Find what an existing config leaves nothing to do: it is added to, and never written anew.

    Raises:
        InputError: If the config cannot be read.
    """
    located = read_yaml(wish.file)
    has_chatbot = isinstance(located.values, dict) and located.values.get("backend") is not None
    workflow = wish.file.parent / WORKFLOW
    hint = "edit it, or write it anew by --force"
    if wish.url is not None and has_chatbot:
        where = located.where(("backend",))
        yield Problem(what="the chatbot is there already", where=where, hint=hint)
    elif wish.url is None and not wish.workflow:
        left = "" if has_chatbot else "; --url writes the chatbot that it lacks"
        where = Where(file=str(wish.file))
        yield Problem(what="it is there already", where=where, hint=hint + left)
    if wish.workflow and workflow.exists():
        where = Where(file=str(workflow))
        yield Problem(what="it is there already", where=where, hint=hint)


def _missing(wish: Wish) -> Iterator[Problem]:
    for path in wish.paths:
        if not Path(path).exists() and not any(char in path for char in "*?["):
            yield Problem(what=f"no file or folder at {path}", hint="name your documents, as docs/")


def wish_problems(wish: Wish, resources: Resources) -> Iterator[Problem]:
    """Find paths that are not there, and options that cannot be meant or would write a secret into a file."""
    yield from _missing(wish)
    if wish.url is None and (wish.headers or wish.body is not None):
        yield Problem(what="--header and --body need an address", hint="give it by --url")
        return
    yield from _header_problems(wish, resources)
    if wish.body is None:
        return
    if resources.redactor.finds(wish.body):
        what = "a secret in --body would stand in a file"
        yield Problem(what=what, hint="export it, and write ${NAME} in its place")
    try:
        values = json.loads(wish.body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict | list) or not _ASKS.search(wish.body):
        what = "--body is no JSON with a place for the question"
        yield Problem(what=what, hint="""write it as --body '{"question": "{{ last_user }}"}'""")


def way_of(wish: Wish) -> Way | None:
    """Return how the chatbot is asked, of options without problems; None without an address."""
    if wish.url is None:
        return None
    body = None if wish.body is None else json.loads(wish.body)
    return Way(url=wish.url, headers=dict(map(_header, wish.headers)), body=body)


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip(), value.strip()


def _header_problems(wish: Wish, resources: Resources) -> Iterator[Problem]:
    """Find headers that are none, or that hold a secret as it is."""
    for name, value in map(_header, wish.headers):
        named = _NAMED.findall(value)
        if not name or not value:
            yield Problem(what="--header is no header", hint=f"write it as {_EXAMPLE}")
        elif not named and (is_credential_name(name) or resources.redactor.finds(value)):
            what = f"the value of {name} would stand in a file"
            yield Problem(what=what, hint=f"export it, and name the variable: {_EXAMPLE}")
        for variable in named:
            if not resources.environ.get(variable):
                yield Problem(what=f"{variable} is not set", hint=f"export {variable}=…")
