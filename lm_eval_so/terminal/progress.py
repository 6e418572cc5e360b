"""The display of progress: a bar in a terminal, plain lines elsewhere, groups in GitHub's log."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Protocol, TextIO

from lm_eval_so.core.events import Began, Concluded, Ended, Event, Moved, Noticed, Warned
from lm_eval_so.core.records.enums import Language
from lm_eval_so.core.words.phrases import event_in
from lm_eval_so.terminal.lines import PlainLines, QuietLines


class Progress(Protocol):
    """Display of the events that stages tell."""

    def listen(self, event: Event) -> None:
        """Take one event."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


def open_progress(
    stderr: TextIO,
    environ: Mapping[str, str],
    *,
    quiet: bool,
    color: Literal["auto", "always", "never"],
) -> Progress:
    """Open the display for GitHub's log, a terminal, or any other stream."""
    if quiet:
        return QuietLines(stderr)
    if environ.get("GITHUB_ACTIONS") == "true":
        from lm_eval_so.terminal.github_log import GitHubLines  # noqa: PLC0415 - on GitHub only

        return GitHubLines(stderr)
    wanted = color == "always" or (color == "auto" and "NO_COLOR" not in environ)
    if stderr.isatty():
        from lm_eval_so.terminal.bar import Bar  # noqa: PLC0415 - rich is loaded for a terminal only

        return Bar(stderr, color=wanted)
    return PlainLines(stderr)


def in_language(event: Event, language: Language) -> Event:
    """Return an event with its lines in a language, as far as it is known; a verdict has its own."""
    match event:
        case Began() | Noticed() | Ended():
            return replace(event, text=event_in(event.text, language))
        case Warned():
            hint = event.hint and event_in(event.hint, language)
            return replace(event, text=event_in(event.text, language), hint=hint)
        case Concluded() | Moved():
            return event
