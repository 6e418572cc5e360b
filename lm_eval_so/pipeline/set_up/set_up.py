"""The first set-up: what is there is looked at, a model and the chatbot are found, the config is written."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import JsonValue

from lm_eval_so.core.asking.resources import Resources
from lm_eval_so.core.files import read_text
from lm_eval_so.core.records.enums import Language
from lm_eval_so.errors import InputError
from lm_eval_so.generator.scan import scan
from lm_eval_so.pipeline.set_up.config_text import (
    Facts,
    chatbot_lines,
    config_text,
    slug,
    with_chatbot,
)
from lm_eval_so.pipeline.set_up.findings import SetUp, Writer, facts, screen
from lm_eval_so.pipeline.set_up.metric_lines import choose_metrics, unjudged
from lm_eval_so.pipeline.set_up.promptfoo_project import Taken, is_project, take_project
from lm_eval_so.pipeline.set_up.try_address import (
    KEY,
    Address,
    Section,
    list_models,
    try_address,
)
from lm_eval_so.pipeline.set_up.wish import Wish, in_the_way, way_of, wish_problems
from lm_eval_so.pipeline.set_up.write_files import ADDRESS, write_files

__all__ = ["SetUp", "Wish", "choose_writer", "facts", "screen", "set_up"]

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
_ALONE: Final = (
    "*.pdf",
    "*.docx",
    "*.hwpx",
    "*.xlsx",
    "*.csv",
    "*.jsonl",
    "*golden*.json",
    *(
        f"*dataset*/{name}*.{kind}"
        for name in ("*golden", "[0-9]")
        for kind in ("json", "csv", "jsonl")
    ),
)
"""Files that are looked for if none of these folders is there; DeepEval names what it saves by the time."""
_PROJECTS: Final = ("promptfooconfig.yaml", "promptfooconfig.yml", "promptfooconfig.json")
"""Files that are taken before all others if no path is given."""
_OLLAMA: Final = "localhost:11434"
_OLLAMA_S: Final = 0.3
_MODEL: Final = "gpt-4.1-mini"
_LETTER: Final = re.compile("[a-z]")
_GREETING: Final = {
    Language.KO: "안녕하세요. 무엇을 도와주실 수 있나요?",
    Language.EN: "Hello. What can you help me with?",
}


async def set_up(wish: Wish, resources: Resources) -> SetUp:
    """Look at files, find a model, ask the chatbot once, and write the config; nothing else is asked.

    A config that is there stays as it is, but for a chatbot that it lacks.

    Args:
        wish: The options.
        resources: Resources of the command; its environment tells the keys.

    Raises:
        InputError: If a file is there already, or a path is not; then nothing was asked or written.
    """
    folder = wish.file.parent
    is_new = wish.force or not wish.file.exists()
    problems = [
        *(() if is_new else in_the_way(wish)),
        *wish_problems(wish, resources),
    ]
    if problems:
        raise InputError.of(problems)
    way = way_of(wish)
    there = [_relative(path, folder) for path in wish.paths] or [*_usual(folder)]
    paths = tuple(there or [f"{_PLACES[0]}/"])
    found = scan(paths, folder)
    language = wish.language or found.language
    taken = _taken(paths, folder) if is_new else Taken()
    writer = await choose_writer(resources) if is_new else None
    chatbot = None
    if way is not None:
        question = found.question or _GREETING[language]
        chatbot = await try_address(way, question, resources)
    section, proposal = _sections(chatbot, taken)
    metrics = choose_metrics(
        found.checks,
        writes=found.has_documents,
        judge=writer.section if writer else None,
        language=language,
    )
    if is_new:
        said = Facts(
            suite=_suite(paths, folder),
            language=language,
            sources=paths,
            has_files=bool(found.files),
            has_documents=found.has_documents,
            tests=found.samples,
            chatbot=section,
            proposal=proposal,
            system=taken.system,
            metrics=metrics,
            writer=writer.section if writer else None,
        )
        text: str | None = config_text(said)
    else:
        lines = chatbot_lines(section, None, language) if section is not None else None
        text = with_chatbot(read_text(wish.file), lines) if lines else None
    return SetUp(
        file=wish.file,
        scan=found,
        looked_at=tuple(there or (f"{place}/" for place in _PLACES)),
        writer=writer,
        chatbot=chatbot,
        files=tuple(write_files(wish, text, resources.environ)),
        language=language,
        taken=taken,
        unjudged=unjudged(found.checks, metrics),
        is_new=is_new,
        unread=() if is_new else tuple(_not_named(wish, paths)),
    )


def _not_named(wish: Wish, paths: Sequence[str]) -> Iterator[str]:
    """Yield the paths that were given and that a config which was there does not read."""
    lines = read_text(wish.file).splitlines()
    told = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    yield from (path for path in paths if wish.paths and path not in told)


def _taken(paths: Sequence[str], folder: Path) -> Taken:
    """Return what a configuration of another tool among the files says of its chatbot."""
    for path in filter(is_project, paths):
        if (taken := take_project(folder / path, path)) is not None:
            return taken
    return Taken()


def _sections(chatbot: Address | None, taken: Taken) -> tuple[Section | None, Section | None]:
    """Return the section that the config gets, and else the one that waits in it."""
    if chatbot is None:
        return taken.section, None
    section = _without_secrets(chatbot.section)
    return (section, None) if chatbot.answer is not None else (None, section)


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


def _relative(path: str, folder: Path) -> str:
    """Return a path as the config has it; a folder ends with a slash."""
    shown = Path(os.path.relpath(path, folder)).as_posix()
    return f"{shown.rstrip('/')}/" if Path(path).is_dir() else shown


def _usual(folder: Path) -> Iterator[str]:
    """Yield another tool's configuration, else the usual places, else the files in the folder itself."""
    projects = [name for name in _PROJECTS if (folder / name).is_file()]
    if projects:
        yield projects[0]
        return
    places = [f"{place}/" for place in _PLACES if (folder / place).is_dir()]
    alone = sorted(
        {path.relative_to(folder).as_posix() for pattern in _ALONE for path in folder.glob(pattern)}
    )
    yield from places or alone


def _suite(paths: Sequence[str], folder: Path) -> str:
    """Return a name: of what is read, unless another tool named it, else of the folder."""
    named = [Path(path).stem for path in paths[:1] if not is_project(path)]
    names = map(slug, [*named, folder.absolute().name])
    return next(filter(_LETTER.search, names), "chatbot")


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
