"""Findings of a first set-up, and the fewest commands that follow, for people and as JSON."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from lm_eval_so.core.config import CONFIG_FILE
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.templates.safe import one_line
from lm_eval_so.core.words import say
from lm_eval_so.generator.scan import ScanResult, show
from lm_eval_so.pipeline.set_up.promptfoo_project import Taken
from lm_eval_so.pipeline.set_up.try_address import Address, Section

_SHOWN: Final = 60
"""Characters of an answer that are shown."""
_SHOWN_RAW: Final = 120
"""Characters of a response that are shown."""
_MOST_LEFT: Final = 20
_EXAMPLE_BODY: Final = '{"question": "{{ last_user }}"}'
_EXAMPLE_HEADER: Final = "'Authorization: Bearer ${BOT_TOKEN}'"


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

    file: Path
    """The config."""
    scan: ScanResult
    looked_at: tuple[str, ...]
    """Files and folders that were looked at."""
    writer: Writer | None
    chatbot: Address | None
    """None if no address was given."""
    files: tuple[Path, ...]
    language: Language
    taken: Taken = field(default_factory=Taken)
    """Parts of another tool's configuration that came over."""
    unjudged: int = 0
    """Tests of which no metric says whether their answer is right."""
    is_new: bool = True
    """Whether the config was written, and not only added to."""
    unread: tuple[str, ...] = ()
    """Files and folders that were given, and that a config which was there does not name."""

    @property
    def knows_chatbot(self) -> bool:
        """Whether the config names a chatbot that answered, or that another tool asks."""
        if self.chatbot is not None:
            return self.chatbot.answer is not None
        return self.taken.section is not None or not self.is_new


def screen(made: SetUp) -> list[str]:
    """Return what was found and written, and the next commands, in lines for people."""
    return [*_Screen(made).lines()]


class _Screen:
    def __init__(self, made: SetUp) -> None:
        self._made = made

    def _told(self, code: str, **figures: object) -> str:
        return say(f"set_up.{code}", self._made.language, figures)

    def lines(self) -> Iterator[str]:
        """Yield the lines."""
        made, found = self._made, self._made.scan
        if made.is_new:
            yield from show(found, made.language)
            if not found.files:
                yield self._told("nothing", places=", ".join(made.looked_at))
        files = ", ".join(each.as_posix() for each in made.files)
        if made.writer is None:
            if files:
                yield self._told("wrote", files=files)
            if made.is_new and (found.has_documents or not found.files):
                yield self._told("no_model")
        else:
            model = f"{made.writer.section['name']} {made.writer.model}"
            yield self._told("wrote_with", files=files, model=model, where=made.writer.where)
        yield from self._other_tool()
        yield from self._chatbot()
        if made.unjudged and made.is_new:
            yield self._told("unjudged", n=made.unjudged, file=made.file)
        yield from self._next()

    def _other_tool(self) -> Iterator[str]:
        """Yield what came over of another tool, and all that did not."""
        taken, language = self._made.taken, self._made.language
        if taken.section is not None:
            yield self._told("took", place=taken.provider)
        left = [self._told(f"left_{each.code}", at=each.at, **each.figures) for each in taken.notes]
        for file in self._made.scan.files if self._made.is_new else ():
            for note in file.remarks:
                figures = {"file": file.file.name, **note.figures}
                left.append(say(f"sources.{note.code}", language, figures))
        if left:
            yield self._told("left")
            yield from (f"  {line}" for line in left[:_MOST_LEFT])
        if more := left[_MOST_LEFT:]:
            yield f"  {say('scan.more', language, {'n': f'{len(more):,}'})}"

    def _chatbot(self) -> Iterator[str]:
        chatbot = self._made.chatbot
        if chatbot is None:
            return
        if chatbot.answer is not None:
            yield self._told("answered", answer=one_line(chatbot.answer, _SHOWN))
            if chatbot.path:
                response = one_line(chatbot.response, _SHOWN_RAW)
                yield self._told("read_from", path=chatbot.path, response=response)
            if chatbot.others:
                yield self._told("or_from", paths=", ".join(chatbot.others))
            return
        hint = f" ({chatbot.hint})" if chatbot.hint and not chatbot.needs_key else ""
        yield self._told("no_answer", fault=f"{chatbot.fault}{hint}")
        again = self._command("init --url URL")
        if chatbot.needs_key:
            yield self._told("key", command=again, header=_EXAMPLE_HEADER)
        elif not chatbot.is_reached:
            yield self._told("again", command=again)
        else:
            yield self._told("correct", command=again, body=_EXAMPLE_BODY, file=self._made.file)

    def _next(self) -> Iterator[str]:
        """Yield the fewest commands that lead to a report; none after a chatbot that did not answer."""
        made = self._made
        if made.is_new and not made.scan.files:
            yield self._told("put_files", folder=made.looked_at[0])
            return
        if made.unread:
            command = self._command(f"init {shlex.join(made.unread)} --url URL --force")
            yield self._told("unread", files=", ".join(made.unread), file=made.file.name)
            yield self._told("next", command=command)
            return
        steps: list[str] = []
        if made.is_new and made.writer is not None and made.scan.has_documents:
            steps.append("generate --try 5")
        if not made.knows_chatbot and made.chatbot is None:
            if made.scan.has_documents and not steps:
                steps.append("generate")
            steps.append("init --url URL")
        if made.chatbot is None or made.chatbot.answer is not None:
            steps.append("ci")
        for number, step in enumerate(steps):
            yield self._told("then" if number else "next", command=self._command(step))

    def _command(self, step: str) -> str:
        file = self._made.file
        is_default = file.absolute() == CONFIG_FILE.absolute()
        named = "" if is_default else f" -c {shlex.quote(str(file))}"
        return f"lm-eval-so {step}{named}"


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
