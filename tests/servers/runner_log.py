"""What GitHub's runner would execute of a log: its parser, written again.

Of actions/runner at 258d6c857db3519913f7deb6004b60172f8043ae: `ActionCommand.TryParseV2`,
`ActionCommand.TryParse` and the names that `ActionCommandManager` registers. Its `StartsWith` and
`IndexOf` are those of a culture, which skips characters that have no weight in a collation.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

NAMES = frozenset(
    [
        "internal-set-repo-path",
        "set-env",
        "set-output",
        "save-state",
        "add-mask",
        "add-path",
        "add-matcher",
        "remove-matcher",
        "debug",
        "warning",
        "error",
        "notice",
        "group",
        "endgroup",
        "echo",
        "stop-commands",
    ]
)
OURS = frozenset({"group", "endgroup", "warning", "error"})
_WEIGHTLESS = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b-\u200f\u2060-\u2064\ufeff]"
)
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
_BLANKS += "\u200a\u2028\u2029\u202f\u205f\u3000"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that the runner executes."""

    name: str
    data: str


def executed(log: str, *, names: Collection[str] = NAMES) -> list[Command]:
    """Return the commands in what a process wrote to stdout or stderr."""
    text = log.removeprefix("\ufeff")  # a reader of a stream takes its mark away
    found = [
        _by_colons(line, names) or _by_brackets(line, names)
        for line in re.split(r"\r\n|\r|\n", text)
    ]
    return [command for command in found if command]


def foreign(log: str) -> list[Command]:
    """Return those commands that we never write."""
    return [command for command in executed(log) if command.name.lower() not in OURS]


def split_masks(log: str) -> tuple[list[str], str]:
    """Return the secrets that the runner is told to hide before anything else, and the rest."""
    head = re.match(r"(?:::add-mask::[^\n]*\n)*", log)
    return re.findall(r"::add-mask::(.*)\n", head[0]), log[head.end() :]


def _by_colons(line: str, names: Collection[str]) -> Command | None:
    line = line.lstrip(_BLANKS)
    if not any(at == 0 for at in _places("::", line)):
        return None
    end = next((at for at in _places("::", line, start=2)), -1)
    return _command(line[2:end], line[end + 2 :], names) if end >= 0 else None


def _by_brackets(line: str, names: Collection[str]) -> Command | None:
    for at in _places("##[", line):  # the runner takes the first; which that is depends on ICU
        end = line.find("]", at)
        if end >= 0 and (command := _command(line[at + 3 : end], line[end + 1 :], names)):
            return command
    return None


def _command(told: str, data: str, names: Collection[str]) -> Command | None:
    name = told.partition(" ")[0]
    return Command(name, data) if name.lower() in names else None


def _places(wanted: str, line: str, *, start: int = 0) -> Iterator[int]:
    """Yield every index at which a text stands, weightless characters in and before it skipped."""
    gap = f"{_WEIGHTLESS.pattern}*"
    pattern = re.compile(f"(?={gap}{gap.join(map(re.escape, wanted))})")
    yield from (match.start() for match in pattern.finditer(line, start))
