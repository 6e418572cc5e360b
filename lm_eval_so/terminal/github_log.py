"""The log of GitHub: commands in printed text are disarmed; events are groups and annotations."""

import io
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from lm_eval_so.core.events import Began, Concluded, Ended, Event, Moved, Noticed, Warned
from lm_eval_so.core.secrets import is_telling
from lm_eval_so.core.templates.safe import escape_data
from lm_eval_so.terminal.lines import PlainLines

_LINE_END: Final = re.compile(r"[\r\n]")
_BLANKS: Final = r"(?:[^\S\r\n]|\ufeff)*+"
"""Characters that the runner skips before a command; U+FEFF at the start of a stream."""
_BLANK: Final = re.compile(_BLANKS)
_BEFORE_COLON: Final = re.compile(rf"(?<![^\r\n]){_BLANKS}(?=:)")


class GuardedLog(io.TextIOWrapper):
    r"""A stream of which the runner executes only what `write_command` writes.

    The runner reads stdout and stderr line by line. It executes `::name::` at the start of a line,
    behind blanks too, and `##[name]` anywhere in one (actions/runner, ActionCommand.cs). So `│ `
    goes before a colon that starts a line, and the bracket behind `##` is written as its escape
    `\u005b`: as other characters that could do harm are shown, and the same value inside JSON.
    A zero-width character would not do, since the runner's comparison is that of a language,
    which skips such characters.
    """

    _begun = ""
    """Beginning of the current line, as far as it decides about the rest."""
    _lock = threading.RLock()
    masked: frozenset[str] = frozenset()
    """Lines that the runner was told to hide."""

    def write(self, text: str, /) -> int:
        """Write a text that does nothing but show."""
        with self._lock:
            before = self._begun
            shown = _broken(_BEFORE_COLON.sub(r"\g<0>│ ", before + text))
            super().write(shown[len(before) :])
            line = _LINE_END.split(shown)[-1]
            # blanks leave a line's start open; behind anything else only `##` matters
            self._begun = line[-1:] if _BLANK.fullmatch(line) else f".{line[-2:]}"
        return len(text)

    def command(self, line: str) -> None:
        """Write a workflow command, whose data is escaped."""
        with self._lock:
            super().write(f"{_broken(line)}\n")
            self._begun = ""


def guard(stream: io.TextIOWrapper) -> GuardedLog:
    """Return what writes to the same place, in UTF-8."""
    return GuardedLog(
        stream.buffer,
        encoding="utf-8",
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def write_command(stream: TextIO, line: str) -> None:
    """Write a workflow command of our own."""
    if isinstance(stream, GuardedLog):
        stream.command(line)
    else:
        stream.write(f"{line}\n")


def mask(stream: TextIO, environ: Mapping[str, str], values: Iterable[str]) -> None:
    """Have GitHub's runner hide secrets in all that the job prints from now on, a line each.

    What is too short, or but a word or a number, stays: a log without it would be nonsense. In a step
    that types the command nothing is written: its stdout may be a file, which would keep the secrets.

    Args:
        stream: The stdout that the runner reads; nothing is written to another.
        environ: Environment variables; an action's has its inputs.
        values: The secrets, which may have several lines.
    """
    if not isinstance(stream, GuardedLog) or not any(name.startswith("INPUT_") for name in environ):
        return
    lines = {line.strip() for value in values for line in value.splitlines()}
    for line in sorted(filter(is_telling, lines - stream.masked)):
        escaped = line.replace("%", "%25")
        stream.command(f"::add-mask::{escaped}")
    stream.masked |= lines
    stream.flush()


class GitHubLines:
    """Stages as groups, warnings as annotations."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines = PlainLines(stream)
        self._open = False

    def listen(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Began():
                self._end_group()
                title = escape_data(f"{event.stage} {event.text}".strip())
                write_command(self._stream, f"::group::{title}")
                self._open = True
                self._lines.listen(event)
            case Warned():
                text = f"{event.text}; {event.hint}" if event.hint else event.text
                data = escape_data(text)
                write_command(self._stream, f"::warning title={event.stage}::{data}")
            case Ended():
                self._lines.listen(event)
                self._end_group()
            case Concluded():
                self._end_group()
                if event.is_warning:
                    data = escape_data(event.headline)
                    write_command(self._stream, f"::warning title={event.stage}::{data}")
                self._lines.listen(event)
            case Moved() | Noticed():
                self._lines.listen(event)
        self._stream.flush()

    def close(self) -> None:
        """Close the group that is open."""
        self._end_group()

    def _end_group(self) -> None:
        if self._open:
            write_command(self._stream, "::endgroup::")
            self._open = False


def _broken(text: str) -> str:
    return text.replace("##[", "##\\u005b")
