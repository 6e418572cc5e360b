"""The first set-up: what is there is looked at, a model and the chatbot are found, the config is written."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import JsonValue

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.backends.build import named_hosts
from lm_eval_so.core.config.load import read_config, require_valid
from lm_eval_so.core.files import read_text, write_atomic
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.core.words import say
from lm_eval_so.errors import InputError, LMEvalError, Problem, Where
from lm_eval_so.generator.scan import ScanResult, scan, show
from lm_eval_so.pipeline.set_up.config_text import (
    Facts,
    config_text,
    slug,
    with_ignored,
    workflow_text,
)
from lm_eval_so.pipeline.set_up.try_address import KEY, Address, Section, list_models, try_address

WORKFLOW: Final = Path(".github/workflows/lm-eval-so.yml")
_PLACES: Final = (
    "docs",
    "documents",
    "sources",
    "data",
    "faq",
    "knowledge",
    "content",
    "help",
    "문서",
    "자료",
)
"""Folders that are looked into if no path is given."""
_ALONE: Final = ("*.pdf", "*.docx", "*.hwpx", "*.xlsx", "*.csv", "*.jsonl")
"""Files that are looked for if none of these folders is there."""
_OLLAMA: Final = "localhost:11434"
_OLLAMA_S: Final = 0.3
_MODEL: Final = "gpt-4.1-mini"
ADDRESS: Final = "CHATBOT_URL"
"""Variable of an address with a password or a query, which no file may hold."""
_SHOWN: Final = 60
"""Characters of an answer that are shown."""
_GREETING: Final = {
    Language.KO: "안녕하세요. 무엇을 도와주실 수 있나요?",
    Language.EN: "Hello. What can you help me with?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The options of a first set-up."""

    file: Path
    """The config to write."""
    paths: tuple[str, ...] = ()
    """Files and folders, relative to the working directory; none: the usual places."""
    url: str | None = None
    workflow: bool = False
    """Whether the workflow and lines of .gitignore are written, too."""
    force: bool = False
    """Whether files that are there are written anew."""
    language: Language | None = None
    """Language of config and screen; default: that of the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A model that can write tests."""

    section: Section
    model: str
    where: str
    """Variable with its key, or its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """Findings of a first set-up, and the files that it wrote."""

    scan: ScanResult
    looked_at: tuple[str, ...]
    """Files and folders that were looked at."""
    writer: Writer | None
    chatbot: Address | None
    """None if no address was given."""
    files: tuple[Path, ...]
    language: Language


async def set_up(wish: Wish, resources: Resources) -> SetUp:
    """Look at files, find a model, ask the chatbot once, and write the config; nothing else is asked.

    Args:
        wish: The options.
        resources: Resources of the command; its environment tells the keys.

    Raises:
        InputError: If a file is there already, or a path is not; then nothing was asked or written.
    """
    folder = wish.file.parent
    problems = [*_in_the_way(wish), *_missing(wish)]
    if problems:
        raise InputError.of(problems)
    there = [_relative(path, folder) for path in wish.paths] or [*_usual(folder)]
    paths = tuple(there or [f"{_PLACES[0]}/"])
    found = scan(paths, folder)
    language = wish.language or found.language
    writer = await choose_writer(resources)
    chatbot = None
    if wish.url is not None:
        question = found.question or _GREETING[language]
        chatbot = await try_address(wish.url, question, resources)
    facts = Facts(
        suite=_suite(paths, folder),
        language=language,
        sources=paths,
        has_files=bool(found.files),
        has_documents=found.has_documents,
        tests=found.samples,
        chatbot=_without_secrets(chatbot.section) if chatbot else None,
        writer=writer.section if writer else None,
    )
    return SetUp(
        scan=found,
        looked_at=tuple(there or (f"{place}/" for place in _PLACES)),
        writer=writer,
        chatbot=chatbot,
        files=_write(wish, facts, resources.environ),
        language=language,
    )


async def choose_writer(resources: Resources) -> Writer | None:
    """Return the first model that is at hand: OpenAI's, Azure's, or one that Ollama serves here."""
    environ = resources.environ
    if environ.get(KEY):
        return _writer("openai", _MODEL, {}, where=KEY)
    if environ.get("AZURE_OPENAI_API_KEY") and environ.get("AZURE_OPENAI_ENDPOINT"):
        model = environ.get("AZURE_OPENAI_DEPLOYMENT") or _MODEL
        return _writer("azure", model, {"deployment": model}, where="AZURE_OPENAI_API_KEY")
    host = (environ.get("OLLAMA_HOST") or _OLLAMA).removeprefix("http://").rstrip("/")
    if "@" in host:  # with a password, which no file may hold
        return None
    models = await list_models(f"http://{host}/v1", resources, timeout_s=_OLLAMA_S)
    if not models:
        return None
    options: dict[str, JsonValue] = {"base_url": f"http://{host}/v1", "api_key_env": ""}
    options = {"preset": "ollama"} if host == _OLLAMA else options
    return _writer("openai", models[0], options, where=host)


def _writer(name: str, model: str, options: dict[str, JsonValue], *, where: str) -> Writer:
    section: Section = {"name": name, "params": {"model": model}, "options": options}
    named = {key: value for key, value in section.items() if value}
    return Writer(section=named, model=model, where=where)


def screen(made: SetUp) -> list[str]:
    """Return what was found and written, and the next command, in lines for people."""

    def told(code: str, **figures: object) -> str:
        return say(f"set_up.{code}", made.language, figures)

    lines = show(made.scan, made.language)
    if not made.scan.files:
        lines.append(told("nothing", places=", ".join(made.looked_at)))
    files = ", ".join(each.as_posix() for each in made.files)
    if made.writer is None:
        lines += [told("wrote", files=files), told("no_model")]
    else:
        model = f"{made.writer.section['name']} {made.writer.model}"
        lines.append(told("wrote_with", files=files, model=model, where=made.writer.where))
    if made.chatbot is not None and made.chatbot.answer is not None:
        lines.append(told("answered", answer=one_line(made.chatbot.answer, _SHOWN)))
    elif made.chatbot is not None:
        hint = f" ({made.chatbot.hint})" if made.chatbot.hint else ""
        lines += [
            told("no_answer", fault=f"{made.chatbot.fault}{hint}"),
            told("correct", file=made.files[0]),
        ]
    if not made.scan.files:
        return [*lines, told("put_files", folder=made.looked_at[0])]
    tries = made.writer is not None and made.scan.has_documents
    return [*lines, told("next", command=f"lm-eval-so generate{' --try 5' if tries else ''}")]


def _in_the_way(wish: Wish) -> Iterator[Problem]:
    """Find files that are there already."""
    files = [wish.file, *([wish.file.parent / WORKFLOW] if wish.workflow else [])]
    for file in files if not wish.force else ():
        if file.exists():
            hint = "edit it, or write it anew by --force"
            yield Problem(what="it is there already", where=Where(file=str(file)), hint=hint)


def _missing(wish: Wish) -> Iterator[Problem]:
    for path in wish.paths:
        if not Path(path).exists() and not any(char in path for char in "*?["):
            yield Problem(what=f"no file or folder at {path}", hint="name your documents, as docs/")


def _relative(path: str, folder: Path) -> str:
    """Return a path as the config has it; a folder ends with a slash."""
    shown = Path(os.path.relpath(path, folder)).as_posix()
    return f"{shown.rstrip('/')}/" if Path(path).is_dir() else shown


def _usual(folder: Path) -> Iterator[str]:
    """Yield the usual places that are there; else the documents that lie in the folder itself."""
    places = [f"{place}/" for place in _PLACES if (folder / place).is_dir()]
    alone = sorted(path.name for pattern in _ALONE for path in folder.glob(pattern))
    yield from places or alone


def _suite(paths: Sequence[str], folder: Path) -> str:
    names = [Path(path).stem for path in paths[:1]] + [folder.absolute().name]
    return next(filter(None, map(slug, names)), "chatbot")


def _without_secrets(section: Section) -> Section:
    """Return a section whose address, if it holds a password or a query, stands in a variable."""
    options = section.get("options")
    if not isinstance(options, dict):
        return section
    return {**section, "options": {name: _in_variable(each) for name, each in options.items()}}


def _in_variable(value: JsonValue) -> JsonValue:
    parts = urlsplit(value) if isinstance(value, str) and "://" in value else None
    is_secret = parts is not None and bool(
        parts.query or parts.fragment or parts.username or parts.password
    )
    return f"${{{ADDRESS}}}" if is_secret else value


def _write(wish: Wish, facts: Facts, environ: Mapping[str, str]) -> tuple[Path, ...]:
    write_atomic(wish.file, config_text(facts))
    if not wish.workflow:
        return (wish.file,)
    folder = wish.file.parent
    workflow, ignored = folder / WORKFLOW, folder / ".gitignore"
    variables, hosts = _variables(facts.chatbot), _hosts(wish.file, environ)
    write_atomic(workflow, workflow_text(variables, hosts=hosts, config=wish.file.name))
    write_atomic(ignored, with_ignored(read_text(ignored) if ignored.exists() else ""))
    return wish.file, workflow, ignored


def _hosts(file: Path, environ: Mapping[str, str]) -> list[str]:
    """Return the hosts that a config asks, sorted; none if they are not all known."""
    try:
        config = require_valid(read_config(file, environ=environ))
    except LMEvalError:  # an address stands in a variable of the workflow's
        return []
    hosts = [each.host for each in named_hosts(config, environ)]
    return [] if None in hosts else sorted({str(host) for host in hosts})


def _variables(chatbot: Section | None) -> list[str]:
    """Return the variables that the chatbot's section needs."""
    if chatbot is None:
        return [KEY]
    text = json.dumps(dict(chatbot))
    needs_key = chatbot["name"] == "openai" and '"api_key_env": ""' not in text
    return [*([KEY] if needs_key else []), *([ADDRESS] if f"${{{ADDRESS}}}" in text else [])]


def facts(made: SetUp) -> dict[str, JsonValue]:
    """Return what was found and written, as JSON."""
    return {
        "language": made.language.value,
        "read": [each.facts() for each in made.scan.files],
        "unreadable": [each.facts() for each in made.scan.unreadable],
        "model": made.writer.model if made.writer else None,
        "chatbot": None if made.chatbot is None else made.chatbot.answer,
        "files": [str(each) for each in made.files],
    }
